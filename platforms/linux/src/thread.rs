//! Threads of the runtime's own: none that libc knows.

use muslin_abi::Sysno;

use crate::passthrough::__muslin_passthrough;

/// A thread shares all that one of libc's shares: memory, files, signal actions, semaphore undo.
const FLAGS: usize =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
const CLONE_VM: usize = 0x100;
const CLONE_FS: usize = 0x200;
const CLONE_FILES: usize = 0x400;
const CLONE_SIGHAND: usize = 0x800;
const CLONE_THREAD: usize = 0x1_0000;
const CLONE_SYSVSEM: usize = 0x4_0000;
const CLONE_SETTLS: usize = 0x8_0000;

/// Starts `entry` on a stack of its own; what the kernel answers. The thread's signal mask is the
/// caller's.
///
/// # Safety
/// `stack_top` is a multiple of 16 at the end of memory that is only the new thread's; `thread_pointer` is
/// a block that it may have for ever.
pub unsafe fn spawn(
    entry: extern "C" fn() -> !,
    stack_top: *mut usize,
    thread_pointer: *mut u8,
) -> isize {
    let nr = Sysno::clone.0 as usize;
    // SAFETY: the memory is the new thread's alone. It returns from the leaf stub into the word on its
    // stack, and is then aligned as a called function expects.
    unsafe {
        let place = stack_top.sub(2);
        place.write(entry as *const () as usize);
        __muslin_passthrough(FLAGS, place as usize, 0, 0, thread_pointer as usize, 0, nr)
    }
}
