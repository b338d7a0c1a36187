//! Time: clocks, sleeps, and what is to happen when.

mod calls;
mod cpu_clock;
mod schedule;
mod timer_queue;
mod units;

pub use calls::*;
pub use cpu_clock::process_cpu_ns;
pub use schedule::Schedule;
pub use timer_queue::{Due, Target, TimerKey, TimerQueue};
pub use units::{NANOSECONDS, duration_ns, timespec_of, timeval_of};
