//! Counting is off: there is no file to count in.

use core::sync::atomic::AtomicUsize;

/// Whether counting is on.
pub const fn is_on() -> bool {
    false
}

/// The code behind the counter of number `index`: there is none.
pub const fn counted_code(_index: usize) -> Option<&'static AtomicUsize> {
    None
}
