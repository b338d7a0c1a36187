//! What the patched musl calls besides slots: see musl-patches/README.md.

use core::ffi::c_int;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_arch::pthread;

use crate::console;
use crate::dispatch::Slot;
use crate::own_stack;
use crate::raw;

/// The thread pointer of moments that have none of their own: before musl has set up thread-locals,
/// and the last two calls of a detached thread. Thread-locals read as zero there, and what is
/// written to them is lost.
#[repr(C, align(64))]
struct Orphan {
    /// Thread-locals lie below the thread pointer.
    locals: [AtomicUsize; ORPHAN_LOCALS_BYTES / 8],
    block: [AtomicUsize; pthread::BLOCK_BYTES / 8],
}

/// As many bytes of thread-locals as an orphan moment has.
const ORPHAN_LOCALS_BYTES: usize = 4096;

static ORPHAN: Orphan = Orphan {
    locals: [const { AtomicUsize::new(0) }; ORPHAN_LOCALS_BYTES / 8],
    block: [const { AtomicUsize::new(0) }; pthread::BLOCK_BYTES / 8],
};

/// Sets the thread pointer without going through the table.
///
/// # Safety
/// `block` is a `struct pthread`, or as much of one as the runtime knows, whose first word is its
/// own address.
#[unsafe(no_mangle)]
unsafe extern "C" fn __muslin_set_thread_pointer(block: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { raw::set_thread_pointer(block) };
}

/// Gives the calling thread the orphan's thread pointer.
#[unsafe(no_mangle)]
extern "C" fn __muslin_leave_thread() {
    // No handler that runs here may leave a trace for the next thread.
    for word in ORPHAN.locals.iter().chain(&ORPHAN.block) {
        word.store(0, Ordering::Relaxed);
    }
    begin_without_thread();
}

/// The same for a process that begins: nothing has been left there yet.
pub fn begin_without_thread() {
    let block = (&raw const ORPHAN.block).cast_mut().cast::<u8>();
    ORPHAN.block[0].store(block as usize, Ordering::Relaxed);
    let own_stack = &ORPHAN.block[(pthread::MUSLIN_OFFSET + 8) / 8];
    own_stack.store(own_stack::IS_SHARED, Ordering::Relaxed);
    // SAFETY: a static block that starts with its own address.
    unsafe { __muslin_set_thread_pointer(block) };
}

/// The calling thread gives back what the runtime keeps for it; musl calls it as the thread exits.
#[unsafe(no_mangle)]
extern "C" fn __muslin_thread_exit() {
    own_stack::drop_own();
    #[cfg(feature = "platform-linux")]
    crate::stays::leave_frames(|_| true);
}

/// A thread came to malloc while it was inside malloc; musl calls it instead of waiting for ever.
#[unsafe(no_mangle)]
extern "C" fn __muslin_malloc_reentered() -> ! {
    console::fatal(&[
        b"muslin: malloc was called from inside malloc, by a handler of a call that malloc makes or by a signal handler; handlers can use muslin_alloc (in Rust: the allocator muslin::Heap)",
    ])
}

/// How often musl looks at a lock before it waits for it; 0 where nobody else runs meanwhile.
#[unsafe(no_mangle)]
static __muslin_spins: c_int = raw::SPINS;

/// Whether vfork may be made as the kernel offers it; if so, and counting is on, it is counted.
#[unsafe(no_mangle)]
extern "C" fn __muslin_vfork_is_raw(slot: &Slot) -> i32 {
    i32::from(raw::vfork_is_raw(slot))
}

/// The code below the handlers of vfork: they leave frames on the stack, so their child is a copy.
///
/// # Safety
/// As any code of a slot.
pub unsafe extern "C" fn fork_for_vfork(
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
) -> isize {
    raw::fork()
}
