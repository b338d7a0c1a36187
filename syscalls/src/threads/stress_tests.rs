//! Threads by a seed: locks, conditions, semaphores, sleeps and timers of several threads, as libc makes
//! them of `futex`. Which thread runs next, which waits end without a reason and how time goes by follow from
//! the seed too, so a failing one fails again: `MUSLIN_SEED=17` runs that one, `MUSLIN_SEED=17+100` a
//! hundred from there.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::Vec;

use muslin_abi::Errno;
use muslin_abi::layout::Timespec;
use muslin_platform::Clock;
use muslin_sim::Sim;

use super::sys_futex;
use crate::context::Context;
use crate::process::sys_sched_yield;
use crate::testing::{ON_PANIC, World};
use crate::time::{Due, Target, sys_nanosleep};
use crate::user_mem;

const SEEDS: u64 = 60;
const STEPS: usize = 60;
/// Later than any run takes.
const LATER_NS: u64 = 1_000_000_000_000;
/// Who waits for a turn sees one of so many.
const TURNS_MAX: usize = 1000;
/// What the long test takes.
const LONG: Duration = Duration::from_secs(600);

/// Offsets of words in the memory that the threads share.
const LOCK: usize = 0;
const SEMAPHORE: usize = 4;
const CONDITION: usize = 8;
const TURN: usize = 12;
/// A time for each thread.
const TIMES: usize = 64;
/// A word for each thread.
const ALARMS: usize = TIMES + TIDS * 16;
/// More than there are threads in a run.
const TIDS: usize = 64;

/// What the threads know of each other outside of the simulated memory.
#[derive(Default)]
struct Truth {
    is_held: bool,
    inside_semaphore: u32,
    changes: u32,
    turns: u32,
}

/// Sets a word, and wakes who waits for it.
struct Alarm {
    word: usize,
    deadline_ns: u64,
    /// What is wrong if it happens.
    text: &'static str,
}

impl Due for Alarm {
    fn due(&self, context: &Context<'_>, now_ns: u64) {
        assert_eq!(self.text, "");
        assert!(now_ns >= self.deadline_ns, "a timer came too early");
        user_mem::write(context, self.word, &1_u32).unwrap();
        context.process.threads.futexes.wake(self.word, 1, u32::MAX);
    }
}

/// How many may be inside of the semaphore.
const SEMAPHORE_MAX: u32 = 2;

#[derive(Clone)]
struct Worker {
    words: usize,
    truth: Rc<RefCell<Truth>>,
    random: u64,
}

impl Worker {
    fn random(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn word(&self, world: &World, offset: usize) -> u32 {
        world.get_value(self.words + offset)
    }

    fn set(&self, world: &World, offset: usize, value: u32) {
        world.put(self.words + offset, &value.to_le_bytes());
    }

    /// Waits while a word has a value, for up to `ns` if that is not 0. Ends for no reason, too.
    fn wait(&self, world: &World, offset: usize, value: u32, ns: u64) -> Result<(), Errno> {
        let timeout = match ns {
            0 => 0,
            ns => self.timespec(world, ns),
        };
        let before_ns = world.sim.monotonic_ns();
        let word = self.words + offset;
        let result = world.call(sys_futex, [word, 0, value as usize, timeout]);
        match result {
            Err(Errno::ETIMEDOUT) => {
                assert!(world.sim.monotonic_ns() >= before_ns + ns, "too early");
            }
            Err(errno) => assert_eq!(errno, Errno::EAGAIN),
            Ok(_) => {}
        }
        result.map(|_| ())
    }

    fn wake(&self, world: &World, offset: usize, count: usize) {
        let woken = world.call(sys_futex, [self.words + offset, 1, count]);
        assert!(woken.unwrap() <= count);
    }

    /// The address of a time.
    fn timespec(&self, world: &World, ns: u64) -> usize {
        let tid = world.process.threads.current().tid() as usize;
        let place = self.words + TIMES + tid % TIDS * 16;
        let time = Timespec {
            tv_sec: 0,
            tv_nsec: ns as i64,
        };
        let context = world.context();
        user_mem::write(&context, place, &time).unwrap();
        place
    }

    fn lock(&self, world: &World) {
        if self.word(world, LOCK) == 0 {
            self.set(world, LOCK, 1);
        } else {
            self.lock_contended(world);
        }
        self.took();
    }

    fn lock_contended(&self, world: &World) {
        while self.word(world, LOCK) != 0 {
            self.set(world, LOCK, 2);
            let _ = self.wait(world, LOCK, 2, 0);
        }
        self.set(world, LOCK, 2);
    }

    fn took(&self) {
        let was_held = core::mem::replace(&mut self.truth.borrow_mut().is_held, true);
        assert!(!was_held, "two threads hold the lock");
    }

    fn unlock(&self, world: &World) {
        self.truth.borrow_mut().is_held = false;
        let was = self.word(world, LOCK);
        self.set(world, LOCK, 0);
        if was == 2 {
            self.wake(world, LOCK, 1);
        }
    }

    fn change(&mut self, world: &World) {
        self.lock(world);
        let changes = self.truth.borrow().changes;
        if self.random(2) == 0 {
            world.call(sys_sched_yield, []).unwrap();
        }
        assert_eq!(
            self.truth.borrow().changes,
            changes,
            "changed under the lock"
        );
        self.truth.borrow_mut().changes += 1;
        self.unlock(world);
    }

    /// Waits, up to a time or for ever, until another thread has had a turn.
    fn await_turn(&mut self, world: &World, may_wait_for_ever: bool) {
        self.lock(world);
        let turn = self.word(world, TURN);
        let ns = match may_wait_for_ever {
            true => 0,
            false => 1 + self.random(50_000),
        };
        while self.word(world, TURN) == turn {
            let seen = self.word(world, CONDITION);
            self.unlock(world);
            let result = self.wait(world, CONDITION, seen, ns);
            // It may have been moved to the lock.
            self.lock_contended(world);
            self.took();
            if result == Err(Errno::ETIMEDOUT) {
                break;
            }
        }
        self.unlock(world);
    }

    /// Has a turn, and tells one or all.
    fn have_turn(&mut self, world: &World) {
        self.lock(world);
        self.set(world, TURN, self.word(world, TURN) + 1);
        self.truth.borrow_mut().turns += 1;
        let seen = self.word(world, CONDITION) + 1;
        self.set(world, CONDITION, seen);
        let (condition, lock) = (self.words + CONDITION, self.words + LOCK);
        match self.random(2) {
            0 => self.wake(world, CONDITION, i32::MAX as usize),
            _ => {
                // One goes for the lock, and the rest waits for that.
                let args = [condition, 4, 1, i32::MAX as usize, lock, seen as usize];
                world.call(sys_futex, args).unwrap();
            }
        }
        self.unlock(world);
    }

    fn pass_semaphore(&mut self, world: &World) {
        loop {
            let value = self.word(world, SEMAPHORE);
            if value > 0 {
                self.set(world, SEMAPHORE, value - 1);
                break;
            }
            let _ = self.wait(world, SEMAPHORE, 0, 0);
        }
        self.truth.borrow_mut().inside_semaphore += 1;
        assert!(self.truth.borrow().inside_semaphore <= SEMAPHORE_MAX);
        if self.random(2) == 0 {
            self.sleep(world);
        }
        self.truth.borrow_mut().inside_semaphore -= 1;
        let value = self.word(world, SEMAPHORE);
        self.set(world, SEMAPHORE, value + 1);
        self.wake(world, SEMAPHORE, 1);
    }

    fn sleep(&mut self, world: &World) {
        let ns = self.random(100_000);
        let end_ns = world.sim.monotonic_ns() + ns;
        let time = self.timespec(world, ns);
        assert_eq!(world.call(sys_nanosleep, [time, 0]), Ok(0));
        assert!(world.sim.monotonic_ns() >= end_ns, "slept too little");
    }

    /// Waits for ever for what a timer wakes; of two timers, one is taken back in time.
    fn await_timer(&mut self, world: &World) {
        let threads = &world.process.threads;
        let tid = threads.current().tid() as usize;
        let word = self.words + ALARMS + tid % TIDS * 4;
        world.put(word, &0_u32.to_le_bytes());
        let now_ns = world.sim.monotonic_ns();
        let alarm = |ns, text| {
            let alarm = Arc::new(Alarm {
                word,
                deadline_ns: now_ns + ns,
                text,
            });
            threads.set_timer(now_ns + ns, Target::Due(alarm))
        };
        let ns = 1 + self.random(100_000);
        let unwanted = alarm(ns + LATER_NS, "this one was taken back");
        alarm(ns, "");
        while world.get_value::<u32>(word) == 0 {
            let _ = world.call(sys_futex, [word, 0, 0, 0]);
        }
        assert!(world.sim.monotonic_ns() >= now_ns + ns, "woken too early");
        assert!(threads.unset_timer(unwanted), "it was there still");
    }

    fn work(&mut self, world: &World) {
        for _ in 0..STEPS {
            match self.random(7) {
                5 => self.await_timer(world),
                0 => self.change(world),
                1 => self.pass_semaphore(world),
                2 => self.sleep(world),
                3 => self.await_turn(world, false),
                4 => self.have_turn(world),
                _ => {
                    world.call(sys_sched_yield, []).unwrap();
                }
            }
        }
    }
}

/// Runs one seed.
fn run(seed: u64) {
    let line = std::format!("seed {seed} fails: MUSLIN_SEED={seed} runs it again");
    ON_PANIC.set(line.clone());
    let world = World::with(Sim::new(2048, seed).with_order(seed), None);
    let words = world.room(2048);
    let mut first = Worker {
        words,
        truth: Rc::default(),
        random: seed,
    };
    first.set(&world, SEMAPHORE, SEMAPHORE_MAX);
    let count = 2 + first.random(5);
    let mut ends = Vec::new();
    for _ in 0..count {
        let mut worker = first.clone();
        worker.random = first.random(u64::MAX);
        ends.push(world.spawn(move |world| worker.work(world)));
    }
    // One that has no time to end its wait: only a wake does.
    let mut patient = first.clone();
    let patient_end = world.spawn(move |world| patient.await_turn(world, true));
    first.work(&world);
    for &end in &ends {
        world.join(end);
    }
    let mut turns = 0;
    while world.get_value::<u32>(patient_end) != 0 {
        turns += 1;
        assert!(turns < TURNS_MAX, "one waits for ever; {line}");
        first.have_turn(&world);
        world.call(sys_sched_yield, []).unwrap();
    }
    let threads = &world.process.threads;
    assert_eq!(threads.all().len(), 1, "{line}");
    assert_eq!(first.word(&world, LOCK), 0, "{line}");
    assert_eq!(first.word(&world, SEMAPHORE), SEMAPHORE_MAX, "{line}");
    assert_eq!(
        first.word(&world, TURN),
        first.truth.borrow().turns,
        "{line}"
    );
    assert!(threads.is_quiet(), "somebody still waits; {line}");
}

/// The seeds that `MUSLIN_SEED` names.
fn asked() -> Option<(u64, u64)> {
    let text = std::env::var("MUSLIN_SEED").ok()?;
    let (first, count) = text.split_once('+').unwrap_or((&text, "1"));
    Some((first.parse().unwrap(), count.parse().unwrap()))
}

#[test]
fn threads_keep_their_promises_in_any_order() {
    let (first, count) = asked().unwrap_or((1, SEEDS));
    for seed in first..first + count {
        run(seed);
    }
}

#[test]
fn a_seed_is_the_same_every_time() {
    let history = || {
        let world = World::with(Sim::new(2048, 5).with_order(5), None);
        let order: Rc<RefCell<Vec<(i32, u64)>>> = Rc::default();
        let ends: Vec<usize> = (0..4)
            .map(|_| {
                let order = order.clone();
                world.spawn(move |world| {
                    for _ in 0..20 {
                        let tid = world.process.threads.current().tid();
                        order.borrow_mut().push((tid, world.sim.monotonic_ns()));
                        world.call(sys_sched_yield, []).unwrap();
                    }
                })
            })
            .collect();
        for end in ends {
            world.join(end);
        }
        let history: Vec<(i32, u64)> = order.borrow().clone();
        history
    };
    let first = history();
    assert_eq!(first, history());
    // It is not the order in which they began.
    assert!(first.windows(5).any(|turns| turns[0].0 != turns[4].0));
}

/// New seeds for ten minutes, in processes of their own: simulated memory is never given back.
#[test]
#[ignore = "takes ten minutes: make test-long"]
fn threads_keep_their_promises_for_ten_minutes() {
    const BATCH: u64 = 200;
    let start = Instant::now();
    let mut seed = 1_000_000;
    while start.elapsed() < LONG {
        let seeds: String = [seed.to_string(), BATCH.to_string()].join("+");
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "threads::stress_tests::threads_keep_their_promises_in_any_order",
            ])
            .env("MUSLIN_SEED", &seeds)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
        seed += BATCH;
    }
    std::println!("{} seeds", seed - 1_000_000);
}
