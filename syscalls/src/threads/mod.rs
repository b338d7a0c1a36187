//! Threads: there is one so far.

mod calls;

pub use calls::*;

use muslin_abi::Errno;

/// The threads.
pub struct Threads {
    set_thread_pointer: fn(usize) -> Result<(), Errno>,
}

impl Threads {
    /// The first thread alone.
    pub fn new(set_thread_pointer: fn(usize) -> Result<(), Errno>) -> Self {
        Self { set_thread_pointer }
    }
}
