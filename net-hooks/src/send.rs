//! sendto, sendmsg, sendmmsg.

use core::ffi::c_int;

use alloc::vec::Vec;

use muslin::fd::POLLOUT;
use muslin::signal;
use muslin::user::{self, Input, Sources};
use muslin::{Context, Errno, SyscallArgs, SyscallResult};
use muslin_abi::flags::{MSG_MORE, MSG_OOB};
use muslin_abi::layout::{Mmsghdr, Msghdr, Pod};
use muslin_net_stack::{Kind, SendTo};

use crate::address;
use crate::control;
use crate::kept;
use crate::names;
use crate::netlink;
use crate::socket::{self, Socket};
use crate::wait::{self, Patience};

/// The most messages of one `sendmmsg`, and the most pieces of one message.
pub const MESSAGES_MAX: usize = 1024;
/// The most bytes that one call moves, as on Linux.
pub const CALL_BYTES_MAX: usize = 0x7fff_f000;

/// `sendto(sockfd, buf, len, flags, dest_addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · those of [`sendmsg`].
pub fn sendto(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return netlink::sendto(context, args);
    };
    // An address without bytes is one, and wrong; that of a message is none.
    let name = match args.addr(4) {
        0 => None,
        place => Some(names::take(place, args.int(5))?),
    };
    let input = Input::new(args.addr(1), args.size(2).min(CALL_BYTES_MAX))?;
    let flags = args.int(3) as u32;
    send(
        context,
        args.fd(0),
        &socket,
        input,
        name.as_deref(),
        &[],
        flags,
    )
}

/// `sendmsg(sockfd, msg, flags)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EAGAIN` · `EPIPE` `ECONNRESET` `ENOTCONN` `EDESTADDRREQ` · `EMSGSIZE` ·
/// `EINVAL` · `EOPNOTSUPP` urgent bytes · `EINTR` · `EFAULT`.
/// # Differs from Linux
/// No urgent bytes.
pub fn sendmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return netlink::sendmsg(context, args);
    };
    let header: Msghdr = user::read(args.addr(1))?;
    send_header(context, args.fd(0), &socket, &header, args.int(2) as u32)
}

/// `sendmmsg(sockfd, msgvec, vlen, flags)`
///
/// # Errors
/// As [`sendmsg`], if not one message was sent.
pub fn sendmmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let count = (args.int(2) as u32 as usize).min(MESSAGES_MAX);
    for done in 0..count {
        let place = args.addr(1).wrapping_add(done * Mmsghdr::BYTES);
        let sent = user::read::<Msghdr>(place)
            .and_then(|header| {
                send_header(context, args.fd(0), &socket, &header, args.int(3) as u32)
            })
            .and_then(|len| user::write(place.wrapping_add(Msghdr::BYTES), &(len as u32)));
        match sent {
            Ok(()) => {}
            Err(_) if done > 0 => return Ok(done),
            Err(errno) => return Err(errno),
        }
    }
    Ok(count)
}

fn send_header(
    context: &Context<'_>,
    fd: c_int,
    socket: &Socket,
    header: &Msghdr,
    flags: u32,
) -> SyscallResult {
    let name = match header.msg_name {
        0 => Vec::new(),
        place => names::take(place, name_len(header)?)?,
    };
    if header.msg_iovlen > MESSAGES_MAX {
        return Err(Errno::EMSGSIZE);
    }
    let sources = Sources::read(header.msg_iov, header.msg_iovlen)?;
    let beside = control::take(header.msg_control, header.msg_controllen)?;
    let name = (!name.is_empty()).then_some(&name[..]);
    send(context, fd, socket, sources.input(), name, &beside, flags)
}

/// How long the address of a message is.
///
/// # Errors
/// `EINVAL` negative.
pub fn name_len(header: &Msghdr) -> Result<i32, Errno> {
    if header.msg_name != 0 && header.msg_namelen < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(header.msg_namelen.min(address::STORAGE_BYTES))
}

fn send(
    context: &Context<'_>,
    fd: c_int,
    socket: &Socket,
    mut input: Input<'_>,
    name: Option<&[u8]>,
    beside: &[u8],
    flags: u32,
) -> SyscallResult {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut to = SendTo::default();
    if socket.kind != Kind::Stream {
        if let Some(name) = name {
            to.to = address::to_send(name, socket.family, socket.kind)?;
        }
        control::apply(beside, socket.family, &mut to)?;
    }
    let patience = Patience::of(fd, flags, socket, |kept| kept.send_timeout_ns)?;
    let mut sent = 0;
    loop {
        let result = wait::until(context, socket, POLLOUT, patience, |net| {
            let more = flags & MSG_MORE != 0;
            if more {
                kept::more_follows(net, socket)?;
            }
            net.send(socket, &mut input, &to, more)
        });
        match result {
            Ok(len) => sent += len,
            Err(_) if sent > 0 => return Ok(sent),
            Err(errno) => {
                signal::tell_if_broken(errno, flags);
                if errno == Errno::ENETUNREACH {
                    crate::configure::say_why_unreachable();
                }
                return Err(errno);
            }
        }
        if input.is_empty() || socket.kind != Kind::Stream || patience == Patience::None {
            return Ok(sent);
        }
    }
}
