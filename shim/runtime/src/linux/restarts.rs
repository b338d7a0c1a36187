//! What functions of signals do to waits that go on behind them: the kernel decides that for its own waits, and for
//! those of a thread that leads (see `lead`) it has to be known.

use core::sync::atomic::{AtomicU64, Ordering};

use muslin_abi::handler::Call;
use muslin_abi::{SyscallResult, Sysno};

use crate::fd_calls::next;
use crate::fd_table::{self, World};
use crate::kernel;

/// The signals whose functions end waits, by their numbers less one.
static ENDING: AtomicU64 = AtomicU64::new(0);

const SIGNALS: usize = 64;

/// The kernel's `struct sigaction`.
#[repr(C)]
struct Action {
    function: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Whether waits go on behind all functions of signals that there are.
pub fn are_usual() -> bool {
    ENDING.load(Ordering::Relaxed) == 0
}

/// Looks what the program has said until now.
pub fn begin() {
    for signal in 1..=SIGNALS {
        let mut action = Action {
            function: 0,
            flags: 0,
            restorer: 0,
            mask: 0,
        };
        let args = [signal, 0, &raw mut action as usize, size_of::<u64>(), 0, 0];
        // SAFETY: only asks, and the structure is alive.
        if unsafe { kernel::call(Sysno::rt_sigaction, args) }.is_ok() {
            note(signal, &action);
        }
    }
}

fn note(signal: usize, action: &Action) {
    /// It comes with a call that strays, and to no wait; its function may be the runtime's own.
    const SIGSYS: usize = 31;
    if signal == SIGSYS {
        return;
    }
    const SIG_IGN: usize = 1;
    const SA_RESTART: u64 = 0x1000_0000;
    let bit = 1 << (signal - 1);
    if action.function > SIG_IGN && action.flags & SA_RESTART == 0 {
        ENDING.fetch_or(bit, Ordering::Relaxed);
    } else {
        ENDING.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// `rt_sigaction(signum, act, oldact, sigsetsize)`
pub fn rt_sigaction(call: &Call) -> SyscallResult {
    let [signal, action, ..] = call.args;
    let result = next(call)?;
    // SAFETY: null, or what the kernel has just read.
    if let Some(action) = unsafe { (action as *const Action).as_ref() }
        && (1..=SIGNALS).contains(&signal)
        && fd_table::world(true) == World::Own
    {
        note(signal, action);
    }
    Ok(result)
}
