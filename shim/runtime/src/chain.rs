//! What runs when a slot has registered handlers.
//!
//! The last registered handler is called first; `muslin_next` calls the one below it, and below
//! the last one is the bottom: the platform's own code. Around the chain:
//!
//! - errno is what it was, whatever handlers did.
//! - Calls made from inside a handler, by it or by a signal handler that interrupts it, go to the
//!   bottom: a handler neither meets its own calls nor can wait for itself. One that is registered
//!   REENTRANT is called for them too.
//! - A handler may be left by longjmp; and the child of a clone with a stack of its own is outside
//!   of the handler that made it (see `inside`).
//! - Cancellation: the bottom's own wait is a cancellation point if the program's call was one.
//! - OWN_STACK: the handler runs on a stack that the thread keeps for it (see `own_stack`).

use core::arch::global_asm;
use core::ffi::c_void;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use muslin_abi::SYSNO_MAX;
use muslin_abi::handler::{Call, OWN_STACK, REENTRANT};
use muslin_arch::code::Code;
use muslin_arch::{pthread, stack};

use crate::dispatch;
use crate::inside;
use crate::own_stack;
use crate::raw;
use crate::thread::Thread;

/// A handler: `muslin_handler_fn`.
pub type Function = unsafe extern "C" fn(*const Call, *mut c_void) -> isize;

/// A registration: `struct muslin_handler`. Never freed, and not changed once it is in the table.
#[repr(C)]
pub struct Handler {
    /// What is called.
    pub function: Function,
    /// Its second argument.
    pub context: *mut c_void,
    /// The number it was registered for.
    pub nr: usize,
    /// REENTRANT, OWN_STACK.
    pub flags: usize,
    /// The handler below, or null.
    pub next: AtomicPtr<Handler>,
    /// The platform's own code, at the bottom.
    pub bottom: AtomicUsize,
    /// A [`Code`] that does the same as `__muslin_enter` for this handler alone, or 0: see
    /// `static_handler!`.
    pub direct: usize,
}

/// The top of each number's chain, or null. The stub below reads it.
#[unsafe(no_mangle)]
static __muslin_chains: [AtomicPtr<Handler>; SYSNO_MAX] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SYSNO_MAX];

/// The chain of number `index`.
pub fn chain(index: usize) -> Option<&'static AtomicPtr<Handler>> {
    __muslin_chains.get(index)
}

/// `Call::state`: the program's call is a cancellation point.
const IS_CANCELLABLE: usize = 1;
/// `Call::state`: the call came from inside a handler, so only REENTRANT ones see it.
const IS_NESTED: usize = 2;
/// `Call::state`: a handler above has passed the call on, and goes on when it is answered.
const IS_PASSED_ON: usize = 4;

fn bottom(handler: &Handler) -> Code {
    let code = handler.bottom.load(Ordering::Relaxed);
    // SAFETY: registration stored the address of a `Code` before the handler could be called.
    unsafe { core::mem::transmute::<usize, Code>(code) }
}

/// The first handler from `handler` on downwards that may see a call of this state.
fn visible(mut handler: *const Handler, state: usize) -> Option<&'static Handler> {
    loop {
        // SAFETY: registrations live for ever.
        let candidate = unsafe { handler.as_ref() }?;
        if state & IS_NESTED == 0 || candidate.flags & REENTRANT as usize != 0 {
            return Some(candidate);
        }
        handler = candidate.next.load(Ordering::Relaxed);
    }
}

/// How the stub below goes back to the program. Without a kernel below, what is to be done at the end of
/// calls is looked for there: handlers may answer without any call of the library OS.
#[cfg(feature = "platform-linux")]
macro_rules! leave {
    () => {
        "ret"
    };
}
#[cfg(feature = "bare")]
macro_rules! leave {
    () => {
        "jmp __muslin_handled"
    };
}

// The usual case of `enter_any`: the handler has no flags, no handler runs on this thread yet, and
// the call is no cancellation point. By hand, because most of what a handled call costs is here: it
// fits two cache lines, which saves a tenth (`make bench`). The pushes lay out a `Call` below errno.
global_asm!(
    concat!(
        r#"
    .pushsection .text.__muslin_enter,"ax",@progbits
    .balign 64
    .globl __muslin_enter
    .hidden __muslin_enter
    .type __muslin_enter,@function
__muslin_enter:
    push rbx
    mov r11, [rsp + 16]
    lea rax, [rip + __muslin_chains]
    mov r10, [rax + r11*8]
    mov rbx, fs:[0]
    test r10, r10
    jz 1f
    cmp qword ptr [rbx + {inside}], 0
    jne 1f
    mov al, [rbx + {in_cp}]
    or al, [r10 + {flags}]
    jnz 1f
    mov eax, [rbx + {errno}]
    push rax
    push 0
    push r9
    push r8
    push rcx
    push rdx
    push rsi
    push rdi
    push r11
    push r10
    mov rdi, rsp
    mov rsi, [r10 + {context}]
    mov [rbx + {inside}], rsp
    call [r10 + {function}]
    mov ecx, [rsp + {call_bytes}]
    mov qword ptr [rbx + {inside}], 0
    mov byte ptr [rbx + {in_cp}], 0
    mov [rbx + {errno}], ecx
    add rsp, {call_bytes} + 8
    pop rbx
    "#,
        leave!(),
        r#"
1:  pop rbx
    jmp {enter_any}
    .size __muslin_enter, . - __muslin_enter
    .popsection
    "#
    ),
    inside = const pthread::MUSLIN_OFFSET,
    in_cp = const pthread::IN_CP_OFFSET,
    errno = const pthread::ERRNO_OFFSET,
    function = const offset_of!(Handler, function),
    context = const offset_of!(Handler, context),
    flags = const offset_of!(Handler, flags),
    call_bytes = const size_of::<Call>(),
    enter_any = sym enter_any,
);

unsafe extern "C" {
    /// The code of a slot that has handlers; the number is below `SYSNO_MAX`.
    pub fn __muslin_enter(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
}

/// [`__muslin_enter`] for every case.
///
/// # Safety
/// As any code of a slot: the call is the program's own.
unsafe extern "C" fn enter_any(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    let top = __muslin_chains
        .get(nr)
        .map_or(ptr::null_mut(), |chain| chain.load(Ordering::Acquire));
    // SAFETY: registrations live for ever.
    let Some(top) = (unsafe { top.as_ref() }) else {
        // Restored between the slot's load and this one.
        // SAFETY: the program's own call.
        return unsafe { dispatch::__muslin_dispatch(a, b, c, d, e, f, nr) };
    };
    let thread = Thread::current();
    let here = stack::pointer();
    // SAFETY: all three are fields of this thread's own block.
    let (mark, in_cp, errno) = unsafe { (*thread.inside(), *thread.in_cp(), *thread.errno()) };
    // SAFETY: as above.
    let cp_stack = unsafe { *thread.cp_stack() };
    let is_nested = inside::is_inside(thread, here);
    let mut state = 0;
    // Else a signal interrupted a cancellation point, and this is a call of its handler.
    if in_cp != 0 && cp_stack.wrapping_sub(here) < pthread::CP_NEAR_BYTES {
        state |= IS_CANCELLABLE;
    }
    if is_nested {
        state |= IS_NESTED;
    }
    let Some(handler) = visible(top, state) else {
        // SAFETY: the program's own call.
        return unsafe { bottom(top)(a, b, c, d, e, f, nr) };
    };
    // SAFETY: fields of this thread's own block; put back below.
    unsafe {
        *thread.in_cp() = 0;
        *thread.inside() = here;
        let answer = run(handler, nr, [a, b, c, d, e, f], state);
        *thread.inside() = if is_nested { mark } else { 0 };
        if !is_nested {
            raw::handled(nr);
        }
        *thread.in_cp() = in_cp;
        *thread.errno() = errno;
        answer
    }
}

/// Calls one handler.
///
/// # Safety
/// The call is the program's own or a handler's.
#[inline]
pub unsafe fn run(handler: &Handler, nr: usize, args: [usize; 6], state: usize) -> isize {
    let call = Call {
        handler: ptr::from_ref(handler).cast(),
        nr,
        args,
        state,
    };
    if handler.flags & OWN_STACK as usize != 0 {
        // SAFETY: as the caller promises.
        return unsafe { own_stack::run(handler, &call) };
    }
    // SAFETY: whoever registered the function answers for it.
    unsafe { (handler.function)(&raw const call, handler.context) }
}

/// Passes a call on to the handler below the one that has it.
///
/// # Safety
/// `call` came to a handler as its argument, or is a copy with other arguments.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_next(call: *const Call) -> isize {
    // SAFETY: as the caller promises.
    let (call, handler) = unsafe { (&*call, &*(*call).handler.cast::<Handler>()) };
    let below = handler.next.load(Ordering::Relaxed);
    if let Some(below) = visible(below, call.state) {
        // SAFETY: the call is passed on as it came.
        return unsafe { run(below, call.nr, call.args, call.state | IS_PASSED_ON) };
    }
    // SAFETY: the call is the program's.
    unsafe { at_bottom(call, bottom(handler), &call.args) }
}

/// Makes a call below all handlers on behalf of `call`: its wait is a cancellation point if that is one.
///
/// # Safety
/// As any call; `call` came to a handler, or says nothing of cancellation.
pub unsafe fn at_bottom(call: &Call, code: Code, args: &[usize; 6]) -> isize {
    let thread = Thread::current();
    // SAFETY: a field of this thread's own block; the caller promises the rest.
    unsafe {
        // A signal handler may have interrupted another call that can be cancelled.
        let cp_stack = *thread.cp_stack();
        if call.state & IS_CANCELLABLE != 0 {
            *thread.cp_stack() = stack::pointer();
            *thread.in_cp() = 1;
        }
        let raw = from_handler(code, call.nr, args);
        *thread.in_cp() = 0;
        *thread.cp_stack() = cp_stack;
        raw
    }
}

/// Waits for a handler of `call` by a call of the platform's, which can be cancelled as the program's
/// call can.
///
/// # Safety
/// As any call.
#[cfg(feature = "platform-linux")]
pub unsafe fn wait(call: Option<&Call>, nr: muslin_abi::Sysno, args: &[usize; 6]) -> isize {
    let wait = Call {
        handler: ptr::null(),
        nr: nr.0 as usize,
        args: *args,
        state: call.map_or(0, |call| call.state),
    };
    // SAFETY: as the caller promises.
    unsafe { wait_outside(&wait, raw::__muslin_passthrough_base, args) }
}

/// As [`at_bottom`], for a handler that waits and holds nothing meanwhile: what functions of signals call then is the
/// program's, and not made from inside the handler. One on a stack of the runtime's stays inside, as that is in use, and
/// one below another, which may hold something.
///
/// # Safety
/// As [`at_bottom`].
pub unsafe fn wait_outside(call: &Call, code: Code, args: &[usize; 6]) -> isize {
    let thread = Thread::current();
    let stays = call.state & (IS_NESTED | IS_PASSED_ON) != 0 || own_stack::holds(stack::pointer());
    // SAFETY: a field of this thread's own block; the caller promises the rest.
    unsafe {
        let mark = *thread.inside();
        if !stays {
            *thread.inside() = 0;
        }
        let raw = at_bottom(call, code, args);
        *thread.inside() = mark;
        raw
    }
}

/// Passes a call of a handler of the runtime's own on: see [`muslin_next`].
#[cfg(feature = "platform-linux")]
pub fn next(call: &Call) -> isize {
    // SAFETY: the call came to a handler.
    unsafe { muslin_next(call) }
}

/// Passes a call that waits on to the platform, for the lowest handler of all, which holds nothing meanwhile: see
/// [`wait_outside`].
#[cfg(feature = "platform-linux")]
pub fn wait_below(call: &Call) -> isize {
    // SAFETY: the call came to a handler, below which there is none.
    unsafe {
        let handler = &*call.handler.cast::<Handler>();
        wait_outside(call, bottom(handler), &call.args)
    }
}

/// Makes a handler's call with this code.
///
/// # Safety
/// As any call.
unsafe fn from_handler(code: Code, nr: usize, args: &[usize; 6]) -> isize {
    let thread = Thread::current();
    let [a, b, c, d, e, f] = *args;
    let outside = inside::step_out(thread, nr, args);
    // SAFETY: as the caller promises.
    let raw = unsafe { code(a, b, c, d, e, f, nr) };
    if let Some(outside) = outside {
        inside::step_back(thread, &outside);
    }
    raw
}

/// Calls `handler`, which registration gave back, as if it were the top. Null is what registration
/// gives back where the platform's own code answered.
///
/// # Safety
/// `handler` is null or came from a registration; `args` are six words.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_call(
    handler: *const Handler,
    nr: isize,
    args: *const [usize; 6],
) -> isize {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(handler) = handler.as_ref() else {
            return muslin_passthrough(nr, args);
        };
        let thread = Thread::current();
        if *thread.inside() != 0 {
            return run(handler, nr as usize, *args, 0);
        }
        // The program itself calls, so this is where a handler begins.
        let errno = *thread.errno();
        *thread.inside() = stack::pointer();
        let raw = run(handler, nr as usize, *args, 0);
        *thread.inside() = 0;
        *thread.errno() = errno;
        raw
    }
}

/// In a registration's flags: it is the runtime's own, at the bottom of its chain for ever, and a part of
/// the platform.
#[cfg(feature = "platform-linux")]
pub const OF_PLATFORM: usize = 1 << 16;

/// The handler of the runtime's own below the program's, if there is one.
#[cfg(feature = "platform-linux")]
pub fn of_platform(mut handler: *const Handler) -> Option<&'static Handler> {
    loop {
        // SAFETY: registrations live for ever.
        let candidate = unsafe { handler.as_ref() }?;
        if candidate.flags & OF_PLATFORM != 0 {
            return Some(candidate);
        }
        handler = candidate.next.load(Ordering::Relaxed);
    }
}

/// Makes a call at the bottom, past all handlers.
///
/// # Safety
/// `args` are six words; the call does what its man page says.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_passthrough(nr: isize, args: *const [usize; 6]) -> isize {
    let index = nr as usize;
    // SAFETY: registrations live for ever.
    let top = __muslin_chains
        .get(index)
        .and_then(|chain| unsafe { chain.load(Ordering::Acquire).as_ref() });
    #[cfg(feature = "platform-linux")]
    if let Some(handler) = top.and_then(|top| of_platform(top)) {
        // SAFETY: as the caller promises.
        return unsafe { run(handler, index, *args, 0) };
    }
    let code = top.map_or(dispatch::__muslin_dispatch as Code, bottom);
    // SAFETY: as the caller promises.
    unsafe { from_handler(code, index, &*args) }
}
