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
    let patience = Patience::of(args.fd(0), 0, &socket, |kept| kept.send_timeout_ns)?;
    let mut progress = None;
    let result = wait::until(context, &socket, POLLOUT, patience, |net| {
        let result = net.stack.connect(socket.id, peer);
        let kept = net.kept(socket.id)?;
        match result {
            Err(errno @ (Errno::EINPROGRESS | Errno::EALREADY)) => {
                kept.is_connecting = true;
                // A connection to this host itself may be over already; and one that was not begun was
                // ready, too, so that alone would be no news.
                net.tell_anew(socket.id);
                progress.get_or_insert(errno);
                Err(match patience {
                    Patience::None => errno,
                    Patience::Until(_) | Patience::Endless => Errno::EAGAIN,
                })
            }
            // The first call that finds it connected says so.
            Err(Errno::EISCONN) if core::mem::take(&mut kept.is_connecting) => Ok(()),
            result => {
                kept.is_connecting = false;
                result
            }
        }
    });
    match (result, progress) {
        (Ok(()), _) => Ok(0),
        // The time is over, and the attempt goes on.
        (Err(Errno::EAGAIN), Some(errno)) => Err(errno),
        (Err(errno), _) => {
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
