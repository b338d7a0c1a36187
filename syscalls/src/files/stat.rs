//! What is known of files: stat, lstat, fstat, newfstatat, statx, access, statfs.

use muslin_abi::flags::*;
use muslin_abi::layout::{Stat, Statfs, Statx, StatxTime, Timespec};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::content::PAGE_BYTES;
use super::directory::NAME_BYTES_MAX;
use super::inode::{DEVICE_NUMBER, Time};
use super::walk;
use crate::context::Context;
use crate::user_mem;

const STATX_BASIC_STATS: u32 = 0x7ff;
const STATX_BTIME: u32 = 0x800;
const STATX_RESERVED: u32 = 0x8000_0000;
/// `TMPFS_MAGIC`: files live in memory.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// `stat(pathname, statbuf)` — what is known of a file.
///
/// # Errors
/// `EFAULT` · as [`walk`](super::walk).
/// # Source
/// stat(2)
pub fn sys_stat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let stat = walk::file_at(context, AT_FDCWD, args.addr(0), 0)?.stat();
    user_mem::write(context, args.addr(1), &stat)?;
    Ok(0)
}

/// `lstat(pathname, statbuf)` — as [`sys_stat`], of a link itself.
///
/// # Errors
/// As [`sys_stat`].
pub fn sys_lstat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let stat = walk::file_at(context, AT_FDCWD, args.addr(0), AT_SYMLINK_NOFOLLOW)?.stat();
    user_mem::write(context, args.addr(1), &stat)?;
    Ok(0)
}

/// `fstat(fd, statbuf)` — what is known of an open file.
///
/// # Errors
/// `EBADF` · `EFAULT`.
/// # Source
/// fstat(2)
pub fn sys_fstat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let stat = context.process.files.any(args.fd(0))?.stat()?;
    user_mem::write(context, args.addr(1), &stat)?;
    Ok(0)
}

/// `newfstatat(dirfd, pathname, statbuf, flags)` — any of the three above.
///
/// # Errors
/// `EINVAL` unknown flags · `EBADF` · `EFAULT` · as [`walk`](super::walk).
/// # Source
/// fstatat(2)
pub fn sys_newfstatat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let stat = stat_at(context, args.fd(0), args.addr(1), args.int(3) as u32)?;
    user_mem::write(context, args.addr(2), &stat)?;
    Ok(0)
}

/// `statx(dirfd, pathname, flags, mask, statxbuf)` — the same with more fields.
///
/// # Errors
/// As [`sys_newfstatat`].
/// # Source
/// statx(2)
pub fn sys_statx(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(2) as u32;
    if args.int(3) as u32 & STATX_RESERVED != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE
    {
        return Err(Errno::EINVAL);
    }
    let stat = stat_at(context, args.fd(0), args.addr(1), flags)?;
    let time = |time: Timespec| StatxTime {
        tv_sec: time.tv_sec,
        tv_nsec: time.tv_nsec as u32,
        pad: 0,
    };
    let mut statx = Statx {
        stx_mask: STATX_BASIC_STATS,
        stx_blksize: stat.st_blksize as u32,
        stx_nlink: stat.st_nlink as u32,
        stx_uid: stat.st_uid,
        stx_gid: stat.st_gid,
        stx_mode: stat.st_mode as u16,
        stx_ino: stat.st_ino,
        stx_size: stat.st_size as u64,
        stx_blocks: stat.st_blocks as u64,
        stx_atime: time(stat.st_atim),
        stx_ctime: time(stat.st_ctim),
        stx_mtime: time(stat.st_mtim),
        stx_rdev_major: (stat.st_rdev >> 8) as u32 & 0xfff,
        stx_rdev_minor: (stat.st_rdev & 0xff) as u32,
        stx_dev_minor: DEVICE_NUMBER as u32,
        ..Statx::default()
    };
    if let Some(born) = born_at(context, args, flags) {
        statx.stx_mask |= STATX_BTIME;
        statx.stx_btime = time(born.to_timespec());
    }
    user_mem::write(context, args.addr(4), &statx)?;
    Ok(0)
}

/// `access(pathname, mode)` — whether root may; see [`sys_faccessat2`].
///
/// # Errors
/// As [`sys_faccessat2`].
pub fn sys_access(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    access(context, AT_FDCWD, args.addr(0), args.int(1) as u32, 0)
}

/// `faccessat(dirfd, pathname, mode)` — see [`sys_faccessat2`].
///
/// # Errors
/// As [`sys_faccessat2`].
pub fn sys_faccessat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    access(context, args.fd(0), args.addr(1), args.int(2) as u32, 0)
}

/// `faccessat2(dirfd, pathname, mode, flags)` — whether root may: all but execute a file that nobody
/// may execute.
///
/// # Errors
/// `EACCES` it may not · `EINVAL` unknown mode or flags · `EROFS` no · as [`walk`](super::walk).
/// # Source
/// access(2)
pub fn sys_faccessat2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(3) as u32;
    if flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    access(context, args.fd(0), args.addr(1), args.int(2) as u32, flags)
}

/// `statfs(path, buf)` — what is known of the file system.
///
/// # Errors
/// `EFAULT` · as [`walk`](super::walk).
/// # Source
/// statfs(2)
pub fn sys_statfs(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    walk::file_at(context, AT_FDCWD, args.addr(0), 0)?;
    user_mem::write(context, args.addr(1), &statfs(context))?;
    Ok(0)
}

/// `fstatfs(fd, buf)` — what is known of an open file's file system.
///
/// # Errors
/// `EBADF` · `EFAULT`.
/// # Source
/// fstatfs(2)
pub fn sys_fstatfs(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    context.process.files.any(args.fd(0))?;
    user_mem::write(context, args.addr(1), &statfs(context))?;
    Ok(0)
}

fn stat_at(context: &Context<'_>, dirfd: i32, address: usize, flags: u32) -> Result<Stat, Errno> {
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & AT_EMPTY_PATH != 0
        && dirfd != AT_FDCWD
        && user_mem::path(context, address)?.is_empty()
    {
        return context.process.files.any(dirfd)?.stat();
    }
    Ok(walk::file_at(context, dirfd, address, flags)?.stat())
}

fn born_at(context: &Context<'_>, args: &SyscallArgs, flags: u32) -> Option<Time> {
    if args.int(3) as u32 & STATX_BTIME == 0 {
        return None;
    }
    let inode = walk::file_at(context, args.fd(0), args.addr(1), flags).ok()?;
    Some(inode.meta().born)
}

fn access(
    context: &Context<'_>,
    dirfd: i32,
    address: usize,
    mode: u32,
    flags: u32,
) -> SyscallResult {
    if mode & !(R_OK | W_OK | X_OK) != 0 {
        return Err(Errno::EINVAL);
    }
    let inode = walk::file_at(context, dirfd, address, flags)?;
    let nobody_executes = inode.meta().permissions & 0o111 == 0;
    if mode & X_OK != 0 && !inode.is_directory() && nobody_executes {
        return Err(Errno::EACCES);
    }
    Ok(0)
}

fn statfs(context: &Context<'_>) -> Statfs {
    let usage = context.process.memory.usage();
    Statfs {
        f_type: TMPFS_MAGIC,
        f_bsize: PAGE_BYTES as i64,
        f_blocks: (usage.total / PAGE_BYTES) as u64,
        f_bfree: (usage.free / PAGE_BYTES) as u64,
        f_bavail: (usage.free / PAGE_BYTES) as u64,
        f_files: 1 << 20,
        f_ffree: 1 << 20,
        f_namelen: NAME_BYTES_MAX as i64,
        f_frsize: PAGE_BYTES as i64,
        ..Statfs::default()
    }
}
