//! Time: clocks, sleeps, and what is to happen when.

mod calls;
pub(crate) mod clock_ids;
mod cpu_clock;
mod itimers;
mod posix_timers;
mod schedule;
mod timer_clock;
mod timer_queue;
mod timers;
mod units;

pub use calls::*;
pub use cpu_clock::process_cpu_ns;
pub use itimers::*;
pub use posix_timers::*;
pub use schedule::Schedule;
pub use timer_queue::{Due, Target, TimerKey, TimerQueue};
pub use timers::MaybeTimers;
pub use units::{NANOSECONDS, duration_ns, timespec_of, timespec_of_duration, timeval_of};
