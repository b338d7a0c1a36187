//! timerfd: a timer that is read.
//!
//! As on Linux a timer that is due says so once; it goes on when somebody reads it, asks what is left
//! or sets it anew. Until then its periods are counted by the clock alone.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;

use muslin_abi::flags::*;
use muslin_abi::layout::{Itimerspec, Pod, Stat};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::file::File;
use super::file_ops::{FileOps, Readiness, anonymous_stat};
use super::new_descriptor;
use crate::context::Context;
use crate::lock::Mutex;
use crate::threads::WaitQueue;
use crate::time::clock_ids::*;
use crate::time::{Due, Schedule, Target, TimerKey, TimerQueue, duration_ns, timespec_of};
use crate::user_mem::{self, UserBufMut};

const TFD_TIMER_ABSTIME: u32 = 1;
const TFD_TIMER_CANCEL_ON_SET: u32 = 2;

struct TimerFd {
    timer: Arc<Timer>,
    timers: &'static Mutex<TimerQueue>,
}

struct Timer {
    /// Is its clock the one that counts from 1970?
    is_wall: bool,
    state: Mutex<State>,
    queue: WaitQueue,
}

#[derive(Default)]
struct State {
    /// By the timer's clock.
    schedule: Schedule,
    /// Times that have come and have not been read.
    count: u64,
    /// Where the next time stands in the machine's queue.
    key: Option<TimerKey>,
}

/// `timerfd_create(clockid, flags)` — makes a timer with a descriptor.
///
/// - `flags`: `TFD_CLOEXEC`, `TFD_NONBLOCK`.
///
/// # Errors
/// `EINVAL` another clock or flag · `EMFILE` · `ENOMEM`.
/// # Source
/// timerfd_create(2), man-pages 6.9
pub fn sys_timerfd_create(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(1) as u32;
    let is_wall = match args.int(0) {
        CLOCK_REALTIME | CLOCK_REALTIME_ALARM => true,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => false,
        _ => return Err(Errno::EINVAL),
    };
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let ops = Box::new(TimerFd {
        timer: Arc::new(Timer {
            is_wall,
            state: Mutex::default(),
            queue: WaitQueue::new(),
        }),
        timers: context.process.threads.timers(),
    });
    new_descriptor(context, ops, O_RDWR | flags)
}

/// `timerfd_settime(fd, flags, new_value, old_value)` — sets a timer, or with a first time of 0 stops
/// it. `old_value` may be null.
///
/// - `flags`: `TFD_TIMER_ABSTIME`, `TFD_TIMER_CANCEL_ON_SET`; the second asks for what never happens,
///   since nobody can set the clock.
///
/// # Errors
/// `EBADF` · `EFAULT` · `EINVAL` not a timer, an unknown flag, a wrong time.
/// # Source
/// timerfd_create(2), man-pages 6.9
pub fn sys_timerfd_settime(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let new: Itimerspec = user_mem::read(context, args.addr(2))?;
    let flags = args.int(1) as u32;
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let value_ns = duration_ns(&new.it_value)?;
    let interval_ns = duration_ns(&new.it_interval)?;
    let file = context.process.files.file(args.fd(0))?;
    let fd = timer_of(&file)?;
    let now_ns = fd.timer.now_ns(context);
    let old = fd.timer.told(now_ns);
    let next_ns = if flags & TFD_TIMER_ABSTIME != 0 {
        value_ns
    } else {
        now_ns.saturating_add(value_ns)
    };
    {
        let mut state = fd.timer.state.lock();
        state.count = 0;
        state.schedule = Schedule {
            next_ns: (value_ns != 0).then_some(next_ns),
            interval_ns,
        };
    }
    fd.arm(context, now_ns);
    if args.addr(3) != 0 {
        user_mem::write(context, args.addr(3), &old)?;
    }
    Ok(0)
}

/// `timerfd_gettime(fd, curr_value)` — tells what is left until a timer's next time.
///
/// # Errors
/// `EBADF` · `EFAULT` · `EINVAL` not a timer.
/// # Source
/// timerfd_create(2), man-pages 6.9
pub fn sys_timerfd_gettime(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let fd = timer_of(&file)?;
    let now_ns = fd.timer.now_ns(context);
    let left = fd.timer.told(now_ns);
    fd.arm(context, now_ns);
    user_mem::write(context, args.addr(1), &left)?;
    Ok(0)
}

fn timer_of(file: &File) -> Result<&TimerFd, Errno> {
    file.ops.as_any().downcast_ref().ok_or(Errno::EINVAL)
}

impl Timer {
    /// What its clock says.
    fn now_ns(&self, context: &Context<'_>) -> u64 {
        let clock = context.platform.clock();
        if self.is_wall {
            u64::try_from(clock.realtime_ns()).unwrap_or(0)
        } else {
            clock.monotonic_ns()
        }
    }

    /// Counts the times that have come, and tells of the next.
    fn told(&self, now_ns: u64) -> Itimerspec {
        let mut state = self.state.lock();
        state.look(now_ns);
        Itimerspec {
            it_interval: timespec_of(state.schedule.interval_ns.into()),
            it_value: timespec_of(state.schedule.left_ns(now_ns).into()),
        }
    }
}

impl State {
    fn look(&mut self, now_ns: u64) {
        self.count = self.count.saturating_add(self.schedule.pass(now_ns));
    }
}

impl TimerFd {
    /// Has the machine look at the next time.
    fn arm(&self, context: &Context<'_>, now_ns: u64) {
        self.disarm();
        let mut state = self.timer.state.lock();
        if let Some(next_ns) = state.schedule.next_ns {
            let left_ns = next_ns.saturating_sub(now_ns);
            let deadline_ns = context
                .platform
                .clock()
                .monotonic_ns()
                .saturating_add(left_ns);
            let target = Target::Due(self.timer.clone());
            state.key = Some(context.process.threads.set_timer(deadline_ns, target));
        }
    }

    fn disarm(&self) {
        if let Some(key) = self.timer.state.lock().key.take() {
            self.timers.lock().remove(key);
        }
    }
}

impl Drop for TimerFd {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl Due for Timer {
    fn due(&self, _context: &Context<'_>, _now_ns: u64) {
        self.state.lock().key = None;
        self.queue.wake(Readiness(POLLIN));
    }
}

impl FileOps for TimerFd {
    fn read(&self, context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        if dst.len() < u64::BYTES {
            return Err(Errno::EINVAL);
        }
        let now_ns = self.timer.now_ns(context);
        let count = {
            let mut state = self.timer.state.lock();
            state.look(now_ns);
            core::mem::take(&mut state.count)
        };
        if count == 0 {
            return Err(Errno::EAGAIN);
        }
        self.arm(context, now_ns);
        Ok(dst.copy_in(0, &count.to_le_bytes()))
    }

    fn poll(&self, context: &Context<'_>) -> Readiness {
        let state = self.timer.state.lock();
        let next_ns = state.schedule.next_ns;
        let is_due = state.count > 0 || next_ns.is_some_and(|at| at <= self.timer.now_ns(context));
        Readiness(if is_due { POLLIN } else { 0 })
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.timer.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anonymous_stat())
    }

    fn name(&self) -> &'static str {
        "[timerfd]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::files::{sys_close, sys_poll, sys_read};
    use crate::testing::World;
    use muslin_abi::layout::Timespec;
    use muslin_platform::Clock;

    fn milliseconds(ms: i64) -> Timespec {
        Timespec {
            tv_sec: 0,
            tv_nsec: ms * 1_000_000,
        }
    }

    #[test]
    fn periods_that_nobody_read_are_counted_and_wake_once() {
        let world = World::new();
        let fd = world.call(sys_timerfd_create, [1, 0]).unwrap();
        let (room, time) = (
            world.room(8),
            world.value(&Itimerspec {
                it_value: milliseconds(5),
                it_interval: milliseconds(10),
            }),
        );
        let start_ns = world.sim.monotonic_ns();
        assert_eq!(world.call(sys_timerfd_settime, [fd, 0, time, 0]), Ok(0));
        assert_eq!(world.call(sys_read, [fd, room, 8]), Ok(8));
        assert_eq!(world.get_value::<u64>(room), 1);
        assert_eq!(world.sim.monotonic_ns() - start_ns, 5_000_000);
        // Nobody reads for 32 ms: three periods, and one timer of the machine at most.
        assert_eq!(world.call(sys_poll, [0, 0, 32]), Ok(0));
        assert_eq!(world.call(sys_read, [fd, room, 8]), Ok(8));
        assert_eq!(world.get_value::<u64>(room), 3);
        assert_eq!(world.call(sys_close, [fd]), Ok(0));
        let timers = world.process.threads.timers();
        assert_eq!(timers.lock().next(), None);
    }
}
