//! Time, past the table.

use crate::ffi;

/// The monotonic clock, in nanoseconds.
pub fn now_ns() -> u64 {
    // SAFETY: asks only.
    unsafe { ffi::muslin_now_ns() }
}
