//! What runs when a slot has registered handlers.
//!
//! The last registered handler is called first; `muslin_next` calls the one below it, and below
//! the last one is the bottom: the platform's own code. Around the chain:
//!
//! - errno is what it was, whatever handlers did.
//! - Calls made from inside a handler, by it or by a signal handler that interrupts it, go to the
//!   bottom: a handler neither meets its own calls nor can wait for itself. One that is registered
//!   REENTRANT is called for them too.
//! - A handler left by longjmp counts as left once its thread is back above it on the stack.
//! - Cancellation: the bottom's own wait is a cancellation point if the program's call was one.
//! - OWN_STACK: the handler runs on a stack that the thread keeps for it.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use muslin_abi::handler::{Call, OWN_STACK, OWN_STACK_BYTES, REENTRANT};
use muslin_abi::{SYSNO_MAX, Sysno};
use muslin_arch::stack;

use crate::dispatch;
use crate::raw::{self, Code};
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
}

/// The top of each number's chain, or null.
static CHAINS: [AtomicPtr<Handler>; SYSNO_MAX] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SYSNO_MAX];

/// The chain of number `index`.
pub fn chain(index: usize) -> Option<&'static AtomicPtr<Handler>> {
    CHAINS.get(index)
}

/// `Call::state`: the program's call is a cancellation point.
const IS_CANCELLABLE: usize = 1;
/// `Call::state`: the call came from inside a handler, so only REENTRANT ones see it.
const IS_NESTED: usize = 2;

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

/// The code of a slot that has handlers.
///
/// # Safety
/// As any code of a slot: the call is the program's own.
pub unsafe extern "C" fn enter(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    let top = CHAINS
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
    let (inside, in_cp, errno) = unsafe { (*thread.inside(), *thread.in_cp(), *thread.errno()) };
    // A handler that was left by longjmp left its mark; its frame would be below this one.
    let is_nested = here < inside;
    let mut state = 0;
    if in_cp != 0 {
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
        let raw = run(handler, nr, [a, b, c, d, e, f], state);
        *thread.inside() = if is_nested { inside } else { 0 };
        *thread.in_cp() = in_cp;
        *thread.errno() = errno;
        raw
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
        return unsafe { run_on_own_stack(handler, &call) };
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
        return unsafe { run(below, call.nr, call.args, call.state) };
    }
    let [a, b, c, d, e, f] = call.args;
    let thread = Thread::current();
    // SAFETY: a field of this thread's own block; the call is the program's.
    unsafe {
        if call.state & IS_CANCELLABLE != 0 {
            *thread.in_cp() = 1;
        }
        // A signal handler may have interrupted another call that can be cancelled.
        let cp_stack = *thread.cp_stack();
        let lent = lend_own_stack(call.nr);
        let raw = bottom(handler)(a, b, c, d, e, f, call.nr);
        if lent {
            *thread.own_stack() |= STACK_IS_BUSY;
        }
        *thread.in_cp() = 0;
        *thread.cp_stack() = cp_stack;
        raw
    }
}

/// Calls `handler`, which registration gave back, as if it were the top.
///
/// # Safety
/// `handler` came from a registration; `args` are six words.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_call(
    handler: *const Handler,
    nr: isize,
    args: *const [usize; 6],
) -> isize {
    // SAFETY: as the caller promises.
    unsafe { run(&*handler, nr as usize, *args, 0) }
}

/// Makes a call at the bottom, past all handlers.
///
/// # Safety
/// `args` are six words; the call does what its man page says.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_passthrough(nr: isize, args: *const [usize; 6]) -> isize {
    // SAFETY: as the caller promises.
    let [a, b, c, d, e, f] = unsafe { *args };
    let index = nr as usize;
    // SAFETY: registrations live for ever.
    let top = CHAINS
        .get(index)
        .and_then(|chain| unsafe { chain.load(Ordering::Acquire).as_ref() });
    match top {
        // SAFETY: as the caller promises.
        Some(top) => unsafe { bottom(top)(a, b, c, d, e, f, index) },
        // SAFETY: as the caller promises.
        None => unsafe { dispatch::__muslin_dispatch(a, b, c, d, e, f, index) },
    }
}

/// Mark in the word of a thread's own stack: something runs on it.
const STACK_IS_BUSY: usize = 1;
/// The word of a thread that is exiting: no more stacks for it.
const STACK_IS_GONE: usize = 2;

const GUARD_BYTES: usize = 4096;

/// Runs a handler on the thread's own stack; on the current one if that stack is in use already
/// (which is then the current one, or that of the handler which a signal interrupted).
///
/// # Safety
/// As [`run`].
#[cold]
unsafe fn run_on_own_stack(handler: &Handler, call: &Call) -> isize {
    let word = Thread::current().own_stack();
    // SAFETY: a field of this thread's own block.
    let mut base = unsafe { *word };
    if base == 0 {
        base = new_stack().unwrap_or(0);
    }
    if base == 0 || base & (STACK_IS_BUSY | STACK_IS_GONE) != 0 {
        // SAFETY: whoever registered the function answers for it.
        return unsafe { (handler.function)(ptr::from_ref(call), handler.context) };
    }
    // SAFETY: the stack is this thread's, nothing runs on it, and its top is page-aligned. The
    // function takes a call and a context, which are pointers.
    unsafe {
        *word = base | STACK_IS_BUSY;
        let callee = core::mem::transmute::<Function, stack::Callee>(handler.function);
        let top = (base + GUARD_BYTES + OWN_STACK_BYTES) as *mut u8;
        let raw = stack::call_on(
            callee,
            ptr::from_ref(call).cast(),
            handler.context.cast(),
            top,
        );
        *word = base;
        raw
    }
}

/// A new stack above a guard page.
fn new_stack() -> Option<usize> {
    let base = raw::map(GUARD_BYTES + OWN_STACK_BYTES)? as usize;
    // SAFETY: the first page of a mapping of ours, not used yet.
    unsafe { raw::guard(base, GUARD_BYTES) };
    Some(base)
}

/// Calls that do not come back if they succeed: the child of a vfork makes them with its parent's
/// thread state, so the stack counts as free while they run. True if the mark was taken off.
///
/// # Safety
/// Runs on the thread whose state it changes.
unsafe fn lend_own_stack(nr: usize) -> bool {
    let leaves = [
        Sysno::execve,
        Sysno::execveat,
        Sysno::exit,
        Sysno::exit_group,
    ];
    let word = Thread::current().own_stack();
    // SAFETY: a field of this thread's own block.
    unsafe {
        if *word & STACK_IS_BUSY == 0 || !leaves.iter().any(|sysno| sysno.0 as usize == nr) {
            return false;
        }
        *word &= !STACK_IS_BUSY;
    }
    true
}

/// Gives back the exiting thread's own stack. One that is in use (a handler called pthread_exit)
/// is lost.
pub fn drop_own_stack() {
    let word = Thread::current().own_stack();
    // SAFETY: a field of this thread's own block, and a mapping of ours on which nothing runs.
    unsafe {
        let base = core::mem::replace(&mut *word, STACK_IS_GONE);
        if base != 0 && base & (STACK_IS_BUSY | STACK_IS_GONE) == 0 {
            raw::unmap(base, GUARD_BYTES + OWN_STACK_BYTES);
        }
    }
}
