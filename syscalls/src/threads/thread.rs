//! A thread, as long as it lives and afterwards: threads are used again, so that a reference to one
//! always names a thread, though perhaps not the one that was meant.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::Errno;
use muslin_platform::Protection;

use super::futex_queue::Place;
use super::scheduler::{Scheduler, Woken};
use super::traits::Traits;
use crate::context::Context;
use crate::lock::Mutex;
use crate::memory::{Owner, Pages};
use crate::signals::ThreadSignals;

/// What may be done with a page that nobody is to touch, and with one of data.
const NOTHING: Protection = Protection {
    read: false,
    write: false,
    execute: false,
};
const DATA: Protection = Protection {
    read: true,
    write: true,
    execute: false,
};

/// What a thread waits for, for a report.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// In words: "a futex".
    pub what: &'static str,
    /// Its address or number.
    pub object: usize,
}

/// What the machine keeps for a thread that does not run.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// The thread pointer.
    pub thread_pointer: usize,
    /// Where the return address of the call is that the thread makes, and behind it the call's number;
    /// 0 in a new thread.
    pub call_place: usize,
    /// Whether that call is being answered.
    pub is_inside: bool,
    /// The top of the stack on which its calls are answered; 0 for its own.
    pub kernel_stack: usize,
}

impl Kept {
    /// That of a new thread.
    pub const fn new(thread_pointer: usize, kernel_stack: usize) -> Self {
        Self {
            thread_pointer,
            call_place: 0,
            is_inside: false,
            kernel_stack,
        }
    }
}

/// A thread.
pub struct Thread {
    scheduler: &'static Scheduler,
    tid: AtomicI32,
    has_signal: AtomicBool,
    /// The word that is cleared at its end, or 0.
    pub(super) clear_child_tid: AtomicUsize,
    /// The head of its list of robust locks, or 0.
    pub(super) robust_list: AtomicUsize,
    /// Its stack while it does not run.
    pub(super) stack_pointer: AtomicUsize,
    pub(super) kept: Mutex<Kept>,
    /// A stack for its calls, if its own is too small.
    own_kernel_stack: Mutex<Option<KernelStack>>,
    pub(super) wait: Mutex<Wait>,
    /// Where it waits for a futex.
    pub(super) futex: Mutex<Option<Place>>,
    /// The word of the lock with priority inheritance that it waits for, or 0.
    pub(super) pi_word: AtomicUsize,
    /// How long it has run, up to its last turn.
    pub(super) cpu_ns: AtomicU64,
    /// When its last turn ended.
    pub(super) left_ns: AtomicU64,
    /// Its name and what it says about its importance.
    pub(crate) traits: Mutex<Traits>,
    /// What it blocks, what waits to be delivered, and where.
    pub signals: Mutex<ThreadSignals>,
}

/// A stack of the library OS's, for calls of a thread whose own is too small for them. Where memory can be
/// protected alone, a page below it is nobody's.
pub(super) struct KernelStack {
    start: usize,
    guard_bytes: usize,
    pages: &'static Pages,
}

impl KernelStack {
    /// Code that is not optimised takes more.
    pub const BYTES: usize = if cfg!(debug_assertions) { 512 } else { 32 } * 1024;

    /// # Errors
    /// `ENOMEM`.
    pub fn new(context: &Context<'_>) -> Result<Self, Errno> {
        let pages = context.process.memory.pages();
        let guard_bytes = match pages.paging() {
            Some(_) => pages.page_bytes(),
            None => 0,
        };
        let count = (guard_bytes + Self::BYTES) / pages.page_bytes();
        let start = pages.allocate(count, Owner::Kernel)?;
        if guard_bytes > 0 {
            // Where it cannot be, nothing is lost but the guard.
            let _ = pages.protect(start..start + guard_bytes, NOTHING);
        }
        Ok(Self {
            start,
            guard_bytes,
            pages,
        })
    }

    /// Its lowest byte.
    pub fn bottom(&self) -> usize {
        self.start + self.guard_bytes
    }

    pub fn top(&self) -> usize {
        self.bottom() + Self::BYTES
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        let guard = self.start..self.bottom();
        if !guard.is_empty() {
            let _ = self.pages.protect(guard, DATA);
        }
        self.pages.free(self.start..self.top(), Owner::Kernel);
    }
}

/// How a thread waits.
pub(super) struct Wait {
    /// What for; `None` while it runs or could run.
    pub waiting: Option<Waiting>,
    /// What ended its last wait.
    pub woken: Woken,
}

impl Thread {
    /// The first thread. Its number is that of the process.
    pub const fn first(scheduler: &'static Scheduler) -> Self {
        Self::new(scheduler, crate::process::PID)
    }

    pub(super) const fn new(scheduler: &'static Scheduler, tid: i32) -> Self {
        Self {
            scheduler,
            tid: AtomicI32::new(tid),
            has_signal: AtomicBool::new(false),
            clear_child_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            stack_pointer: AtomicUsize::new(0),
            kept: Mutex::new(Kept::new(0, 0)),
            own_kernel_stack: Mutex::new(None),
            wait: Mutex::new(Wait {
                waiting: None,
                woken: Woken::ByWake,
            }),
            futex: Mutex::new(None),
            pi_word: AtomicUsize::new(0),
            cpu_ns: AtomicU64::new(0),
            left_ns: AtomicU64::new(0),
            traits: Mutex::new(Traits::new()),
            signals: Mutex::new(ThreadSignals::new()),
        }
    }

    /// Its number.
    pub fn tid(&self) -> i32 {
        self.tid.load(Ordering::Relaxed)
    }

    pub(super) fn set_tid(&self, tid: i32) {
        self.tid.store(tid, Ordering::Relaxed);
    }

    /// Whether a signal is there for it that will run a function or end the program. Its waits end at
    /// once then.
    pub fn has_signal(&self) -> bool {
        self.has_signal.load(Ordering::Relaxed)
    }

    /// Says whether such a signal is there. One that is there ends the thread's wait.
    pub fn set_has_signal(&'static self, has_signal: bool) {
        self.has_signal.store(has_signal, Ordering::Relaxed);
        if has_signal {
            self.scheduler.end_wait(self, Woken::BySignal);
        }
    }

    /// Ends the thread's wait, if it waits.
    pub fn wake(&'static self) {
        self.scheduler.end_wait(self, Woken::ByWake);
    }

    /// The same because its time is over.
    pub(super) fn wake_in_time(&'static self) {
        self.scheduler.end_wait(self, Woken::ByTime);
    }

    /// How important the program says it is.
    pub(super) fn priority(&self) -> i32 {
        self.traits.lock().priority
    }

    /// Whether it waits for a lock with priority inheritance.
    pub(super) fn waits_for_pi(&self) -> bool {
        self.pi_word.load(Ordering::Relaxed) != 0
    }

    /// Makes it what a new thread is: `stack_pointer` is as a switch would have left it.
    pub(super) fn prepare(
        &self,
        stack_pointer: usize,
        thread_pointer: usize,
        clear_child_tid: usize,
        kernel_stack: Option<KernelStack>,
    ) {
        self.stack_pointer.store(stack_pointer, Ordering::Relaxed);
        let top = kernel_stack.as_ref().map_or(0, KernelStack::top);
        *self.kept.lock() = Kept::new(thread_pointer, top);
        *self.own_kernel_stack.lock() = kernel_stack;
        self.clear_child_tid
            .store(clear_child_tid, Ordering::Relaxed);
        self.robust_list.store(0, Ordering::Relaxed);
        self.has_signal.store(false, Ordering::Relaxed);
        self.cpu_ns.store(0, Ordering::Relaxed);
        *self.signals.lock() = ThreadSignals::new();
    }

    /// The stack for its calls, which is not the thread's any more.
    pub(super) fn take_kernel_stack(&self) -> Option<KernelStack> {
        self.own_kernel_stack.lock().take()
    }

    /// What it waits for, if it waits.
    pub fn waiting(&self) -> Option<Waiting> {
        self.wait.lock().waiting
    }
}
