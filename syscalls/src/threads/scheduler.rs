//! Who runs: one thread at a time, until it waits or gives way. It is then in the middle of its call,
//! on its own stack, and goes on there when its turn comes.
//!
//! No lock is held over a wait, and what was checked before it is not true afterwards: another thread
//! may have closed the descriptor or unmapped the buffer.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use muslin_abi::Errno;
use muslin_abi::pulse::{NEXT_NS, READY, SEEN_NS, THREAD};
use muslin_arch::context;
use muslin_platform::Platform;

use super::attention::{Attention, Call};
use super::deadlock;
use super::outside::Listening;
use super::pulse::Pulse;
use super::service::Service;
use super::thread::{Kept, KernelStack, Thread, Waiting};
use crate::context::Context;
use crate::lock::Mutex;
use crate::time::{Target, TimerKey, TimerQueue};

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody woke the thread; perhaps for nothing.
    ByWake,
    /// The time is over.
    ByTime,
    /// A signal is there for the thread.
    BySignal,
}

impl Woken {
    /// As calls pass it on.
    ///
    /// # Errors
    /// `ETIMEDOUT` the time is over · [`Errno::RESTART`] a signal is there.
    pub fn into_result(self) -> Result<(), Errno> {
        match self {
            Self::ByWake => Ok(()),
            Self::ByTime => Err(Errno::ETIMEDOUT),
            Self::BySignal => Err(Errno::RESTART),
        }
    }
}

/// The most threads, the first one among them.
pub const THREADS_MAX: usize = 32_768;
/// Numbers of threads are below this, as on Linux; then they begin again from the second.
const TIDS: i32 = 1 << 22;
const TIDS_AGAIN: i32 = 300;

/// A thread that makes so many calls in a row lets others run at the end of the last one: a loop that
/// asks again and again comes to an end, if others can end it.
const TURN_CALLS: u32 = 64;

type GoesOnFn = fn(&Scheduler, &'static Thread);

/// Who runs and who could.
pub struct Scheduler {
    state: Mutex<State>,
    attention: &'static Attention,
    /// Lets a thread go on that waited. The first to wait puts it here: every program can wake threads,
    /// and only where one waits is there more to do.
    goes_on: Mutex<Option<GoesOnFn>>,
    /// What is to happen when.
    pub(super) timers: Mutex<TimerQueue>,
    /// What runs beside the calls, if anything does.
    pub(super) service: Mutex<Option<&'static Service>>,
    /// Who says what comes from outside, if anybody does.
    pub(super) listening: Mutex<Option<Listening>>,
    pulse: Pulse,
    /// How long nobody could run.
    pub(super) idle_ns: AtomicU64,
    /// Since when the current thread runs; 0 is the beginning of the program.
    turn_ns: AtomicU64,
}

struct State {
    current: &'static Thread,
    /// Who could run, in the order in which they could. There is room for all threads.
    runnable: VecDeque<&'static Thread>,
    /// All threads but the first, by their numbers.
    others: Vec<&'static Thread>,
    is_first_over: bool,
    /// Those that are over, to be used again.
    over: Vec<&'static Thread>,
    /// The stack on which the last of them ended: it could not be freed before it was left.
    left_stack: Option<KernelStack>,
    last_tid: i32,
    /// Calls of the current turn, while others wait for theirs.
    calls: u32,
}

impl Scheduler {
    /// The first thread runs.
    pub const fn new(first: &'static Thread, attention: &'static Attention) -> Self {
        Self {
            state: Mutex::new(State {
                current: first,
                runnable: VecDeque::new(),
                others: Vec::new(),
                is_first_over: false,
                over: Vec::new(),
                left_stack: None,
                last_tid: crate::process::PID,
                calls: 0,
            }),
            attention,
            goes_on: Mutex::new(None),
            timers: Mutex::new(TimerQueue::new()),
            service: Mutex::new(None),
            listening: Mutex::new(None),
            pulse: Pulse::new(),
            idle_ns: AtomicU64::new(0),
            turn_ns: AtomicU64::new(0),
        }
    }

    /// The thread that runs.
    #[inline]
    pub(super) fn current(&self) -> &'static Thread {
        self.state.lock().current
    }

    /// The thread with this number.
    pub(super) fn find(&self, first: &'static Thread, tid: i32) -> Option<&'static Thread> {
        let state = self.state.lock();
        if tid == first.tid() {
            return (!state.is_first_over).then_some(first);
        }
        let place = state.place_of(tid).ok()?;
        state.others.get(place).copied()
    }

    /// All threads, by their numbers.
    pub(super) fn all(&self, first: &'static Thread) -> Vec<&'static Thread> {
        let state = self.state.lock();
        let first = (!state.is_first_over).then_some(first);
        first
            .into_iter()
            .chain(state.others.iter().copied())
            .collect()
    }

    /// How many threads there are.
    pub(super) fn count(&self) -> usize {
        let state = self.state.lock();
        state.others.len() + usize::from(!state.is_first_over)
    }

    /// A thread that does not run yet, with a number of its own.
    ///
    /// # Errors
    /// `EAGAIN` there are too many · `ENOMEM`.
    pub(super) fn add(
        &'static self,
        make: impl FnOnce(i32) -> &'static Thread,
    ) -> Result<&'static Thread, Errno> {
        let mut state = self.state.lock();
        let count = state.others.len() + 1;
        if count >= THREADS_MAX {
            return Err(Errno::EAGAIN);
        }
        // Nothing needs memory afterwards: neither waking a thread nor its end.
        let State {
            runnable,
            others,
            over,
            ..
        } = &mut *state;
        let missing = (count + 1).saturating_sub(runnable.len());
        runnable.try_reserve(missing).map_err(|_| Errno::ENOMEM)?;
        others.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let missing = (count + 1).saturating_sub(over.len());
        over.try_reserve(missing).map_err(|_| Errno::ENOMEM)?;
        let tid = state.next_tid();
        let thread = match state.over.pop() {
            Some(thread) => {
                thread.set_tid(tid);
                thread
            }
            None => make(tid),
        };
        if let Err(place) = state.place_of(tid) {
            state.others.insert(place, thread);
        }
        Ok(thread)
    }

    /// Lets a thread run that [`add`](Self::add) made, when its turn comes.
    pub(super) fn start(&self, thread: &'static Thread) {
        let ready = {
            let mut state = self.state.lock();
            state.runnable.push_back(thread);
            state.runnable.len()
        };
        self.pulse.show(READY, ready as u64);
        self.attention.demand_turn(count_call);
    }

    /// Ends a thread's wait, if it waits.
    pub(super) fn end_wait(&self, thread: &'static Thread, woken: Woken) {
        let mut wait = thread.wait.lock();
        if wait.waiting.take().is_some() {
            wait.woken = woken;
            if let Some(goes_on) = *self.goes_on.lock() {
                goes_on(self, thread);
            }
        }
    }

    /// The current thread waits.
    pub(super) fn block(
        &self,
        context: &Context<'_>,
        waiting: Waiting,
        deadline_ns: Option<u64>,
    ) -> Woken {
        let thread = self.current();
        if thread.has_signal() {
            return Woken::BySignal;
        }
        if context.platform.is_spurious() {
            self.give_way(context);
            return Woken::ByWake;
        }
        *self.goes_on.lock() = Some(Self::start);
        thread.wait.lock().waiting = Some(waiting);
        let timer = deadline_ns.map(|at| self.set_timer(at, Target::Thread(thread)));
        self.leave(context, thread);
        if let Some(timer) = timer {
            self.unset_timer(timer);
        }
        match thread.wait.lock().woken {
            // Another thread took it meanwhile.
            Woken::BySignal if !thread.has_signal() => Woken::ByWake,
            woken => woken,
        }
    }

    /// Lets others run that can.
    pub(super) fn give_way(&self, context: &Context<'_>) {
        self.look_outside(context);
        self.look_at_timers(context);
        let thread = {
            let mut state = self.state.lock();
            if state.runnable.is_empty() {
                return;
            }
            let thread = state.current;
            state.runnable.push_back(thread);
            thread
        };
        self.leave(context, thread);
    }

    /// The current thread is over: takes it out of the list, and goes on with another.
    pub(super) fn end(&self, context: &Context<'_>, first: &'static Thread) -> ! {
        let (thread, unused_stack) = {
            let mut state = self.state.lock();
            let thread = state.current;
            if core::ptr::eq(thread, first) {
                state.is_first_over = true;
            } else if let Ok(place) = state.place_of(thread.tid()) {
                state.others.remove(place);
                // Nobody takes it before this stack is left.
                state.over.push(thread);
            }
            let stack = thread.take_kernel_stack();
            (thread, core::mem::replace(&mut state.left_stack, stack))
        };
        drop(unused_stack);
        self.leave(context, thread);
        unreachable!("nobody goes on with a thread that is over")
    }

    /// How long a thread has run.
    pub(super) fn cpu_ns(&self, context: &Context<'_>, thread: &Thread) -> u64 {
        let turns_ns = thread.cpu_ns.load(Ordering::Relaxed);
        if !core::ptr::eq(thread, self.current()) {
            return turns_ns;
        }
        let now_ns = context.platform.clock().monotonic_ns();
        turns_ns + self.turn_until(context, now_ns)
    }

    /// How long the turn of the current thread has been at `now_ns`.
    fn turn_until(&self, context: &Context<'_>, now_ns: u64) -> u64 {
        let start_ns = match self.turn_ns.load(Ordering::Relaxed) {
            0 => context.process.identity.start_ns(),
            start_ns => start_ns,
        };
        now_ns.saturating_sub(start_ns)
    }

    /// Counts the current thread's turn, which is over at `now_ns`; the next one begins.
    fn end_turn(&self, context: &Context<'_>, thread: &Thread, now_ns: u64) {
        let turn_ns = self.turn_until(context, now_ns);
        // Nobody else counts: not one exchange.
        let turns_ns = thread.cpu_ns.load(Ordering::Relaxed);
        thread.cpu_ns.store(turns_ns + turn_ns, Ordering::Relaxed);
        // It has begun already if nobody could run for a while.
        let start_ns = self.turn_ns.load(Ordering::Relaxed).max(now_ns);
        self.turn_ns.store(start_ns, Ordering::Relaxed);
        self.pulse.show(SEEN_NS, start_ns);
    }

    /// Sleeps until the deadline, or until the platform has something: nobody's time.
    pub(super) fn sleep(&self, context: &Context<'_>, deadline_ns: Option<u64>) {
        let clock = context.platform.clock();
        let start_ns = clock.monotonic_ns();
        self.end_turn(context, self.current(), start_ns);
        self.pulse.show(THREAD, 0);
        context.platform.wait().wait_until(deadline_ns);
        self.pulse.show(THREAD, self.current().tid() as u64);
        let end_ns = clock.monotonic_ns();
        let idle_ns = end_ns.saturating_sub(start_ns);
        self.idle_ns.fetch_add(idle_ns, Ordering::Relaxed);
        self.turn_ns.store(end_ns, Ordering::Relaxed);
        self.pulse.show(SEEN_NS, end_ns);
    }

    /// Goes on with who can run, and comes back when `thread`, the current one, is chosen.
    fn leave(&self, context: &Context<'_>, thread: &'static Thread) {
        let now_ns = context.platform.clock().monotonic_ns();
        thread.left_ns.store(now_ns, Ordering::Relaxed);
        let next = self.next(context);
        if core::ptr::eq(next, thread) {
            return;
        }
        self.end_turn(context, thread, now_ns);
        let machine = &context.process.threads.machine;
        *thread.kept.lock() = (machine.keep)();
        self.state.lock().current = next;
        self.pulse.show(THREAD, next.tid() as u64);
        let kept = *next.kept.lock();
        (machine.put_back)(&kept);
        // SAFETY: the other thread was left here, or `clone` has prepared its stack; only the current
        // thread is left, and it is the only one that runs. No lock is held.
        unsafe {
            context::switch(
                thread.stack_pointer.as_ptr(),
                next.stack_pointer.load(Ordering::Relaxed),
            );
        }
    }

    /// Who runs next. Sleeps until there is somebody.
    fn next(&self, context: &Context<'_>) -> &'static Thread {
        loop {
            self.look_at_timers(context);
            let next = self.timers.lock().next();
            let mut state = self.state.lock();
            if let Some(thread) = state.choose(context.platform) {
                state.calls = 0;
                self.pulse.count_turn();
                self.pulse.show(READY, state.runnable.len() as u64);
                let is_alone = self.service.lock().is_none() && self.listening.lock().is_none();
                if state.runnable.is_empty() && next.is_none() && is_alone {
                    self.attention.clear_turn();
                }
                return thread;
            }
            drop(state);
            let service = *self.service.lock();
            let listening = *self.listening.lock();
            let can_wake = service.is_some_and(Service::can_wake)
                || listening.is_some_and(|listening| listening.can_wake(context));
            if next.is_none() && !can_wake {
                let machine = &context.process.threads.machine;
                *self.current().kept.lock() = (machine.keep)();
                deadlock::end(context);
            }
            self.sleep(context, next);
            if let Some(service) = service {
                service.look(context, true);
            }
        }
    }

    /// Lets something happen later.
    pub(super) fn set_timer(&self, deadline_ns: u64, target: Target) -> TimerKey {
        self.attention.demand_turn(count_call);
        let mut timers = self.timers.lock();
        let key = timers.insert(deadline_ns, target);
        self.show_next(&timers);
        key
    }

    /// Takes that back; `false` if it has happened already.
    pub(super) fn unset_timer(&self, key: TimerKey) -> bool {
        let mut timers = self.timers.lock();
        let is_removed = timers.remove(key).is_some();
        self.show_next(&timers);
        is_removed
    }

    /// Looks at what comes from outside, and lets run what runs beside the calls, if it has something to
    /// do.
    pub(super) fn look_outside(&self, context: &Context<'_>) {
        let listening = *self.listening.lock();
        if let Some(listening) = listening {
            listening.look(context);
        }
        let service = *self.service.lock();
        if let Some(service) = service {
            service.look(context, false);
        }
    }

    /// From now on turns are counted.
    pub(super) fn count_calls(&self) {
        self.attention.demand_turn(count_call);
    }

    /// The turn of the current thread is over at the end of its call.
    pub(super) fn hurry(&self) {
        self.state.lock().calls = TURN_CALLS;
    }

    fn show_next(&self, timers: &TimerQueue) {
        self.pulse.show(NEXT_NS, timers.next().unwrap_or(0));
    }

    /// Does what is due.
    pub(super) fn look_at_timers(&self, context: &Context<'_>) {
        if let Some(hooks) = context.process.timers.hooks() {
            (hooks.look)(context);
        }
        self.look_outside(context);
        if self.timers.lock().next().is_none() {
            return;
        }
        let now_ns = context.platform.clock().monotonic_ns();
        self.pulse.show(SEEN_NS, now_ns);
        loop {
            let due = {
                let mut timers = self.timers.lock();
                let due = timers.pop_due(now_ns);
                self.show_next(&timers);
                due
            };
            match due {
                Some(Target::Thread(thread)) => thread.wake_in_time(),
                Some(Target::Due(due)) => due.due(context, now_ns),
                None => return,
            }
        }
    }
}

/// Counts a call of a thread while others could run, or could soon.
fn count_call(context: &Context<'_>, call: &mut Call) -> bool {
    let scheduler = context.process.threads.scheduler;
    let is_over = {
        let mut state = scheduler.state.lock();
        state.calls += 1;
        state.calls >= TURN_CALLS
    };
    if is_over {
        scheduler.state.lock().calls = 0;
        scheduler.give_way(context);
    }
    scheduler.attention.deliver(context, call)
}

impl State {
    /// Where among the others a number is, or would be.
    fn place_of(&self, tid: i32) -> Result<usize, usize> {
        self.others
            .binary_search_by_key(&tid, |thread| thread.tid())
    }

    /// A number that no thread has, and none had lately.
    fn next_tid(&mut self) -> i32 {
        loop {
            self.last_tid = match self.last_tid + 1 {
                TIDS => TIDS_AGAIN,
                tid => tid,
            };
            if self.place_of(self.last_tid).is_err() {
                return self.last_tid;
            }
        }
    }

    fn choose(&mut self, platform: &dyn Platform) -> Option<&'static Thread> {
        match self.runnable.len() {
            0 => None,
            1 => self.runnable.pop_front(),
            count => match platform.choose(count) {
                0 => self.runnable.pop_front(),
                index => self.runnable.remove(index),
            },
        }
    }
}

/// What the scheduler asks of whoever runs the library OS.
#[derive(Clone, Copy)]
pub struct Machine {
    /// What must be kept for the current thread.
    pub keep: fn() -> Kept,
    /// Puts back what was kept for a thread, which goes on next.
    pub put_back: fn(&Kept),
    /// Makes a call again: code that finds the stack pointer at its [`Call`](super::Call), and the
    /// registers of that as the call keeps them.
    pub again: unsafe extern "C" fn(),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::vec::Vec;

    use muslin_sim::Sim;

    use super::super::thread::KernelStack;
    use crate::testing::World;

    #[test]
    fn stacks_of_threads_that_are_over_are_freed() {
        const COUNT: usize = 5;
        let world = World::new();
        let ends: Vec<usize> = (0..COUNT).map(|_| world.spawn(|_| {})).collect();
        for end in ends {
            world.join(end);
        }
        let state = world.process.threads.scheduler.state.lock();
        assert_eq!(state.over.len(), COUNT);
        let mut over = state.over.iter();
        assert!(over.all(|thread| thread.take_kernel_stack().is_none()));
        // The last one ran on it to its end.
        assert!(state.left_stack.is_some());
    }

    #[test]
    fn below_such_a_stack_nobody_may_write() {
        let sim = Sim::new(4096, 1).with_paging().with_protection();
        let world = World::with(sim, None);
        let stack = KernelStack::new(&world.context()).unwrap();
        let may_write = |address| {
            let protection = world.sim.protection_of(address);
            protection.is_none_or(|protection| protection.write)
        };
        let (bottom, top) = (stack.bottom(), stack.top());
        assert!(may_write(bottom) && may_write(top - 1));
        assert!(!may_write(bottom - 1));
        drop(stack);
        assert!(may_write(bottom - 1));
    }
}
