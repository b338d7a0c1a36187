//! `splice` between a minted descriptor and a pipe of the kernel's.
//!
//! Bytes leave a pipe only when the object has taken them, and an object only when the pipe has room: nothing is
//! lost where a side cannot wait. Between two that read from one pipe at once, or write to it, this is not whole
//! as the kernel's is.

use core::sync::atomic::{AtomicU64, Ordering};

use muslin_abi::args::from_raw;
use muslin_abi::file::Piece;
use muslin_abi::flags::{F_GETFL, O_ACCMODE, O_CLOEXEC, O_NONBLOCK, O_RDONLY, POLLERR, POLLOUT};
use muslin_abi::handler::Call;
use muslin_abi::{Errno, SyscallResult, Sysno};

use crate::chain;
use crate::fd_calls::{minted, next};
use crate::fd_pieces::{Buffer, Way};
use crate::fd_table;
use crate::hidden;
use crate::kernel;
use crate::restarts;

/// The bit of `flags` that is about the pipe; an object does not wait if it never does.
const NONBLOCK: usize = 2;
/// All that there are.
const KNOWN: u32 = 0xf;
/// A pipe that can be written to takes so much in one piece.
const PIPE_BUF: usize = 4096;

/// `splice(fd_in, off_in, fd_out, off_out, len, flags)`.
pub fn splice(call: &Call) -> SyscallResult {
    let [from, from_place, to, to_place, len_bytes, flags] = call.args;
    let both = (minted(from)?, minted(to)?);
    let (file, pipe, [pipe_place, file_place]) = match &both {
        (None, None) => return next(call),
        (Some(_), Some(_)) => return Err(Errno::EINVAL),
        (Some(file), None) => (file, to, [to_place, from_place]),
        (None, Some(file)) => (file, from, [from_place, to_place]),
    };
    if len_bytes == 0 {
        return Ok(0);
    }
    if flags as u32 & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let pipe = Pipe::of(call, pipe, both.0.is_some(), flags & NONBLOCK == 0)?;
    if pipe_place != 0 {
        return Err(Errno::ESPIPE);
    }
    if file_place != 0 {
        return Err(Errno::EINVAL);
    }
    match both.0 {
        Some(_) => into_pipe(&pipe, Way::in_of(call, file, true)?, len_bytes),
        None => out_of_pipe(&pipe, Way::out_of(call, file, true)?, len_bytes),
    }
}

/// An end of a pipe of the program's.
struct Pipe<'a> {
    call: &'a Call,
    fd: usize,
    may_wait: bool,
}

impl<'a> Pipe<'a> {
    fn of(call: &'a Call, fd: usize, is_written: bool, may_wait: bool) -> Result<Self, Errno> {
        // SAFETY: only asks.
        let flags = unsafe { kernel::call(Sysno::fcntl, [fd, F_GETFL as usize, 0, 0, 0, 0])? };
        let mode = flags as u32 & O_ACCMODE;
        if is_written == (mode == O_RDONLY) {
            return Err(Errno::EBADF);
        }
        let may_wait = may_wait && flags as u32 & O_NONBLOCK == 0;
        let pipe = Self { call, fd, may_wait };
        pipe.capacity_bytes()?;
        Ok(pipe)
    }

    /// `EINVAL` of what is no pipe.
    fn capacity_bytes(&self) -> SyscallResult {
        const F_GETPIPE_SZ: usize = 1032;
        // SAFETY: only asks.
        let asked = unsafe { kernel::call(Sysno::fcntl, [self.fd, F_GETPIPE_SZ, 0, 0, 0, 0]) };
        asked.map_err(|_| Errno::EINVAL)
    }

    /// What it takes in one piece, once it takes something.
    fn room_bytes(&self, may_wait: bool) -> SyscallResult {
        const FIONREAD: usize = 0x541b;
        let mut asked = [self.fd as u32, u32::from(POLLOUT)];
        let timeout_ms = if may_wait { usize::MAX } else { 0 };
        loop {
            let args = [asked.as_mut_ptr() as usize, 1, timeout_ms, 0, 0, 0];
            // SAFETY: a `struct pollfd` that is alive: a descriptor, and what is asked for.
            let polled = from_raw(unsafe { chain::wait(Some(self.call), Sysno::poll, &args) });
            match polled {
                Ok(0) => return Err(Errno::EAGAIN),
                Ok(_) => break,
                // The kernel does not begin this wait anew, though it would that of `splice`.
                Err(Errno::EINTR) if restarts::are_usual() => {}
                Err(errno) => return Err(errno),
            }
        }
        if asked[1] >> 16 & u32::from(POLLERR) != 0 {
            return Err(Way::refused(Errno::EPIPE));
        }
        let mut queued = 0i32;
        // SAFETY: the number is alive.
        unsafe {
            kernel::call(
                Sysno::ioctl,
                [self.fd, FIONREAD, &raw mut queued as usize, 0, 0, 0],
            )?
        };
        match queued {
            0 => self.capacity_bytes(),
            _ => Ok(PIPE_BUF),
        }
    }

    /// Writes what there was room for; waits if somebody else has taken the room.
    fn write_all(&self, buffer: &Buffer, len_bytes: usize) -> SyscallResult {
        let mut done = 0;
        while done < len_bytes {
            let args = [self.fd, buffer.0 as usize + done, len_bytes - done, 0, 0, 0];
            // SAFETY: the buffer is ours.
            match from_raw(unsafe { chain::wait(Some(self.call), Sysno::write, &args) }) {
                Ok(more) => done += more,
                Err(Errno::EAGAIN) => {
                    self.room_bytes(true)?;
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(done)
    }
}

/// From the object to the pipe.
fn into_pipe(pipe: &Pipe<'_>, mut way: Way<'_>, len_bytes: usize) -> SyscallResult {
    let buffer = Buffer::new()?;
    let mut done = 0;
    while done < len_bytes {
        let moved = pipe
            .room_bytes(pipe.may_wait && done == 0)
            .and_then(|room_bytes| {
                let wanted = room_bytes.min(Buffer::BYTES).min(len_bytes - done);
                let got = way.go(&[piece(&buffer, wanted)])?;
                pipe.write_all(&buffer, got)
            });
        match moved {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
        // Only for the first of them.
        way.may_wait = false;
    }
    Ok(done)
}

/// From the pipe to the object.
fn out_of_pipe(pipe: &Pipe<'_>, mut way: Way<'_>, len_bytes: usize) -> SyscallResult {
    let buffer = Buffer::new()?;
    let glass = Glass::take()?;
    let mut done = 0;
    let ended = loop {
        if done == len_bytes {
            break Ok(0);
        }
        let wanted = (len_bytes - done).min(Buffer::BYTES);
        let moved = glass
            .look(pipe, &buffer, wanted, pipe.may_wait && done == 0)
            .and_then(|seen| match seen {
                0 => Ok(0),
                _ => way.go(&[piece(&buffer, seen)]).map_err(Way::refused),
            });
        match moved {
            Ok(0) => break Ok(0),
            Ok(more) => {
                glass.drop(pipe, &buffer, more)?;
                done += more;
            }
            Err(errno) => break Err(errno),
        }
    };
    glass.give();
    match ended {
        Err(errno) if done == 0 => Err(errno),
        _ => Ok(done),
    }
}

fn piece(buffer: &Buffer, len_bytes: usize) -> Piece {
    Piece {
        base: buffer.0,
        len_bytes,
    }
}

/// An empty pipe of the runtime's own, through which is seen what another one holds.
struct Glass {
    read: u32,
    write: u32,
}

/// One that is not in use: the end to read from above, the other one below; 0 is none.
static KEPT: AtomicU64 = AtomicU64::new(0);

impl Glass {
    fn take() -> Result<Self, Errno> {
        let word = KEPT.swap(0, Ordering::AcqRel);
        if word != 0 {
            return Ok(Self {
                read: (word >> 32) as u32,
                write: word as u32,
            });
        }
        let mut ends = [0i32; 2];
        let args = [ends.as_mut_ptr() as usize, O_CLOEXEC as usize, 0, 0, 0, 0];
        // SAFETY: makes two descriptors of the runtime's own.
        unsafe { kernel::call(Sysno::pipe2, args)? };
        let [read, write] = ends.map(|fd| hidden::hide(fd) as u32);
        Ok(Self { read, write })
    }

    /// Gives it back, empty.
    fn give(self) {
        let word = u64::from(self.read) << 32 | u64::from(self.write);
        let kept = KEPT.compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed);
        if kept.is_err() {
            for fd in [self.read as i32, self.write as i32] {
                fd_table::unhide(fd);
                kernel::close(fd);
            }
        }
    }

    /// Copies what a pipe holds, which stays there; none is its end.
    fn look(
        &self,
        pipe: &Pipe<'_>,
        buffer: &Buffer,
        len_bytes: usize,
        may_wait: bool,
    ) -> SyscallResult {
        let flags = if may_wait { 0 } else { NONBLOCK };
        let args = [pipe.fd, self.write as usize, len_bytes, flags, 0, 0];
        // SAFETY: between two pipes.
        let seen = from_raw(unsafe { chain::wait(Some(pipe.call), Sysno::tee, &args) })?;
        self.read(buffer, seen)
    }

    /// Takes bytes out of a pipe. It has them, unless somebody else has taken them meanwhile.
    fn drop(&self, pipe: &Pipe<'_>, buffer: &Buffer, len_bytes: usize) -> Result<(), Errno> {
        let mut left = len_bytes;
        while left > 0 {
            let args = [pipe.fd, 0, self.write as usize, 0, left, NONBLOCK];
            // SAFETY: between two pipes.
            match unsafe { kernel::call(Sysno::splice, args) } {
                Ok(0) | Err(_) => break,
                Ok(more) => left -= self.read(buffer, more)?,
            }
        }
        Ok(())
    }

    /// Reads so many bytes, which are there.
    fn read(&self, buffer: &Buffer, len_bytes: usize) -> SyscallResult {
        let mut done = 0;
        while done < len_bytes {
            let args = [
                self.read as usize,
                buffer.0 as usize + done,
                len_bytes - done,
                0,
                0,
                0,
            ];
            // SAFETY: the buffer is ours, and has room for all that is asked for.
            done += unsafe { kernel::call(Sysno::read, args)? };
        }
        Ok(done)
    }
}
