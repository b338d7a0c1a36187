//! The list of calls.

use muslin::{Context, SyscallArgs, SyscallResult, Sysno};
use muslin_platform::Channels;

use crate::sockets::{self, StartFn};
use crate::{connect, make, names, options, peers, transfer};

/// A handler.
type CallFn = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

/// All calls that are answered, or looked at.
const CALLS: &[(Sysno, CallFn)] = &[
    (Sysno::socket, make::socket),
    (Sysno::socketpair, make::socketpair),
    (Sysno::accept, make::accept),
    (Sysno::accept4, make::accept4),
    (Sysno::bind, names::bind),
    (Sysno::listen, names::listen),
    (Sysno::shutdown, names::shutdown),
    (Sysno::getsockname, names::getsockname),
    (Sysno::getpeername, names::getpeername),
    (Sysno::connect, connect::connect),
    (Sysno::getsockopt, options::getsockopt),
    (Sysno::setsockopt, options::setsockopt),
    (Sysno::sendto, transfer::sendto),
    (Sysno::sendmsg, transfer::sendmsg),
    (Sysno::recvfrom, transfer::recvfrom),
    (Sysno::recvmsg, transfer::recvmsg),
    (Sysno::exit_group, exit_group),
];

/// Registers the calls, in front of whoever answers them now: the channels of a platform, and what starts
/// something beside the calls.
pub fn register(channels: &'static dyn Channels, start: StartFn) {
    peers::remember();
    sockets::choose(channels, start);
    for &(nr, handler) in CALLS {
        if let Err(errno) = muslin::register(nr, handler) {
            let errno = errno.raw();
            muslin::print!(
                "muslin: AF_VSOCK cannot answer call {}: errno {errno}",
                nr.0
            );
        }
    }
}

/// `exit_group(status)` — closes all sockets, so that others see their end, and gives the guest's name back.
fn exit_group(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    // Without sockets there is nothing to close.
    let _ = sockets::with(|sockets| {
        sockets.leave_all();
        peers::withdraw(sockets.channels);
        Ok(())
    });
    context.next(args)
}
