//! The runtime's heap as an allocator of Rust's.

use core::alloc::{GlobalAlloc, Layout};

use crate::ffi;

/// The runtime's heap: lock-free, never through the table, safe in every handler.
///
/// A program whose handlers want `Vec` or `Box` where the program's own allocator will not do makes
/// it the allocator of all of its Rust code:
///
/// ```no_run
/// #[global_allocator]
/// static HEAP: muslin::Heap = muslin::Heap;
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

// SAFETY: the runtime's heap gives distinct blocks of at least the asked size, at a multiple of the
// asked alignment, from any thread.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: plain allocation.
        unsafe { ffi::muslin_alloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _layout: Layout) {
        // SAFETY: by this trait's contract the memory came from `alloc`.
        unsafe { ffi::muslin_free(memory) }
    }
}
