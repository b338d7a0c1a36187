//! Threads: they take turns on one processor, and a turn ends where its thread waits or gives way.
//!
//! - `scheduler`: who runs; `thread`: one of them; `wait_queue`: who waits for an object
//! - `clone`: a thread's beginning and end; `deadlock`: when nobody can go on
//! - `futex`, `futex_queue`: waiting for words of memory, with one thread and with several;
//!   `pi_locks`: words that hold their owner; `robust_list`: locks that say that their owner has ended
//! - `service`: what runs beside the calls; `outside`: what comes unasked
//! - `traits`: names and priorities; `pulse`: what a watchdog outside sees
//! - `answer`: the code around a handler; `attention`: what is done at the end of a call
//! - `calls`: the rest
//!
//! A program that begins no thread holds none of this but the first thread's state: `clone` is what
//! names the rest.

mod answer;
#[allow(unsafe_code, reason = "keeps the address of a function in a word")]
mod attention;
mod calls;
mod clone;
mod deadlock;
mod futex;
mod futex_queue;
mod outside;
mod pi_locks;
mod pulse;
mod robust_list;
#[allow(unsafe_code, reason = "goes on with another stack")]
mod scheduler;
mod service;
#[cfg(test)]
mod stress_tests;
mod thread;
mod traits;
mod wait_queue;

pub use attention::{AttendFn, Attention, Call, HandlerFn};
pub use calls::*;
pub use clone::sys_clone;
pub use futex::sys_futex;
pub use scheduler::{Machine, Scheduler, THREADS_MAX, Woken};
pub use service::Serve;
pub use thread::{Kept, Thread, Waiting};
pub use traits::{COMM_BYTES, Traits};
pub use wait_queue::{Key, WaitQueue, Waiter, Watch, wait_on, wait_with_limit, wait_with_others};

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use muslin_abi::Errno;

use crate::context::{Context, Setup};
use crate::files::LookupFn;
use crate::files::waiting::Waits;
use crate::lock::Mutex;
use crate::process::exit_by_deadlock;
use crate::time::{Target, TimerKey, TimerQueue};
use futex_queue::Futexes;
use pi_locks::PiLocks;

/// The threads.
pub struct Threads {
    scheduler: &'static Scheduler,
    first: &'static Thread,
    machine: Machine,
    set_thread_pointer: fn(usize) -> Result<(), Errno>,
    /// What is done at the end of calls.
    pub attention: &'static Attention,
    complete: Mutex<Option<&'static Complete>>,
    futexes: Futexes,
    pi_locks: PiLocks,
    /// What was announced to `membarrier`.
    barriers: AtomicU32,
}

/// What calls do once there may be several threads, or timers. Calls that every program holds reach it
/// only when `clone` or a timer has put it here.
struct Complete {
    exit: fn(&Context<'_>, i32) -> !,
    futex: HandlerFn,
    files: LookupFn,
    block: fn(&Context<'_>, Waiting, Option<u64>) -> Woken,
    wait: wait_queue::WaitFn,
    waits: &'static Waits,
    give_way: fn(&Context<'_>),
}

impl Threads {
    /// The first thread alone.
    pub fn new(setup: &Setup) -> Self {
        Self {
            scheduler: setup.scheduler,
            first: setup.first_thread,
            machine: setup.machine,
            set_thread_pointer: setup.set_thread_pointer,
            attention: setup.attention,
            complete: Mutex::new(None),
            futexes: Futexes::new(),
            pi_locks: PiLocks::new(),
            barriers: AtomicU32::new(0),
        }
    }

    /// The thread that runs.
    #[inline]
    pub fn current(&self) -> &'static Thread {
        self.scheduler.current()
    }

    /// The thread with this number.
    pub fn find(&self, tid: i32) -> Option<&'static Thread> {
        self.scheduler.find(self.first, tid)
    }

    /// All threads, by their numbers.
    pub fn all(&self) -> Vec<&'static Thread> {
        self.scheduler.all(self.first)
    }

    /// How long a thread has run.
    pub fn cpu_ns(&self, context: &Context<'_>, thread: &Thread) -> u64 {
        self.scheduler.cpu_ns(context, thread)
    }

    /// Sleeps where no other thread could run.
    pub fn sleep(&self, context: &Context<'_>, deadline_ns: Option<u64>) {
        self.scheduler.sleep(context, deadline_ns);
    }

    /// How long nobody could run.
    pub fn idle_ns(&self) -> u64 {
        self.scheduler.idle_ns.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.scheduler.count()
    }

    /// Lets something happen when the steady clock says `deadline_ns`: when a thread waits or gives way
    /// then, or none can run.
    pub fn set_timer(&self, deadline_ns: u64, target: Target) -> TimerKey {
        self.expect_many();
        self.scheduler.set_timer(deadline_ns, target)
    }

    /// Takes that back; `false` if it has happened already.
    pub fn unset_timer(&self, key: TimerKey) -> bool {
        self.scheduler.unset_timer(key)
    }

    /// The thread pointer of the thread that runs.
    pub fn thread_pointer(&self) -> usize {
        (self.machine.keep)().thread_pointer
    }

    /// The code that makes a call again: see [`Machine`].
    pub fn again(&self) -> usize {
        self.machine.again as usize
    }

    /// What is to happen when, for those who take something back without being in a call.
    pub(crate) fn timers(&self) -> &'static Mutex<TimerQueue> {
        &self.scheduler.timers
    }

    /// Does what is due by now.
    pub fn look_at_timers(&self, context: &Context<'_>) {
        self.scheduler.look_at_timers(context);
    }

    /// From now on calls wait as they do with several threads.
    pub fn expect_many(&self) {
        self.complete_with(&clone::COMPLETE);
    }

    /// Finds the directory of a thread, once there may be several.
    pub fn files(&self) -> Option<LookupFn> {
        self.complete().map(|complete| complete.files)
    }

    /// Whether nothing is left that could happen: no timer, nobody who waits for a futex.
    #[cfg(test)]
    fn is_quiet(&self) -> bool {
        self.scheduler.timers.lock().next().is_none() && self.futexes.are_empty()
    }

    /// How calls wait for files; `None` while nobody could end such a wait.
    pub(crate) fn waits(&self) -> Option<&'static Waits> {
        self.complete().map(|complete| complete.waits)
    }

    fn complete(&self) -> Option<&'static Complete> {
        *self.complete.lock()
    }

    fn complete_with(&self, complete: &'static Complete) {
        *self.complete.lock() = Some(complete);
    }
}

/// The current thread waits until somebody wakes it, until the steady clock says `deadline_ns`, or
/// until a signal is there for it. No lock may be held; what was checked before must be checked again.
pub fn block(context: &Context<'_>, waiting: Waiting, deadline_ns: Option<u64>) -> Woken {
    let threads = &context.process.threads;
    if let Some(complete) = threads.complete() {
        return (complete.block)(context, waiting, deadline_ns);
    }
    // The only thread: nothing but time can end its wait.
    if threads.current().has_signal() {
        return Woken::BySignal;
    }
    let Some(deadline_ns) = deadline_ns else {
        exit_by_deadlock(context, waiting.what);
    };
    sleep_alone(context, deadline_ns);
    Woken::ByTime
}

/// Waits for a point of the steady clock where no other thread could run meanwhile.
fn sleep_alone(context: &Context<'_>, deadline_ns: u64) {
    while context.platform.clock().monotonic_ns() < deadline_ns {
        context.platform.wait().wait_until(Some(deadline_ns));
    }
}

/// Lets others run that can. As for [`block`], no lock may be held.
pub fn yield_now(context: &Context<'_>) {
    if let Some(complete) = context.process.threads.complete() {
        (complete.give_way)(context);
    }
}

/// Ends the current thread, and the program with the last one.
pub fn exit_current(context: &Context<'_>, status: i32) -> ! {
    match context.process.threads.complete() {
        Some(complete) => (complete.exit)(context, status),
        None => context.platform.power().exit(status & 0xff),
    }
}
