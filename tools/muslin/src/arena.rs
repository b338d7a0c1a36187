//! The command's heap: one piece of memory, handed out from its start to its end.
//!
//! A guest starts in half a millisecond, and the C library's heap asked Linux forty times on the way.
//! What is given back serves again only if it was the last to be handed out. When the piece is used
//! up the C library's heap goes on, so that nothing is limited.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Several times of what starting a guest takes.
const ARENA_BYTES: usize = 256 * 1024;

/// A heap of one piece of memory, and of the C library's.
pub struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    /// Where that begins which is not handed out.
    free_from: AtomicUsize,
}

// SAFETY: each byte is handed out to one owner, and not used by the arena itself.
unsafe impl Sync for Arena {}

impl Arena {
    /// One of which nothing is handed out.
    pub const fn new() -> Self {
        Self {
            bytes: UnsafeCell::new([0; ARENA_BYTES]),
            free_from: AtomicUsize::new(0),
        }
    }

    /// Where something would lie if all were free from here on; `None` if it does not fit.
    fn place(&self, free_from: usize, layout: Layout) -> Option<Range<usize>> {
        let base = self.bytes.get().addr();
        let start = (base + free_from).checked_next_multiple_of(layout.align())? - base;
        let end = start.checked_add(layout.size())?;
        (end <= ARENA_BYTES).then_some(start..end)
    }

    /// The place of a pointer; `None` if it is not of the arena.
    fn offset_of(&self, pointer: *mut u8) -> Option<usize> {
        let offset = pointer.addr().checked_sub(self.bytes.get().addr())?;
        (offset < ARENA_BYTES).then_some(offset)
    }
}

// SAFETY: what `place` finds is aligned, in the arena, and behind all that is handed out; the rest is
// the business of the system's heap.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let order = Ordering::Relaxed;
        let end = |free_from| Some(self.place(free_from, layout)?.end);
        match self.free_from.fetch_update(order, order, end) {
            Ok(free_from) => match self.place(free_from, layout) {
                Some(place) => self.bytes.get().cast::<u8>().wrapping_add(place.start),
                None => std::ptr::null_mut(),
            },
            // SAFETY: the caller's promise is passed on.
            Err(_) => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match self.offset_of(pointer) {
            Some(start) => {
                let order = Ordering::Relaxed;
                let end = start + layout.size();
                let _ = self.free_from.compare_exchange(end, start, order, order);
            }
            // SAFETY: the caller's promise is passed on: it came from there.
            None => unsafe { System.dealloc(pointer, layout) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_bytes_wherever_they_are() {
        let arena = Box::new(Arena::new());
        let mut blocks = Vec::new();
        for round in 0..3000_usize {
            let Ok(layout) = Layout::from_size_align(1 + round % 300, 1 << (round % 13)) else {
                panic!("no layout in round {round}");
            };
            // SAFETY: the layout has a size.
            let pointer = unsafe { arena.alloc(layout) };
            assert!(pointer.addr().is_multiple_of(layout.align()));
            // SAFETY: the bytes are ours.
            unsafe { pointer.write_bytes(round as u8, layout.size()) };
            blocks.push((pointer, layout, round as u8));
        }
        let is_in_arena = |it: &&(*mut u8, Layout, u8)| arena.offset_of(it.0).is_some();
        let in_arena = blocks.iter().filter(is_in_arena).count();
        assert!(in_arena > 0 && in_arena < blocks.len(), "{in_arena}");
        for (pointer, layout, value) in blocks {
            // SAFETY: the bytes are ours, and written.
            let bytes = unsafe { std::slice::from_raw_parts(pointer, layout.size()) };
            assert!(bytes.iter().all(|&byte| byte == value));
            // SAFETY: it came from here with this layout.
            unsafe { arena.dealloc(pointer, layout) };
        }
    }

    #[test]
    fn the_last_is_taken_back() {
        let arena = Box::new(Arena::new());
        let layout = Layout::new::<[u64; 4]>();
        // SAFETY: the layout has a size, and each block goes back once.
        unsafe {
            let (first, second) = (arena.alloc(layout), arena.alloc(layout));
            arena.dealloc(second, layout);
            assert_eq!(arena.alloc(layout), second);
            arena.dealloc(first, layout);
            assert_ne!(arena.alloc(layout), first);
        }
    }
}
