//! The end of the process: objects hear that they are closed, as the kernel closes what is its own. So the
//! peers of connections hear of it, too.
//!
//! Other threads still run then. They must not see how descriptors end under them, and stay in the calls
//! that come to one, until the process is gone.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use muslin_abi::SyscallResult;
use muslin_abi::handler::Call;
use muslin_arch::thread_pointer;

use crate::fd_calls::next;
use crate::fd_table::{self, World};
use crate::kernel;
use crate::lock;
use crate::service;

/// The thread pointer of the thread that ends the process; 0: none does.
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// A thread that comes to a minted descriptor while the process ends goes no further.
pub fn stay() {
    let ending = ENDING.load(Ordering::Relaxed);
    if ending == 0 {
        return;
    }
    let me = thread_pointer::read() as usize;
    // Who holds a lock is waited for.
    if me == ending || service::is_thread(me) || lock::holds_one() {
        return;
    }
    static FOR_EVER: AtomicU32 = AtomicU32::new(0);
    loop {
        kernel::futex_wait(&FOR_EVER, 0);
    }
}

/// `exit_group(status)`.
pub fn exit_group(call: &Call) -> SyscallResult {
    let me = thread_pointer::read() as usize;
    let is_first = fd_table::world(true) == World::Own
        && ENDING
            .compare_exchange(0, me, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
    if is_first {
        fd_table::minted().for_each(|file| file.end());
    }
    next(call)
}
