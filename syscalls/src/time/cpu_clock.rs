//! Processor time: one thread runs at a time, so it is the time since it was let run.

use muslin_abi::Errno;

use crate::context::Context;
use crate::process::PID;

/// In a clock's number: the clock is a thread's.
const PER_THREAD: i32 = 4;
/// In a clock's number: the kinds of time, of which the last is none.
const KINDS: i32 = 3;

/// A clock of processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuClock {
    /// That of the process: all time but that in which all threads wait.
    Process,
    /// That of the thread with this number.
    Thread(i32),
}

impl CpuClock {
    /// The clock with this number, which holds that of a process or thread; 0 is the caller.
    ///
    /// # Errors
    /// `EINVAL` there is none.
    pub fn of(context: &Context<'_>, clock: i32) -> Result<Self, Errno> {
        let threads = &context.process.threads;
        if clock >= 0 || clock & KINDS == KINDS {
            return Err(Errno::EINVAL);
        }
        match (clock & PER_THREAD != 0, !(clock >> 3)) {
            (false, 0 | PID) => Ok(Self::Process),
            (true, 0) => Ok(Self::Thread(threads.current().tid())),
            (true, tid) if threads.find(tid).is_some() => Ok(Self::Thread(tid)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// What it says; 0 once its thread has ended.
    pub fn now_ns(self, context: &Context<'_>) -> u64 {
        let threads = &context.process.threads;
        match self {
            Self::Process => process_cpu_ns(context),
            Self::Thread(tid) => threads
                .find(tid)
                .map_or(0, |thread| threads.cpu_ns(context, thread)),
        }
    }
}

/// The processor time of the process.
pub fn process_cpu_ns(context: &Context<'_>) -> u64 {
    let age_ns = context.process.identity.age_ns(context.platform);
    age_ns.saturating_sub(context.process.threads.idle_ns())
}
