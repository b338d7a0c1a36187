//! Scenes with signals: each ends only if none is lost, and says what must hold then.

use core::sync::atomic::{AtomicU32, Ordering};

use muslin_abi::Errno;
use muslin_abi::layout::{Itimerspec, Sigevent, Siginfo};
use muslin_platform::Clock;

use super::stage::{
    AWAITED, BLOCKED, INTERRUPTING, OWN, Player, RESTARTING, TICK, TIMED, WAKING, bit, count, mask,
    own, play, send, send_any, set_mask, tid, took_awaited,
};
use super::{Worker, random};
use crate::files::{sys_close, sys_pipe2, sys_read, sys_write};
use crate::process::sys_sched_yield;
use crate::signals::{sys_pause, sys_rt_sigpending, sys_rt_sigsuspend, sys_rt_sigtimedwait};
use crate::testing::World;
use crate::time::timespec_of_duration;
use crate::time::{sys_nanosleep, sys_timer_create, sys_timer_delete, sys_timer_settime};

const SIGEV_THREAD_ID: i32 = 4;
const CLOCK_MONOTONIC: usize = 1;

pub fn address<T>(value: &T) -> usize {
    core::ptr::from_ref(value) as usize
}

/// Waits for a signal of `set` for up to `ns`, or for ever.
fn await_signal(world: &World, set: u64, ns: Option<u64>) -> Result<Siginfo, Errno> {
    let place = world.room(128);
    let time = ns.map(timespec_of_duration);
    let time = time.as_ref().map_or(0, address);
    let functions = own(world, |own| own.functions);
    let result = world.call(sys_rt_sigtimedwait, [address(&set), place, time, 8]);
    let info: Siginfo = world.get_value(place);
    world.give_back(place, 128);
    match result {
        Ok(signal) => assert_eq!(signal as i32, info.si_signo),
        Err(Errno::EINTR) => assert!(own(world, |own| own.functions) > functions),
        Err(errno) => assert!(errno == Errno::EAGAIN && ns.is_some()),
    }
    result.map(|_| info)
}

impl Worker {
    /// Goes on for a moment.
    fn dawdle(&mut self, world: &World) {
        match self.random(3) {
            0 => {
                world.call(sys_sched_yield, []).unwrap();
            }
            1 => self.sleep(world),
            _ => {}
        }
    }

    /// Takes what was sent to those who wait.
    pub fn take_awaited(&mut self, world: &World) {
        let ns = self.random(2) * self.random(50_000);
        if let Ok(info) = await_signal(world, bit(AWAITED), Some(ns)) {
            took_awaited(&info);
        }
    }

    /// A plain signal that is blocked comes once, however often it was sent, and when it is blocked no more.
    pub fn block_one(&mut self, world: &World) {
        let times = |world: &World| own(world, |own| own.by_signal.get(&OWN).copied());
        let before = times(world).unwrap_or(0);
        let more = [bit(RESTARTING), bit(INTERRUPTING), u64::MAX, 0][self.random(4) as usize];
        set_mask(world, BLOCKED | bit(OWN) | more);
        let sent = self.random(4);
        for _ in 0..sent {
            send(world, tid(world), OWN);
            self.dawdle(world);
            if self.random(3) == 0 {
                send_any(world);
            }
        }
        assert_eq!(times(world).unwrap_or(0), before, "it was blocked");
        let mut set = 0_u64;
        let pending = world.call(sys_rt_sigpending, [&raw mut set as usize, 8]);
        assert_eq!(pending, Ok(0));
        // The kernel wrote there.
        let set: u64 = world.get_value(address(&set));
        assert_eq!(set & bit(OWN) != 0, sent > 0);
        set_mask(world, BLOCKED);
        assert_eq!(times(world).unwrap_or(0), before + sent.min(1));
    }

    /// Waits with another mask, for ever: only the signal that this lets in ends it.
    pub fn suspend(&mut self, world: &World) {
        let parent = tid(world);
        let mut other = self.clone();
        other.random = random(&mut self.random);
        let word = world.spawn(move |world| {
            play(world, || {
                other.dawdle(world);
                send(world, parent, WAKING);
            });
        });
        let times = |world: &World| own(world, |own| own.by_signal.get(&WAKING).copied());
        let before = times(world).unwrap_or(0);
        let more = [0, bit(RESTARTING) | bit(INTERRUPTING)][self.random(2) as usize];
        let meanwhile = BLOCKED & !bit(WAKING) | more;
        own(world, |own| own.meanwhile = Some(meanwhile));
        while times(world).unwrap_or(0) == before {
            let result = world.call(sys_rt_sigsuspend, [address(&meanwhile), 8]);
            assert_eq!(result, Err(Errno::EINTR));
            assert_eq!(mask(world), BLOCKED, "the mask did not come back");
        }
        own(world, |own| own.meanwhile = None);
        assert_eq!(times(world).unwrap_or(0), before + 1);
        world.join(word);
    }

    /// Reads while signals come. It goes on behind functions that restart, and answers `EINTR` behind others
    /// only.
    pub fn read_interrupted(&mut self, world: &World) {
        let ends = [AtomicU32::new(0), AtomicU32::new(0)];
        let made = world.call(sys_pipe2, [address(&ends), 0]);
        assert_eq!(made, Ok(0));
        let [end, other_end] = ends.map(|end| end.load(Ordering::Relaxed) as usize);
        let parent = tid(world);
        let mut other = self.clone();
        other.random = random(&mut self.random);
        let word = world.spawn(move |world| {
            play(world, || {
                for _ in 0..other.random(4) {
                    let signal = [RESTARTING, INTERRUPTING][other.random(2) as usize];
                    send(world, parent, signal);
                    other.dawdle(world);
                }
                let byte = 77_u8;
                while let Err(errno) = world.call(sys_write, [other_end, address(&byte), 1]) {
                    assert_eq!(errno, Errno::EINTR);
                }
            });
        });
        let byte = AtomicU32::new(0);
        loop {
            let functions = |own: &mut Player| (own.functions, own.interrupting);
            let before = own(world, functions);
            let result = world.call(sys_read, [end, address(&byte), 1]);
            let after = own(world, functions);
            match result {
                Ok(length) => {
                    assert_eq!(length, 1);
                    count(|tally| tally.restarted += u64::from(after.0 > before.0));
                    break;
                }
                Err(errno) => assert_eq!(errno, Errno::EINTR),
            }
            assert!(after.1 > before.1, "no reason");
            count(|tally| tally.interrupted += 1);
        }
        assert_eq!(byte.load(Ordering::Relaxed), 77);
        world.join(word);
        for end in [end, other_end] {
            assert_eq!(world.call(sys_close, [end]), Ok(0));
        }
    }

    /// A timer that comes again and again says how often, and never too early.
    pub fn count_timer(&mut self, world: &World) {
        let is_awaited = self.random(2) == 0;
        let signal = if is_awaited { TIMED } else { TICK };
        let period_ns = 100_000 + self.random(400_000);
        let wanted = 1 + self.random(6);
        let event = Sigevent {
            sigev_signo: signal,
            sigev_notify: SIGEV_THREAD_ID,
            sigev_tid: tid(world),
            sigev_value: period_ns,
            ..Sigevent::default()
        };
        let id = AtomicU32::new(0);
        let made = world.call(
            sys_timer_create,
            [CLOCK_MONOTONIC, address(&event), address(&id)],
        );
        assert_eq!(made, Ok(0));
        let id = id.load(Ordering::Relaxed) as usize;
        own(world, |own| own.ticks = 0);
        let start_ns = world.sim.monotonic_ns();
        let setting = Itimerspec {
            it_interval: timespec_of_duration(period_ns),
            it_value: timespec_of_duration(period_ns),
        };
        let set = world.call(sys_timer_settime, [id, 0, address(&setting), 0]);
        assert_eq!(set, Ok(0));
        let mut came = 0;
        while came < wanted {
            if is_awaited {
                if let Ok(info) = await_signal(world, bit(TIMED), None) {
                    assert_eq!(info.fields[1], period_ns);
                    came += 1 + (info.fields[0] >> 32);
                }
            } else {
                assert_eq!(world.call(sys_pause, []), Err(Errno::EINTR));
                came = own(world, |own| own.ticks);
            }
            let ns = world.sim.monotonic_ns() - start_ns;
            assert!(came * period_ns <= ns, "{came} in {ns} ns are too many");
        }
        assert_eq!(world.call(sys_timer_delete, [id]), Ok(0));
        // One more may have come meanwhile.
        if is_awaited {
            while let Err(Errno::EINTR) = await_signal(world, bit(TIMED), Some(0)) {}
            while let Err(errno) = await_signal(world, bit(TIMED), Some(0)) {
                if errno == Errno::EAGAIN {
                    return;
                }
            }
            panic!("a timer that is gone sends signals");
        }
    }

    /// Sleeps long enough, whatever comes.
    pub fn sleep(&mut self, world: &World) {
        let ns = self.random(100_000);
        let end_ns = world.sim.monotonic_ns() + ns;
        let mut time = timespec_of_duration(ns);
        loop {
            let functions = own(world, |own| own.functions);
            let place = &raw mut time as usize;
            match world.call(sys_nanosleep, [place, place]) {
                Ok(_) => break,
                Err(errno) => assert_eq!(errno, Errno::EINTR),
            }
            assert!(own(world, |own| own.functions) > functions, "no reason");
            time = world.get_value(place);
        }
        assert!(world.sim.monotonic_ns() >= end_ns, "slept too little");
    }

    /// Takes all that is left for those who wait.
    pub fn take_the_rest(&self, world: &World) {
        loop {
            match await_signal(world, bit(AWAITED), Some(0)) {
                Ok(info) => took_awaited(&info),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}
