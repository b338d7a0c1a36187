//! Stacks of the runtime for handlers that are registered OWN_STACK: one a thread, made when it is
//! first wanted.

use core::sync::atomic::AtomicUsize;

use muslin_abi::handler::{Call, OWN_STACK_BYTES};
use muslin_arch::stack;

use crate::chain::{Function, Handler};
use crate::raw;
use crate::thread::Thread;

/// Mark in the word of a thread's stack: something runs on it.
const IS_BUSY: usize = 1;
/// The word of a thread that has none of its own any more, or not yet.
pub const IS_SHARED: usize = 2;

const GUARD_BYTES: usize = 4096;
const MAPPING_BYTES: usize = GUARD_BYTES + OWN_STACK_BYTES;

/// The stack of threads at their ends. There is one such thread at a time: from where a thread
/// gives its own stack back until the kernel has ended it, it holds libc's list of threads.
static SHARED: AtomicUsize = AtomicUsize::new(0);

/// The word with the calling thread's stack: the address of its mapping, 0 for none yet.
fn word() -> *mut usize {
    let own = Thread::current().own_stack();
    // SAFETY: a field of this thread's own block.
    if unsafe { *own } == IS_SHARED {
        SHARED.as_ptr()
    } else {
        own
    }
}

/// Runs a handler on the thread's stack; on the current one if that stack is in use already (it is
/// then the current one, or that of the handler which a signal interrupted).
///
/// # Safety
/// As `chain::run`.
#[cold]
pub unsafe fn run(handler: &Handler, call: &Call) -> isize {
    let word = word();
    // SAFETY: this thread's word.
    let mut base = unsafe { *word };
    if base == 0 {
        base = new().unwrap_or(0);
    }
    if base == 0 || base & IS_BUSY != 0 {
        // SAFETY: whoever registered the function answers for it.
        return unsafe { (handler.function)(core::ptr::from_ref(call), handler.context) };
    }
    // SAFETY: the stack is this thread's, nothing runs on it, and its top is page-aligned. The
    // function takes a call and a context, which are pointers.
    unsafe {
        *word = base | IS_BUSY;
        let callee = core::mem::transmute::<Function, stack::Callee>(handler.function);
        let top = (base + MAPPING_BYTES) as *mut u8;
        let raw = stack::call_on(
            callee,
            core::ptr::from_ref(call).cast(),
            handler.context.cast(),
            top,
        );
        *word = base;
        raw
    }
}

/// A new stack above a guard page.
fn new() -> Option<usize> {
    let base = raw::map(MAPPING_BYTES)? as usize;
    // SAFETY: the first page of a mapping of ours, not used yet.
    unsafe { raw::guard(base, GUARD_BYTES) };
    Some(base)
}

/// Whether a handler runs on this thread's stack and `address` lies in that.
pub fn holds(address: usize) -> bool {
    // SAFETY: this thread's word.
    let base = unsafe { *word() };
    base & IS_BUSY != 0 && address.wrapping_sub(base & !IS_BUSY) < MAPPING_BYTES
}

/// What ran on the thread's stack will not go on.
pub fn vacate() {
    // SAFETY: this thread's word.
    unsafe { *word() &= !IS_BUSY };
}

/// Forgets a stack on which something runs that may or may not go on: the thread's next one is new.
pub fn abandon() {
    let word = word();
    // SAFETY: this thread's word.
    unsafe {
        if *word & IS_BUSY != 0 {
            *word = 0;
        }
    }
}

/// Takes the stack away from the thread while a call is made whose child runs in the same memory,
/// or that does not come back; the child of the former makes one of its own.
pub fn lend(to_child: bool) -> usize {
    let word = word();
    // SAFETY: this thread's word.
    unsafe {
        let lent = *word;
        *word = if to_child { 0 } else { lent & !IS_BUSY };
        lent
    }
}

/// Undoes `lend`: the call came back. `is_over`: the child is gone, and what it made goes as well.
pub fn take_back(lent: usize, is_over: bool) {
    let word = word();
    // SAFETY: this thread's word.
    let left = unsafe { core::mem::replace(&mut *word, lent) } & !IS_BUSY;
    if is_over && left != 0 && left != lent & !IS_BUSY {
        unmap(left);
    }
}

/// Gives back the exiting thread's stack. One that is in use (a handler called pthread_exit) is
/// lost.
pub fn drop_own() {
    let own = Thread::current().own_stack();
    // SAFETY: a field of this thread's own block.
    let base = unsafe { core::mem::replace(&mut *own, IS_SHARED) };
    if base & (IS_BUSY | IS_SHARED) == 0 && base != 0 {
        unmap(base);
    }
}

fn unmap(base: usize) {
    // SAFETY: a mapping of ours on which nothing runs.
    unsafe { raw::unmap(base, MAPPING_BYTES) };
}
