//! What becomes of a minted descriptor's number: close, dup and their kin; and what is asked of the
//! descriptor itself: fcntl, ioctl, fstat.

use core::sync::atomic::Ordering;

use muslin_abi::flags::{
    AT_EMPTY_PATH, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_SETFL, F_SETOWN, F_SETSIG,
    FD_CLOEXEC, O_ASYNC, O_CLOEXEC, O_NONBLOCK, S_IFSOCK,
};
use muslin_abi::handler::Call;
use muslin_abi::{Errno, SyscallResult, Sysno};

use crate::fd_calls::{ELSEWHERE, minted, next};
use crate::fd_table::{self, Changing, Entry, Held, World};
use crate::kernel;
use crate::lock::without_signals;
use crate::mirror::Mirror;

/// `close(fd)`.
pub fn close(call: &Call) -> SyscallResult {
    let fd = call.args[0] as i32;
    match fd_table::look_up(fd) {
        Entry::Host => next(call),
        Entry::Hidden => Err(Errno::EBADF),
        Entry::Minted(_) => close_minted(fd).map(|()| 0),
    }
}

fn close_minted(fd: i32) -> Result<(), Errno> {
    match fd_table::world(true) {
        World::Guest => {
            kernel::close(fd);
            Ok(())
        }
        World::Copy => {
            fd_table::forget(fd);
            kernel::close(fd);
            Ok(())
        }
        // Not as a cancellation point: it was one before it came here, and must not be one half-way.
        World::Own => without_signals(|| {
            let changing = Changing::begin(fd).map_err(|_| Errno::EBADF)?;
            let Some(file) = changing.file() else {
                changing.undo();
                return Err(Errno::EBADF);
            };
            Mirror::without_fd(file, fd, || kernel::close(fd));
            changing.end(None);
            Ok(())
        }),
    }
}

/// `close_range(first, last, flags)`.
pub fn close_range(call: &Call) -> SyscallResult {
    const CLOSE_RANGE_UNSHARE: usize = 2;
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    let (first, last, flags) = (call.args[0] as u32, call.args[1] as u32, call.args[2]);
    if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return next(call);
    }
    match fd_table::world(true) {
        World::Guest => return next(call),
        World::Copy => {
            if flags & CLOSE_RANGE_CLOEXEC == 0 {
                fd_table::taken(first, last).for_each(fd_table::forget);
            }
            return next(call);
        }
        World::Own => {}
    }
    // The kernel's own descriptors lie between those that are not.
    let mut from = first;
    for fd in fd_table::taken(first, last) {
        between(from, fd as u32, flags)?;
        from = fd as u32 + 1;
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            fd_table::set_cloexec(fd, true);
        } else if let Entry::Minted(_) = fd_table::look_up(fd) {
            let _closed_meanwhile = close_minted(fd);
        }
    }
    if from <= last {
        let args = [from as usize, last as usize, flags, 0, 0, 0];
        return next(&with_args(call, args));
    }
    Ok(0)
}

/// Closes what is the kernel's from `from` to before `end`.
fn between(from: u32, end: u32, flags: usize) -> Result<(), Errno> {
    if from < end {
        let args = [from as usize, end as usize - 1, flags, 0, 0, 0];
        // SAFETY: what the program asks for.
        unsafe { kernel::call(Sysno::close_range, args) }?;
    }
    Ok(())
}

/// The same call with other arguments.
fn with_args(call: &Call, args: [usize; 6]) -> Call {
    Call {
        handler: call.handler,
        nr: call.nr,
        args,
        state: call.state,
    }
}

/// A file whose descriptor is about to be copied.
fn to_copy(fd: usize) -> Result<Option<Held>, Errno> {
    let file = minted(fd)?;
    if file.is_some() && fd_table::world(true) != World::Own {
        return Err(ELSEWHERE);
    }
    Ok(file)
}

/// Has the kernel copy a minted descriptor to a number that is free.
fn copy(file: &Held, is_cloexec: bool, make: impl FnOnce() -> SyscallResult) -> SyscallResult {
    if !file.add_descriptor() {
        return Err(Errno::EBADF);
    }
    let made = make().and_then(|new| {
        if new < fd_table::NUMBERS {
            return Ok(new);
        }
        kernel::close(new as i32);
        Err(Errno::EMFILE)
    });
    match made {
        Ok(new) => {
            fd_table::put(new as i32, file.file(), is_cloexec);
            file.mirror.add_fd(new as i32);
        }
        Err(_) => file.drop_descriptor(),
    }
    made
}

/// A copy at the lowest free number from `from` on. In the kernel it is always FD_CLOEXEC.
fn copy_from(file: &Held, fd: usize, from: usize, is_cloexec: bool) -> SyscallResult {
    copy(file, is_cloexec, || {
        let args = [fd, F_DUPFD_CLOEXEC as usize, from, 0, 0, 0];
        // SAFETY: makes a descriptor.
        unsafe { kernel::call(Sysno::fcntl, args) }
    })
}

/// `dup(fd)`.
pub fn dup(call: &Call) -> SyscallResult {
    match to_copy(call.args[0])? {
        None => next(call),
        Some(file) => copy_from(&file, call.args[0], 0, false),
    }
}

/// `dup2(old, new)`.
pub fn dup2(call: &Call) -> SyscallResult {
    let [old, new, ..] = call.args;
    if old as i32 == new as i32 {
        return minted(old).and_then(|_| next(call));
    }
    replace(call, false)
}

/// `dup3(old, new, flags)`.
pub fn dup3(call: &Call) -> SyscallResult {
    let [old, new, flags, ..] = call.args;
    if old as i32 == new as i32 || flags & !(O_CLOEXEC as usize) != 0 {
        return next(call);
    }
    replace(call, flags & O_CLOEXEC as usize != 0)
}

/// `new` becomes a copy of `old`, whatever it was.
fn replace(call: &Call, is_cloexec: bool) -> SyscallResult {
    let [old, new, ..] = call.args;
    let source = to_copy(old)?;
    let over = fd_table::look_up(new as i32);
    if source.is_none() && matches!(over, Entry::Host) {
        return next(call);
    }
    match fd_table::world(true) {
        World::Own => {}
        World::Guest => return next(call),
        World::Copy => {
            fd_table::forget(new as i32);
            return next(call);
        }
    }
    drop(over);
    without_signals(|| {
        if let Some(source) = &source
            && !source.add_descriptor()
        {
            return Err(Errno::EBADF);
        }
        let changed = replace_held(call, source.as_ref(), is_cloexec);
        if let (Some(source), Err(_)) = (&source, changed) {
            source.drop_descriptor();
        }
        changed
    })
}

fn replace_held(call: &Call, source: Option<&Held>, is_cloexec: bool) -> SyscallResult {
    let [old, new, ..] = call.args;
    let changing = Changing::begin(new as i32)?;
    let make = || match source {
        None => next(call),
        Some(_) => {
            let args = [old, new, O_CLOEXEC as usize, 0, 0, 0];
            // SAFETY: what the program asks for.
            unsafe { kernel::call(Sysno::dup3, args) }
        }
    };
    let made = match changing.file() {
        Some(over) => Mirror::without_fd(over, new as i32, make),
        None => make(),
    };
    if let Err(errno) = made {
        let over = changing.file();
        changing.undo();
        if let Some(over) = over {
            over.mirror.add_fd(new as i32);
        }
        return Err(errno);
    }
    changing.end(source.map(|source| (source.file(), is_cloexec)));
    if let Some(source) = source {
        source.mirror.add_fd(new as i32);
    }
    made
}

/// `fcntl(fd, cmd, arg)`.
pub fn fcntl(call: &Call) -> SyscallResult {
    let [fd, command, argument, ..] = call.args;
    let file = match fd_table::look_up(fd as i32) {
        Entry::Host => return next(call),
        Entry::Hidden => return Err(Errno::EBADF),
        Entry::Minted(file) => file,
    };
    match command as i32 {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            if fd_table::world(true) != World::Own {
                return Err(ELSEWHERE);
            }
            copy_from(&file, fd, argument, command as i32 == F_DUPFD_CLOEXEC)
        }
        F_GETFD => Ok(usize::from(fd_table::is_cloexec(fd as i32)) * FD_CLOEXEC as usize),
        F_SETFD => {
            fd_table::set_cloexec(fd as i32, argument & FD_CLOEXEC as usize != 0);
            Ok(0)
        }
        F_SETFL => {
            let done = next(call)?;
            let is_nonblocking = argument & O_NONBLOCK as usize != 0;
            file.is_nonblocking.store(is_nonblocking, Ordering::Relaxed);
            if argument & O_ASYNC as usize != 0 {
                file.mirror.watch_by_signals();
            }
            Ok(done)
        }
        F_SETOWN | F_SETSIG => {
            file.mirror.watch_by_signals();
            next(call)
        }
        _ => next(call),
    }
}

/// `ioctl(fd, request, argument)`.
pub fn ioctl(call: &Call) -> SyscallResult {
    const FIONCLEX: u32 = 0x5450;
    const FIOCLEX: u32 = 0x5451;
    const FIONBIO: u32 = 0x5421;
    const FIOASYNC: u32 = 0x5452;
    let [fd, request, argument, ..] = call.args;
    let Some(file) = minted(fd)? else {
        return next(call);
    };
    match request as u32 {
        FIONCLEX | FIOCLEX => {
            fd_table::set_cloexec(fd as i32, request as u32 == FIOCLEX);
            Ok(0)
        }
        FIONBIO => {
            let done = next(call)?;
            // SAFETY: the kernel has just read it.
            let is_nonblocking = unsafe { *(argument as *const i32) } != 0;
            file.is_nonblocking.store(is_nonblocking, Ordering::Relaxed);
            Ok(done)
        }
        FIOASYNC => {
            file.mirror.watch_by_signals();
            next(call)
        }
        _ => match file.ops().ioctl {
            // SAFETY: a function of the object's.
            Some(ioctl) => muslin_abi::args::from_raw(unsafe {
                ioctl(file.object(), request as u32 as usize, argument)
            }),
            None => Err(Errno::ENOTTY),
        },
    }
}

/// `fstat(fd, buf)`.
pub fn fstat(call: &Call) -> SyscallResult {
    let [fd, buffer, ..] = call.args;
    with_mode(call, fd, |mode| put_stat(buffer, mode))
}

/// Puts the mode into a `struct stat` that the kernel has just filled.
fn put_stat(buffer: usize, mode: u32) {
    /// Where `st_mode` is.
    const MODE_OFFSET: usize = 24;
    // SAFETY: the kernel has just written there.
    unsafe { ((buffer + MODE_OFFSET) as *mut u32).write_unaligned(mode) };
}

/// `newfstatat(dirfd, path, buf, flags)`, which may mean the descriptor itself.
pub fn newfstatat(call: &Call) -> SyscallResult {
    let [fd, path, buffer, flags, ..] = call.args;
    if !means_itself(path, flags) {
        return next(call);
    }
    with_mode(call, fd, |mode| put_stat(buffer, mode))
}

/// `statx(dirfd, path, flags, mask, buf)`, which may mean the descriptor itself.
pub fn statx(call: &Call) -> SyscallResult {
    /// Where `stx_mode` is.
    const MODE_OFFSET: usize = 28;
    let [fd, path, flags, _, buffer, _] = call.args;
    if !means_itself(path, flags) {
        return next(call);
    }
    with_mode(call, fd, |mode| {
        // SAFETY: the kernel has just filled the structure.
        unsafe { ((buffer + MODE_OFFSET) as *mut u16).write_unaligned(mode as u16) };
    })
}

/// Whether the path is empty and may be.
fn means_itself(path: usize, flags: usize) -> bool {
    // SAFETY: the program says that it is a string; a bad address is its own fault.
    flags & AT_EMPTY_PATH as usize != 0 && (path == 0 || unsafe { *(path as *const u8) } == 0)
}

/// Answers as the kernel does, with the object's mode.
fn with_mode(call: &Call, fd: usize, put: impl FnOnce(u32)) -> SyscallResult {
    let Entry::Minted(file) = fd_table::look_up(fd as i32) else {
        return next(call);
    };
    let done = next(call)?;
    let mode = file.ops().mode;
    if mode != S_IFSOCK | 0o777 {
        put(mode);
    }
    Ok(done)
}
