//! connect.

use muslin::fd::POLLOUT;
use muslin::{Context, Errno, SyscallArgs, SyscallResult, clock};

use crate::address::Address;
use crate::entry::Role;
use crate::peers;
use crate::socket;
use crate::sockets;
use crate::wait;

/// `connect(sockfd, addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` no address, or the socket listens · `EAFNOSUPPORT` · `EISCONN` · `EINPROGRESS`
/// `EALREADY` · `ECONNRESET` nobody listens there · `ETIMEDOUT` the guest does not answer · `ENODEV` there is no such
/// guest, or it is this one · `EPROTO` the guest breaks the rules · `EINTR` the attempt goes on · `EFAULT`.
/// # Differs from Linux
/// A guest cannot connect to itself.
pub fn connect(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let peer = Address::take(args.addr(1), args.int(2))?;
    let id = socket.id;
    let deadline = wait::deadline(args.fd(0), 0, id, |_| None)?;
    let own_port = sockets::with(|sockets| Ok(sockets.free_port()))?;
    let is_begun = sockets::with_one(id, |entry, channels| match entry.role {
        Role::Open(_) => Err(Errno::EISCONN),
        Role::Listening { .. } | Role::Shut | Role::Over => Err(Errno::EINVAL),
        Role::Coming { .. } if deadline.is_some() => Err(Errno::EALREADY),
        Role::Coming { .. } => Ok(true),
        Role::Fresh => {
            entry.take_error()?;
            let guest = peers::guest_of(channels, peer.guest)?;
            let attempt = channels.connect(guest, peer.port)?;
            let own = channels.own_number()?;
            entry.local.get_or_insert(Address {
                guest: own,
                port: own_port,
            });
            entry.peer = Some(peer);
            let limit_ns = entry.settings.connect_timeout_ns;
            entry.role = Role::Coming {
                attempt,
                deadline_ns: clock::now_ns().saturating_add(limit_ns),
            };
            Ok(false)
        }
    })?;
    if !is_begun {
        sockets::begin()?;
    }
    let connected = wait::until(context, id, POLLOUT, deadline, |entry, channels| {
        entry.go_on(channels, clock::now_ns(), false);
        match entry.role {
            Role::Coming { .. } => Err(Errno::EAGAIN),
            Role::Fresh => entry.take_error().and(Err(Errno::ECONNRESET)),
            _ => Ok(0),
        }
    });
    connected.map_err(|errno| match errno {
        Errno::EAGAIN => Errno::EINPROGRESS,
        errno => errno,
    })
}
