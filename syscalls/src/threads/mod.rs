//! Threads: there is one so far, number 1.

mod calls;
mod futex;

pub use calls::*;
pub use futex::sys_futex;

use core::sync::atomic::AtomicUsize;

use muslin_abi::Errno;

/// The threads.
pub struct Threads {
    set_thread_pointer: fn(usize) -> Result<(), Errno>,
    thread_pointer: AtomicUsize,
    robust_list: AtomicUsize,
}

impl Threads {
    /// The first thread alone.
    pub fn new(set_thread_pointer: fn(usize) -> Result<(), Errno>) -> Self {
        Self {
            set_thread_pointer,
            thread_pointer: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
        }
    }
}
