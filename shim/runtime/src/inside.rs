//! Whether a thread is inside a handler. A thread remembers where on its stack the outermost handler
//! was called: what is called from below that place comes from inside.
//!
//! Frames are also left in other ways than by return: longjmp, and calls that do not come back.

use muslin_abi::Sysno;

use crate::own_stack;
use crate::raw;
use crate::thread::Thread;

/// Whether a call that is made at `here` on the stack comes from inside a handler.
#[inline]
pub fn is_inside(thread: Thread, here: usize) -> bool {
    // SAFETY: a field of this thread's own block.
    let mark = unsafe { *thread.inside() };
    mark != 0 && (here < mark || is_elsewhere(here))
}

/// A place above the mark is inside all the same if it is on the handler's own stack, or on that of
/// a signal handler which interrupted it.
#[cold]
fn is_elsewhere(here: usize) -> bool {
    let alternate = AlternateStack::current();
    let is_inside = own_stack::holds(here) || alternate.holds(here);
    if !is_inside {
        // The handler was left in a way that nobody told, or this is a stack that nobody named.
        own_stack::abandon();
    }
    is_inside
}

/// The alternate stack for signals that the thread runs on; empty if it does not.
struct AlternateStack {
    start: usize,
    len_bytes: usize,
}

impl AlternateStack {
    fn current() -> Self {
        let (start, len_bytes) = raw::alternate_stack_in_use().unwrap_or((0, 0));
        Self { start, len_bytes }
    }

    fn holds(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.len_bytes
    }

    /// Whether a jump to `target` leaves the frame at `frame`.
    fn leaves(&self, frame: usize, target: usize) -> bool {
        if self.holds(frame) == self.holds(target) {
            target > frame
        } else {
            self.holds(frame)
        }
    }
}

/// longjmp is about to set the stack pointer to `target`: handlers and cancellation points whose
/// frames that leaves are over. musl calls it.
#[unsafe(no_mangle)]
extern "C" fn __muslin_leave_frames(target: usize) {
    let thread = Thread::current();
    // SAFETY: fields of this thread's own block.
    let (mark, cp_stack) = unsafe { (*thread.inside(), *thread.cp_stack()) };
    #[cfg(feature = "platform-linux")]
    if !own_stack::holds(target) {
        crate::stays::leave_frames(|frame| {
            own_stack::holds(frame) || AlternateStack::current().leaves(frame, target)
        });
    }
    if mark == 0 && cp_stack == 0 || own_stack::holds(target) {
        return;
    }
    let alternate = AlternateStack::current();
    // SAFETY: as above.
    unsafe {
        if cp_stack != 0 && (own_stack::holds(cp_stack) || alternate.leaves(cp_stack, target)) {
            *thread.cp_stack() = 0;
            *thread.in_cp() = 0;
        }
        if mark != 0 && (own_stack::holds(mark) || alternate.leaves(mark, target)) {
            *thread.inside() = 0;
            *thread.in_cp() = 0;
            own_stack::vacate();
        }
    }
}

/// What a thread had before it stepped out of its handler for one call.
pub struct Outside {
    mark: usize,
    own_stack: usize,
    /// The call's child runs in this memory, and this thread waits for its end.
    has_guest: bool,
}

const CLONE_VM: usize = 0x100;
const CLONE_VFORK: usize = 0x4000;
const CLONE_SETTLS: usize = 0x8_0000;

/// Steps out of the handler for a call that does not come back if it succeeds, or whose child has
/// a stack of its own but this thread's state: both go on where no handler runs. `None` for all
/// other calls.
#[inline]
pub fn step_out(thread: Thread, nr: usize, args: &[usize; 6]) -> Option<Outside> {
    let is = |sysno: Sysno| nr == sysno.0 as usize;
    let [flags, stack, ..] = *args;
    let is_clone = is(Sysno::clone) && stack != 0 && flags & CLONE_SETTLS == 0;
    let leaves =
        is(Sysno::execve) || is(Sysno::execveat) || is(Sysno::exit) || is(Sysno::exit_group);
    if !is_clone && !leaves {
        return None;
    }
    // SAFETY: a field of this thread's own block.
    let mark = unsafe { core::mem::replace(&mut *thread.inside(), 0) };
    let shares_memory = is_clone && flags & CLONE_VM != 0;
    Some(Outside {
        mark,
        own_stack: own_stack::lend(shares_memory),
        has_guest: shares_memory && flags & CLONE_VFORK != 0,
    })
}

/// Steps back in: the call came back.
pub fn step_back(thread: Thread, outside: &Outside) {
    // SAFETY: a field of this thread's own block.
    unsafe { *thread.inside() = outside.mark };
    own_stack::take_back(outside.own_stack, outside.has_guest);
}
