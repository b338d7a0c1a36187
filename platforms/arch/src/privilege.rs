//! How much the processor lets this code do.

use core::arch::asm;

/// The selector of the segment that this code runs in. Its two lowest bits are the ring: in 0 code
/// may do all, in 3 it is a program's. It is 0 on no processor; valgrind shows 0.
#[inline(always)]
pub fn code_segment() -> u16 {
    let selector: u16;
    // SAFETY: reads a register.
    unsafe {
        asm!("mov {:x}, cs", out(reg) selector, options(nomem, nostack, preserves_flags));
    }
    selector
}
