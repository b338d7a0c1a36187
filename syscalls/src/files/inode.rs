//! A file, whatever its kind: what `stat` says of it and what is in it.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::lock::Mutex;
use muslin_abi::Errno;
use muslin_abi::flags::*;
use muslin_abi::layout::{Stat, Timespec};
use muslin_platform::Platform;

use super::block::Block;
use super::content::{Content, PAGE_BYTES};
use super::devices::Device;
use super::directory::{Directory, Name};
use super::extended_attributes::Attributes;
use super::file::File;
use super::locks::Locks;
use super::pipe::Fifo;
use super::proc::Report;
use super::thread_files::OpenFn;

/// The one file system's number.
pub const DEVICE_NUMBER: u64 = 1;
/// Most names that a file can have.
pub const LINKS_MAX: u32 = 65_000;

/// A file of any kind, alive while something names it or has it open.
pub struct Inode {
    number: u64,
    meta: Mutex<Meta>,
    /// What is in it.
    pub body: Body,
    /// Its locks, once there has been one.
    pub(super) locks: Mutex<Option<Box<dyn Locks>>>,
    /// The directory and the name in it that the file was given last; a directory's are in its body.
    pub(super) home: Mutex<Option<(Weak<Inode>, Name)>>,
    /// Who observes it, as `inotify` keeps that.
    pub(super) marks: Mutex<Option<Box<dyn Any + Send>>>,
    /// Extended attributes.
    pub(super) attributes: Mutex<Attributes>,
}

/// What can change about a file of any kind.
#[derive(Clone, Copy)]
pub struct Meta {
    /// Permissions: the low twelve bits of the mode.
    pub permissions: u32,
    /// The owner.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// Names that the file has.
    pub links: u32,
    /// Last read.
    pub accessed: Time,
    /// Last change of the content.
    pub modified: Time,
    /// Last change of anything.
    pub changed: Time,
    /// When it was made.
    pub born: Time,
}

/// What is in a file, by its kind.
pub enum Body {
    /// Bytes.
    Regular(Mutex<Content>),
    /// Names.
    Directory(Mutex<Directory>),
    /// A path.
    Symlink(Vec<u8>),
    /// What both ends of a pipe share. Every program has files, and few have pipes: what a pipe is made
    /// of is for those that make one.
    Pipe(Arc<dyn Fifo>),
    /// A device of ours.
    Device(Device),
    /// A block device of the platform.
    Block(Block),
    /// A device that nothing here answers for, or a socket's name.
    Node {
        /// `S_IF*`.
        kind: u32,
        /// Major and minor number.
        device: u64,
    },
    /// A text made when it is opened.
    Report(Report),
    /// `/proc/self/fd`: the names are the open descriptors.
    Descriptors,
    /// A name in it.
    Descriptor(Arc<File>),
    /// A link of `/proc/self`.
    Own(OwnLink),
    /// `/proc/self/task`: the names are the threads' numbers.
    Threads,
    /// A file of the thread with this number, and what opens it.
    Thread(OpenFn, i32),
}

/// Where a link of `/proc/self` leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLink {
    /// To the program, `exe`.
    Executable,
    /// `cwd`.
    WorkingDirectory,
    /// `root`.
    Root,
    /// To the current thread, `/proc/thread-self`.
    Thread,
}

/// A point in time; before 1970 the seconds are negative and the nanoseconds still count upwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds since 1970-01-01 00:00 UTC.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Time {
    /// The platform's time.
    pub fn now(platform: &dyn Platform) -> Self {
        let ns = platform.clock().realtime_ns();
        let seconds = ns.div_euclid(1_000_000_000);
        Self {
            seconds,
            nanoseconds: (ns - seconds * 1_000_000_000) as u32,
        }
    }

    /// As the kernel lays it out.
    pub fn to_timespec(self) -> Timespec {
        Timespec {
            tv_sec: self.seconds,
            tv_nsec: self.nanoseconds.into(),
        }
    }
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Inode {
    /// A file of root without a name yet.
    pub fn new(body: Body, permissions: u32, now: Time) -> Arc<Self> {
        Arc::new(Self::bare(body, permissions, now))
    }

    /// An empty directory; the root is its own parent.
    pub fn new_directory(parent: Option<&Arc<Inode>>, permissions: u32, now: Time) -> Arc<Self> {
        Arc::new_cyclic(|own: &Weak<Self>| {
            let parent = parent.map_or_else(|| own.clone(), Arc::downgrade);
            let directory = Directory::new(parent);
            let inode = Self::bare(Body::Directory(Mutex::new(directory)), permissions, now);
            inode.meta.lock().links = 2;
            inode
        })
    }

    fn bare(body: Body, permissions: u32, now: Time) -> Self {
        Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            meta: Mutex::new(Meta {
                permissions: permissions & 0o7777,
                uid: 0,
                gid: 0,
                links: 1,
                accessed: now,
                modified: now,
                changed: now,
                born: now,
            }),
            body,
            locks: Mutex::new(None),
            home: Mutex::new(None),
            marks: Mutex::new(None),
            attributes: Mutex::new(Attributes::new()),
        }
    }

    /// The directory that it is in, and its name there: of several the last. The root is in none.
    pub(super) fn home(&self) -> Option<(Arc<Inode>, Name)> {
        let (parent, name) = match &self.body {
            Body::Directory(directory) => {
                let directory = directory.lock();
                (directory.parent.clone(), directory.name.clone())
            }
            _ => self.home.lock().clone()?,
        };
        let parent = parent.upgrade()?;
        (!core::ptr::eq(&*parent, self)).then_some((parent, name))
    }

    /// The file's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// `S_IF*`.
    pub fn kind(&self) -> u32 {
        match &self.body {
            Body::Regular(_) | Body::Report(_) | Body::Thread(..) => S_IFREG,
            Body::Directory(_) | Body::Descriptors | Body::Threads => S_IFDIR,
            Body::Symlink(_) | Body::Descriptor(_) | Body::Own(_) => S_IFLNK,
            Body::Pipe(_) => S_IFIFO,
            Body::Device(device) => device.kind(),
            Body::Block(_) => S_IFBLK,
            Body::Node { kind, .. } => *kind,
        }
    }

    /// Whether names can be looked up in it.
    pub fn is_directory(&self) -> bool {
        self.kind() == S_IFDIR
    }

    /// The names in it, of a directory that can be written to.
    ///
    /// # Errors
    /// `ENOTDIR`.
    pub fn directory(&self) -> Result<&Mutex<Directory>, Errno> {
        match &self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// What can change.
    pub fn meta(&self) -> Meta {
        *self.meta.lock()
    }

    /// Changes what can change.
    pub fn update(&self, change: impl FnOnce(&mut Meta)) {
        change(&mut self.meta.lock());
    }

    /// The content was changed.
    pub fn set_modified(&self, now: Time) {
        self.update(|meta| {
            meta.modified = now;
            meta.changed = now;
        });
    }

    /// The content was read: noted as seldom as a Linux mount with `relatime` does, once after each
    /// change.
    pub fn set_accessed(&self, platform: &dyn Platform) {
        let mut meta = self.meta.lock();
        if meta.accessed <= meta.modified || meta.accessed <= meta.changed {
            meta.accessed = Time::now(platform);
        }
    }

    /// Size in bytes as `stat` says it.
    pub fn len_bytes(&self) -> u64 {
        match &self.body {
            Body::Regular(content) => content.lock().len_bytes(),
            Body::Symlink(target) => target.len() as u64,
            Body::Directory(directory) => directory.lock().len() as u64 * 20,
            Body::Descriptor(_) => 64,
            _ => 0,
        }
    }

    /// Which device it is.
    pub fn device(&self) -> u64 {
        match &self.body {
            Body::Device(device) => device.number(),
            Body::Block(block) => block.number(),
            Body::Node { device, .. } => *device,
            _ => 0,
        }
    }

    /// What `stat` says.
    pub fn stat(&self) -> Stat {
        let meta = self.meta();
        let blocks = match &self.body {
            Body::Regular(content) => content.lock().blocks(),
            _ => 0,
        };
        Stat {
            st_dev: DEVICE_NUMBER,
            st_ino: self.number,
            st_nlink: meta.links.into(),
            st_mode: self.kind() | meta.permissions,
            st_uid: meta.uid,
            st_gid: meta.gid,
            st_rdev: self.device(),
            st_size: self.len_bytes() as i64,
            st_blksize: PAGE_BYTES as i64,
            st_blocks: blocks as i64,
            st_atim: meta.accessed.to_timespec(),
            st_mtim: meta.modified.to_timespec(),
            st_ctim: meta.changed.to_timespec(),
            ..Stat::default()
        }
    }
}
