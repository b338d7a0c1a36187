//! Signals: actions, the mask and the alternate stack are kept; nothing is delivered yet.

mod calls;

pub use calls::*;

use muslin_abi::layout::{Sigaction, SignalStack};
use spin::Mutex;

/// Signals, numbered from 1.
pub const SIGNALS_COUNT: usize = 64;

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
