//! Stray `syscall` instructions: code that enters the kernel past libc is caught and sent through
//! the table, with Syscall User Dispatch.
//!
//! The kernel lets `syscall` through only inside section `muslin_text` and raises SIGSYS for any
//! other; the handler dispatches the call and writes the answer where the instruction would have.
//! Dispatch is a property of a thread: children are armed before they run. SIGSYS must never be
//! blocked while armed, so the calls that take a signal mask are filtered here.
//!
//! Two differences to a kernel call: a caught call needs about 4 KiB of stack, and a caught vfork
//! is a fork. Source: Linux `Documentation/admin-guide/syscall-user-dispatch.rst`, prctl(2).

use core::arch::global_asm;
use core::mem::size_of;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::{Errno, Sysno};
use muslin_arch::code::Code;

use crate::passthrough::{__muslin_passthrough_base, call};
use crate::vdso;

/// The environment variable that asks for it.
pub const ENVIRONMENT: &str = "MUSLIN_CATCH_STRAY";

const PR_SET_SYSCALL_USER_DISPATCH: usize = 59;
const PR_SYS_DISPATCH_ON: usize = 1;
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const SIGSYS: usize = 31;
const SIGSYS_BIT: u64 = 1 << (SIGSYS - 1);
const SYS_USER_DISPATCH: i32 = 2;
const SA_SIGINFO: usize = 4;
const SA_RESTORER: usize = 0x0400_0000;
const SA_NODEFER: usize = 0x4000_0000;
const CLONE_VM: usize = 0x100;
const CLONE_VFORK: usize = 0x4000;
const MASK_BYTES: usize = size_of::<u64>();

/// The kernel's `struct sigaction` on x86_64.
#[derive(Clone, Copy)]
#[repr(C)]
struct KernelSigaction {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// The first registers of `struct sigcontext` in their order: those that a child of clone has as its
/// parent does.
#[derive(Clone, Copy)]
#[repr(C)]
struct Registers {
    r8: usize,
    r9: usize,
    r10: usize,
    r11: usize,
    r12: usize,
    r13: usize,
    r14: usize,
    r15: usize,
    rdi: usize,
    rsi: usize,
    rbp: usize,
    rbx: usize,
    rdx: usize,
}

/// All of `struct sigcontext`, and what the kernel saves beside it.
#[repr(C)]
struct Ucontext {
    flags: usize,
    link: usize,
    stack: [usize; 3],
    registers: Registers,
    rax: usize,
    rcx: usize,
    rsp: usize,
    rip: usize,
    rest: [usize; 15],
    mask: u64,
}

/// Where caught calls go: the runtime's dispatcher.
static DISPATCH: AtomicUsize = AtomicUsize::new(0);

/// What the program itself asked for with `sigaction(SIGSYS)`, for signals that are not ours.
static PROGRAM_HANDLER: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static __start_muslin_text: u8;
    static __stop_muslin_text: u8;
    fn __restore_rt();
    fn __muslin_armed_child();
    fn __muslin_stray_child();
}

// `__muslin_armed_child`: a new thread's first instruction. Above it on its stack lie a word of
// padding and the address that it would have started at.
// `__muslin_stray_child`: a thread that was cloned by a stray instruction goes on behind it, with
// all registers but rax and rcx as they were: see `clone_behind`.
global_asm!(
    r#"
    .pushsection .text.__muslin_armed_child,"ax",@progbits
__muslin_armed_child:
    sub rsp, 8
    call __muslin_arm_thread
    add rsp, 16
    ret
    .popsection
    .pushsection .text.__muslin_stray_child,"ax",@progbits
__muslin_stray_child:
    pop r8
    pop r9
    pop r10
    pop r11
    pop r12
    pop r13
    pop r14
    pop r15
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rsp
    xor eax, eax
    jmp rcx
    .popsection
    "#
);

/// The slot codes that an armed process needs instead of the plain passthrough.
pub static CODES: [(Sysno, Code); 11] = [
    (Sysno::rt_sigaction, rt_sigaction),
    (Sysno::rt_sigprocmask, masked),
    (Sysno::rt_sigsuspend, masked),
    (Sysno::ppoll, masked),
    (Sysno::epoll_pwait, masked),
    (Sysno::epoll_pwait2, masked),
    (Sysno::pselect6, pselect6),
    (Sysno::clone, clone),
    (Sysno::clone3, clone3),
    (Sysno::fork, fork),
    (Sysno::vfork, fork),
];

/// Arms the process: installs the SIGSYS handler and arms this thread.
///
/// `dispatch` makes a call through the table. The kernel's errno where it cannot (EINVAL before
/// Linux 5.11).
pub fn arm(dispatch: Code) -> Result<(), Errno> {
    DISPATCH.store(dispatch as usize, Ordering::Relaxed);
    let action = KernelSigaction {
        handler: on_sigsys as *const () as usize,
        flags: SA_SIGINFO | SA_RESTORER | SA_NODEFER,
        restorer: __restore_rt as *const () as usize,
        mask: 0,
    };
    let unblock = SIGSYS_BIT;
    // SAFETY: both calls read structures of ours and change signal state as documented above.
    let results = unsafe {
        [
            call(
                Sysno::rt_sigaction,
                [SIGSYS, &raw const action as usize, 0, MASK_BYTES, 0, 0],
            ),
            call(
                Sysno::rt_sigprocmask,
                [1, &raw const unblock as usize, 0, MASK_BYTES, 0, 0],
            ),
            arm_thread(),
        ]
    };
    for raw in results {
        muslin_abi::args::from_raw(raw)?;
    }
    Ok(())
}

/// Arms the calling thread: the kernel allows `syscall` in muslin_text only.
#[inline(never)] // in every image, and rarely called: small, not fast
fn arm_thread() -> isize {
    let start = &raw const __start_muslin_text as usize;
    // One byte more than the section: the kernel compares the address behind the instruction.
    let len_bytes = &raw const __stop_muslin_text as usize - start + 1;
    // SAFETY: from here on this thread's stray calls raise SIGSYS, which is handled.
    unsafe {
        call(
            Sysno::prctl,
            [
                PR_SET_SYSCALL_USER_DISPATCH,
                PR_SYS_DISPATCH_ON,
                start,
                len_bytes,
                0,
                0,
            ],
        )
    }
}

#[unsafe(no_mangle)]
extern "C" fn __muslin_arm_thread() {
    arm_thread();
}

/// The SIGSYS handler.
///
/// # Safety
/// Only the kernel calls it, with the context of the interrupted thread.
unsafe extern "C" fn on_sigsys(signal: i32, info: *mut i32, context: *mut Ucontext) {
    // SAFETY: si_code is the third int of siginfo_t.
    if unsafe { *info.add(2) } != SYS_USER_DISPATCH {
        // SAFETY: same arguments, for the program's own handler.
        return unsafe { program_handler(signal, info, context) };
    }
    // SAFETY: the context is this frame's, and nobody else has it.
    let context = unsafe { &mut *context };
    let nr = context.rax as u32 as usize;
    let Registers {
        rdi,
        rsi,
        rdx,
        r10,
        r8,
        r9,
        ..
    } = context.registers;
    let mut args = [rdi, rsi, rdx, r10, r8, r9];
    let is = |sysno: Sysno| nr == sysno.0 as usize;
    if is(Sysno::rt_sigreturn) {
        // The frame to return to is where the stray instruction found it: run ours there.
        context.rip = __restore_rt as *const () as usize;
        return;
    }
    if is(Sysno::clone) && args[0] & CLONE_VM != 0 {
        if args[1] == 0 {
            args[0] &= !(CLONE_VM | CLONE_VFORK);
        } else {
            // SAFETY: a stack that was passed to clone is the child's to use.
            args[1] = unsafe { clone_behind(context, args[1]) };
        }
    }
    // SAFETY: DISPATCH was set from a `Code` before any thread was armed.
    let dispatch: Code = unsafe { core::mem::transmute(DISPATCH.load(Ordering::Relaxed)) };
    let [a, b, c, d, e, f] = args;
    // What the vDSO asks the kernel must not come back to the handler that asked the vDSO.
    let code = if vdso::holds(context.rip) {
        __muslin_passthrough_base
    } else {
        dispatch
    };
    // SAFETY: the call is the program's own.
    let raw = unsafe { code(a, b, c, d, e, f, nr) };
    context.rax = raw as usize;
    // What the return from this handler would put back to its old value:
    if is(Sysno::rt_sigprocmask) {
        let mask = &raw mut context.mask as usize;
        // SAFETY: asks for the current mask only.
        unsafe { call(Sysno::rt_sigprocmask, [0, 0, mask, MASK_BYTES, 0, 0]) };
    }
    if is(Sysno::sigaltstack) {
        let stack = &raw mut context.stack as usize;
        // SAFETY: asks for the current alternate stack only.
        unsafe { call(Sysno::sigaltstack, [0, stack, 0, 0, 0, 0]) };
    }
}

/// Hands a SIGSYS that is not ours to the handler that the program asked for; with the default
/// action, the process ends by it.
///
/// # Safety
/// The arguments are those of the signal handler.
unsafe fn program_handler(signal: i32, info: *mut i32, context: *mut Ucontext) {
    match PROGRAM_HANDLER.load(Ordering::Relaxed) {
        SIG_DFL => {
            let default_action = [0usize; 4];
            let action = &raw const default_action as usize;
            // SAFETY: the signal is pending when this handler returns, and ends the process.
            unsafe {
                call(Sysno::rt_sigaction, [SIGSYS, action, 0, MASK_BYTES, 0, 0]);
                let thread = call(Sysno::gettid, [0; 6]) as usize;
                call(Sysno::tkill, [thread, SIGSYS, 0, 0, 0, 0]);
            }
        }
        SIG_IGN => {}
        handler => {
            // SAFETY: the program registered this address as a handler of three arguments.
            let handler: extern "C" fn(i32, *mut i32, *mut Ucontext) =
                unsafe { core::mem::transmute(handler) };
            handler(signal, info, context);
        }
    }
}

/// What `__muslin_stray_child` pops, below the address where it starts.
#[repr(C)]
struct StrayChild {
    start: usize,
    registers: Registers,
    rip: usize,
    rsp: usize,
}

/// Lays out a cloned thread's stack so that it goes on behind the stray instruction.
///
/// # Safety
/// `top` is the stack that the program passed to clone.
unsafe fn clone_behind(context: &Ucontext, top: usize) -> usize {
    let frame = StrayChild {
        start: __muslin_stray_child as *const () as usize,
        registers: context.registers,
        rip: context.rip,
        rsp: top,
    };
    let at = (top - size_of_val(&frame)) & !15;
    // SAFETY: below `top` there is nothing yet: it is a new stack.
    unsafe { (at as *mut StrayChild).write(frame) };
    at
}

/// Passes a call on, below all handlers.
macro_rules! pass {
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr, $nr:expr) => {
        // SAFETY: the program's own call, as it came.
        unsafe { __muslin_passthrough_base($a, $b, $c, $d, $e, $f, $nr) }
    };
}

/// Whether the kernel can read a word at `address`.
///
/// It is asked with a call that reads a mask and then refuses what to do with it, so that a bad
/// address is the kernel's EFAULT and not our fault.
#[inline(never)] // in every image, and rarely called: small, not fast
fn is_readable(address: usize) -> bool {
    const NOTHING_TO_DO: usize = 99;
    // SAFETY: changes nothing: there is no such way to change the mask.
    let raw = unsafe {
        call(
            Sysno::rt_sigprocmask,
            [NOTHING_TO_DO, address, 0, MASK_BYTES, 0, 0],
        )
    };
    raw != -(Errno::EFAULT.raw() as isize)
}

/// The program's mask without SIGSYS.
enum Mask {
    /// No mask, or one that the kernel shall refuse: its address.
    AsPassed(usize),
    Filtered(u64),
}

impl Mask {
    #[inline(never)] // in every image, and rarely called: small, not fast
    fn at(address: usize) -> Self {
        if address == 0 || !is_readable(address) {
            return Self::AsPassed(address);
        }
        // SAFETY: readable, as the kernel just found.
        Self::Filtered(unsafe { (address as *const u64).read_unaligned() } & !SIGSYS_BIT)
    }

    /// Where the mask lies.
    fn address(&self) -> usize {
        match self {
            Self::AsPassed(address) => *address,
            Self::Filtered(mask) => &raw const *mask as usize,
        }
    }
}

/// The calls that take a mask as an argument of their own.
unsafe extern "C" fn masked(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    let is = |sysno: Sysno| nr == sysno.0 as usize;
    let mut args = [a, b, c, d, e, f];
    let address = if is(Sysno::rt_sigsuspend) {
        &mut args[0]
    } else if is(Sysno::rt_sigprocmask) {
        &mut args[1]
    } else if is(Sysno::ppoll) {
        &mut args[3]
    } else {
        // epoll_pwait, epoll_pwait2
        &mut args[4]
    };
    let mask = Mask::at(*address);
    *address = mask.address();
    let [a, b, c, d, e, f] = args;
    pass!(a, b, c, d, e, f, nr)
}

/// pselect6's last argument is the address of a pair: the mask's address and its size.
unsafe extern "C" fn pselect6(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    if f == 0 || !is_readable(f) || !is_readable(f + 8) {
        return pass!(a, b, c, d, e, f, nr);
    }
    // SAFETY: readable, as the kernel just found.
    let [address, len_bytes] = unsafe { *(f as *const [usize; 2]) };
    let mask = Mask::at(address);
    let pair = [mask.address(), len_bytes];
    pass!(a, b, c, d, e, &raw const pair as usize, nr)
}

/// Whether the kernel can read a struct sigaction at `address`.
fn can_read_action(address: usize) -> bool {
    is_readable(address) && is_readable(address + size_of::<KernelSigaction>() - MASK_BYTES)
}

/// SIGSYS stays ours: what the program asks for it is remembered. Other actions must not block it.
unsafe extern "C" fn rt_sigaction(
    signal: usize,
    new: usize,
    old: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    if signal == SIGSYS && d == MASK_BYTES {
        if new != 0 && !can_read_action(new) {
            return -(Errno::EFAULT.raw() as isize);
        }
        let before = PROGRAM_HANDLER.load(Ordering::Relaxed);
        if new != 0 {
            // SAFETY: readable, as the kernel just found.
            let wanted = unsafe { (*(new as *const KernelSigaction)).handler };
            PROGRAM_HANDLER.store(wanted, Ordering::Relaxed);
        }
        if old != 0 {
            // The kernel finds out whether it can be written.
            let raw = pass!(signal, 0, old, d, e, f, nr);
            if raw < 0 {
                return raw;
            }
            let answer = KernelSigaction {
                handler: before,
                flags: 0,
                restorer: 0,
                mask: 0,
            };
            // SAFETY: the kernel just wrote there.
            unsafe { (old as *mut KernelSigaction).write(answer) };
        }
        return 0;
    }
    if new == 0 || !can_read_action(new) {
        return pass!(signal, new, old, d, e, f, nr);
    }
    // SAFETY: readable, as the kernel just found.
    let mut action = unsafe { *(new as *const KernelSigaction) };
    action.mask &= !SIGSYS_BIT;
    pass!(signal, &raw const action as usize, old, d, e, f, nr)
}

/// A clone with a new stack starts at `__muslin_armed_child`; one without returns here as fork does.
unsafe extern "C" fn clone(
    flags: usize,
    stack: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    if stack == 0 {
        let raw = pass!(flags, stack, c, d, e, f, nr);
        return armed_after_fork(raw);
    }
    let start = [__muslin_armed_child as *const () as usize, 0];
    let below = stack - size_of_val(&start);
    // SAFETY: below a new thread's stack pointer there is nothing yet.
    unsafe { (below as *mut [usize; 2]).write(start) };
    pass!(flags, below, c, d, e, f, nr)
}

/// Not offered while armed: callers fall back to clone.
unsafe extern "C" fn clone3(
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
) -> isize {
    -(Errno::ENOSYS.raw() as isize)
}

/// fork, and vfork as fork: its child could not be armed on its parent's stack.
unsafe extern "C" fn fork(
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
) -> isize {
    let raw = pass!(0, 0, 0, 0, 0, 0, Sysno::fork.0 as usize);
    armed_after_fork(raw)
}

/// Arms the child that a fork returned into.
fn armed_after_fork(raw: isize) -> isize {
    if raw == 0 {
        arm_thread();
    }
    raw
}
