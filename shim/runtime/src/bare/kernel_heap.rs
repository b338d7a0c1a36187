//! The heap of the library OS, apart from that of handlers: its memory is nothing that a program may
//! name in a call.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::below::PAGE_BYTES;
use muslin_syscalls::memory::Owner;

use crate::heap::Heap;
use crate::process;

/// What is aligned to pages holds the program's data: it comes from the platform without a header,
/// goes back there, and may not use up what the library OS needs.
struct KernelHeap {
    heap: Heap,
    /// Blocks that were given back since the heap was trimmed.
    freed: AtomicUsize,
}

/// Fewer free blocks than this are not looked through for whole pages.
const TRIM_BLOCKS_MIN: usize = 256;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap {
    heap: Heap::over(
        |len_bytes| process::take_pages(len_bytes, Owner::Kernel),
        |start, len_bytes| process::give_pages(start, len_bytes, Owner::Kernel),
    ),
    freed: AtomicUsize::new(0),
};

/// Gives pages of free blocks back; whether there were any.
pub fn trim() -> bool {
    if HEAP.freed.load(Ordering::Relaxed) < TRIM_BLOCKS_MIN {
        return false;
    }
    HEAP.freed.store(0, Ordering::Relaxed);
    // SAFETY: one thread runs at a time, and it is not inside the heap but to ask for pages.
    unsafe { HEAP.heap.trim() }
}

// SAFETY: the heap gives distinct blocks of at least the asked size, at a multiple of the asked
// alignment; so do pages.
unsafe impl GlobalAlloc for KernelHeap {
    // Many callers: each would hold the choice.
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let memory = if layout.align() == PAGE_BYTES {
            process::take_pages(layout.size(), Owner::Files)
        } else {
            self.heap.allocate(layout.size(), layout.align())
        };
        memory.unwrap_or(core::ptr::null_mut())
    }

    #[inline(never)]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if layout.align() == PAGE_BYTES {
            process::give_pages(memory as usize, layout.size(), Owner::Files);
            return;
        }
        let freed = self.freed.load(Ordering::Relaxed);
        self.freed.store(freed.wrapping_add(1), Ordering::Relaxed);
        // SAFETY: by this trait's contract the memory came from `alloc`.
        unsafe { self.heap.free(memory) }
    }
}
