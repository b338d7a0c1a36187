//! How much the processor lets this code do.

use core::arch::asm;

/// The ring that this code runs in: 0 may do all, 3 is a program's.
#[inline(always)]
pub fn ring() -> usize {
    let selector: usize;
    // SAFETY: reads a register.
    unsafe {
        asm!("mov {}, cs", out(reg) selector, options(nomem, nostack, preserves_flags));
    }
    selector & 3
}
