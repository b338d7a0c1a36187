//! close, of sockets that linger.

use muslin::{Context, SyscallArgs, SyscallResult, clock};

use crate::net;
use crate::socket;

/// How often it is looked whether the peer has all.
const LOOK_NS: u64 = 1_000_000;

/// `close(fd)` — with `SO_LINGER` it waits until the peer has what was sent, or the time is over.
///
/// # Errors
/// Those of whoever closes.
/// # Differs from Linux
/// `dup2`, `close_range` and their like do not linger.
pub fn close(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(id) = socket::of(args.fd(0)).map(|socket| socket.id) else {
        return context.next(args);
    };
    let lingering = net::attempt(|net| {
        let seconds = net.stack.options(id)?.linger.unwrap_or(0);
        Ok((net.file(id)?, seconds))
    });
    let result = context.next(args);
    if let (Ok(_), Ok((file, seconds @ 1..))) = (result, lingering) {
        let ends_at_ns = clock::now_ns().saturating_add(u64::from(seconds) * 1_000_000_000);
        // Another descriptor may be left: then nothing was closed.
        while net::with(|net| net.stack.is_unfinished(id)) == Ok(true) {
            let now_ns = clock::now_ns();
            if now_ns >= ends_at_ns {
                break;
            }
            let look_at_ns = ends_at_ns.min(now_ns + LOOK_NS);
            match context.wait(&file, file.seen(), 0, Some(look_at_ns)) {
                Ok(()) | Err(muslin::Errno::EAGAIN) => {}
                // It goes on without us.
                Err(_) => break,
            }
        }
    }
    result
}
