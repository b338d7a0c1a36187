//! The size of files and what is on disk: truncate, fallocate, fsync and their relatives.

use alloc::sync::Arc;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::block::Block;
use super::content::FILE_BYTES_MAX;
use super::file::File;
use super::inode::{Body, Inode, Time};
use super::walk;
use crate::context::Context;

/// The greatest `advice` of `posix_fadvise`.
const POSIX_FADV_NOREUSE: i32 = 5;

/// `truncate(path, length)` — cuts or lengthens a file.
///
/// # Errors
/// `EINVAL` negative, or no regular file · `EISDIR` · `EFBIG` · as [`walk`](super::walk).
/// # Source
/// truncate(2)
pub fn sys_truncate(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let len = length(args.raw(1))?;
    let inode = walk::file_at(context, AT_FDCWD, args.addr(0), 0)?;
    if inode.is_directory() {
        return Err(Errno::EISDIR);
    }
    set_len(context, &inode, len)
}

/// `ftruncate(fd, length)` — cuts or lengthens an open file.
///
/// # Errors
/// `EBADF` · `EINVAL` negative, no regular file, or not open for writing · `EFBIG`.
/// # Source
/// ftruncate(2)
pub fn sys_ftruncate(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let len = length(args.raw(1))?;
    let file = context.process.files.file(args.fd(0))?;
    if !file.can_write() {
        return Err(Errno::EINVAL);
    }
    set_len(context, file.inode.as_ref().ok_or(Errno::EINVAL)?, len)
}

/// `fallocate(fd, mode, offset, len)` — sets memory aside, or makes a range read as zeros.
///
/// - `mode`: 0, `FALLOC_FL_KEEP_SIZE`, `FALLOC_FL_PUNCH_HOLE` with it, `FALLOC_FL_ZERO_RANGE`.
///
/// # Errors
/// `EBADF` not open for writing · `EINVAL` a negative place or no length · `EFBIG` · `ENOSPC` no
/// memory · `EOPNOTSUPP` another mode · `ESPIPE` a pipe · `ENODEV` no regular file.
/// # Source
/// fallocate(2)
pub fn sys_fallocate(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.writable(args.fd(0))?;
    let mode = args.int(1) as u32;
    let offset = u64::try_from(args.raw(2) as i64).map_err(|_| Errno::EINVAL)?;
    let len = u64::try_from(args.raw(3) as i64).map_err(|_| Errno::EINVAL)?;
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let keeps = mode & FALLOC_FL_KEEP_SIZE != 0;
    let clears = match mode & !FALLOC_FL_KEEP_SIZE {
        0 => false,
        FALLOC_FL_PUNCH_HOLE if keeps => true,
        FALLOC_FL_ZERO_RANGE => true,
        _ => return Err(Errno::EOPNOTSUPP),
    };
    let inode = file.inode.as_ref().ok_or(Errno::ENODEV)?;
    let content = match &inode.body {
        Body::Regular(content) => content,
        Body::Pipe(_) => return Err(Errno::ESPIPE),
        _ => return Err(Errno::ENODEV),
    };
    let end = offset.checked_add(len).filter(|&end| end <= FILE_BYTES_MAX);
    let end = end.ok_or(Errno::EFBIG)?;
    if !keeps {
        super::room_for(context, end - 1, 1)?;
    }
    let mut content = content.lock();
    if clears {
        content.clear(offset, len)?;
    } else {
        content.reserve(offset, len)?;
    }
    if !keeps && end > content.len_bytes() {
        content.set_len(end)?;
    }
    drop(content);
    inode.set_modified(Time::now(context.platform));
    inode.tell(IN_MODIFY);
    Ok(0)
}

/// `fsync(fd)` — files live in memory: nothing is to be done. A write to a block device was handed to
/// the platform at once.
///
/// # Errors
/// `EBADF` · `EINVAL` a pipe or a character device · `EIO` the device does not flush.
/// # Differs from Linux
/// A platform may have no call that flushes a block device: then what was written is as durable as
/// its host makes it.
/// # Source
/// fsync(2)
pub fn sys_fsync(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    if !is_storage(&file) {
        return Err(Errno::EINVAL);
    }
    if let Some(block) = file.ops.as_any().downcast_ref::<Block>() {
        block.flush(context)?;
    }
    Ok(0)
}

/// `fdatasync(fd)` — as [`sys_fsync`].
///
/// # Errors
/// As [`sys_fsync`].
pub fn sys_fdatasync(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    sys_fsync(context, args)
}

/// `sync_file_range(fd, offset, nbytes, flags)` — as [`sys_fsync`].
///
/// # Errors
/// `EBADF` · `EINVAL` negative, or unknown flags · `ESPIPE` no file.
/// # Source
/// sync_file_range(2)
pub fn sys_sync_file_range(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let (offset, len) = (args.raw(1) as i64, args.raw(2) as i64);
    if args.int(3) as u32 & !7 != 0 || offset < 0 || len < 0 || offset.checked_add(len).is_none() {
        return Err(Errno::EINVAL);
    }
    if is_storage(&file) {
        Ok(0)
    } else {
        Err(Errno::ESPIPE)
    }
}

/// `sync()` — files live in memory: nothing is to be done.
///
/// # Errors
/// None.
pub fn sys_sync(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(0)
}

/// `syncfs(fd)` — as [`sys_sync`].
///
/// # Errors
/// `EBADF`.
pub fn sys_syncfs(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    context.process.files.file(args.fd(0))?;
    Ok(0)
}

/// `posix_fadvise(fd, offset, len, advice)` — all is in memory: no advice is needed.
///
/// # Errors
/// `EBADF` · `EINVAL` no such advice, or a negative length · `ESPIPE` a pipe.
/// # Source
/// posix_fadvise(2)
pub fn sys_fadvise64(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    if is_pipe(&file) {
        return Err(Errno::ESPIPE);
    }
    if !(0..=POSIX_FADV_NOREUSE).contains(&args.int(3)) || (args.raw(2) as i64) < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// `readahead(fd, offset, count)` — all is in memory.
///
/// # Errors
/// `EBADF` not open for reading · `EINVAL` no file.
/// # Source
/// readahead(2)
pub fn sys_readahead(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.readable(args.fd(0))?;
    match &file.inode {
        Some(inode) if inode.kind() == S_IFREG => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn length(word: usize) -> Result<u64, Errno> {
    u64::try_from(word as i64).map_err(|_| Errno::EINVAL)
}

fn set_len(context: &Context<'_>, inode: &Arc<Inode>, len: u64) -> SyscallResult {
    let Body::Regular(content) = &inode.body else {
        return Err(Errno::EINVAL);
    };
    let old = content.lock().len_bytes();
    if len > old {
        super::room_for(context, len - 1, 1)?;
    }
    content.lock().set_len(len)?;
    context.process.memory.hide_behind_files();
    inode.set_modified(Time::now(context.platform));
    inode.tell(IN_MODIFY);
    Ok(0)
}

fn is_storage(file: &File) -> bool {
    let inode = file.inode.as_ref();
    inode.is_some_and(|inode| matches!(inode.kind(), S_IFREG | S_IFDIR | S_IFBLK))
}

fn is_pipe(file: &File) -> bool {
    file.inode
        .as_ref()
        .is_some_and(|inode| inode.kind() == S_IFIFO)
}
