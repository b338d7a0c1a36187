//! connect.

use muslin::fd::POLLOUT;
use muslin::{Context, Errno, SyscallArgs, SyscallResult};

use crate::address;
use crate::names;
use crate::net;
use crate::socket;
use crate::wait::{self, Patience};

/// `connect(sockfd, addr, addrlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `EINVAL` `EAFNOSUPPORT` the address · `EINPROGRESS` `EALREADY` `EISCONN` ·
/// `ECONNREFUSED` `ETIMEDOUT` `ENETUNREACH` … · `EINTR` the attempt goes on · `EFAULT`.
pub fn connect(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let bytes = names::take(args.addr(1), args.int(2))?;
    let Some(peer) = address::to_connect(&bytes, socket.family, socket.kind)? else {
        net::attempt(|net| net.stack.disconnect(socket.id))?;
        return Ok(0);
    };
    let timeout_ns = net::attempt(|net| Ok(net.kept(socket.id)?.send_timeout_ns))?;
    let patience = Patience::of(args.fd(0), 0, timeout_ns)?;
    let mut is_under_way = false;
    let result = wait::until(context, &socket, POLLOUT, patience, |net| {
        match net.stack.connect(socket.id, peer) {
            Err(errno @ (Errno::EINPROGRESS | Errno::EALREADY)) => {
                is_under_way = true;
                match patience {
                    Patience::None => Err(errno),
                    Patience::Until(_) | Patience::Endless => Err(Errno::EAGAIN),
                }
            }
            Err(Errno::EISCONN) if is_under_way => Ok(()),
            result => result,
        }
    });
    match result {
        Ok(()) => Ok(0),
        // The time is over, and the attempt goes on.
        Err(Errno::EAGAIN) if is_under_way => Err(Errno::EINPROGRESS),
        Err(errno) => {
            configure_hint(errno);
            Err(errno)
        }
    }
}

/// Says once why a machine without a device reaches nobody.
fn configure_hint(errno: Errno) {
    if errno == Errno::ENETUNREACH {
        crate::configure::say_why_unreachable();
    }
}
