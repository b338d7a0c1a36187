//! bind, listen, shutdown, getsockname, getpeername.

use alloc::vec::Vec;

use muslin::{Context, Errno, SyscallArgs, SyscallResult, user};
use muslin_abi::flags::{SHUT_RD, SHUT_RDWR, SHUT_WR};
use muslin_net_stack::Shutdown;

use crate::address::{self, STORAGE_BYTES};
use crate::net;
use crate::netlink;
use crate::socket;

/// The longest backlog, as Linux's `net.core.somaxconn` has it.
pub const BACKLOG_MAX: usize = 4096;

/// `bind(sockfd, addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` · `EAFNOSUPPORT` · `EADDRINUSE` `EADDRNOTAVAIL` · `EFAULT`.
pub fn bind(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return netlink::bind(context, args);
    };
    let bytes = take(args.addr(1), args.int(2))?;
    let local = address::to_bind(&bytes, socket.family)?;
    net::attempt(|net| net.stack.bind(socket.id, local))?;
    Ok(0)
}

/// `listen(sockfd, backlog)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EOPNOTSUPP` not a stream · `EINVAL` connected · `EADDRINUSE`.
pub fn listen(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    // As Linux: a negative number is a large one, and of 0 one is taken.
    let backlog = (args.int(1) as u32 as usize).clamp(1, BACKLOG_MAX);
    net::attempt(|net| net.stack.listen(socket.id, backlog))?;
    Ok(0)
}

/// `shutdown(sockfd, how)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` · `ENOTCONN`.
pub fn shutdown(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let how = match args.int(1) {
        SHUT_RD => Shutdown::Read,
        SHUT_WR => Shutdown::Write,
        SHUT_RDWR => Shutdown::Both,
        _ => return Err(Errno::EINVAL),
    };
    net::attempt(|net| net.stack.shutdown(socket.id, how))?;
    Ok(0)
}

/// `getsockname(sockfd, addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` a negative length · `EFAULT`.
pub fn getsockname(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return netlink::getsockname(context, args);
    };
    let local = net::attempt(|net| net.stack.local(socket.id))?;
    give(&address::bytes_of(local), args.addr(1), args.addr(2))?;
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
    let peer = net::attempt(|net| net.stack.peer(socket.id))?;
    give(&address::bytes_of(peer), args.addr(1), args.addr(2))?;
    Ok(0)
}

/// The bytes of an address that a call names.
///
/// # Errors
/// `EINVAL` a length that no address has · `EFAULT`.
pub fn take(place: usize, len: i32) -> Result<Vec<u8>, Errno> {
    if !(0..=STORAGE_BYTES).contains(&len) {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; len as usize];
    user::read_bytes(place, &mut bytes)?;
    Ok(bytes)
}

/// Gives the program an address: as much as it has room for, and how long it is.
///
/// # Errors
/// `EINVAL` negative room · `EFAULT`.
pub fn give(bytes: &[u8], place: usize, len_place: usize) -> Result<(), Errno> {
    let room: i32 = user::read(len_place)?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let fits = bytes.get(..room).unwrap_or(bytes);
    user::write_bytes(place, fits)?;
    user::write(len_place, &(bytes.len() as i32))
}
