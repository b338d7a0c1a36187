//! socket, accept, accept4, and what gives a socket its descriptor.

use alloc::sync::Arc;

use muslin::fd::POLLIN;
use muslin::{Context, Errno, SyscallArgs, SyscallResult};
use muslin_abi::flags::*;

use crate::address::{AF_VSOCK, Address};
use crate::entry::{Entry, Open, Role, Settings};
use crate::socket::{self, KIND, Socket};
use crate::sockets::{self, Id};
use crate::wait;

/// The type in the second argument of `socket`.
const TYPE_MASK: u32 = 0xf;
/// How long a socket tries to connect if it is not told, as on Linux.
const CONNECT_NS: u64 = 2_000_000_000;
/// How many bytes a connection holds each way, and between which that may be set.
const BUFFER_BYTES: [u64; 3] = [16 << 10, 1, 1 << 20];

/// `socket(domain, type, protocol)`
///
/// # Errors
/// `EINVAL` unknown flags · `EPROTONOSUPPORT` `ESOCKTNOSUPPORT` another protocol or type · `ENODEV` there are no
/// other guests · `EMFILE` `ENOBUFS`.
/// # Differs from Linux
/// Streams only.
pub fn socket(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let (domain, kind, protocol) = (args.int(0), args.int(1) as u32, args.int(2));
    if domain != i32::from(AF_VSOCK) {
        return context.next(args);
    }
    let flags = descriptor_flags(kind & !TYPE_MASK)?;
    if protocol != 0 && protocol != i32::from(AF_VSOCK) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    if kind & TYPE_MASK != SOCK_STREAM {
        return Err(Errno::ESOCKTNOSUPPORT);
    }
    let settings = Settings {
        receive_timeout_ns: None,
        send_timeout_ns: None,
        connect_timeout_ns: CONNECT_NS,
        buffer_bytes: BUFFER_BYTES,
    };
    let id = keep(Entry::new(Role::Fresh, settings))?;
    give_descriptor(id, flags).inspect_err(|_| {
        // Nobody could close it later.
        let _ = sockets::with(|sockets| {
            sockets.leave(id);
            Ok(())
        });
    })
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
/// `EBADF` `ENOTSOCK` · `EINVAL` not listening, or unknown flags · `EAGAIN` · `EMFILE` · `EFAULT`.
pub fn accept4(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    accept_with(context, args, args.int(3) as u32)
}

fn accept_with(context: &Context<'_>, args: &SyscallArgs, flags: u32) -> SyscallResult {
    let Some(listener) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let flags = descriptor_flags(flags)?;
    let id = listener.id;
    let deadline = wait::deadline(args.fd(0), 0, id, |kept| kept.receive_timeout_ns)?;
    let accepted = wait::until(context, id, POLLIN, deadline, |entry, channels| {
        // Somebody may have come just now.
        entry.go_on(channels, 0, false);
        let (Role::Listening { waiting, returned }, Some(local)) = (&mut entry.role, entry.local)
        else {
            return Err(Errno::EINVAL);
        };
        if let Some(accepted) = returned.pop_front() {
            return Ok(accepted);
        }
        let (guest, channel) = match channels.accept(local.port) {
            Err(Errno::EAGAIN) => {
                entry.take_error()?;
                return Err(Errno::EAGAIN);
            }
            taken => taken?,
        };
        *waiting = waiting.saturating_sub(1);
        let mut accepted = Entry::new(Role::Open(Open::new(channel)), entry.settings);
        accepted.local = entry.local;
        accepted.peer = Some(Address { guest, port: 0 });
        accepted.go_on(channels, 0, false);
        Ok(accepted)
    });
    let mut accepted = accepted?;
    // Channels have no number at the client's end: any will do that no other connection has.
    let port = sockets::with(|sockets| Ok(sockets.free_port()))?;
    if let Some(peer) = &mut accepted.peer {
        if peer.port == 0 {
            peer.port = port;
        }
        if args.addr(1) != 0 {
            peer.give(args.addr(1), args.addr(2))?;
        }
    }
    let id = keep(accepted)?;
    give_descriptor(id, flags).inspect_err(|_| {
        // Whoever asks next may have a descriptor for it.
        let _ = sockets::with(|sockets| sockets.put_back(listener.id, id));
    })
}

/// `socketpair(domain, …)`: pairs are within a guest only.
///
/// # Errors
/// `EOPNOTSUPP`.
pub fn socketpair(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    match args.int(0) == i32::from(AF_VSOCK) {
        true => Err(Errno::EOPNOTSUPP),
        false => context.next(args),
    }
}

/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC` as open files have them.
fn descriptor_flags(flags: u32) -> Result<u32, Errno> {
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(flags | O_RDWR)
}

fn keep(entry: Entry) -> Result<Id, Errno> {
    sockets::with(|sockets| {
        sockets.channels.own_number()?;
        sockets.add(entry)
    })
}

fn give_descriptor(id: Id, flags: u32) -> SyscallResult {
    let readiness = sockets::with_one(id, |entry, _| Ok(entry.readiness()))?;
    let (fd, file) = KIND.mint(Arc::new(Socket { id }), flags, readiness)?;
    sockets::with(|sockets| sockets.enter(id, Arc::new(file)))?;
    sockets::begin()?;
    Ok(fd as usize)
}
