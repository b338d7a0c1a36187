//! What the tree has besides what the initrd brings.

use alloc::boxed::Box;
use alloc::sync::Arc;

use muslin_abi::flags::*;

use super::devices::Device;
use super::directory;
use super::fd_table::{Descriptor, FdTable};
use super::file::File;
use super::inode::{Body, Inode, Time};
use super::proc::Report;

/// Links of `/dev`.
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Adds `/dev`, `/proc` and `/tmp`; what the initrd has there stays. Gives `/proc/self`.
pub fn furnish(root: &Arc<Inode>, now: Time) -> Option<Arc<Inode>> {
    directory_in(root, "tmp", 0o1777, now);
    if let Some(dev) = directory_in(root, "dev", 0o755, now) {
        for &(name, device) in Device::ALL {
            put(&dev, name, Body::Device(device), 0o666, now);
        }
        for &(name, target) in DEVICE_LINKS {
            put(&dev, name, Body::Symlink(target.into()), 0o777, now);
        }
        directory_in(&dev, "shm", 0o1777, now);
    }
    let proc = directory_in(root, "proc", 0o555, now)?;
    for &(name, report) in Report::ALL {
        put(&proc, name, Body::Report(report), 0o444, now);
    }
    put(&proc, "self", Body::Symlink(b"1".to_vec()), 0o777, now);
    put(
        &proc,
        "mounts",
        Body::Symlink(b"self/mounts".to_vec()),
        0o777,
        now,
    );
    let own = directory_in(&proc, "1", 0o555, now)?;
    for &(name, report) in Report::ALL_OF_SELF {
        put(&own, name, Body::Report(report), 0o444, now);
    }
    put(&own, "exe", Body::Executable, 0o777, now);
    put(&own, "fd", Body::Descriptors, 0o500, now);
    Some(own)
}

/// Descriptors 0, 1 and 2 on the console: one to read, two to write.
pub fn standard_streams(now: Time) -> FdTable {
    let inode = Inode::new(Body::Device(Device::Console), 0o600, now);
    let mut table = FdTable::default();
    for access in [O_RDONLY, O_WRONLY, O_WRONLY] {
        let file = File::new(Box::new(Device::Console), Some(inode.clone()), access);
        let descriptor = Descriptor {
            file: Arc::new(file),
            closes_on_exec: false,
        };
        let inserted = table.insert(descriptor, 0);
        debug_assert!(inserted.is_ok(), "a new table has room");
    }
    table
}

/// The directory of that name, made if nothing has the name.
fn directory_in(parent: &Arc<Inode>, name: &str, mode: u32, now: Time) -> Option<Arc<Inode>> {
    let there = parent
        .directory()
        .ok()?
        .lock()
        .get(name.as_bytes())
        .cloned();
    if let Some(there) = there {
        return there.is_directory().then_some(there);
    }
    let made = Inode::new_directory(Some(parent), mode, now);
    directory::insert(parent, name.as_bytes(), &made, now).ok()?;
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
