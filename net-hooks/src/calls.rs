//! The list of calls.

use muslin::{Context, SyscallArgs, SyscallResult, Sysno};

use crate::configure::MakeStack;
use crate::{
    close, configure, connect, exit, interfaces, make, names, options, receive, send, texts,
};

/// A handler.
pub type CallFn = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

/// All calls that the network answers, or looks at.
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
    (Sysno::sendto, send::sendto),
    (Sysno::sendmsg, send::sendmsg),
    (Sysno::sendmmsg, send::sendmmsg),
    (Sysno::recvfrom, receive::recvfrom),
    (Sysno::recvmsg, receive::recvmsg),
    (Sysno::recvmmsg, receive::recvmmsg),
    (Sysno::close, close::close),
    (Sysno::ioctl, interfaces::ioctl_of_others),
    (Sysno::exit_group, exit::exit_group),
    (Sysno::open, texts::open),
    (Sysno::openat, texts::openat),
];

/// Registers the calls, in front of whoever answers them now. The first socket makes a stack of the network
/// devices that there are.
pub fn register(make_stack: MakeStack) {
    configure::choose(make_stack);
    for &(nr, handler) in CALLS {
        if let Err(errno) = muslin::register(nr, handler) {
            let errno = errno.raw();
            muslin::print!(
                "muslin: the network cannot answer call {}: errno {errno}",
                nr.0
            );
        }
    }
}
