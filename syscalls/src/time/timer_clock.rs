//! The clocks that timers run by, and where each timer waits for its time.

use alloc::sync::Arc;

use muslin_abi::Errno;

use super::clock_ids::*;
use super::cpu_clock::{CpuClock, process_cpu_ns};
use super::timers::timers;
use super::{Due, Target, TimerKey};
use crate::context::Context;

/// A clock that timers can run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// The wall clock.
    Wall,
    /// The steady clock.
    Steady,
    /// Processor time.
    Cpu(CpuClock),
}

/// Where a timer waits.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Among all that happens by the steady clock.
    Steady(TimerKey),
    /// Among what happens by the processor time of the process.
    Cpu(TimerKey),
}

impl TimerClock {
    /// The clock with this number.
    ///
    /// # Errors
    /// `EINVAL` there is none, or its thread is gone · `EOPNOTSUPP` it has no timers.
    pub fn of(context: &Context<'_>, clock: i32) -> Result<Self, Errno> {
        match clock {
            CLOCK_REALTIME | CLOCK_TAI | CLOCK_REALTIME_ALARM => Ok(Self::Wall),
            CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => Ok(Self::Steady),
            CLOCK_PROCESS_CPUTIME_ID => Ok(Self::Cpu(CpuClock::Process)),
            CLOCK_THREAD_CPUTIME_ID => {
                let tid = context.process.threads.current().tid();
                Ok(Self::Cpu(CpuClock::Thread(tid)))
            }
            CLOCK_MONOTONIC_RAW | CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE => {
                Err(Errno::EOPNOTSUPP)
            }
            _ => CpuClock::of(context, clock).map(Self::Cpu),
        }
    }

    /// What it says. The wall clock is not before 1970 here. The clock of a thread that has ended
    /// stands still.
    pub fn now_ns(self, context: &Context<'_>) -> u64 {
        let clock = context.platform.clock();
        match self {
            Self::Wall => u64::try_from(clock.realtime_ns()).unwrap_or(0),
            Self::Steady => clock.monotonic_ns(),
            Self::Cpu(clock) => clock.now_ns(context),
        }
    }

    /// Has somebody told when this clock says `next_ns`, or not long before: who is told looks at
    /// the clock again.
    pub fn wait(self, context: &Context<'_>, next_ns: u64, due: Arc<dyn Due>) -> Place {
        let left_ns = next_ns.saturating_sub(self.now_ns(context));
        match self {
            Self::Wall | Self::Steady => {
                let deadline_ns = match self {
                    Self::Steady => next_ns,
                    _ => context
                        .platform
                        .clock()
                        .monotonic_ns()
                        .saturating_add(left_ns),
                };
                let threads = &context.process.threads;
                Place::Steady(threads.set_timer(deadline_ns, Target::Due(due)))
            }
            Self::Cpu(_) => Place::after_cpu_ns(context, left_ns, Target::Due(due)),
        }
    }
}

impl Place {
    /// Has somebody told when a clock of processor time may have gone on by so much: a thread has no more
    /// of it than its process.
    pub fn after_cpu_ns(context: &Context<'_>, left_ns: u64, target: Target) -> Self {
        let deadline_ns = process_cpu_ns(context).saturating_add(left_ns);
        Self::Cpu(timers(context).cpu.lock().insert(deadline_ns, target))
    }

    /// Nobody is told any more.
    pub fn leave(self, context: &Context<'_>) {
        match self {
            Self::Steady(key) => {
                context.process.threads.unset_timer(key);
            }
            Self::Cpu(key) => {
                timers(context).cpu.lock().remove(key);
            }
        }
    }
}
