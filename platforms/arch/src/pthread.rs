//! What the runtime knows of musl's `struct pthread`, the block behind the thread pointer.
//!
//! musl checks the offsets where it is compiled (musl-patches/0002), so a release that moves a
//! field does not build.

/// `errno_val`: the thread's errno, an `int`.
pub const ERRNO_OFFSET: usize = 52;
/// `cancel`: not 0 once the thread is to be cancelled, an `int`.
pub const CANCEL_OFFSET: usize = 60;
/// `muslin_in_cp`: set while the code of a cancellation point runs, one byte.
pub const IN_CP_OFFSET: usize = 67;
/// `stack_size`: how much stack the thread has below its beginning, in bytes, a word.
pub const STACK_SIZE_OFFSET: usize = 96;
/// `muslin_thread`: three words of the runtime's own.
pub const MUSLIN_OFFSET: usize = 200;
/// The third of them: where the stack is in a call that can be cancelled, at its cancellation point
/// first, then in the leaf stub.
pub const CP_STACK_OFFSET: usize = MUSLIN_OFFSET + 16;
/// A size that holds all of the fields above.
pub const BLOCK_BYTES: usize = 256;
/// So far below the frame of its cancellation point a call may be made and still be that point's
/// own. A call from a signal handler that interrupts it is farther away: the kernel's signal frame
/// lies between, which is never smaller.
pub const CP_NEAR_BYTES: usize = 1024;
