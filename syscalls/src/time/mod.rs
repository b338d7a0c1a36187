//! Time: clocks and sleeps.

mod calls;
mod units;

pub use calls::*;
pub use units::{NANOSECONDS, duration_ns, timespec_of, timeval_of};
