//! The calls that read clocks and sleep.

use muslin_abi::layout::{Timespec, Timezone, Tms};
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::Target;
use super::clock_ids::*;
use super::cpu_clock::{CpuClock, process_cpu_ns};
use super::timer_clock::Place;
use super::units::{NANOSECONDS, duration_ns, timespec_of, timespec_of_duration, timeval_of};
use crate::context::Context;
use crate::gap::gap;
use crate::signals::{unwatch_clock, watch_clock};
use crate::threads::{Waiting, Woken, block, yield_now};
use crate::user_mem;

const TIMER_ABSTIME: u32 = 1;

/// Ticks of `times` a second.
const TICKS: u64 = 100;

/// What a clock counts from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// 1970.
    Wall,
    /// Some point before the start.
    Steady,
    /// The beginning of who is meant, without sleeps.
    Cpu(CpuClock),
}

#[inline]
fn base_of(context: &Context<'_>, clock: i32) -> Result<Base, Errno> {
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_REALTIME_ALARM | CLOCK_TAI => Ok(Base::Wall),
        CLOCK_MONOTONIC
        | CLOCK_MONOTONIC_RAW
        | CLOCK_MONOTONIC_COARSE
        | CLOCK_BOOTTIME
        | CLOCK_BOOTTIME_ALARM => Ok(Base::Steady),
        CLOCK_PROCESS_CPUTIME_ID => Ok(Base::Cpu(CpuClock::Process)),
        CLOCK_THREAD_CPUTIME_ID => {
            let tid = context.process.threads.current().tid();
            Ok(Base::Cpu(CpuClock::Thread(tid)))
        }
        clock => CpuClock::of(context, clock).map(Base::Cpu),
    }
}

/// As the structure of `clock_gettime`: most calls that read a clock are this one, so the wide
/// arithmetic of [`now_ns`] is not for it.
fn now(context: &Context<'_>, base: Base) -> Timespec {
    let clock = context.platform.clock();
    let ns = match base {
        Base::Wall => match u64::try_from(clock.realtime_ns()) {
            Ok(ns) => ns,
            Err(_) => return timespec_of(clock.realtime_ns().into()),
        },
        Base::Steady => clock.monotonic_ns(),
        Base::Cpu(clock) => clock.now_ns(context),
    };
    timespec_of_duration(ns)
}

fn now_ns(context: &Context<'_>, base: Base) -> i128 {
    let clock = context.platform.clock();
    match base {
        Base::Wall => clock.realtime_ns().into(),
        Base::Steady => clock.monotonic_ns().into(),
        Base::Cpu(clock) => clock.now_ns(context).into(),
    }
}

/// `clock_gettime(clockid, tp)` — reads a clock.
///
/// # Errors
/// `EINVAL` unknown clock · `EFAULT` bad `tp`.
/// # Differs from Linux
/// The clocks of processor time count time in which a thread could run, in the library OS as well.
/// The TAI clock is the wall clock. Coarse clocks are exact.
/// # Source
/// clock_gettime(2), man-pages 6.9
pub fn sys_clock_gettime(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let now = now(context, base_of(context, args.int(0))?);
    user_mem::write(context, args.addr(1), &now)?;
    Ok(0)
}

/// `clock_getres(clockid, res)` — says how fine a clock is: 1 nanosecond. `res` may be null.
///
/// # Errors
/// `EINVAL` unknown clock · `EFAULT` bad `res`.
/// # Source
/// clock_getres(2), man-pages 6.9
pub fn sys_clock_getres(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    base_of(context, args.int(0))?;
    if args.addr(1) != 0 {
        user_mem::write(context, args.addr(1), &timespec_of(1))?;
    }
    Ok(0)
}

/// `clock_settime(clockid, tp)` — sets the wall clock, which the platform does not let anyone do.
///
/// # Errors
/// `EINVAL` unknown clock, one that cannot be set, or a bad time · `EFAULT` bad `tp` · `EPERM`
/// the wall clock, and processor time by its number.
/// # Differs from Linux
/// Nobody may set the wall clock: `EPERM`.
/// # Source
/// clock_settime(2), man-pages 6.9
pub fn sys_clock_settime(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.int(0) < 0 {
        CpuClock::of(context, args.int(0))?;
        return Err(Errno::EPERM);
    }
    if args.int(0) != CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    duration_ns(&user_mem::read::<Timespec>(context, args.addr(1))?)?;
    Err(gap!(
        context,
        Sysno::clock_settime,
        "setting the clock",
        EPERM
    ))
}

/// `gettimeofday(tv, tz)` — reads the wall clock. Both may be null; the time zone is all zeros.
///
/// # Errors
/// `EFAULT` bad `tv` or `tz`.
/// # Source
/// gettimeofday(2), man-pages 6.9
pub fn sys_gettimeofday(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.addr(0) != 0 {
        let now = timeval_of(context.platform.clock().realtime_ns().into());
        user_mem::write(context, args.addr(0), &now)?;
    }
    if args.addr(1) != 0 {
        user_mem::write(context, args.addr(1), &Timezone::default())?;
    }
    Ok(0)
}

/// `time(tloc)` — the wall clock in seconds, also put at `tloc` unless that is null.
///
/// # Errors
/// `EFAULT` bad `tloc`.
/// # Source
/// time(2), man-pages 6.9
pub fn sys_time(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let seconds = timespec_of(context.platform.clock().realtime_ns().into()).tv_sec;
    if args.addr(0) != 0 {
        user_mem::write(context, args.addr(0), &seconds)?;
    }
    Ok(seconds as usize)
}

/// `times(buf)` — processor time in hundredths of a second; returns those of the steady clock.
///
/// # Errors
/// `EFAULT` bad `buf`.
/// # Differs from Linux
/// All processor time is the program's own.
/// # Source
/// times(2), man-pages 6.9
pub fn sys_times(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let tick_ns = NANOSECONDS as u64 / TICKS;
    if args.addr(0) != 0 {
        let times = Tms {
            tms_utime: (process_cpu_ns(context) / tick_ns) as i64,
            ..Tms::default()
        };
        user_mem::write(context, args.addr(0), &times)?;
    }
    Ok((context.platform.clock().monotonic_ns() / tick_ns) as usize)
}

/// `nanosleep(duration, rem)` — sleeps. May wait: yes.
///
/// # Errors
/// `EINVAL` bad `duration` · `EFAULT` bad address of it · `EINTR` a signal ended the sleep: what remains
/// is in `rem`.
/// # Source
/// nanosleep(2), man-pages 6.9
pub fn sys_nanosleep(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let duration_ns = duration_ns(&user_mem::read(context, args.addr(0))?)?;
    let now_ns = context.platform.clock().monotonic_ns();
    sleep(context, now_ns.saturating_add(duration_ns), args.addr(1))
}

/// `clock_nanosleep(clockid, flags, t, remain)` — sleeps by a clock. May wait: yes.
///
/// # Errors
/// `EINVAL` unknown clock or flags, bad `t`, or the thread's processor time · `EOPNOTSUPP` the raw
/// and coarse clocks · `EFAULT` bad address of `t` · `EINTR` as [`sys_nanosleep`]; a point in time leaves no
/// remainder.
/// # Differs from Linux
/// If the wall clock is set while something sleeps by it, it wakes as if it had not been.
/// # Source
/// clock_nanosleep(2), man-pages 6.9
pub fn sys_clock_nanosleep(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let clock = args.int(0);
    let base = base_of(context, clock)?;
    let own = CpuClock::Thread(context.process.threads.current().tid());
    if base == Base::Cpu(own) {
        return Err(Errno::EINVAL);
    }
    let is_coarse = matches!(
        clock,
        CLOCK_MONOTONIC_RAW | CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE
    );
    if is_coarse {
        return Err(Errno::EOPNOTSUPP);
    }
    let flags = args.int(1) as u32;
    if flags & !TIMER_ABSTIME != 0 {
        return Err(Errno::EINVAL);
    }
    let time_ns = duration_ns(&user_mem::read(context, args.addr(2))?)?;
    let duration_ns = if flags & TIMER_ABSTIME != 0 {
        let left = i128::from(time_ns) - now_ns(context, base);
        u64::try_from(left.max(0)).unwrap_or(u64::MAX)
    } else {
        time_ns
    };
    let remain = if flags & TIMER_ABSTIME == 0 {
        args.addr(3)
    } else {
        0
    };
    if let Base::Cpu(clock) = base {
        return sleep_by_cpu(context, clock, duration_ns, remain);
    }
    let now_ns = context.platform.clock().monotonic_ns();
    sleep(context, now_ns.saturating_add(duration_ns), remain)
}

/// Sleeps until a clock of processor time has gone on by so much: the sleeper itself adds nothing to it.
fn sleep_by_cpu(
    context: &Context<'_>,
    clock: CpuClock,
    duration_ns: u64,
    remain: usize,
) -> SyscallResult {
    let end_ns = clock.now_ns(context).saturating_add(duration_ns);
    let waiting = Waiting {
        what: "a point in processor time, in ns",
        object: end_ns as usize,
    };
    let thread = context.process.threads.current();
    loop {
        let left_ns = end_ns.saturating_sub(clock.now_ns(context));
        if left_ns == 0 {
            return Ok(0);
        }
        let place = Place::after_cpu_ns(context, left_ns, Target::Thread(thread));
        watch_clock(context);
        let woken = block(context, waiting, None);
        unwatch_clock(context);
        place.leave(context);
        if woken == Woken::BySignal {
            let left_ns = end_ns.saturating_sub(clock.now_ns(context));
            return interrupted(context, left_ns, remain);
        }
    }
}

/// A signal ended a sleep: what remains is written to `remain`, unless that is 0.
fn interrupted(context: &Context<'_>, left_ns: u64, remain: usize) -> SyscallResult {
    if remain != 0 {
        user_mem::write(context, remain, &timespec_of(left_ns.into()))?;
    }
    Err(Errno::EINTR)
}

/// Sleeps until the steady clock says `deadline_ns`, however often the platform wakes early.
pub fn sleep_until(context: &Context<'_>, deadline_ns: u64) {
    while context.platform.clock().monotonic_ns() < deadline_ns {
        context.process.threads.sleep(context, Some(deadline_ns));
    }
}

/// Sleeps until the steady clock says `deadline_ns`, and lets others run in any case. A signal ends it:
/// what remains is written to `remain`, unless that is 0.
fn sleep(context: &Context<'_>, deadline_ns: u64, remain: usize) -> SyscallResult {
    let waiting = Waiting {
        what: "a point in time, in ns",
        object: deadline_ns as usize,
    };
    loop {
        let now_ns = context.platform.clock().monotonic_ns();
        if now_ns >= deadline_ns {
            yield_now(context);
            return Ok(0);
        }
        if block(context, waiting, Some(deadline_ns)) == Woken::BySignal {
            let now_ns = context.platform.clock().monotonic_ns();
            return interrupted(context, deadline_ns.saturating_sub(now_ns), remain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use muslin_abi::layout::Timeval;
    use muslin_platform::Clock;

    const WALL_NS: i64 = 1_234_567_890_123_456_789;

    fn time(tv_sec: i64, tv_nsec: i64) -> Timespec {
        Timespec { tv_sec, tv_nsec }
    }

    #[test]
    fn clocks_are_the_platforms() {
        let world = World::new();
        world.sim.set_realtime_ns(WALL_NS);
        let room = world.room(16);
        let read = |clock: i32| {
            assert_eq!(world.call(sys_clock_gettime, [clock as usize, room]), Ok(0));
            world.get_value::<Timespec>(room)
        };
        assert_eq!(read(CLOCK_REALTIME), time(1_234_567_890, 123_456_789));
        assert_eq!(read(CLOCK_MONOTONIC), time(1, 0));
        assert_eq!(read(CLOCK_PROCESS_CPUTIME_ID), time(0, 0));
        world.sim.advance(1_500_000_000);
        assert_eq!(read(CLOCK_REALTIME), time(1_234_567_891, 623_456_789));
        assert_eq!(read(CLOCK_BOOTTIME), time(2, 500_000_000));
        assert_eq!(read(CLOCK_THREAD_CPUTIME_ID), time(1, 500_000_000));
        for wrong in [10, 12, -1, 99] {
            assert_eq!(
                world.call(sys_clock_gettime, [wrong as usize, room]),
                Err(Errno::EINVAL)
            );
        }
        assert_eq!(world.call(sys_clock_gettime, [0, 8]), Err(Errno::EFAULT));
        assert_eq!(world.call(sys_clock_getres, [1, 0]), Ok(0));
        assert_eq!(world.call(sys_clock_getres, [1, room]), Ok(0));
        assert_eq!(world.get_value::<Timespec>(room), time(0, 1));
        assert_eq!(world.call(sys_clock_settime, [0, room]), Err(Errno::EPERM));
        assert_eq!(world.call(sys_clock_settime, [1, room]), Err(Errno::EINVAL));
    }

    #[test]
    fn old_calls_tell_the_same_time() {
        let world = World::new();
        world.sim.set_realtime_ns(WALL_NS);
        let room = world.room(64);
        assert_eq!(world.call(sys_gettimeofday, [room, 0]), Ok(0));
        assert_eq!(
            world.get_value::<Timeval>(room),
            Timeval {
                tv_sec: 1_234_567_890,
                tv_usec: 123_456
            }
        );
        assert_eq!(world.call(sys_time, [room]), Ok(1_234_567_890));
        assert_eq!(world.get_value::<i64>(room), 1_234_567_890);
        world.sim.advance(250_000_000);
        assert_eq!(world.call(sys_times, [room]), Ok(125));
        assert_eq!(world.get_value::<Tms>(room).tms_utime, 25);
        world.sim.set_realtime_ns(-1);
        assert_eq!(world.call(sys_gettimeofday, [room, 0]), Ok(0));
        assert_eq!(world.get_value::<Timeval>(room).tv_sec, -1);
    }

    #[test]
    fn sleeps_end_when_they_should() {
        let world = World::new();
        let start_ns = world.sim.monotonic_ns();
        let two = world.value(&time(2, 5));
        assert_eq!(world.call(sys_nanosleep, [two, 0]), Ok(0));
        assert_eq!(world.sim.monotonic_ns() - start_ns, 2_000_000_005);

        // Absolute: the steady clock is at 3.000000005 s.
        let four = world.value(&time(4, 0));
        assert_eq!(world.call(sys_clock_nanosleep, [1, 1, four]), Ok(0));
        assert_eq!(world.sim.monotonic_ns(), 4_000_000_000);
        assert_eq!(world.call(sys_clock_nanosleep, [1, 1, two]), Ok(0));
        assert_eq!(world.sim.monotonic_ns(), 4_000_000_000);

        world.sim.set_realtime_ns(10 * NANOSECONDS);
        let eleven = world.value(&time(11, 0));
        assert_eq!(world.call(sys_clock_nanosleep, [0, 1, eleven]), Ok(0));
        assert_eq!(world.sim.monotonic_ns(), 5_000_000_000);

        for (clock, errno) in [
            (3, Errno::EINVAL),
            (4, Errno::EOPNOTSUPP),
            (12, Errno::EINVAL),
        ] {
            assert_eq!(world.call(sys_clock_nanosleep, [clock, 0, two]), Err(errno));
        }
        assert_eq!(
            world.call(sys_clock_nanosleep, [1, 2, two]),
            Err(Errno::EINVAL)
        );
        let wrong = world.value(&time(0, NANOSECONDS));
        assert_eq!(world.call(sys_nanosleep, [wrong, 0]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_nanosleep, [8, 0]), Err(Errno::EFAULT));
        assert_eq!(world.sim.monotonic_ns(), 5_000_000_000);
    }

    #[test]
    fn processor_time_passes_while_others_work() {
        const SLEEP_NS: u64 = 5_000_000;
        let world = World::new();
        let ns = world.value(&time(0, SLEEP_NS as i64));
        let is_over = world.value(&0_u32);
        let worker = world.spawn(move |world| {
            while world.get_value::<u32>(is_over) == 0 {
                world.sim.advance(10_000);
                let _ = world.call(crate::process::sys_sched_yield, []);
            }
        });
        let start_ns = process_cpu_ns(&world.context());
        assert_eq!(world.call(sys_clock_nanosleep, [2, 0, ns]), Ok(0));
        let passed_ns = process_cpu_ns(&world.context()) - start_ns;
        assert!((SLEEP_NS..2 * SLEEP_NS).contains(&passed_ns), "{passed_ns}");
        world.put(is_over, &1_u32.to_le_bytes());
        world.join(worker);
    }

    #[test]
    #[should_panic(expected = "exit 134")]
    fn nobody_works_for_one_who_sleeps_alone() {
        let world = World::new();
        let ns = world.value(&time(0, 1));
        let _ = world.call(sys_clock_nanosleep, [2, 0, ns]);
    }
}
