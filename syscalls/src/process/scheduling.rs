//! Priorities and processors: one processor, on which threads take turns. What a program says of its
//! threads is kept and told.

use alloc::vec::Vec;

use muslin_abi::layout::{Pod, SchedAttr};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::identity::own;
use crate::context::Context;
use crate::threads::Thread;
use crate::threads::yield_now;
use crate::time::timespec_of;
use crate::user_mem::{self, UserBuf};

const SCHED_OTHER: i32 = 0;
const SCHED_FIFO: i32 = 1;
const SCHED_RR: i32 = 2;
const SCHED_BATCH: i32 = 3;
const SCHED_IDLE: i32 = 5;

const SCHED_RESET_ON_FORK: i32 = 0x4000_0000;
const SCHED_FLAG_RESET_ON_FORK: u32 = 1;

/// The most that a structure of `sched_setattr` can be long.
const PAGE_BYTES: usize = 4096;

/// A set of processors as the kernel writes it: one word.
const SET_BYTES: usize = 8;

/// The time slice of Linux.
const SLICE_NS: i128 = 100_000_000;

/// `sched_yield()` — lets the threads run first that can run.
///
/// # Errors
/// None.
pub fn sys_sched_yield(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    yield_now(context);
    Ok(0)
}

/// `sched_getaffinity(pid, cpusetsize, mask)` — the processors of a thread: the first. Returns the
/// bytes written.
///
/// # Errors
/// `EINVAL` a size that is not whole words · `ESRCH` no such thread · `EFAULT` bad `mask`.
pub fn sys_sched_getaffinity(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let size = args.int(1) as u32 as usize;
    if size < SET_BYTES || !size.is_multiple_of(SET_BYTES) {
        return Err(Errno::EINVAL);
    }
    thread_of(context, args.int(0))?;
    user_mem::write(context, args.addr(2), &1u64)?;
    Ok(SET_BYTES)
}

/// `sched_setaffinity(pid, cpusetsize, mask)` — chooses processors; the first must be among them.
///
/// # Errors
/// `EINVAL` it is not · `ESRCH` no such thread · `EFAULT` bad `mask`.
pub fn sys_sched_setaffinity(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let size = (args.int(1) as u32 as usize).min(1);
    let mut first = [0];
    UserBuf::new(context, args.addr(2), size)?.copy_out(0, &mut first);
    thread_of(context, args.int(0))?;
    if first[0] & 1 == 1 {
        Ok(0)
    } else {
        Err(Errno::EINVAL)
    }
}

/// `getcpu(cpu, node)` — processor 0 of node 0; both may be null.
///
/// # Errors
/// `EFAULT` a bad address.
pub fn sys_getcpu(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    for address in [args.addr(0), args.addr(1)] {
        if address != 0 {
            user_mem::write(context, address, &0u32)?;
        }
    }
    Ok(0)
}

/// `sched_getscheduler(pid)` — the policy of a thread, with `SCHED_RESET_ON_FORK`.
///
/// # Errors
/// `EINVAL` negative pid · `ESRCH` no such thread.
pub fn sys_sched_getscheduler(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let traits = *thread_or_invalid(context, args.int(0))?.traits.lock();
    let flag = if traits.is_reset_on_fork {
        SCHED_RESET_ON_FORK
    } else {
        0
    };
    Ok((traits.policy | flag) as usize)
}

/// `sched_setscheduler(pid, policy, param)` — sets policy and priority of a thread, which are kept:
/// threads take turns whatever they say, and only locks with priority inheritance go by the priority.
///
/// # Errors
/// `EINVAL` unknown policy, a priority that is not the policy's, or no `param` · `ESRCH` no such
/// thread · `EFAULT` bad `param`.
/// # Differs from Linux
/// The policy changes nothing.
pub fn sys_sched_setscheduler(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let policy = args.int(1);
    if policy < 0 || args.addr(2) == 0 || args.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: i32 = user_mem::read(context, args.addr(2))?;
    let thread = thread_of(context, args.int(0))?;
    set_policy(thread, policy, priority)?;
    Ok(0)
}

/// `sched_getparam(pid, param)` — the priority of a thread.
///
/// # Errors
/// `EINVAL` negative pid or no `param` · `ESRCH` no such thread · `EFAULT` bad `param`.
pub fn sys_sched_getparam(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.addr(1) == 0 {
        return Err(Errno::EINVAL);
    }
    let priority = thread_or_invalid(context, args.int(0))?
        .traits
        .lock()
        .priority;
    user_mem::write(context, args.addr(1), &priority)?;
    Ok(0)
}

/// `sched_setparam(pid, param)` — sets the priority of a thread, which is kept.
///
/// # Errors
/// `EINVAL` not one of its policy, negative pid or no `param` · `ESRCH` no such thread · `EFAULT` bad
/// `param`.
pub fn sys_sched_setparam(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.addr(1) == 0 || args.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: i32 = user_mem::read(context, args.addr(1))?;
    let thread = thread_of(context, args.int(0))?;
    let mut traits = thread.traits.lock();
    if !priorities(traits.policy)?.contains(&priority) {
        return Err(Errno::EINVAL);
    }
    traits.priority = priority;
    Ok(0)
}

/// `sched_setattr(pid, attr, flags)` — sets policy, priority and nice value of a thread, which are
/// kept.
///
/// # Errors
/// `EINVAL` unknown policy or flags, a priority that is not the policy's, or no `attr` · `E2BIG` a
/// size that is none · `ESRCH` no such thread · `EFAULT` bad `attr`.
/// # Differs from Linux
/// The policy changes nothing. `SCHED_DEADLINE` and limits of utilization are `EINVAL`.
/// # Source
/// sched_setattr(2), man-pages 6.9
pub fn sys_sched_setattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.addr(1) == 0 || args.int(0) < 0 || args.int(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let size: u32 = user_mem::read(context, args.addr(1))?;
    if size != 0 && !(SchedAttr::BYTES..=PAGE_BYTES).contains(&(size as usize)) {
        return Err(Errno::E2BIG);
    }
    let attr: SchedAttr = user_mem::read(context, args.addr(1))?;
    let thread = thread_of(context, args.int(0))?;
    if attr.sched_flags & !u64::from(SCHED_FLAG_RESET_ON_FORK) != 0 {
        return Err(Errno::EINVAL);
    }
    let flag = match attr.sched_flags {
        0 => 0,
        _ => SCHED_RESET_ON_FORK,
    };
    let (Ok(policy), Ok(priority)) = (
        i32::try_from(attr.sched_policy),
        i32::try_from(attr.sched_priority),
    ) else {
        return Err(Errno::EINVAL);
    };
    set_policy(thread, policy | flag, priority)?;
    if matches!(policy, SCHED_OTHER | SCHED_BATCH) {
        thread.traits.lock().nice = attr.sched_nice.clamp(-20, 19);
    }
    Ok(0)
}

/// `sched_getattr(pid, attr, size, flags)` — policy, priority and nice value of a thread.
///
/// # Errors
/// `EINVAL` a size that is none, flags, no `attr` or a negative pid · `ESRCH` no such thread · `EFAULT`
/// bad `attr`.
/// # Source
/// sched_setattr(2), man-pages 6.9
pub fn sys_sched_getattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let size = args.int(2) as u32 as usize;
    if args.addr(1) == 0 || args.int(3) != 0 || !(SchedAttr::BYTES..=PAGE_BYTES).contains(&size) {
        return Err(Errno::EINVAL);
    }
    let traits = *thread_or_invalid(context, args.int(0))?.traits.lock();
    let attr = SchedAttr {
        size: SchedAttr::BYTES as u32,
        sched_policy: traits.policy as u32,
        sched_flags: if traits.is_reset_on_fork {
            SCHED_FLAG_RESET_ON_FORK.into()
        } else {
            0
        },
        sched_nice: match traits.policy {
            SCHED_OTHER | SCHED_BATCH | SCHED_IDLE => traits.nice,
            _ => 0,
        },
        sched_priority: traits.priority as u32,
        ..SchedAttr::default()
    };
    user_mem::write(context, args.addr(1), &attr)?;
    Ok(0)
}

/// `sched_get_priority_max(policy)` — 99 or 0.
///
/// # Errors
/// `EINVAL` unknown policy.
pub fn sys_sched_get_priority_max(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    Ok(*priorities(args.int(0))?.end() as usize)
}

/// `sched_get_priority_min(policy)` — 1 or 0.
///
/// # Errors
/// `EINVAL` unknown policy.
pub fn sys_sched_get_priority_min(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    Ok(*priorities(args.int(0))?.start() as usize)
}

/// `sched_rr_get_interval(pid, tp)` — the time slice: 0.1 seconds, though nobody takes the rest.
///
/// # Errors
/// `EINVAL` negative pid · `ESRCH` no such thread · `EFAULT` bad `tp`.
pub fn sys_sched_rr_get_interval(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    thread_or_invalid(context, args.int(0))?;
    user_mem::write(context, args.addr(1), &timespec_of(SLICE_NS))?;
    Ok(0)
}

/// `getpriority(which, who)` — 20 minus the nice value: 1 to 40. Of several threads the most important
/// one's.
///
/// # Errors
/// `EINVAL` unknown `which` · `ESRCH` nobody.
pub fn sys_getpriority(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let threads = threads_of(context, args)?;
    let nice = threads.iter().map(|thread| thread.traits.lock().nice);
    Ok((20 - nice.min().unwrap_or(0)) as usize)
}

/// `setpriority(which, who, prio)` — sets the nice value of threads, which is kept and changes nothing.
///
/// # Errors
/// `EINVAL` unknown `which` · `ESRCH` nobody.
/// # Differs from Linux
/// The value is kept and changes nothing.
pub fn sys_setpriority(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    for thread in threads_of(context, args)? {
        thread.traits.lock().nice = args.int(2).clamp(-20, 19);
    }
    Ok(0)
}

/// Whom `getpriority` and `setpriority` mean: as on Linux, a process is one thread.
fn threads_of(context: &Context<'_>, args: &SyscallArgs) -> Result<Vec<&'static Thread>, Errno> {
    const PRIO_PROCESS: i32 = 0;
    const PRIO_PGRP: i32 = 1;
    const PRIO_USER: i32 = 2;
    match (args.int(0), args.int(1)) {
        (PRIO_PROCESS, pid) => Ok(alloc::vec![thread_of(context, pid)?]),
        (PRIO_PGRP, group) => own(group).map(|()| context.process.threads.all()),
        (PRIO_USER, 0) => Ok(context.process.threads.all()),
        (PRIO_USER, _) => Err(Errno::ESRCH),
        _ => Err(Errno::EINVAL),
    }
}

/// The thread with this number; 0 is the current one.
fn thread_of(context: &Context<'_>, tid: i32) -> Result<&'static Thread, Errno> {
    let threads = &context.process.threads;
    match tid {
        0 => Ok(threads.current()),
        tid => threads.find(tid).ok_or(Errno::ESRCH),
    }
}

fn thread_or_invalid(context: &Context<'_>, tid: i32) -> Result<&'static Thread, Errno> {
    if tid < 0 {
        return Err(Errno::EINVAL);
    }
    thread_of(context, tid)
}

fn set_policy(thread: &Thread, policy: i32, priority: i32) -> Result<(), Errno> {
    let is_reset_on_fork = policy & SCHED_RESET_ON_FORK != 0;
    let policy = policy & !SCHED_RESET_ON_FORK;
    if !priorities(policy)?.contains(&priority) {
        return Err(Errno::EINVAL);
    }
    let mut traits = thread.traits.lock();
    (traits.policy, traits.priority) = (policy, priority);
    traits.is_reset_on_fork = is_reset_on_fork;
    Ok(())
}

fn priorities(policy: i32) -> Result<core::ops::RangeInclusive<i32>, Errno> {
    match policy {
        SCHED_FIFO | SCHED_RR => Ok(1..=99),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE => Ok(0..=0),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn there_is_one_processor() {
        let world = World::new();
        let room = world.bytes(&[0xff; 128]);
        assert_eq!(world.call(sys_sched_getaffinity, [0, 128, room]), Ok(8));
        assert_eq!(world.get_value::<u64>(room), 1);
        for size in [0, 4, 12] {
            assert_eq!(
                world.call(sys_sched_getaffinity, [0, size, room]),
                Err(Errno::EINVAL)
            );
        }
        assert_eq!(world.call(sys_sched_setaffinity, [0, 8, room]), Ok(0));
        world.put(room, &[2]);
        assert_eq!(
            world.call(sys_sched_setaffinity, [0, 8, room]),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.call(sys_getcpu, [room, 0]), Ok(0));
        assert_eq!(world.get_value::<u32>(room), 0);
    }

    #[test]
    fn policies_are_checked() {
        let world = World::new();
        let [zero, one] = [0i32, 1].map(|priority| world.value(&priority));
        assert_eq!(world.call(sys_sched_setscheduler, [0, 0, zero]), Ok(0));
        assert_eq!(
            world.call(sys_sched_setscheduler, [0, 0, one]),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.call(sys_sched_setscheduler, [0, 1, one]), Ok(0));
        assert_eq!(world.call(sys_sched_getscheduler, [1]), Ok(1));
        assert_eq!(
            world.call(sys_sched_setparam, [0, zero]),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.call(sys_sched_getparam, [0, zero]), Ok(0));
        assert_eq!(world.get_value::<i32>(zero), 1);
        assert_eq!(world.call(sys_sched_getscheduler, [2]), Err(Errno::ESRCH));
        assert_eq!(world.call(sys_sched_get_priority_max, [2]), Ok(99));
        assert_eq!(
            world.call(sys_sched_get_priority_min, [9]),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.call(sys_setpriority, [0, 0, 100]), Ok(0));
        assert_eq!(world.call(sys_getpriority, [0, 0]), Ok(1));
        assert_eq!(world.call(sys_getpriority, [0, 9]), Err(Errno::ESRCH));
    }
}
