//! Priorities and processors: one processor, one thread, so that most answers are fixed.

use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::identity::own;
use crate::context::Context;
use crate::gap::gap;
use crate::threads::yield_now;
use crate::time::timespec_of;
use crate::user_mem::{self, UserBuf};

const SCHED_OTHER: i32 = 0;
const SCHED_FIFO: i32 = 1;
const SCHED_RR: i32 = 2;
const SCHED_BATCH: i32 = 3;
const SCHED_IDLE: i32 = 5;

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

/// `sched_getaffinity(pid, cpusetsize, mask)` — the processors: the first. Returns the bytes
/// written.
///
/// # Errors
/// `EINVAL` a size that is not whole words · `ESRCH` no such process · `EFAULT` bad `mask`.
pub fn sys_sched_getaffinity(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let size = args.int(1) as u32 as usize;
    if size < SET_BYTES || !size.is_multiple_of(SET_BYTES) {
        return Err(Errno::EINVAL);
    }
    own(args.int(0))?;
    user_mem::write(context, args.addr(2), &1u64)?;
    Ok(SET_BYTES)
}

/// `sched_setaffinity(pid, cpusetsize, mask)` — chooses processors; the first must be among them.
///
/// # Errors
/// `EINVAL` it is not · `ESRCH` no such process · `EFAULT` bad `mask`.
pub fn sys_sched_setaffinity(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    own(args.int(0))?;
    let size = (args.int(1) as u32 as usize).min(1);
    let mut first = [0];
    UserBuf::new(context, args.addr(2), size)?.copy_out(0, &mut first);
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

/// `sched_getscheduler(pid)` — `SCHED_OTHER`.
///
/// # Errors
/// `EINVAL` negative pid · `ESRCH` no such process.
pub fn sys_sched_getscheduler(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    own_or_invalid(args.int(0)).map(|()| SCHED_OTHER as usize)
}

/// `sched_setscheduler(pid, policy, param)` — `SCHED_OTHER` with priority 0 stays.
///
/// # Errors
/// `EINVAL` unknown policy, or a priority that is not the policy's · `EPERM` another policy ·
/// `ESRCH` no such process · `EFAULT` bad `param`.
/// # Differs from Linux
/// `SCHED_OTHER` alone; the other policies are `EPERM`.
pub fn sys_sched_setscheduler(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    own_or_invalid(args.int(0))?;
    let priority: i32 = user_mem::read(context, args.addr(2))?;
    let policy = args.int(1);
    if !priorities(policy)?.contains(&priority) {
        return Err(Errno::EINVAL);
    }
    if policy == SCHED_OTHER {
        Ok(0)
    } else {
        Err(gap!(
            context,
            Sysno::sched_setscheduler,
            "another policy",
            EPERM
        ))
    }
}

/// `sched_getparam(pid, param)` — priority 0.
///
/// # Errors
/// `EINVAL` negative pid or no `param` · `ESRCH` no such process · `EFAULT` bad `param`.
pub fn sys_sched_getparam(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.addr(1) == 0 {
        return Err(Errno::EINVAL);
    }
    own_or_invalid(args.int(0))?;
    user_mem::write(context, args.addr(1), &0i32)?;
    Ok(0)
}

/// `sched_setparam(pid, param)` — priority 0 stays.
///
/// # Errors
/// `EINVAL` another one, negative pid or no `param` · `ESRCH` no such process · `EFAULT` bad
/// `param`.
pub fn sys_sched_setparam(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.addr(1) == 0 {
        return Err(Errno::EINVAL);
    }
    own_or_invalid(args.int(0))?;
    match user_mem::read::<i32>(context, args.addr(1))? {
        0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
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
/// `EINVAL` negative pid · `ESRCH` no such process · `EFAULT` bad `tp`.
pub fn sys_sched_rr_get_interval(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    own_or_invalid(args.int(0))?;
    user_mem::write(context, args.addr(1), &timespec_of(SLICE_NS))?;
    Ok(0)
}

/// `getpriority(which, who)` — 20 minus the nice value: 1 to 40.
///
/// # Errors
/// `EINVAL` unknown `which` · `ESRCH` nobody.
pub fn sys_getpriority(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    priority_owner(args)?;
    Ok((20 - context.process.identity.state.lock().nice) as usize)
}

/// `setpriority(which, who, prio)` — sets the nice value, which is kept and changes nothing.
///
/// # Errors
/// `EINVAL` unknown `which` · `ESRCH` nobody.
/// # Differs from Linux
/// The value is kept and changes nothing.
pub fn sys_setpriority(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    priority_owner(args)?;
    context.process.identity.state.lock().nice = args.int(2).clamp(-20, 19);
    Ok(0)
}

fn priority_owner(args: &SyscallArgs) -> Result<(), Errno> {
    const PRIO_PROCESS: i32 = 0;
    const PRIO_PGRP: i32 = 1;
    const PRIO_USER: i32 = 2;
    match args.int(0) {
        PRIO_PROCESS | PRIO_PGRP => own(args.int(1)),
        PRIO_USER if args.int(1) == 0 => Ok(()),
        PRIO_USER => Err(Errno::ESRCH),
        _ => Err(Errno::EINVAL),
    }
}

fn own_or_invalid(pid: i32) -> Result<(), Errno> {
    if pid < 0 {
        return Err(Errno::EINVAL);
    }
    own(pid)
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
        assert_eq!(
            world.call(sys_sched_setscheduler, [0, 1, one]),
            Err(Errno::EPERM)
        );
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
