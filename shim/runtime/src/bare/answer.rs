//! How a call reaches its handler, and what happens behind it.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use muslin_abi::args::to_raw;
use muslin_abi::{SyscallArgs, SyscallResult};
use muslin_arch::thread_pointer;
use muslin_syscalls::context::Context;
use muslin_syscalls::threads::{Attention, Call, HandlerFn, Kept, Machine};

use crate::console;
use crate::process;
use crate::raw;

/// What is done at the end of calls.
pub static ATTENTION: Attention = Attention::new();

/// Where the return address of the call under way is.
pub static CALL_PLACE: AtomicUsize = AtomicUsize::new(0);

/// The top of the stack on which calls of the current thread are answered; 0 for the stack that they
/// are made on.
static KERNEL_STACK: AtomicUsize = AtomicUsize::new(0);

/// What such a stack of the first thread has.
pub const KERNEL_STACK_BYTES: usize = 32 * 1024;

/// A call is being answered.
static IS_INSIDE: AtomicBool = AtomicBool::new(false);

/// What the switch between threads asks of the runtime.
pub const MACHINE: Machine = Machine {
    keep,
    put_back,
    again: __muslin_cp_begin,
};

unsafe extern "C" {
    /// Part of the stub below.
    fn __muslin_cp_begin();
}

muslin_syscalls::answer_stub! {
    /// Answers a call, as the code of every slot, with the handler in rax.
    ///
    /// # Safety
    /// As any code of a slot, and rax is a [`HandlerFn`].
    pub fn answer_stub;
    place: CALL_PLACE, kernel_stack: KERNEL_STACK, attention: ATTENTION, answer: answer, attend: attend
}

/// Answers a call with `handler`.
#[allow(
    improper_ctypes_definitions,
    reason = "only the stub above calls it, with two words"
)]
extern "C" fn answer(handler: HandlerFn, args: &SyscallArgs) -> isize {
    let context = context();
    IS_INSIDE.store(true, Ordering::Relaxed);
    let answer = to_raw(handler(context, args));
    IS_INSIDE.store(false, Ordering::Relaxed);
    answer
}

/// What handlers are given.
pub fn context() -> &'static Context<'static> {
    process::context().unwrap_or_else(|| {
        console::fatal(&[b"muslin: a call came before the process was made"]);
    })
}

/// Does what is to be done at the end of a call; whether the call is made again.
#[allow(
    improper_ctypes_definitions,
    reason = "only the stub above calls it, with one word"
)]
extern "C" fn attend(call: &mut Call) -> bool {
    process::context().is_some_and(|context| ATTENTION.attend(context, call))
}

/// Goes back to the program from its handlers, with their answer in rax: does first what is to be done at the
/// end of calls, at the end of a call of its own, which does nothing else.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn __muslin_handled() {
    naked_asm!(
        "cmp qword ptr [rip + {attention}], 0",
        "jne 2f",
        "ret",
        "2:",
        "push rax",
        "push rax", // for the alignment
        "push qword ptr [rsp + 24]", // the number
        "call {nothing}",
        "add rsp, 16",
        "pop rax",
        "ret",
        attention = sym ATTENTION,
        nothing = sym nothing_code,
    )
}

/// The same as a function.
pub fn handled(nr: usize) {
    if ATTENTION.is_demanded() {
        // SAFETY: a call that does nothing.
        unsafe { nothing_code(0, 0, 0, 0, 0, 0, nr) };
    }
}

/// The code of a call that the runtime makes itself, without a slot: its handler is answered as any other.
macro_rules! own_call {
    ($(#[doc = $text:literal])* $name:ident: $handler:path) => {
        $(#[doc = $text])*
        ///
        /// # Safety
        /// As any code of a slot.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            _: usize,
            _: usize,
            _: usize,
            _: usize,
            _: usize,
            _: usize,
            _: usize,
        ) -> isize {
            core::arch::naked_asm!(
                "lea rax, [rip + {handler}]",
                "jmp {answer}",
                handler = sym $handler,
                answer = sym $crate::answer::answer_stub,
            )
        }
    };
}

pub(crate) use own_call;

own_call! {
    /// The code of a call that does nothing.
    nothing_code: nothing
}

fn nothing(_: &Context<'_>, _: &SyscallArgs) -> SyscallResult {
    Ok(0)
}

/// Calls of the first thread are answered on the stack with this top from now on.
pub fn answer_on(top: usize) {
    KERNEL_STACK.store(top, Ordering::Relaxed);
}

/// Whether a call is being answered: what goes wrong then is the library OS's doing.
pub fn is_inside() -> bool {
    IS_INSIDE.load(Ordering::Relaxed)
}

/// Where the program made the call under way.
pub fn caller() -> usize {
    let place = CALL_PLACE.load(Ordering::Relaxed) as *const usize;
    // SAFETY: the code of the call under way noted it, and handlers report before anything of the
    // program runs; nobody writes there until the call returns.
    unsafe { place.read() }
}

fn keep() -> Kept {
    Kept {
        thread_pointer: thread_pointer::read() as usize,
        call_place: CALL_PLACE.load(Ordering::Relaxed),
        is_inside: IS_INSIDE.load(Ordering::Relaxed),
        kernel_stack: KERNEL_STACK.load(Ordering::Relaxed),
    }
}

fn put_back(kept: &Kept) {
    // SAFETY: it was the thread's own, or the program says so for a new thread.
    unsafe { raw::set_thread_pointer(kept.thread_pointer as *mut u8) };
    CALL_PLACE.store(kept.call_place, Ordering::Relaxed);
    IS_INSIDE.store(kept.is_inside, Ordering::Relaxed);
    KERNEL_STACK.store(kept.kernel_stack, Ordering::Relaxed);
}
