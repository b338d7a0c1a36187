//! Signals that the program sends to itself: nobody else sends any, and faults end the program.
//!
//! - `calls`: the handlers
//! - `deliver`: runs the program's functions, when a call sends or unblocks a signal

mod calls;
#[allow(unsafe_code, reason = "calls the program's functions")]
mod deliver;
mod thread_signals;

pub use calls::*;
pub use deliver::{deliver_pending, send};
pub use thread_signals::ThreadSignals;

use crate::lock::Mutex;
use muslin_abi::Errno;
use muslin_abi::layout::{Sigaction, SignalStack};

/// Signals, numbered from 1.
pub const SIGNALS_COUNT: usize = 64;

const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

/// Nothing blocks these.
const UNBLOCKABLE: u64 = bit(SIGKILL) | bit(SIGSTOP);

/// Actions, the mask and the alternate stack.
pub struct Signals {
    state: Mutex<State>,
}

struct State {
    actions: [Sigaction; SIGNALS_COUNT],
    /// Bit n is signal n + 1.
    mask: u64,
    pending: u64,
    stack: SignalStack,
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

impl Signals {
    /// All actions are the default, nothing is blocked, there is no alternate stack.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                actions: [Sigaction {
                    handler: 0,
                    flags: 0,
                    restorer: 0,
                    mask: 0,
                }; SIGNALS_COUNT],
                mask: 0,
                pending: 0,
                stack: SignalStack {
                    ss_sp: 0,
                    ss_flags: calls::SS_DISABLE as i32,
                    pad: 0,
                    ss_size: 0,
                },
            }),
        }
    }

    /// Blocks these signals, in place of those that are blocked; which were.
    pub fn set_mask(&self, mask: u64) -> u64 {
        let mut state = self.state.lock();
        core::mem::replace(&mut state.mask, mask & !UNBLOCKABLE)
    }
}

/// The bit of a signal, which is one.
const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The place of a signal's action.
fn index_of(signal: i32) -> Result<usize, Errno> {
    match usize::try_from(signal) {
        Ok(signal @ 1..=SIGNALS_COUNT) => Ok(signal - 1),
        _ => Err(Errno::EINVAL),
    }
}
