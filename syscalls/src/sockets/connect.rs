//! listen, connect, accept, accept4, shutdown.

use alloc::sync::Arc;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::address::{self, Address};
use super::domain::Key;
use super::endpoint::{Endpoint, Kind};
use super::make::install;
use super::names::bind_anywhere;
use super::send::own_credentials;
use super::socket::{Socket, end_of};
use super::wait::Patience;
use crate::context::Context;
use crate::files::walk::{self, AtEnd};

/// The most connections that wait to be accepted.
const BACKLOG_MAX: usize = 4096;

/// `listen(sockfd, backlog)` — takes connections from now on.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EOPNOTSUPP` datagrams · `EINVAL` it has no name, or a peer.
/// # Source
/// listen(2), unix(7)
pub fn sys_listen(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    // A negative number is a great one.
    let backlog = (args.int(1) as u32 as usize).min(BACKLOG_MAX);
    end_of(&file)?.listen(backlog, own_credentials(context))?;
    Ok(0)
}

/// `connect(sockfd, addr, addrlen)` — connects with a socket that listens, or sets where datagrams go.
///
/// May wait: for room among the connections that wait to be accepted.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EINVAL` a wrong address, or it listens · `ECONNREFUSED` nobody listens
/// there · `EPROTOTYPE` another kind of socket does · `EISCONN` · `EAGAIN` no room, and `O_NONBLOCK` or
/// `SO_SNDTIMEO` · `EPERM` the other one takes no datagrams from here · as [`walk`] · `EFAULT`.
/// # Source
/// connect(2), unix(7)
pub fn sys_connect(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    let bytes = address::read(context, args.addr(1), args.int(2))?;
    let is_nowhere = address::family(&bytes) == Some(AF_UNSPEC);
    if end.kind == Kind::Datagram && is_nowhere {
        end.associate(None)?;
        return Ok(0);
    }
    let address = Address::parse(&bytes)?;
    if end.state().options.passes_credentials {
        bind_anywhere(context.process.sockets.domain(), end)?;
    }
    if end.kind == Kind::Datagram {
        let other = find(context, end.kind, &address)?;
        end.associate(Some(other))?;
        return Ok(0);
    }
    context.process.memory.has_room_for_kernel()?;
    let patience = Patience::to_send(context, &file, end, 0);
    loop {
        let other = find(context, end.kind, &address)?;
        match end.connect(&other, own_credentials(context)) {
            Err(Errno::EAGAIN) => {
                patience.wait(context, &other.room, "room for a connection")?;
            }
            other => return other.map(|()| 0),
        }
    }
}

/// The end that an address names.
///
/// # Errors
/// `ECONNREFUSED` none · `EPROTOTYPE` one of another kind · as [`walk`].
pub fn find(context: &Context<'_>, kind: Kind, address: &Address) -> Result<Arc<Endpoint>, Errno> {
    let key = match address {
        Address::Abstract(name) => Key::Abstract(kind, name.clone()),
        Address::Path(path) => {
            let start = walk::start(context, AT_FDCWD, path)?;
            let place = walk::walk(context, start, path.clone(), AtEnd::Follow)?;
            Key::Inode(place.found()?.number())
        }
    };
    let domain = context.process.sockets.domain();
    let end = domain.find(&key).ok_or(Errno::ECONNREFUSED)?;
    if end.kind == kind {
        Ok(end)
    } else {
        Err(Errno::EPROTOTYPE)
    }
}

/// `accept(sockfd, addr, addrlen)` — see [`sys_accept4`].
///
/// # Errors
/// As [`sys_accept4`].
pub fn sys_accept(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    accept(context, args, 0)
}

/// `accept4(sockfd, addr, addrlen, flags)` — a new socket for the next connection.
///
/// - `flags`: `SOCK_CLOEXEC`, `SOCK_NONBLOCK`.
///
/// May wait: for somebody who connects.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EINVAL` it does not listen, was shut down, unknown flags · `EOPNOTSUPP`
/// datagrams · `EAGAIN` nobody connects, and `O_NONBLOCK` or `SO_RCVTIMEO` · `EMFILE` · `EFAULT`.
/// # Source
/// accept(2), unix(7)
pub fn sys_accept4(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    accept(context, args, args.int(3) as u32)
}

fn accept(context: &Context<'_>, args: &SyscallArgs, flags: u32) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    // Before a connection is taken that nobody would learn of.
    if context.process.files.table().lock().is_full() {
        return Err(Errno::EMFILE);
    }
    context.process.memory.has_room_for_kernel()?;
    let patience = Patience::to_receive(context, &file, end, 0);
    let arrival = loop {
        match end.accept() {
            // As Linux does: only who would wait is told that nobody comes any more.
            Err(Errno::EAGAIN) if patience != Patience::None && end.state().is_shut_for_reading => {
                return Err(Errno::EINVAL);
            }
            Err(Errno::EAGAIN) => patience.wait(context, &end.queue, "a connection")?,
            other => break other?,
        }
    };
    let peer = arrival.peer();
    let descriptor = Socket::open(context, arrival, flags);
    if args.addr(1) != 0 {
        let name = peer.and_then(|peer| peer.name());
        let bytes = address::bytes_of(name.as_deref());
        address::write(context, &bytes, args.addr(1), args.addr(2))?;
    }
    install(context, descriptor)
}

/// `shutdown(sockfd, how)` — ends one way or both.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EINVAL` no such way.
/// # Source
/// shutdown(2), unix(7)
pub fn sys_shutdown(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    let (reading, writing) = match args.int(1) {
        SHUT_RD => (true, false),
        SHUT_WR => (false, true),
        SHUT_RDWR => (true, true),
        _ => return Err(Errno::EINVAL),
    };
    end.shut(reading, writing);
    Ok(0)
}
