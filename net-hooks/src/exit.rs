//! The end of the program: what it has sent is on its way still, and nobody else would send it again.

use muslin::{Context, SyscallArgs, SyscallResult, clock};
use muslin_net_stack::{Family, Kind};

use crate::kept::Kept;
use crate::socket::Socket;
use crate::{make, net};

/// How long the peers may acknowledge nothing.
const PATIENCE_NS: u64 = 3_000_000_000;
/// How often that is looked at.
const LOOK_NS: u64 = 2_000_000;

/// `exit_group(status)` — closes all sockets, and lets go when the peers have got what was sent.
///
/// # Differs from Linux
/// A peer that acknowledges nothing for three seconds gets nothing any more: Linux goes on for minutes. Other threads
/// go on meanwhile.
pub fn exit_group(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    // Without a network, or the memory for this, there is nothing to wait for.
    let _ = finish(context);
    context.next(args)
}

fn finish(context: &Context<'_>) -> Result<(), muslin::Errno> {
    let unfinished = net::with(|net| {
        net.leave_all();
        net.stack.unfinished()
    })?;
    if unfinished == 0 {
        return Ok(());
    }
    // Somebody to wait for, whom nothing happens to.
    let (family, kind) = (Family::V4, Kind::Datagram);
    let id = net::attempt(|net| net.stack.socket(family, kind))?;
    make::give_descriptor(Socket { id, family, kind }, 0, Kept::default())?;
    let file = net::attempt(|net| net.file(id))?;
    let (mut left, mut since_ns) = (unfinished, clock::now_ns());
    loop {
        let now_ns = clock::now_ns();
        let now_left = net::with(|net| net.stack.unfinished())?;
        if now_left != left {
            (left, since_ns) = (now_left, now_ns);
        }
        if left == 0 || now_ns.saturating_sub(since_ns) >= PATIENCE_NS {
            return Ok(());
        }
        // Whatever ends this wait, it is looked again.
        let _ = context.wait(&file, file.seen(), 0, Some(now_ns + LOOK_NS));
    }
}
