//! signalfd: signals that are read.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;

use muslin_abi::flags::*;
use muslin_abi::layout::{Pod, Siginfo, SignalfdSiginfo, Stat};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::file_ops::{FileOps, Readiness, anonymous_stat};
use super::new_descriptor;
use crate::context::Context;
use crate::lock::Mutex;
use crate::signals::{self, UNBLOCKABLE};
use crate::threads::WaitQueue;
use crate::user_mem::{self, UserBufMut};

/// Size of the kernel's signal set.
const SET_BYTES: usize = 8;

const SI_TIMER: i32 = -2;
const SI_KERNEL: i32 = 0x80;

struct SignalFd {
    /// Which signals are read; bit n is signal n + 1.
    set: Mutex<u64>,
    /// That of all such files: a signal may be for any of them.
    queue: Arc<WaitQueue>,
}

/// `signalfd(fd, mask, sizemask)` — see [`sys_signalfd4`], without flags.
///
/// # Errors
/// As [`sys_signalfd4`].
pub fn sys_signalfd(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args, 0)
}

/// `signalfd4(fd, mask, sizemask, flags)` — makes a descriptor that signals are read from, or for one
/// that there is already says anew which.
///
/// - `fd`: the one that there is, or -1.   - `flags`: `SFD_CLOEXEC`, `SFD_NONBLOCK`.
///
/// # Errors
/// `EBADF` · `EINVAL` not such a descriptor, an unknown flag, another size · `EFAULT` · `EMFILE` ·
/// `ENOMEM`.
/// # Source
/// signalfd(2), man-pages 6.9
pub fn sys_signalfd4(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args, args.int(3) as u32)
}

fn make(context: &Context<'_>, args: &SyscallArgs, flags: u32) -> SyscallResult {
    if args.size(2) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let set: u64 = user_mem::read(context, args.addr(1))?;
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let set = set & !UNBLOCKABLE;
    if args.fd(0) == -1 {
        let ops = SignalFd {
            set: Mutex::new(set),
            queue: context.process.signals.readers(),
        };
        return new_descriptor(context, Box::new(ops), O_RDWR | flags);
    }
    let file = context.process.files.file(args.fd(0))?;
    let fd: Option<&SignalFd> = file.ops.as_any().downcast_ref();
    let fd = fd.ok_or(Errno::EINVAL)?;
    *fd.set.lock() = set;
    fd.queue.wake_all(Readiness(POLLIN));
    Ok(args.fd(0) as usize)
}

/// A signal as it is read.
fn told(info: &Siginfo) -> SignalfdSiginfo {
    let [first, second, ..] = info.fields;
    let (low, high) = (first as u32, (first >> 32) as u32);
    let told = SignalfdSiginfo {
        ssi_signo: info.si_signo as u32,
        ssi_errno: info.si_errno,
        ssi_code: info.si_code,
        ..SignalfdSiginfo::default()
    };
    match info.si_code {
        SI_TIMER => SignalfdSiginfo {
            ssi_tid: low,
            ssi_overrun: high,
            ssi_int: second as i32,
            ssi_ptr: second,
            ..told
        },
        // A fault.
        1..SI_KERNEL => SignalfdSiginfo {
            ssi_addr: first,
            ..told
        },
        _ => SignalfdSiginfo {
            ssi_pid: low,
            ssi_uid: high,
            ssi_int: second as i32,
            ssi_ptr: second,
            ..told
        },
    }
}

impl FileOps for SignalFd {
    fn read(&self, context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        const BYTES: usize = SignalfdSiginfo::BYTES;
        if dst.len() < BYTES {
            return Err(Errno::EINVAL);
        }
        let set = *self.set.lock();
        let mut done = 0;
        while done + BYTES <= dst.len() {
            let Some(info) = signals::take(context, set) else {
                break;
            };
            let mut bytes = [0; BYTES];
            told(&info).to_bytes(&mut bytes);
            done += dst.copy_in(done, &bytes);
        }
        if done == 0 {
            return Err(Errno::EAGAIN);
        }
        Ok(done)
    }

    fn poll(&self, context: &Context<'_>) -> Readiness {
        let waits = signals::pending_among(context, *self.set.lock());
        Readiness(if waits != 0 { POLLIN } else { 0 })
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anonymous_stat())
    }

    fn name(&self) -> &'static str {
        "[signalfd]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
