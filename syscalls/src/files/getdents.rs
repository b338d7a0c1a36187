//! Reading directories.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::directory::FIRST_PLACE;
use super::inode::{Body, Inode};
use crate::context::Context;
use crate::user_mem::UserBufMut;

/// Number, place of the next and length, before what follows.
const HEAD_BYTES: usize = 18;

/// `getdents64(fd, dirp, count)` — the next entries of a directory.
///
/// Returns the bytes that they take; 0 is the end. Names that come or go meanwhile move no others.
///
/// # Errors
/// `EBADF` · `ENOTDIR` · `EINVAL` no room for one entry · `ENOENT` it was removed · `EFAULT`.
/// # Source
/// getdents(2)
pub fn sys_getdents64(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    read(context, args, true)
}

/// `getdents(fd, dirp, count)` — the same in the older form, with the kind behind the name.
///
/// # Errors
/// As [`sys_getdents64`].
pub fn sys_getdents(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    read(context, args, false)
}

fn read(context: &Context<'_>, args: &SyscallArgs, is_new: bool) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let inode = file.inode.as_ref().ok_or(Errno::ENOTDIR)?;
    if !inode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    let room_bytes = args.int(2) as u32 as usize;
    let mut bytes = Vec::new();
    let mut place = file.offset().lock();
    let mut next_place = *place;
    let mut is_cut = false;
    each_from(context, inode, *place, |next, name, number, kind| {
        let entry = entry(number, next, kind, name, is_new);
        if bytes.len() + entry.len() > room_bytes {
            is_cut = true;
            return false;
        }
        bytes.extend_from_slice(&entry);
        next_place = next;
        true
    })?;
    if bytes.is_empty() && is_cut {
        return Err(Errno::EINVAL);
    }
    UserBufMut::new(context, args.addr(1), bytes.len())?.copy_in(0, &bytes);
    *place = next_place;
    inode.set_accessed(context.platform);
    inode.tell(IN_ACCESS);
    Ok(bytes.len())
}

/// Hands the entries from a place on to `take`, with the place of the next one, until it has enough.
fn each_from(
    context: &Context<'_>,
    inode: &Arc<Inode>,
    place: u64,
    mut take: impl FnMut(u64, &[u8], u64, u32) -> bool,
) -> Result<(), Errno> {
    let files = &context.process.files;
    let parent = match inode.directory() {
        Ok(directory) => {
            let directory = directory.lock();
            if directory.is_removed {
                return Err(Errno::ENOENT);
            }
            directory.parent.upgrade()
        }
        Err(_) => files.proc_self(),
    };
    let parent_number = parent.map_or(inode.number(), |parent| parent.number());
    for (at, name, number) in [(0, &b"."[..], inode.number()), (1, b"..", parent_number)] {
        if place <= at && !take(at + 1, name, number, S_IFDIR) {
            return Ok(());
        }
    }
    let place = place.max(FIRST_PLACE);
    match &inode.body {
        Body::Directory(directory) => {
            for (at, name, file) in directory.lock().from_place(place) {
                if !take(at + 1, name, file.number(), file.kind()) {
                    break;
                }
            }
        }
        Body::Threads => {
            for thread in context.process.threads.all() {
                let (tid, at) = (thread.tid(), FIRST_PLACE + thread.tid() as u64);
                let name = alloc::format!("{tid}");
                if at >= place && !take(at + 1, name.as_bytes(), at, S_IFDIR) {
                    break;
                }
            }
        }
        _ => {
            let open: Vec<i32> = files.table().lock().open().collect();
            for fd in open {
                let at = FIRST_PLACE + fd as u64;
                let name = alloc::format!("{fd}");
                if at >= place && !take(at + 1, name.as_bytes(), at, S_IFLNK) {
                    break;
                }
            }
        }
    }
    Ok(())
}

fn entry(number: u64, next: u64, kind: u32, name: &[u8], is_new: bool) -> Vec<u8> {
    // The kind as `d_type` says it: the upper bits of the mode.
    let kind = (kind >> 12) as u8;
    let len = (HEAD_BYTES + 1 + name.len() + 1).next_multiple_of(8);
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&next.to_le_bytes());
    bytes.extend_from_slice(&(len as u16).to_le_bytes());
    if is_new {
        bytes.push(kind);
    }
    bytes.extend_from_slice(name);
    bytes.resize(len, 0);
    if !is_new {
        bytes[len - 1] = kind;
    }
    bytes
}
