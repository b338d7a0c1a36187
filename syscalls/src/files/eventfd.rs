//! eventfd: a counter that threads wait for.

use alloc::boxed::Box;
use core::any::Any;

use muslin_abi::flags::*;
use muslin_abi::layout::{Pod, Stat};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::file_ops::{FileOps, Readiness, anonymous_stat};
use super::new_descriptor;
use crate::context::Context;
use crate::lock::Mutex;
use crate::threads::WaitQueue;
use crate::user_mem::{UserBuf, UserBufMut};

const EFD_SEMAPHORE: u32 = 1;
/// What the counter can hold.
const COUNT_MAX: u64 = u64::MAX - 1;

/// In this order: what most calls need lies together.
#[repr(C)]
struct EventFd {
    count: Mutex<u64>,
    /// A read takes 1, not all.
    is_semaphore: bool,
    queue: WaitQueue,
}

/// `eventfd(initval)` — see [`sys_eventfd2`], without flags.
///
/// # Errors
/// As [`sys_eventfd2`].
pub fn sys_eventfd(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args.int(0) as u32, 0)
}

/// `eventfd2(initval, flags)` — makes a counter with a descriptor.
///
/// - `flags`: `EFD_CLOEXEC`, `EFD_NONBLOCK`, `EFD_SEMAPHORE`.
///
/// # Errors
/// `EINVAL` another flag · `EMFILE` · `ENOMEM`.
/// # Source
/// eventfd(2), man-pages 6.9
pub fn sys_eventfd2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args.int(0) as u32, args.int(1) as u32)
}

fn make(context: &Context<'_>, count: u32, flags: u32) -> SyscallResult {
    if flags & !(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let ops = Box::new(EventFd {
        count: Mutex::new(count.into()),
        is_semaphore: flags & EFD_SEMAPHORE != 0,
        queue: WaitQueue::new(),
    });
    new_descriptor(context, ops, O_RDWR | flags & (O_CLOEXEC | O_NONBLOCK))
}

impl FileOps for EventFd {
    fn read(&self, _context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        if dst.len() < u64::BYTES {
            return Err(Errno::EINVAL);
        }
        let taken = {
            let mut count = self.count.lock();
            let taken = if self.is_semaphore {
                (*count).min(1)
            } else {
                *count
            };
            *count -= taken;
            taken
        };
        if taken == 0 {
            return Err(Errno::EAGAIN);
        }
        self.queue.wake(Readiness(POLLOUT));
        Ok(dst.copy_in(0, &taken.to_le_bytes()))
    }

    fn write(&self, _context: &Context<'_>, src: &UserBuf<'_>) -> Result<usize, Errno> {
        if src.len() != u64::BYTES {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; u64::BYTES];
        src.copy_out(0, &mut bytes);
        let more = u64::from_le_bytes(bytes);
        if more > COUNT_MAX {
            return Err(Errno::EINVAL);
        }
        {
            let mut count = self.count.lock();
            if more > COUNT_MAX - *count {
                return Err(Errno::EAGAIN);
            }
            *count += more;
        }
        self.queue.wake(Readiness(POLLIN));
        Ok(bytes.len())
    }

    fn poll(&self, _context: &Context<'_>) -> Readiness {
        let count = *self.count.lock();
        let mut bits = 0;
        if count > 0 {
            bits |= POLLIN;
        }
        if count < COUNT_MAX {
            bits |= POLLOUT;
        }
        Readiness(bits)
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anonymous_stat())
    }

    fn name(&self) -> &'static str {
        "[eventfd]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
