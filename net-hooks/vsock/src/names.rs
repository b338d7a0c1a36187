//! bind, listen, shutdown, getsockname, getpeername.

use alloc::collections::VecDeque;

use muslin::{Context, Errno, SyscallArgs, SyscallResult};
use muslin_abi::flags::{SHUT_RD, SHUT_RDWR, SHUT_WR};

use crate::address::{ANY, Address};
use crate::entry::Role;
use crate::peers;
use crate::socket;
use crate::sockets;

/// The longest backlog.
const BACKLOG_MAX: usize = 128;

/// `bind(sockfd, addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` it is bound, or no address · `EAFNOSUPPORT` · `EADDRINUSE` · `EADDRNOTAVAIL` it
/// is another guest's · `EFAULT`.
pub fn bind(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let wanted = Address::take(args.addr(1), args.int(2))?;
    sockets::with(|sockets| {
        let own = sockets.channels.own_number()?;
        if wanted.guest != ANY && wanted.guest != own {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let port = match wanted.port {
            ANY => sockets.free_port(),
            port if sockets.is_bound(port) => return Err(Errno::EADDRINUSE),
            port => port,
        };
        sockets.bind(
            socket.id,
            Address {
                guest: wanted.guest,
                port,
            },
        )
    })?;
    Ok(0)
}

/// `listen(sockfd, backlog)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` not bound, or connected · `EADDRINUSE` · `ENOMEM` `ENOSPC` `EACCES`.
pub fn listen(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let wanted = (args.int(1) as u32 as usize).clamp(1, BACKLOG_MAX);
    sockets::with_one(socket.id, |entry, channels| {
        let local = entry.local.ok_or(Errno::EINVAL)?;
        match entry.role {
            Role::Listening { .. } => return channels.let_wait(local.port, wanted),
            Role::Fresh => {}
            _ => return Err(Errno::EINVAL),
        }
        let [bytes, ..] = entry.settings.buffer_bytes;
        channels.listen(local.port, bytes as usize, wanted)?;
        entry.role = Role::Listening {
            waiting: 0,
            returned: VecDeque::new(),
        };
        peers::publish(channels);
        Ok(())
    })?;
    sockets::begin()?;
    Ok(0)
}

/// `shutdown(sockfd, how)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` · `ENOTCONN`.
/// # Differs from Linux
/// libxenvchan has no such thing: a program that uses it sees the end when the socket reads no more either.
pub fn shutdown(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let (reads, writes) = match args.int(1) {
        SHUT_RD => (true, false),
        SHUT_WR => (false, true),
        SHUT_RDWR => (true, true),
        _ => return Err(Errno::EINVAL),
    };
    sockets::with_one(socket.id, |entry, _| entry.shut(reads, writes))?;
    Ok(0)
}

/// `getsockname(sockfd, addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` a negative length · `EFAULT`.
pub fn getsockname(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let local = sockets::with_one(socket.id, |entry, _| Ok(entry.local))?;
    let nothing = Address {
        guest: ANY,
        port: ANY,
    };
    local.unwrap_or(nothing).give(args.addr(1), args.addr(2))?;
    Ok(0)
}

/// `getpeername(sockfd, addr, addrlen)`
///
/// # Errors
/// As [`getsockname`]; `ENOTCONN`.
pub fn getpeername(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let peer = sockets::with_one(socket.id, |entry, _| match entry.role {
        Role::Open(_) => entry.peer.ok_or(Errno::ENOTCONN),
        _ => Err(Errno::ENOTCONN),
    })?;
    peer.give(args.addr(1), args.addr(2))?;
    Ok(0)
}
