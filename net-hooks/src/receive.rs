//! recvfrom, recvmsg, recvmmsg.

use core::ffi::c_int;

use muslin::fd::POLLIN;
use muslin::user::{self, Output, Targets};
use muslin::{Context, Errno, SyscallArgs, SyscallResult, clock};
use muslin_abi::flags::*;
use muslin_abi::layout::{Mmsghdr, Msghdr, Pod};
use muslin_abi::time::{duration_ns, timespec_of_duration};
use muslin_net_stack::{Kind, ReceiveHow, Received};

use crate::address;
use crate::clock::realtime_of;
use crate::control;
use crate::failures;
use crate::names;
use crate::net;
use crate::netlink;
use crate::send::{CALL_BYTES_MAX, MESSAGES_MAX, name_len};
use crate::socket::{self, Socket};
use crate::wait::{self, Patience};

/// Places of fields in `struct msghdr`.
const NAMELEN_AT: usize = 8;
const CONTROLLEN_AT: usize = 40;
const FLAGS_AT: usize = 48;

/// `recvfrom(sockfd, buf, len, flags, src_addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · those of [`recvmsg`].
pub fn recvfrom(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return netlink::recvfrom(context, args);
    };
    let flags = args.int(3) as u32;
    let mut output = Output::new(args.addr(1), args.size(2).min(CALL_BYTES_MAX))?;
    if flags & MSG_ERRQUEUE != 0 {
        let failure = net::attempt(|net| net.receive_failure(&socket, &mut output))?;
        if args.addr(4) != 0 {
            let name = address::bytes_of(failure.destination);
            names::give(&name, args.addr(4), args.addr(5))?;
        }
        return Ok(failure.received.bytes);
    }
    let (received, len) = receive(context, args.fd(0), &socket, output, flags)?;
    if args.addr(4) != 0 {
        let name = name_of(&socket, &received);
        names::give(&name, args.addr(4), args.addr(5))?;
    }
    Ok(len)
}

/// `recvmsg(sockfd, msg, flags)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EAGAIN` · `ENOTCONN` `ECONNRESET` `ECONNREFUSED` … · `EINVAL` urgent bytes ·
/// `EMSGSIZE` too many pieces · `EINTR` · `EFAULT`.
/// # Differs from Linux
/// No urgent bytes. Of errors only those of ICMP are queued, for datagrams and echoes.
pub fn recvmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return netlink::recvmsg(context, args);
    };
    receive_header(
        context,
        args.fd(0),
        &socket,
        args.addr(1),
        args.int(2) as u32,
    )
}

/// `recvmmsg(sockfd, msgvec, vlen, flags, timeout)`
///
/// # Errors
/// As [`recvmsg`], if not one message came; `EINVAL` a wrong time.
pub fn recvmmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let count = (args.int(2) as u32 as usize).min(MESSAGES_MAX);
    let mut flags = args.int(3) as u32;
    let ends_at_ns = match args.addr(4) {
        0 => None,
        place => Some(clock::now_ns().saturating_add(duration_ns(&user::read(place)?)?)),
    };
    let mut done = 0;
    while done < count {
        let place = args.addr(1).wrapping_add(done * Mmsghdr::BYTES);
        let flags_now = flags & !MSG_WAITFORONE;
        let received = receive_header(context, args.fd(0), &socket, place, flags_now)
            .and_then(|len| user::write(place.wrapping_add(Msghdr::BYTES), &(len as u32)));
        match received {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
        if flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        // As Linux: the time is looked at between messages only.
        let now_ns = clock::now_ns();
        if ends_at_ns.is_some_and(|ends_at_ns| now_ns >= ends_at_ns) {
            break;
        }
    }
    if let Some(ends_at_ns) = ends_at_ns {
        let left_ns = ends_at_ns.saturating_sub(clock::now_ns());
        user::write(args.addr(4), &timespec_of_duration(left_ns))?;
    }
    Ok(done)
}

fn receive_header(
    context: &Context<'_>,
    fd: c_int,
    socket: &Socket,
    place: usize,
    flags: u32,
) -> SyscallResult {
    let header: Msghdr = user::read(place)?;
    if header.msg_iovlen > MESSAGES_MAX {
        return Err(Errno::EMSGSIZE);
    }
    name_len(&header)?;
    let targets = Targets::read(header.msg_iov, header.msg_iovlen)?;
    let mut output = targets.output();
    let mut said = flags & MSG_CMSG_CLOEXEC;
    let (received, len, failure) = if flags & MSG_ERRQUEUE != 0 {
        said |= MSG_ERRQUEUE;
        let failure = net::attempt(|net| net.receive_failure(socket, &mut output))?;
        (failure.received, failure.received.bytes, Some(failure))
    } else {
        let (received, len) = receive(context, fd, socket, output, flags)?;
        (received, len, None)
    };
    if received.full_length > received.bytes {
        said |= MSG_TRUNC;
    }
    if header.msg_name != 0 {
        let name = match &failure {
            Some(failure) => address::bytes_of(failure.destination),
            None => name_of(socket, &received),
        };
        let fits = name.get(..header.msg_namelen as usize).unwrap_or(&name);
        user::write_bytes(header.msg_name, fits)?;
        user::write(place.wrapping_add(NAMELEN_AT), &(name.len() as i32))?;
    }
    let mut beside = alloc::vec::Vec::new();
    if socket.kind != Kind::Stream {
        let wishes = net::attempt(|net| Ok(net.kept(socket.id)?.wishes))?;
        beside = control::bytes_of(&wishes, &received, socket.family, realtime_of);
    }
    if let Some(failure) = &failure {
        let (level, kind, data) = failures::told(failure, socket.family);
        control::put(&mut beside, level, kind, &data);
    }
    if header.msg_control == 0 || header.msg_controllen < beside.len() {
        if !beside.is_empty() {
            said |= MSG_CTRUNC;
        }
        let room = if header.msg_control == 0 {
            0
        } else {
            header.msg_controllen
        };
        beside = control::cut(beside, room);
    }
    user::write_bytes(header.msg_control, &beside)?;
    user::write(place.wrapping_add(CONTROLLEN_AT), &beside.len())?;
    user::write(place.wrapping_add(FLAGS_AT), &said)?;
    Ok(len)
}

/// The sender's address: a stream says none.
fn name_of(socket: &Socket, received: &Received) -> alloc::vec::Vec<u8> {
    match socket.kind {
        Kind::Stream => alloc::vec::Vec::new(),
        Kind::Datagram | Kind::Echo | Kind::Raw(_) => address::bytes_of(received.from),
    }
}

/// Receives, and what the call answers.
fn receive(
    context: &Context<'_>,
    fd: c_int,
    socket: &Socket,
    mut output: Output<'_>,
    flags: u32,
) -> Result<(Received, usize), Errno> {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EINVAL);
    }
    let is_stream = socket.kind == Kind::Stream;
    let how = ReceiveHow {
        peek: flags & MSG_PEEK != 0,
    };
    let is_discarded = is_stream && flags & MSG_TRUNC != 0;
    let patience = Patience::of(fd, flags, socket, |kept| kept.receive_timeout_ns)?;
    let mut whole: Option<Received> = None;
    loop {
        let result = wait::until(context, socket, POLLIN, patience, |net| {
            net.receive(socket, &mut output, how, is_discarded)
        });
        let received = match (result, whole) {
            (Ok(received), _) => received,
            (Err(_), Some(whole)) => return Ok((whole, whole.bytes)),
            (Err(errno), None) => return Err(errno),
        };
        let before = whole.map_or(0, |whole| whole.bytes);
        let is_end = received.bytes == 0;
        let sum = Received {
            bytes: before + received.bytes,
            full_length: before + received.full_length,
            ..received
        };
        whole = Some(sum);
        let waits_for_all = is_stream && flags & MSG_WAITALL != 0 && !how.peek;
        if !waits_for_all || is_end || output.is_empty() || patience == Patience::None {
            let says_all = !is_stream && flags & MSG_TRUNC != 0;
            return Ok((sum, if says_all { sum.full_length } else { sum.bytes }));
        }
    }
}
