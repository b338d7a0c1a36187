//! The three timers that every process has: `setitimer` and `alarm`.

use alloc::sync::Arc;

use muslin_abi::layout::{Itimerval, Timeval};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::Due;
use super::cpu_clock::CpuClock;
use super::schedule::Schedule;
use super::timer_clock::{Place, TimerClock};
use super::timers::timers;
use super::units::{NANOSECONDS, timeval_of};
use crate::context::Context;
use crate::lock::Mutex;
use crate::signals::siginfo::by_kernel;
use crate::signals::{send_to_process, unwatch_clock, watch_clock};
use crate::user_mem;

const SIGALRM: i32 = 14;
const SIGVTALRM: i32 = 26;
const SIGPROF: i32 = 27;

const ITIMER_REAL: usize = 0;

const MICROSECONDS: i64 = 1_000_000;

/// The clock and the signal of each: `ITIMER_REAL`, `ITIMER_VIRTUAL`, `ITIMER_PROF`. Nobody can tell
/// the library OS's time from the program's, so the last two are the same but for the signal.
const KINDS: [(TimerClock, i32); 3] = [
    (TimerClock::Steady, SIGALRM),
    (TimerClock::Cpu(CpuClock::Process), SIGVTALRM),
    (TimerClock::Cpu(CpuClock::Process), SIGPROF),
];

/// Their states: none is set at first.
#[derive(Default)]
pub struct Itimers([Mutex<State>; 3]);

#[derive(Default)]
struct State {
    schedule: Schedule,
    place: Option<Place>,
}

/// One of them is due.
struct Itimer(usize);

impl Due for Itimer {
    fn due(&self, context: &Context<'_>, now_ns: u64) {
        unwatch_clock(context);
        {
            let mut state = timers(context).itimers.0[self.0].lock();
            state.place = None;
            state.schedule.pass(now_ns);
        }
        wait(context, self.0);
        // One that waits already is enough.
        let _ = send_to_process(context, &by_kernel(KINDS[self.0].1));
    }
}

/// Has the timer told of its next time, if it has one.
fn wait(context: &Context<'_>, which: usize) {
    let mut state = timers(context).itimers.0[which].lock();
    if let Some(next_ns) = state.schedule.next_ns {
        let place = KINDS[which]
            .0
            .wait(context, next_ns, Arc::new(Itimer(which)));
        state.place = Some(place);
        watch_clock(context);
    }
}

/// Sets a timer; what it was set to: how long it was to the next time, and the interval.
fn set(context: &Context<'_>, which: usize, first_ns: u64, interval_ns: u64) -> (u64, u64) {
    let now_ns = KINDS[which].0.now_ns(context);
    let (old, place) = {
        let mut state = timers(context).itimers.0[which].lock();
        let old = (state.schedule.left_ns(now_ns), state.schedule.interval_ns);
        state.schedule = match first_ns {
            0 => Schedule::default(),
            first_ns => Schedule {
                next_ns: Some(now_ns.saturating_add(first_ns)),
                interval_ns,
            },
        };
        (old, state.place.take())
    };
    if let Some(place) = place {
        place.leave(context);
        unwatch_clock(context);
    }
    wait(context, which);
    old
}

/// `getitimer(which, curr_value)` — how long it is until the timer's signal, and its interval.
///
/// # Errors
/// `EINVAL` no such timer · `EFAULT` a bad address.
/// # Source
/// getitimer(2), man-pages 6.9
pub fn sys_getitimer(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let which = which_of(args.int(0))?;
    let now_ns = KINDS[which].0.now_ns(context);
    let schedule = timers(context).itimers.0[which].lock().schedule;
    let value = as_value(schedule.left_ns(now_ns), schedule.interval_ns);
    user_mem::write(context, args.addr(1), &value)?;
    Ok(0)
}

/// `setitimer(which, new_value, old_value)` — sets one of the three timers: `SIGALRM` by the steady
/// clock, `SIGVTALRM` and `SIGPROF` by processor time. A first time of 0 stops it, and so does no
/// `new_value`. `old_value` may be null.
///
/// # Errors
/// `EINVAL` no such timer, or a bad time · `EFAULT` a bad address.
/// # Differs from Linux
/// Signals come at the end of a call. `ITIMER_VIRTUAL` counts the processor time in the library OS, too, so
/// it is `ITIMER_PROF` with another signal: telling both times apart would be two looks at the clock in every
/// call.
/// # Source
/// getitimer(2), man-pages 6.9
pub fn sys_setitimer(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let new: Itimerval = match args.addr(1) {
        0 => Itimerval::default(),
        address => user_mem::read(context, address)?,
    };
    let first_ns = nanoseconds(&new.it_value)?;
    let interval_ns = nanoseconds(&new.it_interval)?;
    let which = which_of(args.int(0))?;
    let (left_ns, interval_ns) = set(context, which, first_ns, interval_ns);
    if args.addr(2) != 0 {
        user_mem::write(context, args.addr(2), &as_value(left_ns, interval_ns))?;
    }
    Ok(0)
}

/// `alarm(seconds)` — sets `ITIMER_REAL` to send one `SIGALRM`; 0 stops it. Returns the seconds that
/// were left, rounded, and not to 0.
///
/// # Errors
/// None.
/// # Source
/// alarm(2), man-pages 6.9
pub fn sys_alarm(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let second_ns = NANOSECONDS as u64;
    let first_ns = u64::from(args.int(0) as u32).saturating_mul(second_ns);
    let (left_ns, _) = set(context, ITIMER_REAL, first_ns, 0);
    let seconds = match (left_ns / second_ns, left_ns % second_ns) {
        (0, 1..) => 1,
        (seconds, rest) => seconds + u64::from(rest >= second_ns / 2),
    };
    Ok(seconds as usize)
}

fn which_of(which: i32) -> Result<usize, Errno> {
    usize::try_from(which)
        .ok()
        .filter(|&which| which < KINDS.len())
        .ok_or(Errno::EINVAL)
}

fn nanoseconds(time: &Timeval) -> Result<u64, Errno> {
    if time.tv_sec < 0 || !(0..MICROSECONDS).contains(&time.tv_usec) {
        return Err(Errno::EINVAL);
    }
    Ok((time.tv_sec as u64)
        .saturating_mul(NANOSECONDS as u64)
        .saturating_add(time.tv_usec as u64 * 1000))
}

/// As the structure; what is set is never 0.
fn as_value(left_ns: u64, interval_ns: u64) -> Itimerval {
    let left_ns = match left_ns {
        0 => 0,
        left_ns => left_ns.max(1000),
    };
    Itimerval {
        it_interval: timeval_of(interval_ns.into()),
        it_value: timeval_of(left_ns.into()),
    }
}
