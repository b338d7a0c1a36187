//! read, write and their kin of minted descriptors: what waits, waits here.

use core::sync::atomic::Ordering;

use muslin_abi::args::from_raw;
use muslin_abi::file::{FOR_EVER_NS, MoveFn, Piece, TimeoutFn};
use muslin_abi::handler::Call;
use muslin_abi::{Errno, SyscallResult, Sysno};

use crate::fd_api::wait;
use crate::fd_calls::{minted, next};
use crate::fd_table::{Entry, Held, look_up};
use crate::heap;
use crate::kernel;
use crate::raw;

/// As many pieces a call may have.
const PIECES_MAX: usize = 1024;
/// As many bytes a call moves at most.
const BYTES_MAX: usize = 0x7fff_f000;
/// As many pieces go to an object at once behind a write that it took in part.
const PIECES_AT_ONCE: usize = 16;

/// A way in or out of an object.
pub struct Way<'a> {
    call: &'a Call,
    file: &'a Held,
    function: MoveFn,
    timeout_ns: Option<TimeoutFn>,
    /// When a wait is over, once there was one.
    deadline_ns: Option<u64>,
    /// May it wait? Not in a file that is said never to.
    pub may_wait: bool,
}

impl<'a> Way<'a> {
    /// The way in, for those who read.
    pub fn in_of(call: &'a Call, file: &'a Held, may_wait: bool) -> Result<Self, Errno> {
        let ops = file.ops();
        let function = ops.read.ok_or(Errno::EINVAL)?;
        Ok(Self::new(
            call,
            file,
            function,
            ops.read_timeout_ns,
            may_wait,
        ))
    }

    /// The way out, for those who write.
    pub fn out_of(call: &'a Call, file: &'a Held, may_wait: bool) -> Result<Self, Errno> {
        let ops = file.ops();
        let function = ops.write.ok_or(Errno::EINVAL)?;
        Ok(Self::new(
            call,
            file,
            function,
            ops.write_timeout_ns,
            may_wait,
        ))
    }

    fn new(
        call: &'a Call,
        file: &'a Held,
        function: MoveFn,
        timeout_ns: Option<TimeoutFn>,
        may_wait: bool,
    ) -> Self {
        Self {
            call,
            file,
            function,
            timeout_ns,
            deadline_ns: None,
            may_wait: may_wait && !file.is_nonblocking.load(Ordering::Relaxed),
        }
    }

    /// Has the object move bytes, and waits for it where it may.
    pub fn go(&mut self, pieces: &[Piece]) -> SyscallResult {
        loop {
            let seen = self.file.happened.load(Ordering::SeqCst);
            // SAFETY: the pieces are the program's, which answers for them.
            let raw = unsafe { (self.function)(self.file.object(), pieces.as_ptr(), pieces.len()) };
            let result = from_raw(raw);
            if result != Err(Errno::EAGAIN) || !self.may_wait {
                return result;
            }
            let deadline_ns = self.deadline_ns();
            wait(Some(self.call), self.file, seen, deadline_ns)?;
        }
    }

    fn deadline_ns(&mut self) -> u64 {
        if let Some(known) = self.deadline_ns {
            return known;
        }
        let timeout_ns = self.timeout_ns.map_or(FOR_EVER_NS, |timeout_ns| {
            // SAFETY: a function of the object's.
            unsafe { timeout_ns(self.file.object()) }
        });
        let deadline_ns = match timeout_ns {
            FOR_EVER_NS => FOR_EVER_NS,
            some => kernel::now_ns().saturating_add(some),
        };
        *self.deadline_ns.insert(deadline_ns)
    }

    /// Reads; nothing into no room, as the kernel does.
    fn read(mut self, pieces: &[Piece]) -> SyscallResult {
        if pieces.iter().all(|piece| piece.len_bytes == 0) {
            return Ok(0);
        }
        self.go(pieces)
    }

    /// Writes all of the pieces, as long as it may wait.
    fn write_all(&mut self, pieces: &[Piece]) -> SyscallResult {
        let all: usize = pieces.iter().map(|piece| piece.len_bytes).sum();
        let mut done = match self.go(pieces) {
            Ok(done) => done,
            Err(errno) => return Err(Self::refused(errno)),
        };
        while done < all && self.may_wait {
            let mut rest = [Piece {
                base: core::ptr::null_mut(),
                len_bytes: 0,
            }; PIECES_AT_ONCE];
            let count = rest_of(pieces, done, &mut rest);
            match self.go(rest.get(..count).unwrap_or_default()) {
                Ok(0) | Err(_) => break,
                Ok(more) => done += more,
            }
        }
        Ok(done)
    }

    /// A write to what nobody reads any more raises SIGPIPE.
    pub fn refused(errno: Errno) -> Errno {
        const SIGPIPE: usize = 13;
        if errno == Errno::EPIPE {
            let (process, thread) = raw::identity();
            let args = [process as usize, thread as usize, SIGPIPE, 0, 0, 0];
            // SAFETY: a signal for the thread that writes.
            unsafe { raw::call(Sysno::tgkill, args) };
        }
        errno
    }
}

/// The pieces behind the first `done` bytes, as many as there is room for; how many.
fn rest_of(pieces: &[Piece], mut done: usize, rest: &mut [Piece]) -> usize {
    let mut count = 0;
    for piece in pieces {
        if done >= piece.len_bytes {
            done -= piece.len_bytes;
            continue;
        }
        let Some(place) = rest.get_mut(count) else {
            break;
        };
        *place = Piece {
            base: piece.base.wrapping_add(done),
            len_bytes: piece.len_bytes - done,
        };
        done = 0;
        count += 1;
    }
    count
}

/// One piece of the program's memory.
fn one(base: usize, len_bytes: usize) -> Result<[Piece; 1], Errno> {
    if base == 0 && len_bytes != 0 {
        return Err(Errno::EFAULT);
    }
    Ok([Piece {
        base: base as *mut u8,
        len_bytes: len_bytes.min(BYTES_MAX),
    }])
}

/// The pieces of a call with a `struct iovec`.
fn many<'a>(start: usize, count: usize) -> Result<&'a [Piece], Errno> {
    if count > PIECES_MAX {
        return Err(Errno::EINVAL);
    }
    if count == 0 {
        return Ok(&[]);
    }
    if start == 0 {
        return Err(Errno::EFAULT);
    }
    // SAFETY: the program says that so many lie there, as an address and a length each, which is what a
    // piece is; a bad address is its own fault.
    let pieces = unsafe { core::slice::from_raw_parts(start as *const Piece, count) };
    let mut all = 0usize;
    for piece in pieces {
        if piece.len_bytes > isize::MAX as usize {
            return Err(Errno::EINVAL);
        }
        if piece.base.is_null() && piece.len_bytes != 0 {
            return Err(Errno::EFAULT);
        }
        all = all.saturating_add(piece.len_bytes);
    }
    if all > isize::MAX as usize {
        return Err(Errno::EINVAL);
    }
    Ok(pieces)
}

/// `read(fd, buf, count)`.
pub fn read(call: &Call) -> SyscallResult {
    let [fd, base, len_bytes, ..] = call.args;
    let Some(file) = minted(fd)? else {
        return next(call);
    };
    Way::in_of(call, &file, true)?.read(&one(base, len_bytes)?)
}

/// `readv(fd, iov, iovcnt)`.
pub fn readv(call: &Call) -> SyscallResult {
    let [fd, start, count, ..] = call.args;
    let Some(file) = minted(fd)? else {
        return next(call);
    };
    Way::in_of(call, &file, true)?.read(many(start, count)?)
}

/// What `preadv2` and `pwritev2` have behind the pieces.
fn placed(call: &Call) -> Result<bool, Errno> {
    const RWF_NOWAIT: u32 = 8;
    /// All that there are, but for RWF_APPEND and what is newer.
    const KNOWN: u32 = 1 | 2 | 4 | RWF_NOWAIT;
    let (offset, flags) = (call.args[3] as isize, call.args[5] as u32);
    if offset != -1 {
        return Err(Errno::ESPIPE);
    }
    if flags & !KNOWN != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(flags & RWF_NOWAIT == 0)
}

/// `preadv2(fd, iov, iovcnt, offset, …, flags)`: with the offset -1 a `readv`.
pub fn preadv2(call: &Call) -> SyscallResult {
    let [fd, start, count, ..] = call.args;
    let Some(file) = minted(fd)? else {
        return next(call);
    };
    let may_wait = placed(call)?;
    Way::in_of(call, &file, may_wait)?.read(many(start, count)?)
}

/// `write(fd, buf, count)`.
pub fn write(call: &Call) -> SyscallResult {
    let [fd, base, len_bytes, ..] = call.args;
    let Some(file) = minted(fd)? else {
        return next(call);
    };
    Way::out_of(call, &file, true)?.write_all(&one(base, len_bytes)?)
}

/// `writev(fd, iov, iovcnt)`.
pub fn writev(call: &Call) -> SyscallResult {
    let [fd, start, count, ..] = call.args;
    let Some(file) = minted(fd)? else {
        return next(call);
    };
    Way::out_of(call, &file, true)?.write_all(many(start, count)?)
}

/// `pwritev2(fd, iov, iovcnt, offset, …, flags)`: with the offset -1 a `writev`.
pub fn pwritev2(call: &Call) -> SyscallResult {
    let [fd, start, count, ..] = call.args;
    let Some(file) = minted(fd)? else {
        return next(call);
    };
    let may_wait = placed(call)?;
    Way::out_of(call, &file, may_wait)?.write_all(many(start, count)?)
}

/// Memory that `sendfile` and `splice` go through.
pub struct Buffer(pub *mut u8);

impl Buffer {
    /// Its size.
    pub const BYTES: usize = 32 * 1024 - 64;

    /// Takes it from the runtime's heap.
    pub fn new() -> Result<Self, Errno> {
        let memory = heap::allocate(Self::BYTES, size_of::<usize>());
        memory.map(Self).ok_or(Errno::ENOMEM)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it came from there, and nobody uses it any more.
        unsafe { heap::free(self.0) };
    }
}

/// `sendfile(out_fd, in_fd, offset, count)`: from a file of the kernel's that has places.
pub fn sendfile(call: &Call) -> SyscallResult {
    let [to, from, offset, count, ..] = call.args;
    match look_up(from as i32) {
        Entry::Host => {}
        Entry::Hidden => return Err(Errno::EBADF),
        Entry::Minted(_) => return Err(Errno::EINVAL),
    }
    let Some(file) = minted(to)? else {
        return next(call);
    };
    let mut way = Way::out_of(call, &file, true)?;
    let buffer = Buffer::new()?;
    // SAFETY: where the program says that its offset is.
    let place = unsafe { (offset as *mut u64).as_mut() };
    let start = match &place {
        Some(place) => **place as usize,
        None => seek(from, 0, SEEK_CUR)?,
    };
    let mut sent = 0;
    let mut result = Ok(0);
    while sent < count {
        let len_bytes = (count - sent).min(Buffer::BYTES);
        let args = [from, buffer.0 as usize, len_bytes, start + sent, 0, 0];
        // SAFETY: the buffer is ours.
        let got = match unsafe { kernel::call(Sysno::pread64, args) } {
            Ok(0) => break,
            Ok(got) => got,
            Err(errno) => {
                result = Err(errno);
                break;
            }
        };
        let pieces = [Piece {
            base: buffer.0,
            len_bytes: got,
        }];
        match way.write_all(&pieces) {
            Ok(written) => {
                sent += written;
                if written < got {
                    break;
                }
            }
            Err(errno) => {
                result = Err(errno);
                break;
            }
        }
    }
    if sent == 0 {
        return result;
    }
    match place {
        Some(place) => *place = (start + sent) as u64,
        None => {
            seek(from, start + sent, SEEK_SET)?;
        }
    }
    Ok(sent)
}

const SEEK_SET: usize = 0;
const SEEK_CUR: usize = 1;

fn seek(fd: usize, offset: usize, whence: usize) -> SyscallResult {
    // SAFETY: changes the place of a file that the program hands in.
    let place = unsafe { kernel::call(Sysno::lseek, [fd, offset, whence, 0, 0, 0]) };
    // As of a pipe: it has no places.
    place.map_err(|errno| match errno {
        Errno::ESPIPE => Errno::EINVAL,
        other => other,
    })
}
