//! Files: descriptors, one file system in memory, pipes, devices and the texts of `/proc`.
//!
//! A descriptor ([`fd_table`]) names an open file description ([`file::File`]), which can do what
//! its kind can ([`file_ops::FileOps`]). What has a name is an [`inode::Inode`]; directories hold
//! them, and a [`walk`] finds them.
//!
//! Reads, writes and `poll` wait in the files' queues ([`waiting`]); what happens to files is told to
//! those who observe them.
//!
//! Lock order: the table, a description's offset, then an inode's body or a pipe, then an inode's
//! meta, then its marks. The table is held while a file is used only if the file's bytes are in
//! memory, and never while a file is dropped by its last holder's call.

pub mod block;
pub mod console;
pub mod content;
pub mod devices;
pub mod directory;
pub mod fd_table;
pub mod file;
pub mod file_ops;
pub mod inode;
pub mod minted;
#[cfg(test)]
#[allow(unsafe_code, reason = "objects of tests copy bytes")]
mod minted_tests;
pub mod proc;
mod range_locks;
pub mod regular;
pub mod tar;
pub mod walk;

mod attributes;
mod copy;
mod descriptors;
mod entries;
mod epoll;
mod epoll_set;
mod eventfd;
mod extended_attributes;
mod getdents;
mod inotify;
mod locks;
mod names;
mod observe;
mod open;
mod page_map;
mod pipe;
mod poll;
mod read_write;
mod signalfd;
mod size;
mod stat;
#[cfg(test)]
mod tests;
mod thread_files;
mod timerfd;
mod tree;
pub(crate) mod waiting;

pub use attributes::*;
pub use console::CONSOLE_READERS;
pub use copy::*;
pub use descriptors::*;
pub use epoll::*;
pub use eventfd::*;
pub use extended_attributes::*;
pub use file_ops::{FileOps, Readiness};
pub use getdents::*;
pub use inotify::*;
pub use names::*;
pub use open::*;
pub use pipe::*;
pub use poll::*;
pub use read_write::*;
pub use signalfd::*;
pub use size::*;
pub use stat::*;
pub use thread_files::{LookupFn, lookup as lookup_thread};
pub use timerfd::*;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::lock::Mutex;
use muslin_abi::flags::O_CLOEXEC;
use muslin_abi::setting::Setting;
use muslin_abi::{Errno, SyscallResult};
use muslin_platform::Platform;
use spin::Once;

use crate::context::{Context, Given};
use fd_table::{Descriptor, FdTable};
use file::File;
use inode::{Inode, Time};
use tree::Tree;

/// What comes of a file that is longer than `RLIMIT_FSIZE`.
const SIGXFSZ: i32 = 25;

/// The files of the process.
///
/// The tree is made when a path is first walked: a program that opens nothing pays for none of it.
pub struct Files {
    platform: &'static dyn Platform,
    given: Given,
    tree: Once<Tree>,
    table: Mutex<FdTable>,
    umask: AtomicU32,
    file_bytes_max: AtomicU64,
    /// Made when somebody asks.
    boot_id: Once<String>,
}

/// What may be written of `len` bytes at a place.
///
/// # Errors
/// `EFBIG` and `SIGXFSZ`: none, since files may not get that long.
fn room_for(context: &Context<'_>, offset_bytes: u64, len: u64) -> Result<u64, Errno> {
    let max = context.process.files.file_bytes_max.load(Ordering::Relaxed);
    if len > 0 && offset_bytes >= max {
        crate::signals::raise(context, SIGXFSZ);
        return Err(Errno::EFBIG);
    }
    Ok(len.min(max.saturating_sub(offset_bytes)))
}

/// Gives a file that is in no file system a descriptor, by the flags of `open`.
///
/// # Errors
/// `EMFILE` · `ENOMEM`.
pub(crate) fn new_descriptor(
    context: &Context<'_>,
    ops: Box<dyn FileOps>,
    flags: u32,
) -> SyscallResult {
    context.process.memory.has_room_for_kernel()?;
    let descriptor = Descriptor {
        file: Arc::new(File::new(ops, None, flags)),
        closes_on_exec: flags & O_CLOEXEC != 0,
    };
    let fd = context.process.files.table().lock().insert(descriptor, 0)?;
    Ok(fd as usize)
}

impl Files {
    /// Descriptors 0, 1 and 2 on the console, and a file system to come.
    pub fn new(platform: &'static dyn Platform, given: Given) -> Self {
        Self {
            platform,
            given,
            tree: Once::new(),
            table: Mutex::new(console::standard_streams(Time::now(platform))),
            umask: AtomicU32::new(0o022),
            file_bytes_max: AtomicU64::new(u64::MAX),
            boot_id: Once::new(),
        }
    }

    fn tree(&self) -> &Tree {
        self.tree
            .call_once(|| Tree::new(self.platform, &self.given))
    }

    /// The path behind `/proc/self/exe`: the program's name as it was called, from the root.
    pub fn executable(&self) -> Vec<u8> {
        let name = self.given.program;
        let mut path = Vec::new();
        if !name.starts_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name.strip_prefix(b"./").unwrap_or(name));
        path
    }

    /// The program's name and its arguments, each with its final 0.
    pub fn command_line(&self) -> Vec<u8> {
        [self.given.program, b"\0", self.given.arguments].concat()
    }

    /// The environment that the program started with, each variable with its final 0.
    pub fn environment(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for word in self.given.environment.split_inclusive(|&byte| byte == 0) {
            if !Setting::is_in(word) {
                text.extend_from_slice(word);
            }
        }
        text
    }

    /// The root directory.
    pub fn root(&self) -> &Arc<Inode> {
        &self.tree().root
    }

    /// `/proc/self`, unless the initrd has a file in its way.
    pub fn proc_self(&self) -> Option<Arc<Inode>> {
        self.tree().proc_self.clone()
    }

    /// Where relative paths start.
    pub fn working_directory(&self) -> Arc<Inode> {
        self.tree().working_directory.lock().clone()
    }

    /// Has relative paths start elsewhere.
    ///
    /// # Errors
    /// `ENOTDIR`.
    pub fn set_working_directory(&self, inode: Arc<Inode>) -> Result<(), Errno> {
        if !inode.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        *self.tree().working_directory.lock() = inode;
        Ok(())
    }

    /// The descriptors.
    pub fn table(&self) -> &Mutex<FdTable> {
        &self.table
    }

    /// How many descriptors there may be: the soft `RLIMIT_NOFILE`.
    pub fn set_fd_max(&self, max: usize) {
        self.table.lock().set_max(max);
    }

    /// How long files may get: the soft `RLIMIT_FSIZE`.
    pub fn set_file_bytes_max(&self, max: u64) {
        self.file_bytes_max.store(max, Ordering::Relaxed);
    }

    /// Permissions that new files do not get.
    pub fn umask(&self) -> u32 {
        self.umask.load(Ordering::Relaxed)
    }

    /// Uses an open file whose bytes are in memory, without taking hold of it. `None`: it is another
    /// kind, or none is open.
    #[inline]
    fn with_regular<T>(&self, fd: i32, act: impl FnOnce(&File) -> T) -> Option<T> {
        let table = self.table().lock();
        let file = &table.get(fd).ok()?.file;
        file.is_regular().then(|| act(file))
    }

    /// As [`with_regular`](Self::with_regular), to write to it: not where a limit of sizes could send
    /// the program a signal.
    #[inline]
    fn with_regular_to_write<T>(&self, fd: i32, act: impl FnOnce(&File) -> T) -> Option<T> {
        let is_unlimited = self.file_bytes_max.load(Ordering::Relaxed) == u64::MAX;
        is_unlimited.then(|| self.with_regular(fd, act)).flatten()
    }

    /// The open file of a descriptor, whatever it was opened for.
    ///
    /// # Errors
    /// `EBADF` it is not open.
    pub fn any(&self, fd: i32) -> Result<Arc<File>, Errno> {
        Ok(self.table.lock().get(fd)?.file.clone())
    }

    /// The open file of a descriptor that is more than a place in the tree.
    ///
    /// # Errors
    /// `EBADF` it is not open, or by `O_PATH`.
    pub fn file(&self, fd: i32) -> Result<Arc<File>, Errno> {
        let file = self.any(fd)?;
        if file.is_path() {
            Err(Errno::EBADF)
        } else {
            Ok(file)
        }
    }

    /// The open file of a descriptor that can be read.
    ///
    /// # Errors
    /// `EBADF` it is not open, or not for reading.
    pub fn readable(&self, fd: i32) -> Result<Arc<File>, Errno> {
        let file = self.any(fd)?;
        if file.can_read() {
            Ok(file)
        } else {
            Err(Errno::EBADF)
        }
    }

    /// The open file of a descriptor that can be written.
    ///
    /// # Errors
    /// `EBADF` it is not open, or not for writing.
    pub fn writable(&self, fd: i32) -> Result<Arc<File>, Errno> {
        let file = self.any(fd)?;
        if file.can_write() {
            Ok(file)
        } else {
            Err(Errno::EBADF)
        }
    }
}
