//! The platform of a guest of hvt: entered, and not there yet.

use core::ffi::CStr;
use core::ops::Range;

/// Takes over what the tender says; the command line.
///
/// # Safety
/// This is a guest of hvt that was just entered: boot info lies at 0x10000, the stack is the
/// tender's.
pub unsafe fn start(_image: Range<usize>) -> &'static CStr {
    loop {
        // SAFETY: the tender ends the guest with a line of its own.
        unsafe { core::arch::asm!("hlt", options(nostack)) };
    }
}
