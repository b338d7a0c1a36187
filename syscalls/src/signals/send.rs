//! Sending: what arrives at whom.

use muslin_abi::Errno;
use muslin_abi::layout::Siginfo;

use super::siginfo::by_user;
use super::{UNBLOCKABLE, bit, index_of, update};
use crate::context::Context;
use crate::files::Readiness;
use crate::threads::Thread;

/// Sends a signal to a thread. 0 only asks. Whether it waits to be taken now.
///
/// # Errors
/// `EINVAL` no such signal · `EAGAIN` too many wait.
pub fn send_to_thread(
    context: &Context<'_>,
    thread: &'static Thread,
    info: &Siginfo,
) -> Result<bool, Errno> {
    if info.si_signo == 0 {
        return Ok(false);
    }
    index_of(info.si_signo)?;
    let signal = bit(info.si_signo);
    {
        let state = context.process.signals.state.lock();
        let mut own = thread.signals.lock();
        if is_lost(state.ignored, own.mask, signal) {
            return Ok(false);
        }
        own.pending.add(info)?;
    }
    arrive(context, thread, signal);
    Ok(true)
}

/// Sends a signal to the process: one of its threads takes it, or it waits until one can. 0 only asks.
/// Whether it waits to be taken now.
///
/// # Errors
/// `EINVAL` no such signal · `EAGAIN` too many wait.
pub fn send_to_process(context: &Context<'_>, info: &Siginfo) -> Result<bool, Errno> {
    if info.si_signo == 0 {
        return Ok(false);
    }
    index_of(info.si_signo)?;
    let signal = bit(info.si_signo);
    let threads = &context.process.threads;
    let wants = |thread: &&'static Thread| {
        let own = thread.signals.lock();
        own.mask & !own.awaited & signal == 0
    };
    // The first thread, the current one, any one: as Linux asks them, and others only if need be.
    let usual = [threads.find(crate::process::PID), Some(threads.current())];
    let usual = usual.into_iter().flatten().find(wants);
    let thread = usual.or_else(|| threads.all().into_iter().find(wants));
    {
        let mut state = context.process.signals.state.lock();
        let mask = thread.map_or(u64::MAX, |thread| thread.signals.lock().mask);
        if is_lost(state.ignored, mask, signal) {
            return Ok(false);
        }
        state.pending.add(info)?;
    }
    match thread {
        Some(thread) => arrive(context, thread, signal),
        None => wake_readers(context),
    }
    Ok(true)
}

/// Sends the current thread a signal for what it does: SIGPIPE, SIGXFSZ.
pub fn raise(context: &Context<'_>, signal: i32) {
    // A plain signal is never too much.
    let _ = send_to_thread(context, context.process.threads.current(), &by_user(signal));
}

/// Whether a signal is dropped: its action does nothing, and nobody may wait for it.
fn is_lost(ignored: u64, mask: u64, signal: u64) -> bool {
    ignored & !mask & !UNBLOCKABLE & signal != 0
}

/// A signal waits that this thread takes, or blocks.
fn arrive(context: &Context<'_>, thread: &'static Thread, signal: u64) {
    update(context, thread);
    let (is_awaited, is_blocked) = {
        let own = thread.signals.lock();
        (own.awaited & signal != 0, own.mask & signal != 0)
    };
    if is_awaited {
        thread.wake();
    } else if is_blocked {
        wake_readers(context);
    }
}

fn wake_readers(context: &Context<'_>) {
    let readers = context.process.signals.readers.lock().clone();
    if let Some(readers) = readers {
        // Each reads other signals.
        readers.wake_all(Readiness::READABLE);
    }
}
