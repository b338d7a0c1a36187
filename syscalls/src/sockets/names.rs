//! bind, getsockname, getpeername.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::address::{self, Address, Name};
use super::domain::{Domain, Key};
use super::endpoint::Endpoint;
use super::socket::end_of;
use crate::context::Context;
use crate::files::directory;
use crate::files::inode::{Body, Inode, Time};
use crate::files::walk::{self, AtEnd, Last};

/// `bind(sockfd, addr, addrlen)` — gives a socket a name: a new file, or one of the names that begin
/// with 0. A family alone asks for one that nobody has.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EINVAL` it has a name, or a wrong address · `EADDRINUSE` the name is taken ·
/// as [`walk`] · `EFAULT`.
/// # Source
/// bind(2), unix(7)
pub fn sys_bind(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    let bytes = address::read(context, args.addr(1), args.int(2))?;
    let is_family_alone = address::is_family_alone(&bytes);
    if is_family_alone && address::family(&bytes) == Some(AF_UNIX) {
        bind_anywhere(context.process.sockets.domain(), end)?;
        return Ok(0);
    }
    let name = match Address::parse(&bytes)? {
        Address::Path(path) => {
            let inode = file.inode.as_ref();
            let permissions = inode.map_or(0o777, |inode| inode.meta().permissions);
            return bind_to_path(context, end, path, permissions);
        }
        Address::Abstract(name) => Name::Abstract(name),
    };
    if end.name().is_some() {
        return Err(Errno::EINVAL);
    }
    end.domain.put(Key::of(end.kind, &name), end)?;
    set_name(end, name);
    Ok(0)
}

/// Gives an end a name that nobody has, if it has none.
///
/// # Errors
/// `ENOSPC` all are taken.
pub fn bind_anywhere(domain: &Domain, end: &Arc<Endpoint>) -> Result<(), Errno> {
    if end.name().is_none() {
        let name = domain.put_anywhere(end)?;
        set_name(end, name);
    }
    Ok(())
}

fn bind_to_path(
    context: &Context<'_>,
    end: &Arc<Endpoint>,
    path: Vec<u8>,
    permissions: u32,
) -> SyscallResult {
    context.process.memory.has_room_for_kernel()?;
    let start = walk::start(context, AT_FDCWD, &path)?;
    let place = walk::walk(context, start, path.clone(), AtEnd::Stay)?;
    let Last::Name(last) = &place.last else {
        return Err(Errno::EADDRINUSE);
    };
    if place.inode.is_some() {
        return Err(Errno::EADDRINUSE);
    }
    if place.wants_directory {
        return Err(Errno::ENOENT);
    }
    if end.name().is_some() {
        return Err(Errno::EINVAL);
    }
    let body = Body::Node {
        kind: S_IFSOCK,
        device: 0,
    };
    let now = Time::now(context.platform);
    let inode = Inode::new(body, permissions & !context.process.files.umask(), now);
    directory::insert(&place.parent, last, &inode, now)?;
    let name = Name::Path { path, inode };
    end.domain.put(Key::of(end.kind, &name), end)?;
    set_name(end, name);
    Ok(0)
}

fn set_name(end: &Endpoint, name: Name) {
    let mut state = end.state();
    state.name = Some(Arc::new(name));
    state.is_known = true;
}

/// `getsockname(sockfd, addr, addrlen)` — a socket's own name.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EINVAL` negative room · `EFAULT`.
/// # Source
/// getsockname(2), unix(7)
pub fn sys_getsockname(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    tell_name(context, end_of(&file)?, args)
}

/// `getpeername(sockfd, addr, addrlen)` — the name of the socket that this one is connected with.
///
/// # Errors
/// `ENOTCONN` with none · as [`sys_getsockname`].
/// # Source
/// getpeername(2), unix(7)
pub fn sys_getpeername(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let peer = end_of(&file)?.peer().ok_or(Errno::ENOTCONN)?;
    tell_name(context, &peer, args)
}

fn tell_name(context: &Context<'_>, end: &Endpoint, args: &SyscallArgs) -> SyscallResult {
    let bytes = address::bytes_of(end.name().as_deref());
    address::write(context, &bytes, args.addr(1), args.addr(2))?;
    Ok(0)
}
