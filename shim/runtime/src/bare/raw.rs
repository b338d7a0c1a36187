//! What the runtime asks of a bare platform for itself.

use core::ffi::c_int;

use crate::below::{self, host::host};
use muslin_abi::Errno;

use crate::dispatch::Slot;
use crate::process;

/// This platform in the note of the image.
pub const PLATFORM: u32 = below::NOTE;

/// A static handler's own code does not do what is to be done at the end of calls.
pub const HAS_DIRECT: bool = false;

/// The program's call `nr` was answered by its handlers: does what is to be done at the end of calls.
pub use crate::answer::handled;

/// With less memory than this, a heap takes little at once.
const LITTLE_MEMORY_BYTES: usize = 16 << 20;

/// What answers a number without a slot. musl compares slots with it, so no slot starts with it.
pub use crate::process::without_slot as __muslin_passthrough;
pub use crate::process::without_slot as __muslin_passthrough_base;

/// How much memory a heap takes at once: less where there is little.
pub fn chunk_bytes() -> usize {
    if host().memory().range().len() < LITTLE_MEMORY_BYTES {
        8 * 1024
    } else {
        64 * 1024
    }
}

/// Maps `len_bytes` of zeroed memory, which handlers may name in calls, or `None` when the platform
/// has no more.
pub fn map(len_bytes: usize) -> Option<*mut u8> {
    process::map(len_bytes)
}

/// Gives memory back.
///
/// # Safety
/// It came from [`map`], with this length, and is not used any more.
pub unsafe fn unmap(address: usize, len_bytes: usize) {
    process::unmap(address, len_bytes);
}

/// Makes pages of [`map`] a guard, where the host can.
///
/// # Safety
/// Nothing uses them.
pub unsafe fn guard(address: usize, len_bytes: usize) {
    process::forbid(address, len_bytes);
}

/// Makes pages of the image readable, and writable or not; whether that was done.
///
/// # Safety
/// Nothing is written there while it is not writable.
pub unsafe fn protect_image(start: usize, len_bytes: usize, is_writable: bool) -> bool {
    process::protect_image(start..start + len_bytes, is_writable)
}

/// Writes `text` to the person in front, as far as the platform takes it.
pub fn write(mut text: &[u8]) {
    while !text.is_empty() {
        match host().console().write_error(text) {
            0 => return,
            taken => text = text.get(taken..).unwrap_or_default(),
        }
    }
}

/// Ends the machine.
pub fn exit(status: usize) -> ! {
    host().power().exit(status as i32 & 0xff)
}

/// Ends the machine with the status that a shell gives for SIGABRT.
pub fn abort() -> ! {
    exit(134)
}

/// No signal interrupts here, so there is no mask to set.
pub const fn set_signal_mask(_mask: u64) -> u64 {
    0
}

/// Functions of signals run on the thread's own stack.
pub const fn alternate_stack_in_use() -> Option<(usize, usize)> {
    None
}

/// The numbers of the process and of the thread.
pub const fn identity() -> (u32, u32) {
    (1, 1)
}

/// There is no other thread.
pub const fn give_way() {}

/// Sets the thread pointer without going through the table.
///
/// # Safety
/// `block` is a `struct pthread`, or as much of one as the runtime knows, whose first word is its
/// own address.
pub unsafe fn set_thread_pointer(block: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { host().set_thread_pointer(block) };
}

/// How often it helps to look at a lock before waiting for it: threads take turns on one processor.
pub const SPINS: c_int = 0;

/// There is no vfork of a kernel.
pub const fn vfork_is_raw(_slot: &Slot) -> bool {
    false
}

/// There is no fork.
pub const fn fork() -> isize {
    -(Errno::ENOSYS.raw() as isize)
}
