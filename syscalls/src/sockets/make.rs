//! socket, socketpair.

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::endpoint::{Endpoint, Kind};
use super::send::own_credentials;
use super::socket::Socket;
use crate::context::Context;
use crate::files::fd_table::Descriptor;
use crate::gap::gap;
use crate::user_mem::{self, UserBufMut};

/// The kind in the second argument of `socket`; flags are above.
const KIND_MASK: u32 = 0xf;
/// One more than the greatest kind that Linux knows for any family.
const KINDS: u32 = 11;
/// One more than the greatest family that Linux knows.
const FAMILIES: i32 = 46;

/// `socket(domain, type, protocol)` — opens a socket.
///
/// - `domain`: `AF_UNIX`.   - `type`: `SOCK_STREAM`, `SOCK_DGRAM` (and `SOCK_RAW`, which is the same),
///   `SOCK_SEQPACKET`, with `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.   - `protocol`: 0.
///
/// # Errors
/// `EAFNOSUPPORT` another family · `EINVAL` unknown flags, no such kind · `EPROTONOSUPPORT`
/// `ESOCKTNOSUPPORT` none for this family · `EMFILE`.
/// # Differs from Linux
/// Sockets do not leave the machine.
/// # Source
/// socket(2), unix(7)
pub fn sys_socket(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let (kind, flags) = kind_of(context, args, Sysno::socket)?;
    context.process.memory.has_room_for_kernel()?;
    let end = Endpoint::new(context.process.sockets.domain(), kind);
    let descriptor = Socket::open(context, end, flags);
    install(context, descriptor)
}

/// `socketpair(domain, type, protocol, sv)` — opens two sockets that are connected with each other.
///
/// # Errors
/// `EFAULT` · as [`sys_socket`].
/// # Source
/// socketpair(2), unix(7)
pub fn sys_socketpair(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let (kind, flags) = kind_of(context, args, Sysno::socketpair)?;
    context.process.memory.has_room_for_kernel()?;
    let place = args.addr(3);
    UserBufMut::new(context, place, 8)?;
    let domain = context.process.sockets.domain();
    let (one, other) = (Endpoint::new(domain, kind), Endpoint::new(domain, kind));
    Endpoint::join(&one, &other, own_credentials(context));
    let pair = [one, other].map(|end| Socket::open(context, end, flags));
    let table = context.process.files.table();
    let [one, other] = pair;
    let first = table.lock().insert(one, 0)?;
    let second = table.lock().insert(other, 0);
    let second = match second {
        Ok(second) => second,
        Err(errno) => {
            let closed = table.lock().remove(first);
            drop(closed);
            return Err(errno);
        }
    };
    user_mem::write(context, place, &[first, second])?;
    Ok(0)
}

/// Gives an open file a descriptor.
///
/// # Errors
/// `EMFILE`.
pub fn install(context: &Context<'_>, descriptor: Descriptor) -> SyscallResult {
    let inserted = context.process.files.table().lock().insert(descriptor, 0);
    Ok(inserted? as usize)
}

fn kind_of(context: &Context<'_>, args: &SyscallArgs, call: Sysno) -> Result<(Kind, u32), Errno> {
    let (family, kind, protocol) = (args.int(0), args.int(1) as u32, args.int(2));
    let flags = kind & !KIND_MASK;
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    if !(1..FAMILIES).contains(&family) {
        return Err(Errno::EAFNOSUPPORT);
    }
    let kind = kind & KIND_MASK;
    if kind >= KINDS {
        return Err(Errno::EINVAL);
    }
    if family != i32::from(AF_UNIX) {
        return Err(gap!(
            context,
            call,
            "a family of sockets other than AF_UNIX",
            EAFNOSUPPORT
        ));
    }
    if protocol != 0 && protocol != i32::from(AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let kind = match kind {
        SOCK_STREAM => Kind::Stream,
        SOCK_DGRAM | SOCK_RAW => Kind::Datagram,
        SOCK_SEQPACKET => Kind::Packets,
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok((kind, flags))
}
