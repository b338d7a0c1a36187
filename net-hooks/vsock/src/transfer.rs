//! sendto, sendmsg, recvfrom, recvmsg.

use core::ffi::c_int;

use muslin::fd::{POLLIN, POLLOUT};
use muslin::signal;
use muslin::user::{self, Input, Output, Sources, Targets};
use muslin::{Context, Errno, SyscallArgs, SyscallResult};
use muslin_abi::flags::*;
use muslin_abi::layout::Msghdr;

use crate::socket;
use crate::sockets::{self, Id};
use crate::wait;

/// The most pieces of one message.
const PIECES_MAX: usize = 1024;
/// The most bytes that one call moves, as on Linux.
const CALL_BYTES_MAX: usize = 0x7fff_f000;
/// Places of fields in `struct msghdr`.
const NAMELEN_AT: usize = 8;
const CONTROLLEN_AT: usize = 40;
const FLAGS_AT: usize = 48;

/// `sendto(sockfd, buf, len, flags, dest_addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · those of [`sendmsg`].
pub fn sendto(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let input = Input::new(args.addr(1), args.size(2).min(CALL_BYTES_MAX))?;
    let has_name = args.addr(4) != 0;
    let flags = args.int(3) as u32;
    send(context, args.fd(0), socket.id, input, has_name, flags)
}

/// `sendmsg(sockfd, msg, flags)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EAGAIN` · `EPIPE` `ECONNRESET` `EPROTO` `ENOTCONN` · `EISCONN` `EOPNOTSUPP` an address ·
/// `EOPNOTSUPP` urgent bytes · `EMSGSIZE` · `EINTR` · `EFAULT`.
/// # Differs from Linux
/// Nothing travels beside the bytes.
pub fn sendmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let header: Msghdr = user::read(args.addr(1))?;
    if header.msg_iovlen > PIECES_MAX {
        return Err(Errno::EMSGSIZE);
    }
    let sources = Sources::read(header.msg_iov, header.msg_iovlen)?;
    let has_name = header.msg_name != 0 && header.msg_namelen > 0;
    let flags = args.int(2) as u32;
    let input = sources.input();
    send(context, args.fd(0), socket.id, input, has_name, flags)
}

fn send(
    context: &Context<'_>,
    fd: c_int,
    id: Id,
    mut input: Input<'_>,
    has_name: bool,
    flags: u32,
) -> SyscallResult {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if has_name {
        let is_connected = sockets::with_one(id, |entry, _| Ok(entry.peer.is_some()))?;
        return Err(match is_connected {
            true => Errno::EISCONN,
            false => Errno::EOPNOTSUPP,
        });
    }
    let deadline = wait::deadline(fd, flags, id, |kept| kept.send_timeout_ns)?;
    let mut sent = 0;
    loop {
        let result = wait::until(context, id, POLLOUT, deadline, |entry, _| {
            entry.write(&mut input)
        });
        match result {
            Ok(count) => sent += count,
            Err(_) if sent > 0 => return Ok(sent),
            Err(errno) => {
                signal::tell_if_broken(errno, flags);
                return Err(errno);
            }
        }
        if input.is_empty() || deadline == Some(0) {
            return Ok(sent);
        }
    }
}

/// `recvfrom(sockfd, buf, len, flags, src_addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · those of [`recvmsg`].
pub fn recvfrom(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let output = Output::new(args.addr(1), args.size(2).min(CALL_BYTES_MAX))?;
    let flags = args.int(3) as u32;
    let received = receive(context, args.fd(0), socket.id, output, flags)?;
    // A stream says nobody's address.
    if args.addr(4) != 0 && args.addr(5) != 0 {
        user::write(args.addr(5), &0_i32)?;
    }
    Ok(received)
}

/// `recvmsg(sockfd, msg, flags)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EAGAIN` · `ENOTCONN` `ECONNRESET` `EPROTO` · `EOPNOTSUPP` urgent bytes · `EMSGSIZE` ·
/// `EINTR` · `EFAULT`.
pub fn recvmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let place = args.addr(1);
    let header: Msghdr = user::read(place)?;
    if header.msg_iovlen > PIECES_MAX {
        return Err(Errno::EMSGSIZE);
    }
    let targets = Targets::read(header.msg_iov, header.msg_iovlen)?;
    let flags = args.int(2) as u32;
    let received = receive(context, args.fd(0), socket.id, targets.output(), flags)?;
    user::write(place.wrapping_add(NAMELEN_AT), &0_i32)?;
    user::write(place.wrapping_add(CONTROLLEN_AT), &0_usize)?;
    let said = flags & MSG_CMSG_CLOEXEC;
    user::write(place.wrapping_add(FLAGS_AT), &said)?;
    Ok(received)
}

fn receive(
    context: &Context<'_>,
    fd: c_int,
    id: Id,
    mut output: Output<'_>,
    flags: u32,
) -> SyscallResult {
    if flags & (MSG_OOB | MSG_ERRQUEUE) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let is_peek = flags & MSG_PEEK != 0;
    let deadline = wait::deadline(fd, flags, id, |kept| kept.receive_timeout_ns)?;
    let mut received = 0;
    loop {
        let result = wait::until(context, id, POLLIN, deadline, |entry, _| {
            entry.read(&mut output, is_peek)
        });
        let count = match result {
            Ok(count) => count,
            Err(_) if received > 0 => return Ok(received),
            Err(errno) => return Err(errno),
        };
        received += count;
        let waits_for_all = flags & MSG_WAITALL != 0 && !is_peek && deadline != Some(0);
        if !waits_for_all || count == 0 || output.is_empty() {
            return Ok(received);
        }
    }
}
