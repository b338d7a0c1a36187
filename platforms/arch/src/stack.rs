//! Where the stack is, and calls on another one.

use core::arch::{asm, naked_asm};

/// The stack pointer of the caller, about: good for comparing depths.
#[inline(always)]
pub fn pointer() -> usize {
    let here: usize;
    // SAFETY: reads a register.
    unsafe {
        asm!("mov {}, rsp", out(reg) here, options(nomem, nostack, preserves_flags));
    }
    here
}

/// A function that [`call_on`] can call.
pub type Callee = unsafe extern "C" fn(*const u8, *mut u8) -> isize;

/// Calls `callee(first, second)` with the stack pointer at `top`, and comes back to this stack.
///
/// # Safety
/// `top` is 16-byte aligned, the memory below it is unused and large enough for `callee`, and
/// the arguments are what `callee` asks for.
#[unsafe(naked)]
pub unsafe extern "C" fn call_on(
    callee: Callee,
    first: *const u8,
    second: *mut u8,
    top: *mut u8,
) -> isize {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "mov rsp, rcx",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "call rax",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
    )
}
