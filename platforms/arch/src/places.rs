//! Where a host has put memory and stack, found out at the start.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::paging::PAGE_BYTES;

/// Two ranges of whole pages, both empty at first.
#[derive(Debug, Default)]
pub struct Places {
    memory: [AtomicUsize; 2],
    stack: [AtomicUsize; 2],
}

impl Places {
    /// Nothing is known yet.
    pub const fn new() -> Self {
        Self {
            memory: [const { AtomicUsize::new(0) }; 2],
            stack: [const { AtomicUsize::new(0) }; 2],
        }
    }

    /// Takes in where they lie: the whole pages of each.
    pub fn set(&self, memory: Range<usize>, stack: Range<usize>) {
        for (place, range) in [(&self.memory, memory), (&self.stack, stack)] {
            let start = range.start.next_multiple_of(PAGE_BYTES);
            let end = range.end & !(PAGE_BYTES - 1);
            place[0].store(start, Ordering::Relaxed);
            place[1].store(end.max(start), Ordering::Relaxed);
        }
    }

    /// The memory of the library OS.
    pub fn memory(&self) -> Range<usize> {
        range(&self.memory)
    }

    /// The boot stack.
    pub fn stack(&self) -> Range<usize> {
        range(&self.stack)
    }
}

fn range(ends: &[AtomicUsize; 2]) -> Range<usize> {
    ends[0].load(Ordering::Relaxed)..ends[1].load(Ordering::Relaxed)
}
