//! Resource limits, and what was used.

use muslin_abi::layout::{Rlimit, Rusage, Sysinfo};
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::identity::own;
use crate::context::Context;
use crate::gap::gap;
use crate::threads::THREADS_MAX;
use crate::time::{NANOSECONDS, process_cpu_ns, timeval_of};
use crate::user_mem;

/// Kinds of limits.
pub(super) const LIMITS_COUNT: usize = 16;

const RLIMIT_STACK: usize = 3;
const RLIMIT_FSIZE: usize = 1;
const RLIMIT_NPROC: usize = 6;
const RLIMIT_NOFILE: usize = 7;
const INFINITY: u64 = u64::MAX;

/// Most descriptors, as Linux starts with.
const FILES: u64 = 1024;
/// What a program may raise them to: the most that Linux has unless somebody says otherwise.
const FILES_MAX: u64 = 1 << 20;

const fn limit(rlim_cur: u64, rlim_max: u64) -> Rlimit {
    Rlimit { rlim_cur, rlim_max }
}

/// By number: CPU, FSIZE, DATA, STACK, CORE, RSS, NPROC, NOFILE, MEMLOCK, AS, LOCKS, SIGPENDING,
/// MSGQUEUE, NICE, RTPRIO, RTTIME.
pub(super) const LIMITS_DEFAULT: [Rlimit; LIMITS_COUNT] = {
    let mut limits = [limit(INFINITY, INFINITY); LIMITS_COUNT];
    limits[4] = limit(0, 0);
    limits[RLIMIT_NPROC] = limit(THREADS_MAX as u64, THREADS_MAX as u64);
    limits[RLIMIT_NOFILE] = limit(FILES, FILES_MAX);
    limits[13] = limit(0, 0);
    limits[14] = limit(0, 0);
    limits
};

/// The stack is what the platform gives, and does not grow.
pub(super) fn limit_stack(limits: &mut [Rlimit; LIMITS_COUNT], stack_bytes: u64) {
    limits[RLIMIT_STACK] = limit(stack_bytes, stack_bytes);
}

/// `getrlimit(resource, rlim)` — a limit.
///
/// # Errors
/// `EINVAL` unknown resource · `EFAULT` bad `rlim`.
pub fn sys_getrlimit(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let limit = limit_of(context, args.int(0))?;
    user_mem::write(context, args.addr(1), &limit)?;
    Ok(0)
}

/// `setrlimit(resource, rlim)` — changes a limit.
///
/// # Errors
/// `EINVAL` unknown resource, or the soft limit is above the hard one · `EPERM` more descriptors than
/// any process may have, or a larger stack · `EFAULT` bad `rlim`.
/// # Differs from Linux
/// Only the number of descriptors and the size of files are enforced. The stack does not grow, so its limit
/// does not either.
pub fn sys_setrlimit(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    set_limit(context, Sysno::setrlimit, args.int(0), args.addr(1))?;
    Ok(0)
}

/// `prlimit64(pid, resource, new_limit, old_limit)` — reads and changes a limit; both may be null.
///
/// # Errors
/// `ESRCH` another process · those of [`sys_getrlimit`] and [`sys_setrlimit`].
/// # Differs from Linux
/// As [`sys_setrlimit`].
pub fn sys_prlimit64(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    own(args.int(0))?;
    let resource = args.int(1);
    let old = limit_of(context, resource)?;
    if args.addr(2) != 0 {
        set_limit(context, Sysno::prlimit64, resource, args.addr(2))?;
    }
    if args.addr(3) != 0 {
        user_mem::write(context, args.addr(3), &old)?;
    }
    Ok(0)
}

/// `getrusage(who, usage)` — what was used: processor time, and the most memory at once.
///
/// # Errors
/// `EINVAL` unknown `who` · `EFAULT` bad `usage`.
/// # Differs from Linux
/// All processor time is the program's own; faults, switches and transfers are not counted.
pub fn sys_getrusage(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    const RUSAGE_CHILDREN: i32 = -1;
    const RUSAGE_SELF: i32 = 0;
    const RUSAGE_THREAD: i32 = 1;
    let process = context.process;
    // The stack was there from the start, and no program runs without one.
    let most_bytes = process.memory.usage().peak + context.platform.memory().stack().len();
    let usage = match args.int(0) {
        RUSAGE_CHILDREN => Rusage::default(),
        who @ (RUSAGE_SELF | RUSAGE_THREAD) => {
            let threads = &process.threads;
            let cpu_ns = match who {
                RUSAGE_SELF => process_cpu_ns(context),
                _ => threads.cpu_ns(context, threads.current()),
            };
            Rusage {
                ru_utime: timeval_of(cpu_ns.into()),
                ru_maxrss: (most_bytes / 1024) as i64,
                ..Rusage::default()
            }
        }
        _ => return Err(Errno::EINVAL),
    };
    user_mem::write(context, args.addr(1), &usage)?;
    Ok(0)
}

/// `sysinfo(info)` — time since the start, and memory.
///
/// # Errors
/// `EFAULT` bad `info`.
/// # Differs from Linux
/// Load averages are 0.
pub fn sys_sysinfo(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let usage = context.process.memory.usage();
    let age_ns = context.process.identity.age_ns(context.platform);
    let info = Sysinfo {
        uptime: (age_ns / NANOSECONDS as u64) as i64,
        totalram: usage.total as u64,
        freeram: usage.free as u64,
        procs: 1,
        mem_unit: 1,
        ..Sysinfo::default()
    };
    user_mem::write(context, args.addr(0), &info)?;
    Ok(0)
}

fn index_of(resource: i32) -> Result<usize, Errno> {
    usize::try_from(resource)
        .ok()
        .filter(|&index| index < LIMITS_COUNT)
        .ok_or(Errno::EINVAL)
}

fn limit_of(context: &Context<'_>, resource: i32) -> Result<Rlimit, Errno> {
    let index = index_of(resource)?;
    Ok(context.process.identity.state().lock().limits[index])
}

fn set_limit(
    context: &Context<'_>,
    call: Sysno,
    resource: i32,
    address: usize,
) -> Result<(), Errno> {
    let index = index_of(resource)?;
    let new: Rlimit = user_mem::read(context, address)?;
    if new.rlim_cur > new.rlim_max {
        return Err(Errno::EINVAL);
    }
    match index {
        RLIMIT_NOFILE if new.rlim_max > FILES_MAX => return Err(Errno::EPERM),
        RLIMIT_STACK if new.rlim_max > context.platform.memory().stack().len() as u64 => {
            return Err(gap!(context, call, "a larger stack", EPERM));
        }
        _ => {}
    }
    context.process.identity.state().lock().limits[index] = new;
    match index {
        RLIMIT_NOFILE => context.process.files.set_fd_max(new.rlim_cur as usize),
        RLIMIT_FSIZE => context.process.files.set_file_bytes_max(new.rlim_cur),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use muslin_platform::Platform;

    use super::*;
    use crate::testing::World;

    #[test]
    fn limits_change_as_root_may_change_them() {
        let world = World::new();
        let room = world.room(16);
        let set = |cur, max| {
            let new = world.value(&limit(cur, max));
            world.call(sys_setrlimit, [RLIMIT_NOFILE, new])
        };
        assert_eq!(set(4096, 4096), Ok(0));
        assert_eq!(set(4096, 4097), Ok(0));
        assert_eq!(set(10, FILES_MAX + 1), Err(Errno::EPERM));
        assert_eq!(set(21, 20), Err(Errno::EINVAL));
        assert_eq!(set(10, 20), Ok(0));
        assert_eq!(world.call(sys_getrlimit, [RLIMIT_NOFILE, room]), Ok(0));
        assert_eq!(world.get_value::<Rlimit>(room), limit(10, 20));
        assert_eq!(world.call(sys_getrlimit, [16, room]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_prlimit64, [0, RLIMIT_STACK, 0, room]), Ok(0));
        assert_eq!(world.get_value::<Rlimit>(room).rlim_cur, 16 * 4096);
        let more = world.value(&limit(16 * 4096, 17 * 4096));
        let stack = world.call(sys_setrlimit, [RLIMIT_STACK, more]);
        assert_eq!(stack, Err(Errno::EPERM));
        let threads = world.value(&limit(100_000, INFINITY));
        assert_eq!(world.call(sys_setrlimit, [RLIMIT_NPROC, threads]), Ok(0));
        assert_eq!(
            world.call(sys_prlimit64, [2, RLIMIT_STACK, 0, room]),
            Err(Errno::ESRCH)
        );
    }

    #[test]
    fn usage_follows_memory_and_time() {
        let world = World::new();
        let room = world.room(144);
        let free_bytes = || {
            assert_eq!(world.call(sys_sysinfo, [room]), Ok(0));
            world.get_value::<Sysinfo>(room).freeram
        };
        let before = free_bytes();
        let big = world.room(100 * 4096);
        assert_eq!(before - free_bytes(), 100 * 4096);
        assert_eq!(world.process.memory.unmap(big, 100 * 4096), Ok(()));
        assert_eq!(free_bytes(), before);

        world.sim.advance(3_000_001_000);
        let stack_kib = Platform::memory(world.sim).stack().len() as i64 / 1024;
        assert_eq!(world.call(sys_getrusage, [0, room]), Ok(0));
        let usage = world.get_value::<Rusage>(room);
        assert_eq!(usage.ru_utime, timeval_of(3_000_001_000));
        assert!(
            stack_kib > 0 && usage.ru_maxrss >= 400 + stack_kib,
            "{usage:?}"
        );
        assert_eq!(world.call(sys_getrusage, [2, room]), Err(Errno::EINVAL));
    }
}
