//! read, write and their forms with places and with pieces; lseek.

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::file::File;
use crate::context::Context;
use crate::user_mem::{self, RW_BYTES_MAX, UserBuf, UserBufMut};

/// `read(fd, buf, count)` — reads what comes next.
///
/// - `fd`: open descriptor.   - `buf`: address of `count` writable bytes.   - `count`: bytes, cut to
///   0x7fff_f000.
///
/// Returns bytes read; 0 is the end. May wait: a pipe for a writer.
///
/// # Errors
/// `EBADF` not open for reading · `EFAULT` bad `buf` · `EISDIR` a directory · `EAGAIN` nothing there
/// and `O_NONBLOCK`.
/// # Differs from Linux
/// A buffer that is bad anywhere is `EFAULT`, even if less would have been read.
/// # Source
/// read(2), man-pages 6.9
pub fn sys_read(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let read = |file: &File| {
        let mut dst = UserBufMut::new(context, args.addr(1), args.size(2).min(RW_BYTES_MAX))?;
        file.read(context, &mut dst)
    };
    match files.with_regular(args.fd(0), |file| file.if_readable().and_then(read)) {
        Some(done) => done,
        None => {
            let file = files.readable(args.fd(0))?;
            let whole = [(args.addr(1), args.size(2).min(RW_BYTES_MAX))];
            let done = file.ops.read_whole(context, &file, &whole);
            done.unwrap_or_else(|| read(&file))
        }
    }
}

/// `write(fd, buf, count)` — writes what comes next.
///
/// - `fd`: open descriptor.   - `buf`: address of `count` readable bytes.   - `count`: bytes, cut to
///   0x7fff_f000.
///
/// Returns bytes written. May wait: a pipe for a reader.
///
/// # Errors
/// `EBADF` not open for writing · `EFAULT` bad `buf` · `ENOSPC` no memory · `EPIPE` nobody reads ·
/// `EAGAIN` no room and `O_NONBLOCK`.
/// # Source
/// write(2), man-pages 6.9
pub fn sys_write(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let write = |file: &File| {
        let src = UserBuf::new(context, args.addr(1), args.size(2).min(RW_BYTES_MAX))?;
        file.write(context, &src)
    };
    match files.with_regular_to_write(args.fd(0), |file| file.if_writable().and_then(write)) {
        Some(done) => done,
        None => {
            let file = files.writable(args.fd(0))?;
            let whole = [(args.addr(1), args.size(2).min(RW_BYTES_MAX))];
            let done = file.ops.write_whole(context, &file, &whole);
            done.unwrap_or_else(|| write(&file))
        }
    }
}

/// `pread64(fd, buf, count, offset)` — reads at a place.
///
/// # Errors
/// `EINVAL` a negative place, or an end that no offset can say · `ESPIPE` no places · as [`sys_read`].
/// # Source
/// pread(2)
pub fn sys_pread64(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let place = place_of(args.raw(3))?;
    let files = &context.process.files;
    let read = |file: &File| {
        let mut dst = UserBufMut::new(context, args.addr(1), args.size(2).min(RW_BYTES_MAX))?;
        file.read_at(context, place, &mut dst)
    };
    match files.with_regular(args.fd(0), |file| file.if_readable().and_then(read)) {
        Some(done) => done,
        None => read(&*files.readable(args.fd(0))?),
    }
}

/// `pwrite64(fd, buf, count, offset)` — writes at a place; with `O_APPEND` at the end, as Linux does.
///
/// # Errors
/// `EINVAL` a negative place, or an end that no offset can say · `ESPIPE` no places · as [`sys_write`].
/// # Source
/// pwrite(2)
pub fn sys_pwrite64(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let place = place_of(args.raw(3))?;
    let files = &context.process.files;
    let write = |file: &File| {
        let src = UserBuf::new(context, args.addr(1), args.size(2).min(RW_BYTES_MAX))?;
        let place = (file.flags() & O_APPEND == 0).then_some(place);
        Ok(file.write_at(context, place, &src)?.0)
    };
    match files.with_regular_to_write(args.fd(0), |file| file.if_writable().and_then(write)) {
        Some(done) => done,
        None => write(&*files.writable(args.fd(0))?),
    }
}

/// `readv(fd, iov, iovcnt)` — reads into pieces.
///
/// # Errors
/// `EINVAL` more than 1024 pieces, or a negative length · as [`sys_read`].
/// # Source
/// readv(2)
pub fn sys_readv(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.readable(args.fd(0))?;
    read_pieces(context, &file, args, None)
}

/// `writev(fd, iov, iovcnt)` — writes from pieces.
///
/// # Errors
/// `EINVAL` more than 1024 pieces, or a negative length · as [`sys_write`].
/// # Source
/// writev(2)
pub fn sys_writev(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.writable(args.fd(0))?;
    write_pieces(context, &file, args, None, file.flags() & O_APPEND != 0)
}

/// `preadv(fd, iov, iovcnt, pos_l, pos_h)` — reads into pieces at a place.
///
/// # Errors
/// As [`sys_readv`] and [`sys_pread64`].
/// # Source
/// preadv(2)
pub fn sys_preadv(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let place = place_of(args.raw(3))?;
    let file = context.process.files.readable(args.fd(0))?;
    read_pieces(context, &file, args, Some(place))
}

/// `pwritev(fd, iov, iovcnt, pos_l, pos_h)` — writes from pieces at a place.
///
/// # Errors
/// As [`sys_writev`] and [`sys_pwrite64`].
/// # Source
/// pwritev(2)
pub fn sys_pwritev(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let place = place_of(args.raw(3))?;
    let file = context.process.files.writable(args.fd(0))?;
    write_pieces(
        context,
        &file,
        args,
        Some(place),
        file.flags() & O_APPEND != 0,
    )
}

/// `preadv2(fd, iov, iovcnt, pos_l, pos_h, flags)` — [`sys_preadv`], or [`sys_readv`] for place -1.
///
/// # Errors
/// `EOPNOTSUPP` another flag than `RWF_HIPRI` and `RWF_NOWAIT` · as [`sys_preadv`].
/// # Source
/// preadv2(2)
pub fn sys_preadv2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.readable(args.fd(0))?;
    if args.int(5) as u32 & !(RWF_HIPRI | RWF_NOWAIT) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    read_pieces(context, &file, args, place_or_next(args.raw(3))?)
}

/// `pwritev2(fd, iov, iovcnt, pos_l, pos_h, flags)` — [`sys_pwritev`], or [`sys_writev`] for place
/// -1. `RWF_APPEND` writes at the end; the rest is how everything here is written.
///
/// # Errors
/// `EOPNOTSUPP` an unknown flag · as [`sys_pwritev`].
/// # Source
/// pwritev2(2)
pub fn sys_pwritev2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.writable(args.fd(0))?;
    let flags = args.int(5) as u32;
    if flags & !(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let appends = flags & RWF_APPEND != 0 || file.flags() & O_APPEND != 0;
    write_pieces(context, &file, args, place_or_next(args.raw(3))?, appends)
}

/// `lseek(fd, offset, whence)` — moves the place of the next read or write.
///
/// Returns the new place. `SEEK_DATA` and `SEEK_HOLE` know holes of whole pages.
///
/// # Errors
/// `EBADF` · `EINVAL` a negative place, or no such `whence` · `ENXIO` no data there · `ESPIPE` no
/// places.
/// # Source
/// lseek(2)
pub fn sys_lseek(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let seek = |file: &File| {
        let mut place = file.offset().lock();
        *place = file
            .ops
            .seek(*place, args.raw(1) as i64, args.int(2) as u32)?;
        Ok(*place as usize)
    };
    match files.with_regular(args.fd(0), seek) {
        Some(done) => done,
        None => seek(&*files.file(args.fd(0))?),
    }
}

fn place_of(word: usize) -> Result<u64, Errno> {
    let place = word as u64;
    if place > i64::MAX as u64 {
        Err(Errno::EINVAL)
    } else {
        Ok(place)
    }
}

fn place_or_next(word: usize) -> Result<Option<u64>, Errno> {
    if word == usize::MAX {
        Ok(None)
    } else {
        place_of(word).map(Some)
    }
}

fn read_pieces(
    context: &Context<'_>,
    file: &File,
    args: &SyscallArgs,
    place: Option<u64>,
) -> SyscallResult {
    let pieces = user_mem::iovecs(context, args.addr(1), count_of(args)?)?;
    if place.is_none()
        && let Some(done) = file.ops.read_whole(context, file, &pieces)
    {
        return done;
    }
    let mut done = 0;
    for (address, len) in pieces {
        if len == 0 {
            continue;
        }
        let result = UserBufMut::new(context, address, len).and_then(|mut dst| match place {
            Some(place) => file.read_at(context, place + done as u64, &mut dst),
            // Only the first piece may wait.
            None if done > 0 && !file.ops.has_places() => file.ops.read(context, &mut dst),
            None => file.read(context, &mut dst),
        });
        match result {
            Ok(got) => {
                done += got;
                if got < len {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

fn write_pieces(
    context: &Context<'_>,
    file: &File,
    args: &SyscallArgs,
    place: Option<u64>,
    appends: bool,
) -> SyscallResult {
    let pieces = user_mem::iovecs(context, args.addr(1), count_of(args)?)?;
    if place.is_none()
        && let Some(done) = file.ops.write_whole(context, file, &pieces)
    {
        return done;
    }
    let mut done = 0;
    for (address, len) in pieces {
        if len == 0 {
            continue;
        }
        let result = UserBuf::new(context, address, len).and_then(|src| match place {
            _ if appends && file.ops.has_places() => {
                let (written, end) = file.write_at(context, None, &src)?;
                if place.is_none() {
                    *file.offset().lock() = end;
                }
                Ok(written)
            }
            Some(place) => Ok(file.write_at(context, Some(place + done as u64), &src)?.0),
            None => file.write(context, &src),
        });
        match result {
            Ok(written) => {
                done += written;
                if written < len {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// The number of pieces: negative ones are too many.
fn count_of(args: &SyscallArgs) -> Result<usize, Errno> {
    usize::try_from(args.int(2)).map_err(|_| Errno::EINVAL)
}
