//! Permissions, owners and times: chmod, chown, utimensat and their relatives; umask.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use muslin_abi::flags::*;
use muslin_abi::layout::{Timespec, Timeval};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::inode::{Inode, Time};
use super::walk;
use crate::context::Context;
use crate::user_mem;

/// `chmod(pathname, mode)` — sets permissions.
///
/// # Errors
/// As [`walk`](super::walk).
/// # Source
/// chmod(2)
pub fn sys_chmod(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let inode = walk::file_at(context, AT_FDCWD, args.addr(0), 0)?;
    chmod(context, &inode, args.int(1) as u32)
}

/// `fchmod(fd, mode)` — sets the permissions of an open file.
///
/// # Errors
/// `EBADF` · `EINVAL` the file has none.
pub fn sys_fchmod(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    chmod(
        context,
        file.inode.as_ref().ok_or(Errno::EINVAL)?,
        args.int(1) as u32,
    )
}

/// `fchmodat(dirfd, pathname, mode)` — sets permissions.
///
/// # Errors
/// As [`walk`](super::walk).
pub fn sys_fchmodat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let inode = walk::file_at(context, args.fd(0), args.addr(1), 0)?;
    chmod(context, &inode, args.int(2) as u32)
}

/// `fchmodat2(dirfd, pathname, mode, flags)` — sets permissions.
///
/// # Errors
/// `EINVAL` unknown flags · `EOPNOTSUPP` a link itself · as [`walk`](super::walk).
/// # Source
/// fchmodat(2)
pub fn sys_fchmodat2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(3) as u32;
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let inode = walk::file_at(context, args.fd(0), args.addr(1), flags)?;
    chmod(context, &inode, args.int(2) as u32)
}

/// `chown(pathname, owner, group)` — sets the owner; -1 keeps it.
///
/// # Errors
/// As [`walk`](super::walk).
/// # Source
/// chown(2)
pub fn sys_chown(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let inode = walk::file_at(context, AT_FDCWD, args.addr(0), 0)?;
    chown(context, &inode, args.int(1) as u32, args.int(2) as u32)
}

/// `lchown(pathname, owner, group)` — sets the owner, of a link itself.
///
/// # Errors
/// As [`walk`](super::walk).
pub fn sys_lchown(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let inode = walk::file_at(context, AT_FDCWD, args.addr(0), AT_SYMLINK_NOFOLLOW)?;
    chown(context, &inode, args.int(1) as u32, args.int(2) as u32)
}

/// `fchown(fd, owner, group)` — sets the owner of an open file.
///
/// # Errors
/// `EBADF` · `EINVAL` the file has none.
pub fn sys_fchown(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let inode = file.inode.as_ref().ok_or(Errno::EINVAL)?;
    chown(context, inode, args.int(1) as u32, args.int(2) as u32)
}

/// `fchownat(dirfd, pathname, owner, group, flags)` — sets the owner.
///
/// # Errors
/// `EINVAL` unknown flags · as [`walk`](super::walk).
pub fn sys_fchownat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(4) as u32;
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let inode = walk::file_at(context, args.fd(0), args.addr(1), flags)?;
    chown(context, &inode, args.int(2) as u32, args.int(3) as u32)
}

/// `umask(mask)` — permissions that new files do not get; gives the old ones.
///
/// # Errors
/// None.
/// # Source
/// umask(2)
pub fn sys_umask(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let mask = args.int(0) as u32 & 0o777;
    Ok(context.process.files.umask.swap(mask, Ordering::Relaxed) as usize)
}

/// `utimensat(dirfd, pathname, times, flags)` — sets the times of the last read and change.
///
/// - `pathname`: null is the file of `dirfd`.   - `times`: null is now; `UTIME_NOW` and
///   `UTIME_OMIT` count.
///
/// # Errors
/// `EINVAL` a wrong time, or unknown flags · `EBADF` · `EFAULT` · as [`walk`](super::walk).
/// # Source
/// utimensat(2)
pub fn sys_utimensat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(3) as u32;
    let mut changes = [Change::Now; 2];
    if args.addr(2) != 0 {
        let times: [Timespec; 2] = user_mem::read(context, args.addr(2))?;
        changes = [
            Change::from_timespec(times[0])?,
            Change::from_timespec(times[1])?,
        ];
        if changes == [Change::Omit; 2] {
            return Ok(0);
        }
    }
    if args.addr(1) == 0 && args.fd(0) != AT_FDCWD {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let file = context.process.files.file(args.fd(0))?;
        return set_times(context, file.inode.as_ref().ok_or(Errno::EINVAL)?, changes);
    }
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let inode = walk::file_at(context, args.fd(0), args.addr(1), flags)?;
    set_times(context, &inode, changes)
}

/// `futimesat(dirfd, pathname, times)` — as [`sys_utimensat`], in microseconds.
///
/// # Errors
/// As [`sys_utimensat`].
pub fn sys_futimesat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let changes = changes_of_timevals(context, args.addr(2))?;
    if args.addr(1) == 0 && args.fd(0) != AT_FDCWD {
        let file = context.process.files.file(args.fd(0))?;
        return set_times(context, file.inode.as_ref().ok_or(Errno::EINVAL)?, changes);
    }
    let inode = walk::file_at(context, args.fd(0), args.addr(1), 0)?;
    set_times(context, &inode, changes)
}

/// `utimes(filename, times)` — as [`sys_utimensat`], in microseconds.
///
/// # Errors
/// As [`sys_utimensat`].
pub fn sys_utimes(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let changes = changes_of_timevals(context, args.addr(1))?;
    let inode = walk::file_at(context, AT_FDCWD, args.addr(0), 0)?;
    set_times(context, &inode, changes)
}

/// `utime(filename, times)` — as [`sys_utimensat`], in seconds.
///
/// # Errors
/// As [`sys_utimensat`].
pub fn sys_utime(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let mut changes = [Change::Now; 2];
    if args.addr(1) != 0 {
        let seconds: [i64; 2] = user_mem::read(context, args.addr(1))?;
        changes = seconds.map(|seconds| {
            Change::To(Time {
                seconds,
                nanoseconds: 0,
            })
        });
    }
    let inode = walk::file_at(context, AT_FDCWD, args.addr(0), 0)?;
    set_times(context, &inode, changes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Now,
    Omit,
    To(Time),
}

impl Change {
    fn from_timespec(time: Timespec) -> Result<Self, Errno> {
        match time.tv_nsec {
            UTIME_NOW => Ok(Self::Now),
            UTIME_OMIT => Ok(Self::Omit),
            nanoseconds @ 0..1_000_000_000 => Ok(Self::To(Time {
                seconds: time.tv_sec,
                nanoseconds: nanoseconds as u32,
            })),
            _ => Err(Errno::EINVAL),
        }
    }

    fn time(self, now: Time, old: Time) -> Time {
        match self {
            Self::Now => now,
            Self::Omit => old,
            Self::To(time) => time,
        }
    }
}

fn changes_of_timevals(context: &Context<'_>, address: usize) -> Result<[Change; 2], Errno> {
    if address == 0 {
        return Ok([Change::Now; 2]);
    }
    let times: [Timeval; 2] = user_mem::read(context, address)?;
    let mut changes = [Change::Now; 2];
    for (change, time) in changes.iter_mut().zip(times) {
        if !(0..1_000_000).contains(&time.tv_usec) {
            return Err(Errno::EINVAL);
        }
        *change = Change::To(Time {
            seconds: time.tv_sec,
            nanoseconds: time.tv_usec as u32 * 1000,
        });
    }
    Ok(changes)
}

fn set_times(context: &Context<'_>, inode: &Arc<Inode>, changes: [Change; 2]) -> SyscallResult {
    let now = Time::now(context.platform);
    inode.update(|meta| {
        meta.accessed = changes[0].time(now, meta.accessed);
        meta.modified = changes[1].time(now, meta.modified);
        meta.changed = now;
    });
    inode.tell(match changes {
        [_, Change::Omit] => IN_ACCESS,
        [Change::Omit, _] => IN_MODIFY,
        _ => IN_ATTRIB,
    });
    Ok(0)
}

fn chmod(context: &Context<'_>, inode: &Arc<Inode>, mode: u32) -> SyscallResult {
    if inode.kind() == S_IFLNK {
        return Err(Errno::EOPNOTSUPP);
    }
    let now = Time::now(context.platform);
    inode.update(|meta| {
        meta.permissions = mode & 0o7777;
        meta.changed = now;
    });
    inode.tell(IN_ATTRIB);
    Ok(0)
}

fn chown(context: &Context<'_>, inode: &Arc<Inode>, uid: u32, gid: u32) -> SyscallResult {
    let now = Time::now(context.platform);
    let is_directory = inode.is_directory();
    inode.update(|meta| {
        if uid != u32::MAX {
            meta.uid = uid;
        }
        if gid != u32::MAX {
            meta.gid = gid;
        }
        if !is_directory {
            meta.permissions &= !0o4000;
            if meta.permissions & 0o010 != 0 {
                meta.permissions &= !0o2000;
            }
        }
        meta.changed = now;
    });
    if uid != u32::MAX || gid != u32::MAX {
        inode.tell(IN_ATTRIB);
    }
    Ok(0)
}
