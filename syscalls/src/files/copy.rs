//! Copying between files without the program's memory: sendfile, copy_file_range, splice, tee.

use alloc::sync::Arc;
use alloc::vec;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::file::File;
use super::inode::Body;
use super::pipe::PipeEnd;
use super::waiting::{Looked, TO_READ, TO_WRITE, wait_for_files};
use crate::context::Context;
use crate::user_mem::{self, RW_BYTES_MAX, UserBuf, UserBufMut};

/// Bytes that are on their way at once.
const PIECE_BYTES: usize = 16384;
const SPLICE_KNOWN: u32 = 0xf;
const SPLICE_F_NONBLOCK: u32 = 2;

/// `sendfile(out_fd, in_fd, offset, count)` — copies from a file to anything.
///
/// - `offset`: address of the place to read at, which moves; null reads what comes next.
///
/// Returns bytes copied.
///
/// # Errors
/// `EBADF` not open that way · `EINVAL` `in_fd` has no places, `out_fd` appends · `EFAULT`.
/// # Source
/// sendfile(2)
pub fn sys_sendfile(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let from = files.readable(args.fd(1))?;
    let to = files.writable(args.fd(0))?;
    if !from.ops.has_places() || to.flags() & O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let source = Side::new(context, &from, args.addr(2))?;
    transfer(context, source, Side::new(context, &to, 0)?, args.size(3))
}

/// `copy_file_range(fd_in, off_in, fd_out, off_out, len, flags)` — copies from a file to a file.
///
/// # Errors
/// `EBADF` not open that way, or `fd_out` appends · `EINVAL` not regular files, they overlap, or
/// flags · `EISDIR` a directory · `EFAULT`.
/// # Source
/// copy_file_range(2)
pub fn sys_copy_file_range(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let (from, to) = (files.file(args.fd(0))?, files.file(args.fd(2))?);
    if args.int(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let is_directory = |file: &File| {
        let inode = file.inode.as_ref();
        inode.is_some_and(|inode| inode.is_directory())
    };
    if is_directory(&from) || is_directory(&to) {
        return Err(Errno::EISDIR);
    }
    let is_regular = |file: &File| {
        let inode = file.inode.as_ref();
        inode.is_some_and(|inode| matches!(inode.body, Body::Regular(_)))
    };
    if !is_regular(&from) || !is_regular(&to) {
        return Err(Errno::EINVAL);
    }
    if !from.can_read() || !to.can_write() || to.flags() & O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    let source = Side::new(context, &from, args.addr(1))?;
    let target = Side::new(context, &to, args.addr(3))?;
    // No further than the end as it is now: a file that is copied onto itself grows meanwhile.
    let left = from.inode.as_ref().map_or(0, |inode| inode.len_bytes());
    let left = left.saturating_sub(source.place());
    let len = left.min(args.size(4).min(RW_BYTES_MAX) as u64);
    if let (Some(one), Some(other)) = (&from.inode, &to.inode)
        && Arc::ptr_eq(one, other)
    {
        let (first, second) = (source.place(), target.place());
        if first < second.saturating_add(len) && second < first.saturating_add(len) {
            return Err(Errno::EINVAL);
        }
    }
    transfer(context, source, target, len as usize)
}

/// `splice(fd_in, off_in, fd_out, off_out, len, flags)` — copies from or to a pipe.
///
/// # Errors
/// `EINVAL` neither is a pipe, a place for what has none, or unknown flags · `ESPIPE` a place for a pipe ·
/// `EAGAIN` the pipe is empty or full, and waiting is forbidden · `EBADF` · `EFAULT`.
/// # Source
/// splice(2)
pub fn sys_splice(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(5) as u32;
    if flags & !SPLICE_KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    if args.size(4) == 0 {
        return Ok(0);
    }
    let files = &context.process.files;
    let both = both(files.file(args.fd(0))?, files.file(args.fd(2))?);
    let [(from, _), (to, _)] = &both;
    let pipes = (pipe_of(from), pipe_of(to));
    if (pipes.0.is_some() && args.addr(1) != 0) || (pipes.1.is_some() && args.addr(3) != 0) {
        return Err(Errno::ESPIPE);
    }
    let mut source = Side::new(context, from, args.addr(1))?;
    let mut target = Side::new(context, to, args.addr(3))?;
    if !from.can_read() || !to.can_write() {
        return Err(Errno::EBADF);
    }
    let is_possible = match pipes {
        (Some(one), Some(other)) => !Arc::ptr_eq(one.pipe(), other.pipe()),
        (Some(_), None) => to.flags() & O_APPEND == 0,
        (None, Some(_)) => true,
        (None, None) => false,
    };
    if !is_possible {
        return Err(Errno::EINVAL);
    }
    let never_waits = flags & SPLICE_F_NONBLOCK != 0;
    if let (Some(pipe), None) = pipes
        && !to.ops.has_places()
    {
        return out_of_pipe(context, pipe, &both, args.size(4), never_waits);
    }
    source.never_waits = never_waits;
    target.never_waits = never_waits;
    // One piece: a pipe gives what it has.
    let len = args.size(4).min(super::PIPE_BYTES);
    let len = piece(context, &both, len, never_waits)?;
    let mut bytes = vec![0; len];
    let got = source.read(context, &mut bytes)?;
    let written = target.write(context, &bytes[..got])?;
    source.finish(context)?;
    target.finish(context)?;
    Ok(written)
}

/// From a pipe to what has no places: what it does not take stays in the pipe. Takes what is there, up to
/// `len` bytes, and waits for the first of them and for room, unless that is forbidden there.
fn out_of_pipe(
    context: &Context<'_>,
    pipe: &PipeEnd,
    both: &[Looked; 2],
    len: usize,
    never_waits: bool,
) -> SyscallResult {
    let ([(from, _), (to, _)], (first, second)) = (both, both.split_at(1));
    let mut bytes = vec![0; len.min(PIECE_BYTES)];
    let mut done = 0;
    let result = loop {
        let wanted = bytes.len().min(len - done);
        let drained = pipe.drain(wanted, true, |at, piece| {
            bytes[at..at + piece.len()].copy_from_slice(piece);
        });
        let taken = match drained {
            Ok(0) => break Ok(0),
            Ok(got) => to.ops.write(context, &UserBuf::from_slice(&bytes[..got])),
            Err(errno) => Err(errno),
        };
        let waited = match taken {
            Ok(written) => {
                pipe.drain(written, false, |_, _| ())?;
                done += written;
                if done == len || written == 0 {
                    break Ok(0);
                }
                continue;
            }
            Err(Errno::EAGAIN) if drained.is_ok() && !to.is_nonblocking() => second,
            Err(Errno::EAGAIN)
                if drained.is_err() && done == 0 && !never_waits && !from.is_nonblocking() =>
            {
                first
            }
            Err(errno) => break Err(errno),
        };
        if let Err(errno) = wait_for_files(context, waited, None) {
            break Err(errno);
        }
    };
    match result {
        Err(errno) if done == 0 => Err(errno),
        _ => Ok(done),
    }
}

/// `tee(fd_in, fd_out, len, flags)` — copies from a pipe to a pipe; the first keeps it.
///
/// # Errors
/// `EINVAL` not two pipes, or unknown flags · `EAGAIN` one is empty or the other full, and waiting is
/// forbidden · `EBADF`.
///
/// May wait: yes.
/// # Source
/// tee(2)
pub fn sys_tee(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.int(3) as u32 & !SPLICE_KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    if args.size(2) == 0 {
        return Ok(0);
    }
    let files = &context.process.files;
    let both = both(files.file(args.fd(0))?, files.file(args.fd(1))?);
    let [(from, _), (to, _)] = &both;
    if !from.can_read() || !to.can_write() {
        return Err(Errno::EBADF);
    }
    let (Some(source), Some(target)) = (pipe_of(from), pipe_of(to)) else {
        return Err(Errno::EINVAL);
    };
    if Arc::ptr_eq(source.pipe(), target.pipe()) {
        return Err(Errno::EINVAL);
    }
    let never_waits = args.int(3) as u32 & SPLICE_F_NONBLOCK != 0;
    let len = piece(context, &both, args.size(2), never_waits)?;
    let mut bytes = vec![0; len];
    let got = source.drain(len, true, |at, piece| {
        bytes[at..at + piece.len()].copy_from_slice(piece);
    })?;
    if got == 0 {
        return Ok(0);
    }
    target.fill(&UserBuf::from_slice(&bytes[..got]))
}

/// `vmsplice(fd, iov, nr_segs, flags)` — as writev or readv of a pipe; the pages are copied.
///
/// # Errors
/// `EBADF` not a pipe · as [`sys_writev`](super::sys_writev).
/// # Source
/// vmsplice(2)
pub fn sys_vmsplice(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    if pipe_of(&file).is_none() {
        return Err(Errno::EBADF);
    }
    if args.int(3) as u32 & !SPLICE_KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    if file.can_write() {
        super::sys_writev(context, args)
    } else {
        super::sys_readv(context, args)
    }
}

/// Two files, and what is waited for there before something can go from the first to the second.
fn both(from: Arc<File>, to: Arc<File>) -> [Looked; 2] {
    [(from, TO_READ), (to, TO_WRITE)]
}

/// How much of `len` bytes can go from one file to another, of which one is a pipe. Waits until the first
/// has something and the second has room, unless that is forbidden anywhere.
///
/// # Errors
/// `EPIPE` nobody could read · `EAGAIN` it would have to wait · [`Errno::RESTART`] a signal came first.
fn piece(
    context: &Context<'_>,
    both: &[Looked; 2],
    len: usize,
    never_waits: bool,
) -> Result<usize, Errno> {
    let [(from, _), (to, _)] = both;
    let Some(target) = pipe_of(to) else {
        return Ok(len);
    };
    loop {
        // An empty pipe is said before one that nobody reads.
        if pipe_of(from).is_none_or(PipeEnd::has_something) {
            let room = target.room_bytes()?;
            if room > 0 {
                return Ok(len.min(room));
            }
        }
        if never_waits || from.is_nonblocking() || to.is_nonblocking() {
            return Err(Errno::EAGAIN);
        }
        wait_for_files(context, both, None)?;
    }
}

/// The pipe that a file is an end of.
fn pipe_of(file: &File) -> Option<&PipeEnd> {
    file.ops.as_any().downcast_ref()
}

/// One side of a copy: a file, and the place there.
struct Side<'a> {
    file: &'a Arc<File>,
    /// Where the program keeps the place; 0 is in the description.
    address: usize,
    place: u64,
    never_waits: bool,
}

impl<'a> Side<'a> {
    fn new(context: &Context<'_>, file: &'a Arc<File>, address: usize) -> Result<Self, Errno> {
        let place = if address == 0 {
            *file.offset().lock()
        } else {
            let place: i64 = user_mem::read(context, address)?;
            // It goes back there: say so before anything is copied.
            UserBufMut::new(context, address, size_of::<u64>())?;
            if !file.ops.has_places() {
                return Err(Errno::EINVAL);
            }
            u64::try_from(place).map_err(|_| Errno::EINVAL)?
        };
        Ok(Self {
            file,
            address,
            place,
            never_waits: false,
        })
    }

    fn place(&self) -> u64 {
        self.place
    }

    fn read(&mut self, context: &Context<'_>, bytes: &mut [u8]) -> Result<usize, Errno> {
        let mut dst = UserBufMut::from_slice(bytes);
        if self.file.ops.has_places() {
            let got = self.file.read_at(context, self.place, &mut dst)?;
            self.place += got as u64;
            Ok(got)
        } else if self.never_waits {
            self.file.ops.read(context, &mut dst)
        } else {
            self.file.read(context, &mut dst)
        }
    }

    fn write(&mut self, context: &Context<'_>, bytes: &[u8]) -> Result<usize, Errno> {
        let src = UserBuf::from_slice(bytes);
        if self.file.ops.has_places() {
            let (written, end) = self.file.write_at(context, Some(self.place), &src)?;
            self.place = end;
            Ok(written)
        } else if self.never_waits {
            self.file.ops.write(context, &src)
        } else {
            self.file.write(context, &src)
        }
    }

    /// Puts the place back where it came from.
    fn finish(&self, context: &Context<'_>) -> Result<(), Errno> {
        if self.address != 0 {
            return user_mem::write(context, self.address, &self.place);
        }
        if self.file.ops.has_places() {
            *self.file.offset().lock() = self.place;
        }
        Ok(())
    }
}

fn transfer(
    context: &Context<'_>,
    mut source: Side<'_>,
    mut target: Side<'_>,
    len: usize,
) -> SyscallResult {
    let len = len.min(RW_BYTES_MAX);
    let mut bytes = vec![0; PIECE_BYTES.min(len)];
    let mut done = 0;
    let mut failed = None;
    while done < len {
        let piece = bytes.len().min(len - done);
        let before = source.place;
        let got = source.read(context, &mut bytes[..piece])?;
        if got == 0 {
            break;
        }
        match target.write(context, &bytes[..got]) {
            Ok(written) => {
                done += written;
                if written < got {
                    source.place = before + written as u64;
                    break;
                }
            }
            Err(errno) => {
                source.place = before;
                failed = Some(errno);
                break;
            }
        }
    }
    source.finish(context)?;
    target.finish(context)?;
    match failed {
        Some(errno) if done == 0 => Err(errno),
        _ => Ok(done),
    }
}
