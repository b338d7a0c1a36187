//! What keeps all timers that send signals: made with the first of them.

use alloc::boxed::Box;

use muslin_abi::layout::Siginfo;

use super::itimers::Itimers;
use super::posix_timers::PosixTimers;
use super::{Target, TimerQueue};
use crate::context::Context;
use crate::lock::Mutex;

/// The timers of the process.
pub struct Timers {
    pub(super) posix: Mutex<PosixTimers>,
    pub(super) itimers: Itimers,
    /// What is to happen at which processor time of the process.
    pub(super) cpu: Mutex<TimerQueue>,
}

/// What calls of signals reach once a program has made a timer.
pub struct TimerHooks {
    timers: Timers,
    /// What the signal of a timer goes through when a thread takes it; `false` drops it.
    pub deliver: fn(&Context<'_>, &mut Siginfo) -> bool,
    /// Does what is due by processor time.
    pub look: fn(&Context<'_>),
}

/// The timers, once there are any: images whose programs make none do not hold them.
pub struct MaybeTimers(Mutex<Option<&'static TimerHooks>>);

impl MaybeTimers {
    /// None.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What calls of signals need of them.
    pub fn hooks(&self) -> Option<&'static TimerHooks> {
        *self.0.lock()
    }
}

impl Default for MaybeTimers {
    fn default() -> Self {
        Self::new()
    }
}

/// The timers; they are made if there are none. From then on waits of a single thread, too, are those
/// that signals can end.
pub(super) fn timers(context: &Context<'_>) -> &'static Timers {
    let mut hooks = context.process.timers.0.lock();
    let hooks = hooks.get_or_insert_with(|| {
        context.process.threads.expect_many();
        Box::leak(Box::new(TimerHooks {
            timers: Timers {
                posix: Mutex::new(PosixTimers::new()),
                itimers: Itimers::default(),
                cpu: Mutex::new(TimerQueue::new()),
            },
            deliver: super::posix_timers::deliver,
            look,
        }))
    });
    &hooks.timers
}

/// Does what is due by the processor time of the process.
fn look(context: &Context<'_>) {
    let timers = timers(context);
    if timers.cpu.lock().next().is_none() {
        return;
    }
    let now_ns = super::process_cpu_ns(context);
    loop {
        let due = timers.cpu.lock().pop_due(now_ns);
        match due {
            Some(Target::Due(due)) => due.due(context, now_ns),
            Some(Target::Thread(thread)) => thread.wake(),
            None => return,
        }
    }
}
