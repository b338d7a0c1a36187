//! The state that the runtime keeps for each thread, in three words of musl's `struct pthread`.

use muslin_arch::{pthread, thread_pointer};

/// The calling thread. Valid from the first line of boot on.
#[derive(Clone, Copy)]
pub struct Thread(*mut u8);

impl Thread {
    /// The calling thread.
    #[inline(always)]
    pub fn current() -> Self {
        Self(thread_pointer::read())
    }

    /// errno, as C sees it.
    #[inline(always)]
    pub fn errno(self) -> *mut i32 {
        // SAFETY: the block behind the thread pointer has this field (checked where musl is built).
        unsafe { self.0.add(pthread::ERRNO_OFFSET).cast() }
    }

    /// Not 0 while the code of a cancellation point runs that has not reached a handler yet.
    #[inline(always)]
    pub fn in_cp(self) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.add(pthread::IN_CP_OFFSET) }
    }

    /// Where on its stack the outermost running handler was called; 0 while none runs.
    #[inline(always)]
    pub fn inside(self) -> *mut usize {
        // SAFETY: as above.
        unsafe { self.0.add(pthread::MUSLIN_OFFSET).cast() }
    }

    /// The stack of the runtime that this thread owns: see `chain`.
    #[inline(always)]
    pub fn own_stack(self) -> *mut usize {
        // SAFETY: as above.
        unsafe { self.0.add(pthread::MUSLIN_OFFSET + 8).cast() }
    }

    /// Where the stack is in a call that can be cancelled: at its cancellation point (or in
    /// `muslin_next`), then in the leaf stub; else 0.
    #[inline(always)]
    pub fn cp_stack(self) -> *mut usize {
        // SAFETY: as above.
        unsafe { self.0.add(pthread::CP_STACK_OFFSET).cast() }
    }
}
