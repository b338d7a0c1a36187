//! socket, accept, accept4, and what gives a socket its descriptor.

use alloc::sync::Arc;

use muslin::fd::POLLIN;
use muslin::{Context, Errno, SyscallArgs, SyscallResult};
use muslin_abi::flags::*;
use muslin_net_stack::{Family, Kind, SocketId};

use crate::address;
use crate::configure;
use crate::kept::Kept;
use crate::missing;
use crate::names;
use crate::net;
use crate::netlink;
use crate::socket::{self, SOCKETS, Socket};
use crate::wait::{self, Patience};

/// The types of sockets that there may be, and one more.
const TYPES: u32 = 11;
/// The type in the second argument of `socket`.
const TYPE_MASK: u32 = 0xf;
/// One more than the greatest protocol.
const PROTOCOLS: i32 = 263;
/// The kind of netlink that is answered: `NETLINK_ROUTE`.
const NETLINK_ROUTE: i32 = 0;

/// `socket(domain, type, protocol)`
///
/// # Errors
/// `EINVAL` `ESOCKTNOSUPPORT` `EPROTONOSUPPORT` no such socket · `EMFILE` `ENOBUFS`.
/// # Differs from Linux
/// Raw sockets are everybody's: the network is the program's own. None sends headers of IP that it made itself.
pub fn socket(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let (domain, kind, protocol) = (args.int(0), args.int(1) as u32, args.int(2));
    let family = match u16::try_from(domain) {
        Ok(AF_INET) => Family::V4,
        Ok(AF_INET6) => Family::V6,
        Ok(AF_NETLINK) if protocol == NETLINK_ROUTE => return netlink::socket(kind),
        _ => return context.next(args),
    };
    let flags = descriptor_flags(kind & !TYPE_MASK)?;
    if kind & TYPE_MASK >= TYPES || !(0..PROTOCOLS).contains(&protocol) {
        return Err(Errno::EINVAL);
    }
    let icmp = match family {
        Family::V4 => IPPROTO_ICMP,
        Family::V6 => IPPROTO_ICMPV6,
    };
    let kind = match (kind & TYPE_MASK, protocol) {
        (SOCK_STREAM, 0 | IPPROTO_TCP) => Kind::Stream,
        (SOCK_DGRAM, 0 | IPPROTO_UDP) => Kind::Datagram,
        (SOCK_DGRAM, protocol) if protocol == icmp => Kind::Echo,
        (SOCK_STREAM | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT),
        (SOCK_RAW, IPPROTO_IP) => return Err(Errno::EPROTONOSUPPORT),
        (SOCK_RAW, protocol) => match u8::try_from(protocol) {
            Ok(number) if protocol != IPPROTO_RAW => Kind::Raw(number),
            _ => {
                missing::own_headers();
                return Err(Errno::EPROTONOSUPPORT);
            }
        },
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    net::begin()?;
    let id = net::attempt(|net| net.stack.socket(family, kind))?;
    let fd = give_descriptor(Socket { id, family, kind }, flags, Kept::default());
    let fd = fd.inspect_err(|_| {
        // Nobody could close it later.
        let _ = net::with(|net| net.leave(id));
    })?;
    let file = net::attempt(|net| net.file(id))?;
    configure::wait_for_address(context, &file);
    Ok(fd as usize)
}

/// `accept(sockfd, addr, addrlen)`
///
/// # Errors
/// As [`accept4`].
pub fn accept(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    accept_with(context, args, 0)
}

/// `accept4(sockfd, addr, addrlen, flags)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` not listening, or unknown flags · `EOPNOTSUPP` · `EAGAIN` ·
/// `EMFILE` · `EFAULT`.
pub fn accept4(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    accept_with(context, args, args.int(3) as u32)
}

fn accept_with(context: &Context<'_>, args: &SyscallArgs, flags: u32) -> SyscallResult {
    let Some(listener) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let flags = descriptor_flags(flags)?;
    let patience = Patience::of(args.fd(0), 0, &listener, |kept| kept.receive_timeout_ns)?;
    let (id, peer, kept) = wait::until(context, &listener, POLLIN, patience, |net| {
        let (id, peer) = net.stack.accept(listener.id)?;
        let kept = net.kept(listener.id)?.inherited();
        Ok((id, peer, kept))
    })?;
    let accepted = Socket {
        id,
        family: listener.family,
        kind: listener.kind,
    };
    let (place, len_place) = (args.addr(1), args.addr(2));
    if place != 0
        && let Err(errno) = names::give(&address::bytes_of(peer), place, len_place)
    {
        net::with(|net| net.leave(id))?;
        return Err(errno);
    }
    let fd = give_descriptor(accepted, flags, kept).inspect_err(|_| {
        // Whoever asks next may have a descriptor for it.
        let _ = net::with(|net| net.stack.put_back(listener.id, id));
    })?;
    Ok(fd as usize)
}

/// `socketpair(domain, …)`: pairs are within the machine only.
///
/// # Errors
/// `EOPNOTSUPP`.
pub fn socketpair(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    match u16::try_from(args.int(0)) {
        Ok(AF_INET | AF_INET6) => Err(Errno::EOPNOTSUPP),
        _ => context.next(args),
    }
}

/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC` as open files have them.
///
/// # Errors
/// `EINVAL` there are others.
pub fn descriptor_flags(flags: u32) -> Result<u32, Errno> {
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(flags | O_RDWR)
}

/// Gives a socket of the stack a descriptor. Without one it is still the stack's.
///
/// # Errors
/// `EMFILE` · `ENOMEM` `ENOBUFS`.
pub fn give_descriptor(socket: Socket, flags: u32, kept: Kept) -> Result<i32, Errno> {
    let id: SocketId = socket.id;
    net::attempt(|net| net.make_room(id))?;
    let (fd, file) = SOCKETS.mint(Arc::new(socket), flags, 0)?;
    net::with(|net| net.enter(id, Arc::new(file), kept))?;
    Ok(fd)
}
