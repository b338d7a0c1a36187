//! What a host that leaves the processor to its guest has from the runtime: calls made by the
//! instruction `syscall`, and faults that can be repaired or are signals.

use core::arch::global_asm;

use muslin_arch::code::Code;
use muslin_arch::host::Above;
use muslin_arch::traps::{Frame, PAGE_FAULT};

use crate::answer;
use crate::dispatch;
use crate::missing::missing;
use crate::process;

/// What the runtime does for such a host.
pub const ABOVE: Above = Above {
    call,
    repair,
    is_behind_file: process::is_behind_file,
    is_inside: answer::is_inside,
};

// A member of libc.a, which `muslin cc` takes where a program has the instruction; 0 without it.
global_asm!(
    r#"
    .pushsection .rodata.__muslin_every_number_place,"a",@progbits
    .balign 8
__muslin_every_number_place:
    .weak __muslin_every_number
    .quad __muslin_every_number
    .popsection
    "#
);

unsafe extern "C" {
    static __muslin_every_number_place: Option<Code>;
}

/// A call by the instruction. In an image without that member it reaches the numbers that the image
/// holds for other reasons: naming all of them here would put all handlers into every image.
///
/// # Safety
/// As any code of a slot.
unsafe extern "C" fn call(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    // SAFETY: the linker fills it in: a code's address, or 0.
    let every_number = unsafe { __muslin_every_number_place };
    let code = every_number
        .or_else(|| dispatch::linked_code(nr))
        .unwrap_or(missing);
    // SAFETY: the call is the program's own.
    unsafe { code(a, b, c, d, e, f, nr) }
}

/// Bit of a page fault's error code: it was a write.
const WRITE: u64 = 1 << 1;

fn repair(frame: &mut Frame, address: usize) -> bool {
    if frame.vector == PAGE_FAULT && process::fault(address, frame.error_code & WRITE != 0) {
        return true;
    }
    // A fault of the library OS's own is nobody's signal.
    if answer::is_inside() {
        return false;
    }
    match answer::ATTENTION.fault() {
        // SAFETY: this handles an exception of the program's, and has not touched the vector registers.
        Some(fault) => unsafe { fault(frame, address) },
        None => false,
    }
}
