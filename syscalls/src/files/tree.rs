//! What the tree has besides what the initrd brings.

use alloc::format;
use alloc::sync::Arc;

use crate::lock::Mutex;
use muslin_platform::Platform;

use super::block::Block;
use super::devices::Device;
use super::directory;
use super::inode::{Body, Inode, OwnLink, Time};
use super::proc::Report;
use super::tar;
use crate::context::Given;

/// Links of `/dev`.
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Links of `/proc`.
const PROC_LINKS: &[(&str, &str)] = &[("self", "1"), ("mounts", "self/mounts")];

/// Everything that has a name.
pub struct Tree {
    /// The root directory.
    pub root: Arc<Inode>,
    /// `/proc/self`, unless the initrd has a file in its way.
    pub proc_self: Option<Arc<Inode>>,
    /// Where relative paths start.
    pub working_directory: Mutex<Arc<Inode>>,
}

impl Tree {
    /// `/dev`, `/proc` and `/tmp` around what the initrd brings. An archive that is damaged, or a
    /// working directory that is not there, ends the machine with one line that says which.
    pub fn new(platform: &dyn Platform, given: &Given) -> Self {
        let refuse = |line: &str| -> ! {
            platform.console().write_error(line.as_bytes());
            platform.power().exit(1)
        };
        let now = Time::now(platform);
        let root = Inode::new_directory(None, 0o755, now);
        if let Some(archive) = given.initrd
            && let Err(error) = tar::unpack(archive, &root, now)
        {
            refuse(&format!("muslin: initrd: {error}\n"));
        }
        let proc_self = furnish(&root, platform, now);
        let path = given.working_directory.unwrap_or_default();
        let Some(working_directory) = directory_at(&root, path) else {
            let path = path.escape_ascii();
            refuse(&format!(
                "muslin: there is no directory \"{path}\" to start in; name one of the initrd, or /tmp\n"
            ));
        };
        Self {
            root,
            proc_self,
            working_directory: Mutex::new(working_directory),
        }
    }
}

/// The directory that a path of plain names leads to.
fn directory_at(root: &Arc<Inode>, path: &[u8]) -> Option<Arc<Inode>> {
    let mut names = path
        .split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."));
    names.try_fold(root.clone(), |directory, name| {
        let next = directory.directory().ok()?.lock().get(name).cloned()?;
        next.directory().is_ok().then_some(next)
    })
}

/// Adds `/dev`, `/proc` and `/tmp`; what the initrd has there stays. Gives `/proc/self`.
fn furnish(root: &Arc<Inode>, platform: &dyn Platform, now: Time) -> Option<Arc<Inode>> {
    directory_in(root, b"tmp", 0o1777, now);
    if let Some(dev) = directory_in(root, b"dev", 0o755, now) {
        for &(name, device) in Device::ALL {
            put(&dev, name, Body::Device(device), 0o666, now);
        }
        for (name, block) in Block::all(platform) {
            put(&dev, name, Body::Block(block), 0o660, now);
        }
        for &(name, target) in DEVICE_LINKS {
            put(&dev, name, Body::Symlink(target.into()), 0o777, now);
        }
        directory_in(&dev, b"shm", 0o1777, now);
    }
    for &(path, files) in Report::ALL {
        let mut names = path.as_bytes().split(|&byte| byte == b'/');
        let directory = names.try_fold(root.clone(), |directory, name| {
            directory_in(&directory, name, 0o555, now)
        });
        for &(name, report) in files {
            put(directory.as_ref()?, name, Body::Report(report), 0o444, now);
        }
    }
    let proc = directory_in(root, b"proc", 0o555, now)?;
    for &(name, target) in PROC_LINKS {
        put(&proc, name, Body::Symlink(target.into()), 0o777, now);
    }
    let thread_self = Body::Own(OwnLink::Thread);
    put(&proc, "thread-self", thread_self, 0o777, now);
    let own = directory_in(&proc, b"1", 0o555, now)?;
    for (name, link) in [
        ("exe", OwnLink::Executable),
        ("cwd", OwnLink::WorkingDirectory),
        ("root", OwnLink::Root),
    ] {
        put(&own, name, Body::Own(link), 0o777, now);
    }
    put(&own, "fd", Body::Descriptors, 0o500, now);
    put(&own, "task", Body::Threads, 0o555, now);
    Some(own)
}

/// The directory of that name, made if nothing has the name.
fn directory_in(parent: &Arc<Inode>, name: &[u8], mode: u32, now: Time) -> Option<Arc<Inode>> {
    let there = parent.directory().ok()?.lock().get(name).cloned();
    if let Some(there) = there {
        return there.is_directory().then_some(there);
    }
    let made = Inode::new_directory(Some(parent), mode, now);
    directory::insert(parent, name, &made, now).ok()?;
    Some(made)
}

/// A file, unless something has the name.
fn put(parent: &Arc<Inode>, name: &str, body: Body, mode: u32, now: Time) {
    let is_taken = match parent.directory() {
        Ok(directory) => directory.lock().get(name.as_bytes()).is_some(),
        Err(_) => true,
    };
    if !is_taken {
        let inserted =
            directory::insert(parent, name.as_bytes(), &Inode::new(body, mode, now), now);
        debug_assert!(inserted.is_ok(), "the name is free");
    }
}
