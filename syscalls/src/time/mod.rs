//! Time: clocks and sleeps.

mod calls;
mod schedule;
mod units;

pub use calls::*;
pub use schedule::Schedule;
pub use units::{NANOSECONDS, duration_ns, timespec_of, timeval_of};
