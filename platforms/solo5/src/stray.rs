//! Stray `syscall` instructions in a process: code that enters the kernel past libc is caught with
//! Syscall User Dispatch and answered by the library OS, as in a guest of hvt.
//!
//! The kernel lets `syscall` through inside section `muslin_text` and raises SIGSYS for any other.
//! Linux before 5.11 cannot: there such code reaches Linux. Source: Linux
//! `Documentation/admin-guide/syscall-user-dispatch.rst`, `arch/x86/include/uapi/asm/sigcontext.h`.

use core::arch::global_asm;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_arch::code::Code;

use crate::calls;

const RT_SIGACTION: usize = 13;
const PRCTL: usize = 157;

const PR_SET_SYSCALL_USER_DISPATCH: usize = 59;
const PR_SYS_DISPATCH_ON: usize = 1;
const SIGSYS: usize = 31;
const SA_SIGINFO: usize = 4;
const SA_RESTORER: usize = 0x0400_0000;
const SA_NODEFER: usize = 0x4000_0000;
const MASK_BYTES: usize = size_of::<u64>();

/// Words of the context that a signal handler is given: where the registers are.
const R8: usize = 5;
const R9: usize = 6;
const R10: usize = 7;
const RDI: usize = 13;
const RSI: usize = 14;
const RDX: usize = 17;
const RAX: usize = 18;

unsafe extern "C" {
    static __start_muslin_text: u8;
    static __stop_muslin_text: u8;
    fn __muslin_process_restore();
}

// Where the kernel has a signal handler return to.
global_asm!(
    r#"
    .pushsection muslin_text,"ax",@progbits
    .hidden __muslin_process_restore
__muslin_process_restore:
    mov eax, 15
    syscall
    .popsection
    "#
);

/// What makes the program's calls.
static CALL: AtomicUsize = AtomicUsize::new(0);

/// Sends stray instructions to `call` from here on, where the kernel can.
pub fn catch(call: Code) {
    CALL.store(call as usize, Ordering::Relaxed);
    let action = [
        on_sigsys as *const () as usize,
        SA_SIGINFO | SA_RESTORER | SA_NODEFER,
        __muslin_process_restore as *const () as usize,
        0,
    ];
    let start = &raw const __start_muslin_text as usize;
    // One byte more than the section: the kernel compares the address behind the instruction.
    let len_bytes = &raw const __stop_muslin_text as usize - start + 1;
    let action = [SIGSYS, &raw const action as usize, 0, MASK_BYTES, 0, 0];
    let dispatch = [
        PR_SET_SYSCALL_USER_DISPATCH,
        PR_SYS_DISPATCH_ON,
        start,
        len_bytes,
        0,
        0,
    ];
    // SAFETY: the kernel reads a `struct sigaction`, which is alive; from then on it calls
    // `on_sigsys` for stray instructions alone.
    unsafe {
        calls::call(RT_SIGACTION, action);
        calls::call(PRCTL, dispatch);
    }
}

/// # Safety
/// Only the kernel calls it, with the context of the interrupted instruction.
unsafe extern "C" fn on_sigsys(_signal: i32, _info: *mut u8, context: *mut usize) {
    // SAFETY: registers of the context, which is this frame's alone; `CALL` was set from a `Code`
    // before the kernel knew this function; the call is the program's own.
    unsafe {
        let word = |at: usize| *context.add(at);
        let call: Code = core::mem::transmute(CALL.load(Ordering::Relaxed));
        let raw = call(
            word(RDI),
            word(RSI),
            word(RDX),
            word(R10),
            word(R8),
            word(R9),
            word(RAX) as u32 as usize,
        );
        *context.add(RAX) = raw as usize;
    }
}
