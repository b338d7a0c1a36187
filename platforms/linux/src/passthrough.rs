//! The leaf stub: the runtime's one `syscall` instruction.
//!
//! It is assembly because a clone onto a new stack returns into whatever the new stack says: a
//! Rust frame around the instruction would not be there. It calls nothing and leaves nothing on
//! the stack while the kernel is entered.
//!
//! Entries, all in section `muslin_text` (what Syscall User Dispatch allows):
//!
//! - `__muslin_passthrough`: the code of an untouched slot; `a..f` in registers, the number above
//!   the return address.
//! - `__muslin_passthrough_base`: the bottom of a chain of handlers: counts if counting is on, and
//!   can be cancelled if the call is a cancellation point.
//! - `__muslin_passthrough_vfork`: return address in rdx, way back in rsi, nothing on the stack.
//! - `__muslin_enter_counted`: the code of every slot while counting is on.
//!
//! Two things ride along without a second instruction: the carry flag says "vfork" (the kernel
//! gives the flags back), and `cp_stack` of the thread holds the stack pointer of a call that can
//! still be cancelled (see musl-patches/0002).

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection muslin_text,"ax",@progbits
    .balign 16
    .globl __muslin_cp_begin
    .hidden __muslin_cp_begin
__muslin_cp_begin:
    cmp dword ptr [rax + {cancel}], 0
    jne __muslin_cp_cancelled
    mov rax, [rsp + 8]
    jmp .Lsyscall

    .globl __muslin_passthrough
    .hidden __muslin_passthrough
    .type __muslin_passthrough,@function
__muslin_passthrough:
    mov rax, [rsp + 8]
    mov r10, rcx
    clc
.Lsyscall:
    .globl __muslin_cp_syscall
    .hidden __muslin_cp_syscall
__muslin_cp_syscall:
    syscall
    jc 1f
    ret
1:  jmp rsi
    .globl __muslin_cp_cancelled
    .hidden __muslin_cp_cancelled
__muslin_cp_cancelled:
    mov rax, -4
    ret
    .size __muslin_passthrough, . - __muslin_passthrough

    .globl __muslin_passthrough_vfork
    .hidden __muslin_passthrough_vfork
    .type __muslin_passthrough_vfork,@function
__muslin_passthrough_vfork:
    mov eax, 58
    stc
    jmp .Lsyscall
    .size __muslin_passthrough_vfork, . - __muslin_passthrough_vfork
    .popsection

    .pushsection .text.__muslin_passthrough_base,"ax",@progbits
    .globl __muslin_passthrough_base
    .hidden __muslin_passthrough_base
    .type __muslin_passthrough_base,@function
__muslin_passthrough_base:
    mov rax, [rip + __muslin_counters]
    test rax, rax
    jz 2f
    mov r11, [rsp + 8]
    cmp r11, {numbers}
    jae 2f
    lock inc qword ptr [rax + r11*8 + {passed}]
2:  mov rax, fs:[0]
    cmp byte ptr [rax + {in_cp}], 0
    je __muslin_passthrough
    mov r11, [rax + {cp_stack}]
    sub r11, rsp
    cmp r11, {near_bytes}
    jae __muslin_passthrough
    mov byte ptr [rax + {in_cp}], 0
    mov [rax + {cp_stack}], rsp
    mov r10, rcx
    jmp __muslin_cp_begin
    .size __muslin_passthrough_base, . - __muslin_passthrough_base
    .popsection

    .pushsection .text.__muslin_enter_counted,"ax",@progbits
    .globl __muslin_enter_counted
    .hidden __muslin_enter_counted
    .type __muslin_enter_counted,@function
__muslin_enter_counted:
    mov r11, [rsp + 8]
    mov rax, [rip + __muslin_counters]
    lock inc qword ptr [rax + r11*8 + {entered}]
    lea rax, [rip + __muslin_counted_code]
    jmp [rax + r11*8]
    .size __muslin_enter_counted, . - __muslin_enter_counted
    .popsection
    "#,
    numbers = const muslin_abi::SYSNO_MAX,
    entered = const muslin_abi::counters::ENTERED_WORD * 8,
    passed = const muslin_abi::counters::PASSED_WORD * 8,
    in_cp = const muslin_arch::pthread::IN_CP_OFFSET,
    cancel = const muslin_arch::pthread::CANCEL_OFFSET,
    cp_stack = const muslin_arch::pthread::CP_STACK_OFFSET,
    near_bytes = const muslin_arch::pthread::CP_NEAR_BYTES,
);

unsafe extern "C" {
    /// The leaf stub, as the code of an untouched slot.
    pub fn __muslin_passthrough(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
    /// The leaf stub, as the bottom of a chain.
    pub fn __muslin_passthrough_base(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
    /// Counts a call, then runs `__muslin_counted_code[nr]`; `nr` is below `SYSNO_MAX`.
    pub fn __muslin_enter_counted(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
}

/// Makes a call of the kernel's, past the table and past every count.
///
/// # Safety
/// The call does to memory and to the process what its man page says: the caller answers for it.
/// No clone with a stack of its own and no vfork.
pub unsafe fn call(nr: muslin_abi::Sysno, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the stub keeps the C calling convention for calls that return once.
    unsafe { __muslin_passthrough(a, b, c, d, e, f, nr.0 as usize) }
}
