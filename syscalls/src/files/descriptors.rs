//! Descriptors: dup, dup2, dup3, fcntl, close_range; and what is asked of an open file by number:
//! ioctl, flock.

use core::sync::atomic::Ordering;

use muslin_abi::flags::*;
use muslin_abi::layout::Flock;
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::fd_table::Descriptor;
use super::file::File;
use super::inode::Body;
use super::locks::{when_free, with_locks};
use super::pipe::PipeEnd;
use super::range_locks::{Holder, RangeLock};
use crate::context::Context;
use crate::gap::gap;
use crate::process::PID;
use crate::user_mem;

const F_SETOWN_EX: i32 = 15;
const F_SETLEASE: i32 = 1024;
const F_GETLEASE: i32 = 1025;
const F_NOTIFY: i32 = 1026;
const F_ADD_SEALS: i32 = 1033;
const F_GET_SEALS: i32 = 1034;
const FIOASYNC: u32 = 0x5452;
/// The requests of block devices are of this kind: bits 8 to 15.
const BLOCK_REQUESTS: u32 = 0x12;

/// The greatest signal.
const SIGNAL_MAX: i32 = 64;

/// `dup(oldfd)` — one more number for an open file, the lowest.
///
/// # Errors
/// `EBADF` · `EMFILE`.
/// # Source
/// dup(2)
pub fn sys_dup(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    duplicate(context, args.fd(0), 0, false)
}

/// `dup2(oldfd, newfd)` — this number for an open file; what had it is closed.
///
/// # Errors
/// `EBADF` not open, or no such number.
/// # Source
/// dup(2)
pub fn sys_dup2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.fd(0) == args.fd(1) {
        context.process.files.any(args.fd(0))?;
        return Ok(args.fd(1) as usize);
    }
    replace(context, args.fd(0), args.fd(1), false)
}

/// `dup3(oldfd, newfd, flags)` — as [`sys_dup2`], with `O_CLOEXEC`.
///
/// # Errors
/// `EINVAL` the same number, or another flag · as [`sys_dup2`].
pub fn sys_dup3(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(2) as u32;
    if flags & !O_CLOEXEC != 0 || args.fd(0) == args.fd(1) {
        return Err(Errno::EINVAL);
    }
    replace(context, args.fd(0), args.fd(1), flags & O_CLOEXEC != 0)
}

/// `close_range(first, last, flags)` — closes descriptors, or has them closed on exec.
///
/// # Errors
/// `EINVAL` `first` is beyond `last`, or unknown flags.
/// # Source
/// close_range(2)
pub fn sys_close_range(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let (first, last) = (args.int(0) as u32, args.int(1) as u32);
    let flags = args.int(2) as u32;
    if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let table = context.process.files.table();
    let is_meant = |&fd: &i32| (first..=last).contains(&(fd as u32));
    let meant: alloc::vec::Vec<i32> = table.lock().open().filter(is_meant).collect();
    for fd in meant {
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            table.lock().get_mut(fd)?.closes_on_exec = true;
        } else {
            let closed = table.lock().remove(fd)?;
            closed.file.descriptor_closed();
        }
    }
    Ok(0)
}

/// `fcntl(fd, cmd, arg)` — asks of a descriptor, or changes it.
///
/// # Errors
/// `EBADF` · `EINVAL` no such command, or a wrong argument · `EMFILE` · `EFAULT` · `EBUSY` `EPERM`
/// the size of a pipe · `EAGAIN` another description's lock is in the way · `ENOLCK`.
///
/// `F_SETLKW` and `F_OFD_SETLKW` may wait. They never answer `EDEADLK`: the process does not wait for its
/// own locks, and Linux looks for no rings of descriptions either.
/// # Source
/// fcntl(2)
pub fn sys_fcntl(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let (fd, command) = (args.fd(0), args.int(1));
    let file = files.any(fd)?;
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let min = usize::try_from(args.int(2)).map_err(|_| Errno::EINVAL)?;
            if min >= files.table().lock().max() {
                return Err(Errno::EINVAL);
            }
            return duplicate(context, fd, min, command == F_DUPFD_CLOEXEC);
        }
        F_GETFD => return Ok(usize::from(files.table().lock().get(fd)?.closes_on_exec)),
        F_SETFD => {
            let closes = args.int(2) as u32 & FD_CLOEXEC != 0;
            files.table().lock().get_mut(fd)?.closes_on_exec = closes;
            return Ok(0);
        }
        F_GETFL => return Ok(file.flags() as usize),
        _ if file.is_path() => return Err(Errno::EBADF),
        _ => {}
    }
    match command {
        F_SETFL => file.set_flags(args.int(2) as u32),
        F_GETOWN => return Ok(file.owner.load(Ordering::Relaxed) as usize),
        F_SETOWN => file.owner.store(args.int(2), Ordering::Relaxed),
        F_GETSIG => return Ok(file.signal.load(Ordering::Relaxed) as usize),
        F_SETSIG => {
            if !(0..=SIGNAL_MAX).contains(&args.int(2)) {
                return Err(Errno::EINVAL);
            }
            file.signal.store(args.int(2), Ordering::Relaxed);
        }
        F_GETLK | F_OFD_GETLK => {
            let (mut lock, wanted) = range_lock(context, &file, args.addr(2), command)?;
            if lock.l_type == F_UNLCK {
                return Err(Errno::EINVAL);
            }
            let inode = file.inode.as_ref();
            let found = match inode {
                Some(inode) => with_locks(inode, |locks| Ok(locks.ranges.in_the_way(&wanted)))?,
                None => None,
            };
            lock = found.map_or(
                Flock {
                    l_type: F_UNLCK,
                    ..lock
                },
                told,
            );
            user_mem::write(context, args.addr(2), &lock)?;
        }
        F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW => {
            let (lock, wanted) = range_lock(context, &file, args.addr(2), command)?;
            let is_allowed = match lock.l_type {
                F_RDLCK => file.can_read(),
                F_WRLCK => file.can_write(),
                _ => true,
            };
            if !is_allowed {
                return Err(Errno::EBADF);
            }
            let waits = matches!(command, F_SETLKW | F_OFD_SETLKW);
            if let Some(inode) = &file.inode {
                when_free(context, inode, waits, &|locks| {
                    match lock.l_type {
                        F_UNLCK => {
                            let RangeLock {
                                holder,
                                first,
                                last,
                                ..
                            } = wanted;
                            locks.ranges.unlock(holder, first, last)?;
                        }
                        _ => locks.ranges.lock(wanted)?,
                    }
                    // To read instead of to write gives back as well.
                    if lock.l_type != F_WRLCK {
                        locks.try_again();
                    }
                    Ok(())
                })?;
            }
        }
        F_GETPIPE_SZ => return Ok(pipe_end(&file)?.pipe().capacity_bytes()),
        F_SETPIPE_SZ => {
            let size = usize::try_from(args.int(2)).map_err(|_| Errno::EINVAL)?;
            return pipe_end(&file)?.pipe().set_capacity(size);
        }
        F_SETLEASE | F_GETLEASE => return Err(gap!(context, Sysno::fcntl, "leases", EINVAL)),
        F_NOTIFY => return Err(gap!(context, Sysno::fcntl, "notices", EINVAL)),
        F_ADD_SEALS | F_GET_SEALS if is_regular(&file) => {
            return Err(gap!(context, Sysno::fcntl, "seals", EINVAL));
        }
        // F_GETOWN_EX is not among them: with it musl only tries whether F_GETOWN has another form.
        F_SETOWN_EX => return Err(gap!(context, Sysno::fcntl, "F_SETOWN_EX", EINVAL)),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `ioctl(fd, request, arg)` — a request of a kind of file.
///
/// # Errors
/// `EBADF` · `ENOTTY` no such request: nothing here is a terminal · `EFAULT`.
/// # Source
/// ioctl(2)
pub fn sys_ioctl(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let fd = args.fd(0);
    let file = files.file(fd)?;
    let request = args.int(1) as u32;
    match request {
        FIOCLEX | FIONCLEX => {
            files.table().lock().get_mut(fd)?.closes_on_exec = request == FIOCLEX;
            Ok(0)
        }
        FIONBIO => {
            let is_on = user_mem::read::<i32>(context, args.addr(2))? != 0;
            let flags = file.flags();
            file.set_flags(if is_on {
                flags | O_NONBLOCK
            } else {
                flags & !O_NONBLOCK
            });
            Ok(0)
        }
        FIONREAD if is_regular(&file) => {
            let len = file.inode.as_ref().map_or(0, |inode| inode.len_bytes());
            // Behind the end it is negative, and what is too much is cut off.
            let left = len.wrapping_sub(*file.offset().lock());
            user_mem::write(context, args.addr(2), &(left as i32))?;
            Ok(0)
        }
        // It is as good as a write.
        BLKDISCARD if is_block(&file) && !file.can_write() => Err(Errno::EBADF),
        _ => {
            let answer = file.ops.ioctl(context, request, args.addr(2));
            if answer == Err(Errno::ENOTTY) {
                report_request(context, &file, request);
            }
            answer
        }
    }
}

fn is_block(file: &File) -> bool {
    let kind = file.inode.as_ref().map(|inode| inode.kind());
    kind == Some(S_IFBLK)
}

/// Reports a request that Linux would know of such a file. That nothing is a terminal is no gap: so
/// it is on Linux where output goes to a file.
fn report_request(context: &Context<'_>, file: &File, request: u32) {
    let kind = file.inode.as_ref().map(|inode| inode.kind());
    if request == FIOASYNC && kind == Some(S_IFIFO) {
        gap!(
            context,
            Sysno::ioctl,
            "signals when a file is ready",
            ENOTTY
        );
    } else if request >> 8 & 0xff == BLOCK_REQUESTS && kind == Some(S_IFBLK) {
        gap!(context, Sysno::ioctl, "a request of block devices", ENOTTY);
    }
}

/// `flock(fd, operation)` — locks a file between its open file descriptions.
///
/// # Errors
/// `EBADF` · `EINVAL` no such operation · `EWOULDBLOCK` another description holds it and `LOCK_NB`.
///
/// May wait: yes.
/// # Source
/// flock(2)
pub fn sys_flock(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let operation = args.int(1) as u32;
    let wanted = operation & !LOCK_NB;
    if !matches!(wanted, LOCK_SH | LOCK_EX | LOCK_UN) {
        return Err(Errno::EINVAL);
    }
    let file = context.process.files.file(args.fd(0))?;
    if let Some(inode) = &file.inode {
        let waits = operation & LOCK_NB == 0;
        when_free(context, inode, waits, &|locks| {
            match wanted {
                LOCK_UN => locks.unlock_whole(file.id()),
                _ => locks.lock_whole(file.id(), wanted == LOCK_EX)?,
            }
            Ok(())
        })?;
    }
    Ok(0)
}

fn duplicate(context: &Context<'_>, fd: i32, min: usize, closes_on_exec: bool) -> SyscallResult {
    let mut table = context.process.files.table().lock();
    let descriptor = Descriptor {
        file: table.get(fd)?.file.clone(),
        closes_on_exec,
    };
    Ok(table.insert(descriptor, min)? as usize)
}

fn replace(context: &Context<'_>, old: i32, new: i32, closes_on_exec: bool) -> SyscallResult {
    let mut table = context.process.files.table().lock();
    let descriptor = Descriptor {
        file: table.get(old)?.file.clone(),
        closes_on_exec,
    };
    let closed = table.replace(new, descriptor)?;
    drop(table);
    if let Some(closed) = closed {
        closed.file.descriptor_closed();
    }
    Ok(new as usize)
}

/// What a program says of a lock, checked: its words, and what they mean.
fn range_lock(
    context: &Context<'_>,
    file: &File,
    address: usize,
    command: i32,
) -> Result<(Flock, RangeLock), Errno> {
    let lock: Flock = user_mem::read(context, address)?;
    let base = match lock.l_whence as u32 {
        SEEK_SET => 0,
        SEEK_CUR => *file.offset().lock() as i64,
        SEEK_END => file.inode.as_ref().map_or(0, |inode| inode.len_bytes()) as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(lock.l_start).ok_or(Errno::EOVERFLOW)?;
    // A negative length lies before the start; none reaches to the end of all files.
    let (first, last) = if lock.l_len < 0 {
        let first = start.checked_add(lock.l_len).ok_or(Errno::EINVAL)?;
        (first, start.checked_sub(1).ok_or(Errno::EINVAL)?)
    } else if lock.l_len == 0 {
        (start, i64::MAX)
    } else {
        let last = start.checked_add(lock.l_len - 1);
        (start, last.ok_or(Errno::EOVERFLOW)?)
    };
    if first < 0 || !(F_RDLCK..=F_UNLCK).contains(&lock.l_type) {
        return Err(Errno::EINVAL);
    }
    let is_of_description = command >= F_OFD_GETLK;
    if is_of_description && lock.l_pid != 0 {
        return Err(Errno::EINVAL);
    }
    let wanted = RangeLock {
        holder: if is_of_description {
            file.holder()
        } else {
            Holder::Process
        },
        first: first as u64,
        last: last as u64,
        is_exclusive: lock.l_type == F_WRLCK,
    };
    Ok((lock, wanted))
}

/// A lock as `F_GETLK` tells of it.
fn told(lock: RangeLock) -> Flock {
    let to_the_end = lock.last == i64::MAX as u64;
    Flock {
        l_type: if lock.is_exclusive { F_WRLCK } else { F_RDLCK },
        l_whence: SEEK_SET as _,
        l_start: lock.first as i64,
        l_len: if to_the_end {
            0
        } else {
            (lock.last - lock.first + 1) as i64
        },
        l_pid: match lock.holder {
            Holder::Process => PID,
            Holder::Description(_) => -1,
        },
        ..Flock::default()
    }
}

fn pipe_end(file: &File) -> Result<&PipeEnd, Errno> {
    file.ops.as_any().downcast_ref().ok_or(Errno::EBADF)
}

fn is_regular(file: &File) -> bool {
    let inode = file.inode.as_ref();
    inode.is_some_and(|inode| matches!(inode.body, Body::Regular(_)))
}
