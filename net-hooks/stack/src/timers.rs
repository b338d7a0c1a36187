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
    /// There was no memory for an entry.
    pub is_lossy: bool,
}

impl Timers {
    pub fn arm(&mut self, at_ns: u64, timer: Timer) {
        if self.heap.try_reserve(1).is_err() {
            self.is_lossy = true;
            return;
        }
        self.heap.push(Reverse((at_ns, timer)));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there is memory for this many entries in all.
    pub fn has_room(&mut self, entries: usize) -> bool {
        let more = entries.saturating_sub(self.heap.len());
        self.heap.try_reserve(more).is_ok()
    }

    /// Takes all entries away, to be put in anew.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.is_lossy = false;
    }

    /// When the first one is due.
    pub fn first(&self) -> u64 {
        if self.is_lossy {
            return 0;
        }
        self.heap.peek().map_or(u64::MAX, |entry| entry.0.0)
    }

    /// Takes out one that is due.
    pub fn due(&mut self, now_ns: u64) -> Option<(u64, Timer)> {
        if self.heap.peek().is_none_or(|entry| entry.0.0 > now_ns) {
            return None;
        }
        self.heap.pop().map(|entry| entry.0)
    }
}
