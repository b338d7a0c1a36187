//! What has to be looked at again, and when.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use crate::slots::Name;

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A connection.
    Socket(Name),
    /// An attempt to open one.
    Handshake(Name),
}

/// The heap of deadlines. An entry is never taken out early: who is looked at too soon says so, and
/// is put in again.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, Timer)>>,
}

impl Timers {
    pub fn arm(&mut self, at_ns: u64, timer: Timer) {
        self.heap.push(Reverse((at_ns, timer)));
    }

    /// When the first one is due.
    pub fn first(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |entry| entry.0.0)
    }

    /// Takes out one that is due.
    pub fn due(&mut self, now_ns: u64) -> Option<(u64, Timer)> {
        if self.first() > now_ns {
            return None;
        }
        self.heap.pop().map(|entry| entry.0)
    }
}
