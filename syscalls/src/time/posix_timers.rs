//! Timers that a program makes and that send signals: `timer_create` and its like.
//!
//! As on Linux, a timer whose signal has not been delivered yet does not send another: the times that it
//! is due meanwhile are counted when the signal is delivered.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::layout::{Itimerspec, Sigevent, Siginfo};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::Due;
use super::schedule::Schedule;
use super::timer_clock::{Place, TimerClock};
use super::timers::timers;
use super::units::{duration_ns, timespec_of};
use crate::context::Context;
use crate::lock::Mutex;
use crate::signals::siginfo::{by_timer, set_overrun, setting_of, timer_of};
use crate::signals::{send_to_process, send_to_thread, unwatch_clock, watch_clock};
use crate::user_mem;

const TIMER_ABSTIME: u32 = 1;

const SIGEV_SIGNAL: i32 = 0;
const SIGEV_NONE: i32 = 1;
const SIGEV_THREAD: i32 = 2;
const SIGEV_THREAD_ID: i32 = 4;

const SIGALRM: i32 = 14;
const SIGNAL_MAX: i32 = 64;

/// How long it is until a signal is sent that could not be.
const RETRY_NS: u64 = 1_000_000;

/// Timers by their numbers.
#[derive(Default)]
pub struct PosixTimers {
    slots: Vec<Option<Arc<PosixTimer>>>,
    free: Vec<u32>,
}

impl PosixTimers {
    /// None, without memory.
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    fn get(&self, id: i32) -> Result<Arc<PosixTimer>, Errno> {
        let slot = usize::try_from(id).ok().and_then(|id| self.slots.get(id));
        slot.and_then(Option::clone).ok_or(Errno::EINVAL)
    }

    /// Adds what `make` makes of a number.
    fn add(&mut self, make: impl FnOnce(i32) -> PosixTimer) -> Result<i32, Errno> {
        let id = match self.free.pop() {
            Some(id) => id as usize,
            None => {
                self.slots.try_reserve(1).map_err(|_| Errno::EAGAIN)?;
                // So that there is room when a timer goes.
                let missing = self.slots.len() + 1 - self.free.len();
                self.free.try_reserve(missing).map_err(|_| Errno::EAGAIN)?;
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        let number = i32::try_from(id).map_err(|_| Errno::EAGAIN)?;
        self.slots[id] = Some(Arc::new(make(number)));
        Ok(number)
    }

    fn remove(&mut self, id: i32) -> Result<Arc<PosixTimer>, Errno> {
        let index = usize::try_from(id).map_err(|_| Errno::EINVAL)?;
        let slot = self.slots.get_mut(index).ok_or(Errno::EINVAL)?;
        let timer = slot.take().ok_or(Errno::EINVAL)?;
        self.free.push(index as u32);
        Ok(timer)
    }
}

/// A timer.
struct PosixTimer {
    id: i32,
    clock: TimerClock,
    notify: Notify,
    /// Passed on with the signal.
    value: u64,
    state: Mutex<State>,
}

/// Who is told.
#[derive(Clone, Copy)]
enum Notify {
    Nobody,
    Process(i32),
    Thread(i32, i32),
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    /// Where it waits, while it does.
    place: Option<Place>,
    /// How often it was set: a signal from before does not come any more. 0 is never.
    setting: i32,
    /// Its signal has been sent and not delivered.
    is_pending: bool,
    /// How often it was due beside the time for which its last signal came.
    overrun: i32,
    is_deleted: bool,
}

impl PosixTimer {
    /// Has it told of its next time, if it has one.
    fn wait(self: Arc<Self>, context: &Context<'_>) {
        let mut state = self.state.lock();
        let next_ns = match self.notify {
            Notify::Nobody => None,
            _ => state.schedule.next_ns,
        };
        if let Some(next_ns) = next_ns.filter(|_| !state.is_deleted) {
            state.place = Some(self.clock.wait(context, next_ns, self.clone()));
            watch_clock(context);
        }
    }

    /// Nobody is told any more.
    fn leave(&self, context: &Context<'_>) {
        let place = self.state.lock().place.take();
        if let Some(place) = place {
            place.leave(context);
            unwatch_clock(context);
        }
    }

    /// As the structure of `timer_gettime`.
    fn setting(&self, context: &Context<'_>) -> Itimerspec {
        let now_ns = self.clock.now_ns(context);
        let mut schedule = self.state.lock().schedule;
        if matches!(self.notify, Notify::Nobody) {
            // Nobody was told that its time is over.
            schedule.pass(now_ns);
        }
        Itimerspec {
            it_interval: timespec_of(schedule.interval_ns.into()),
            it_value: timespec_of(schedule.left_ns(now_ns).into()),
        }
    }

    /// Sends the signal; whether it waits to be delivered now.
    fn send(&self, context: &Context<'_>, setting: i32) -> Result<bool, Errno> {
        let info = |signal| by_timer(signal, self.id, self.value, setting);
        match self.notify {
            Notify::Nobody => Ok(false),
            Notify::Process(signal) => send_to_process(context, &info(signal)),
            Notify::Thread(signal, tid) => match context.process.threads.find(tid) {
                Some(thread) => send_to_thread(context, thread, &info(signal)),
                None => Ok(false),
            },
        }
    }
}

impl Due for PosixTimer {
    fn due(&self, context: &Context<'_>, now_ns: u64) {
        unwatch_clock(context);
        let Ok(this) = timers(context).posix.lock().get(self.id) else {
            return;
        };
        let clock_ns = match self.clock {
            TimerClock::Steady => now_ns,
            clock => clock.now_ns(context),
        };
        let setting = {
            let mut state = self.state.lock();
            state.place = None;
            if state
                .schedule
                .next_ns
                .is_none_or(|next_ns| next_ns > clock_ns)
            {
                // The wall clock was set back, or others had the processor.
                drop(state);
                return this.wait(context);
            }
            state.is_pending = true;
            if state.schedule.interval_ns == 0 {
                state.schedule.pass(clock_ns);
            }
            state.setting
        };
        match self.send(context, setting) {
            Ok(true) => {}
            // It does nothing: on to the next time.
            Ok(false) => {
                let mut state = self.state.lock();
                state.is_pending = false;
                state.schedule.pass(clock_ns);
                drop(state);
                this.wait(context);
            }
            // Too many signals wait.
            Err(_) => {
                let mut state = self.state.lock();
                state.is_pending = false;
                let retry_ns = clock_ns.saturating_add(RETRY_NS);
                state.schedule.next_ns = Some(retry_ns);
                drop(state);
                this.wait(context);
            }
        }
    }
}

/// A signal of a timer is about to be delivered: says how often it was due besides, and has it told of
/// its next time. `false`: the timer is gone or was set anew, and the signal does not come.
pub fn deliver(context: &Context<'_>, info: &mut Siginfo) -> bool {
    let Some(id) = timer_of(info) else {
        return true;
    };
    let Ok(timer) = timers(context).posix.lock().get(id) else {
        return false;
    };
    let overrun = {
        let mut state = timer.state.lock();
        if !state.is_pending || state.setting != setting_of(info) {
            return false;
        }
        state.is_pending = false;
        let passed = state.schedule.pass(timer.clock.now_ns(context));
        state.overrun = i32::try_from(passed.saturating_sub(1)).unwrap_or(i32::MAX);
        state.overrun
    };
    set_overrun(info, overrun);
    timer.wait(context);
    true
}

/// `timer_create(clockid, sevp, timerid)` — makes a timer that sends a signal; without `sevp` it is
/// `SIGALRM` with the timer's number.
///
/// # Errors
/// `EINVAL` no such clock, event, signal or thread · `EOPNOTSUPP` a clock without timers · `EAGAIN` no
/// memory · `EFAULT` a bad address.
/// # Differs from Linux
/// Signals come at the end of a call of the program, as all do. Timers of processor time count that in
/// the library OS as well.
/// # Source
/// timer_create(2), man-pages 6.9
pub fn sys_timer_create(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let clock = TimerClock::of(context, args.int(0))?;
    let event = match args.addr(1) {
        0 => None,
        address => Some(user_mem::read::<Sigevent>(context, address)?),
    };
    let notify = match &event {
        None => Notify::Process(SIGALRM),
        Some(event) => notify_of(context, event)?,
    };
    // A bad place makes no timer.
    user_mem::write(context, args.addr(2), &0_i32)?;
    let id = timers(context).posix.lock().add(|id| PosixTimer {
        id,
        clock,
        notify,
        value: event.map_or(id as u64, |event| event.sigev_value),
        state: Mutex::new(State::default()),
    })?;
    user_mem::write(context, args.addr(2), &id)?;
    Ok(0)
}

fn notify_of(context: &Context<'_>, event: &Sigevent) -> Result<Notify, Errno> {
    let signal = event.sigev_signo;
    let check = || match signal {
        1..=SIGNAL_MAX => Ok(signal),
        _ => Err(Errno::EINVAL),
    };
    match event.sigev_notify {
        SIGEV_NONE => Ok(Notify::Nobody),
        SIGEV_SIGNAL | SIGEV_THREAD => check().map(Notify::Process),
        SIGEV_THREAD_ID => match context.process.threads.find(event.sigev_tid) {
            Some(thread) => Ok(Notify::Thread(check()?, thread.tid())),
            None => Err(Errno::EINVAL),
        },
        _ => Err(Errno::EINVAL),
    }
}

/// `timer_settime(timerid, flags, new_value, old_value)` — sets a timer, or with a first time of 0
/// stops it. `old_value` may be null. A signal from before does not come any more.
///
/// # Errors
/// `EINVAL` no such timer, no `new_value`, or a bad time · `EFAULT` a bad address.
/// # Source
/// timer_settime(2), man-pages 6.9
pub fn sys_timer_settime(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.addr(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let new: Itimerspec = user_mem::read(context, args.addr(2))?;
    let first_ns = duration_ns(&new.it_value)?;
    let interval_ns = duration_ns(&new.it_interval)?;
    let timer = timers(context).posix.lock().get(args.int(0))?;
    let old = timer.setting(context);
    if args.addr(3) != 0 {
        user_mem::write(context, args.addr(3), &old)?;
    }
    timer.leave(context);
    let now_ns = timer.clock.now_ns(context);
    {
        let mut state = timer.state.lock();
        state.is_pending = false;
        state.overrun = 0;
        state.setting = state.setting.wrapping_add(1);
        state.schedule = match first_ns {
            0 => Schedule::default(),
            first_ns => Schedule {
                next_ns: Some(match args.int(1) as u32 & TIMER_ABSTIME {
                    0 => now_ns.saturating_add(first_ns),
                    _ => first_ns,
                }),
                interval_ns,
            },
        };
    }
    timer.wait(context);
    Ok(0)
}

/// `timer_gettime(timerid, curr_value)` — how long it is to a timer's next time, and its interval.
///
/// # Errors
/// `EINVAL` no such timer · `EFAULT` a bad address.
/// # Source
/// timer_gettime(2), man-pages 6.9
pub fn sys_timer_gettime(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let timer = timers(context).posix.lock().get(args.int(0))?;
    user_mem::write(context, args.addr(1), &timer.setting(context))?;
    Ok(0)
}

/// `timer_getoverrun(timerid)` — how often a timer was due besides the time for which its last signal
/// came.
///
/// # Errors
/// `EINVAL` no such timer.
/// # Source
/// timer_getoverrun(2), man-pages 6.9
pub fn sys_timer_getoverrun(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let timer = timers(context).posix.lock().get(args.int(0))?;
    let overrun = timer.state.lock().overrun;
    Ok(overrun as usize)
}

/// `timer_delete(timerid)` — deletes a timer. A signal from before does not come any more.
///
/// # Errors
/// `EINVAL` no such timer.
/// # Source
/// timer_delete(2), man-pages 6.9
pub fn sys_timer_delete(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let timer = timers(context).posix.lock().remove(args.int(0))?;
    timer.leave(context);
    timer.state.lock().is_deleted = true;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{set_mask, take};
    use crate::testing::World;
    use muslin_abi::layout::Pod;
    use std::vec;

    const SIGNAL: i32 = 40;
    const SET: u64 = 1 << (SIGNAL - 1);

    fn event(notify: i32, value: u64) -> Sigevent {
        Sigevent {
            sigev_value: value,
            sigev_signo: SIGNAL,
            sigev_notify: notify,
            ..Sigevent::default()
        }
    }

    fn create(world: &World, event: &Sigevent, place: usize) -> usize {
        let mut bytes = vec![0; Sigevent::BYTES];
        event.to_bytes(&mut bytes);
        world.put(place, &bytes);
        let id = place + Sigevent::BYTES;
        assert_eq!(world.call(sys_timer_create, [1, place, id]), Ok(0));
        world.get_value::<i32>(id) as usize
    }

    fn set(world: &World, timer: usize, first_ns: u64, interval_ns: u64, place: usize) {
        let mut bytes = vec![0; Itimerspec::BYTES];
        Itimerspec {
            it_interval: timespec_of(interval_ns.into()),
            it_value: timespec_of(first_ns.into()),
        }
        .to_bytes(&mut bytes);
        world.put(place, &bytes);
        assert_eq!(world.call(sys_timer_settime, [timer, 0, place]), Ok(0));
    }

    /// So many timers, each due so long after the one before it; each must send one signal.
    fn each_comes_once(count: usize, spacing_ns: u64) {
        let world = World::new();
        let context = world.context();
        let place = world.room(256);
        set_mask(&context, SET);
        for number in 0..count {
            let timer = create(&world, &event(SIGEV_SIGNAL, number as u64), place);
            assert_eq!(timer, number);
            // 389 and the counts have no common divisor.
            let turn = (number * 389 % count) as u64;
            set(&world, timer, 1 + turn * spacing_ns, 0, place);
        }
        let mut seen = vec![0; count];
        let mut taken = 0;
        while taken < count {
            world.sim.advance(RETRY_NS);
            context.process.threads.look_at_timers(&context);
            let before = taken;
            while let Some(info) = take(&context, SET) {
                seen[info.fields[1] as usize] += 1;
                taken += 1;
            }
            assert!(taken > before, "none of {count} came");
        }
        assert!(seen.iter().all(|&count| count == 1));
        for timer in 0..count {
            assert_eq!(world.call(sys_timer_delete, [timer]), Ok(0));
        }
        assert_eq!(world.call(sys_timer_delete, [0]), Err(Errno::EINVAL));
    }

    #[test]
    fn a_hundred_thousand_timers_send_one_signal_each() {
        each_comes_once(100_000, 10_000);
    }

    #[test]
    fn more_at_once_than_can_wait_come_a_little_later() {
        each_comes_once(5000, 0);
    }

    #[test]
    fn a_timer_stands_still_while_its_signal_waits() {
        let world = World::new();
        let context = world.context();
        let place = world.room(256);
        set_mask(&context, SET);
        let timer = create(&world, &event(SIGEV_SIGNAL, 7), place);
        set(&world, timer, 100, 30, place);
        let wait = |ns| {
            world.sim.advance(ns);
            context.process.threads.look_at_timers(&context);
        };
        wait(99);
        assert!(take(&context, SET).is_none());
        wait(1);
        wait(1000);
        // At 1100 of its time: 100, 130 … 1090 have passed.
        let info = take(&context, SET);
        assert_eq!(info.map(|info| info.fields), Some([33 << 32, 7, 0, 0]));
        assert_eq!(world.call(sys_timer_getoverrun, [timer]), Ok(33));
        assert!(take(&context, SET).is_none());
        wait(20);
        assert_eq!(
            take(&context, SET).map(|info| info.fields[0] >> 32),
            Some(0)
        );
        // What waits from before a timer is set does not come.
        wait(30);
        set(&world, timer, 1000, 0, place);
        assert!(take(&context, SET).is_none());
        wait(1000);
        assert_eq!(world.call(sys_timer_delete, [timer]), Ok(0));
        assert!(take(&context, SET).is_none());
    }

    #[test]
    fn ignored_signals_do_not_stop_a_timer() {
        let world = World::new();
        let context = world.context();
        let place = world.room(256);
        let ignore = muslin_abi::layout::Sigaction {
            handler: 1,
            ..muslin_abi::layout::Sigaction::default()
        };
        let action = world.value(&ignore);
        let words = [SIGNAL as usize, action, 0, 8];
        let set_action = crate::signals::sys_rt_sigaction;
        assert_eq!(world.call(set_action, words), Ok(0));
        let timer = create(&world, &event(SIGEV_SIGNAL, 7), place);
        set(&world, timer, 100, 30, place);
        world.sim.advance(200);
        context.process.threads.look_at_timers(&context);
        set_mask(&context, SET);
        world.sim.advance(30);
        context.process.threads.look_at_timers(&context);
        assert!(take(&context, SET).is_some());
    }
}
