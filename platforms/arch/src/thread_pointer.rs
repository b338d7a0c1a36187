//! The thread pointer of x86_64: the base of segment FS, whose first word points to itself.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

/// The first word of the block that the thread pointer points to: the block's own address.
///
/// The psABI for x86_64 has it so; musl's `__pthread_self()` reads the same word.
#[inline(always)]
pub fn read() -> *mut u8 {
    let pointer: *mut u8;
    // SAFETY: reads one word at FS:0. FS has a valid base from the first line of boot on: a
    // block of the runtime's until musl sets its own, and again for a thread's last calls.
    unsafe {
        asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, preserves_flags, readonly));
    }
    pointer
}

/// Sets the base of FS with the instruction `wrfsbase`.
///
/// # Safety
/// The processor and the kernel allow the instruction (Linux: bit 1 of AT_HWCAP2), `block` stays
/// valid for as long as it is the thread pointer, and its first word holds its own address.
pub unsafe fn write(block: *mut u8) {
    // SAFETY: as promised by the caller.
    unsafe {
        asm!("wrfsbase {}", in(reg) block, options(nostack, preserves_flags));
    }
}

/// Whether [`write`] is allowed here.
static MAY_WRITE: AtomicBool = AtomicBool::new(false);

/// Remembers that the processor and the kernel allow the instruction `wrfsbase`.
pub fn allow_write() {
    MAY_WRITE.store(true, Ordering::Relaxed);
}

/// As [`write`], if that is known to be allowed; whether it is.
///
/// # Safety
/// `block` stays valid for as long as it is the thread pointer, and its first word holds its own
/// address.
pub unsafe fn try_write(block: *mut u8) -> bool {
    let may_write = MAY_WRITE.load(Ordering::Relaxed);
    if may_write {
        // SAFETY: it is allowed; the rest the caller promises.
        unsafe { write(block) };
    }
    may_write
}
