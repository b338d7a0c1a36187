//! Threads by a seed: locks, conditions, semaphores, sleeps and timers of several threads, as libc makes
//! them of `futex`, and the signals that they send each other meanwhile. Which thread runs next, which waits end without a reason and how time goes by follow from
//! the seed too, so a failing one fails again: `MUSLIN_SEED=17` runs that one, `MUSLIN_SEED=17+100` a
//! hundred from there.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cancellation;
mod signals;
#[allow(unsafe_code, reason = "a function of a signal looks at its frame")]
mod stage;

use core::sync::atomic::{AtomicU32, Ordering};
use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::Vec;

use muslin_abi::Errno;
use muslin_platform::Clock;
use muslin_sim::Sim;

use self::signals::address;
use self::stage::{Tally, own, play, send_any};
use super::sys_futex;
use super::thread::KernelStack;
use crate::context::Context;
use crate::memory::Owner;
use crate::process::sys_sched_yield;
use crate::testing::{World, frames, say_on_panic};
use crate::time::timespec_of_duration;
use crate::time::{Due, Target};
use crate::user_mem;

const SEEDS: u64 = 100;
/// Memory of a run.
const PAGES: usize = 1 << 14;
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

/// The next number of a row that its first one says.
fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

impl Worker {
    fn random(&mut self, below: u64) -> u64 {
        random(&mut self.random) % below
    }

    fn word(&self, world: &World, offset: usize) -> u32 {
        world.get_value(self.words + offset)
    }

    fn set(&self, world: &World, offset: usize, value: u32) {
        world.put(self.words + offset, &value.to_le_bytes());
    }

    /// Waits while a word has a value, for up to `ns` if that is not 0. Ends for no reason, too, and behind
    /// functions of signals.
    fn wait(&self, world: &World, offset: usize, value: u32, ns: u64) -> Result<(), Errno> {
        let time = timespec_of_duration(ns);
        let timeout = if ns == 0 { 0 } else { address(&time) };
        let before_ns = world.sim.monotonic_ns();
        let count = |own: &mut stage::Player| match ns {
            0 => own.interrupting,
            _ => own.functions,
        };
        let before = own(world, count);
        let word = self.words + offset;
        let result = world.call(sys_futex, [word, 0, value as usize, timeout]);
        match result {
            Err(Errno::ETIMEDOUT) => {
                assert!(world.sim.monotonic_ns() >= before_ns + ns, "too early");
            }
            Err(Errno::EINTR) => assert!(own(world, count) > before, "no reason"),
            Err(errno) => assert_eq!(errno, Errno::EAGAIN),
            Ok(_) => {}
        }
        result.map(|_| ())
    }

    fn wake(&self, world: &World, offset: usize, count: usize) {
        let woken = world.call(sys_futex, [self.words + offset, 1, count]);
        assert!(woken.unwrap() <= count);
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

    /// Waits for ever for what a timer wakes; of two timers, one is taken back in time.
    fn await_timer(&mut self, world: &World) {
        let threads = &world.process.threads;
        let word = AtomicU32::new(0);
        let now_ns = world.sim.monotonic_ns();
        let alarm = |ns, text| {
            let alarm = Arc::new(Alarm {
                word: address(&word),
                deadline_ns: now_ns + ns,
                text,
            });
            threads.set_timer(now_ns + ns, Target::Due(alarm))
        };
        let ns = 1 + self.random(100_000);
        let unwanted = alarm(ns + LATER_NS, "this one was taken back");
        alarm(ns, "");
        while word.load(Ordering::Relaxed) == 0 {
            let _ = world.call(sys_futex, [address(&word), 0, 0, 0]);
        }
        assert!(world.sim.monotonic_ns() >= now_ns + ns, "woken too early");
        assert!(threads.unset_timer(unwanted), "it was there still");
    }

    fn work(&mut self, world: &World) {
        for _ in 0..STEPS {
            match self.random(16) {
                5 => self.await_timer(world),
                6..9 => send_any(world),
                9 => self.take_awaited(world),
                10 => self.block_one(world),
                11 => self.suspend(world),
                12 => self.read_interrupted(world),
                13 => self.count_timer(world),
                14 => self.cancel_one(world),
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

/// Runs one seed. What it had.
fn run(seed: u64) -> Tally {
    let line = std::format!("seed {seed} fails: MUSLIN_SEED={seed} runs it again");
    say_on_panic(&line);
    let tally = Rc::new(Cell::new(Tally::default()));
    let place = tally.clone();
    frames::run(Sim::new(PAGES, seed).with_order(seed), move |world| {
        stage::open(world, seed);
        place.set(play_all(world, seed));
    });
    tally.get()
}

fn play_all(world: &World, seed: u64) -> Tally {
    let words = world.room(2048);
    let mut first = Worker {
        words,
        truth: Rc::default(),
        random: seed,
    };
    let kernel_bytes = || world.pages.held(Owner::Kernel) * world.pages.page_bytes();
    let free_bytes = || world.pages.count().1 * world.pages.page_bytes() + kernel_bytes();
    let free_before = free_bytes();
    first.set(world, SEMAPHORE, SEMAPHORE_MAX);
    play(world, || first.lead(world));
    let threads = &world.process.threads;
    assert_eq!(threads.all().len(), 1);
    assert_eq!(first.word(world, LOCK), 0);
    assert_eq!(first.word(world, SEMAPHORE), SEMAPHORE_MAX);
    assert_eq!(first.word(world, TURN), first.truth.borrow().turns);
    assert!(threads.is_quiet(), "somebody still waits");
    assert_eq!(free_bytes(), free_before, "memory is gone");
    // The last thread's stack for calls is kept until the next one ends.
    assert!(kernel_bytes() <= KernelStack::BYTES, "stacks are left");
    let files = world.process.files.table().lock().open().count();
    assert_eq!(files, 3, "descriptors are left");
    stage::close(world)
}

impl Worker {
    /// The first thread's part.
    fn lead(&mut self, world: &World) {
        let count = 2 + self.random(5);
        let mut ends = Vec::new();
        for _ in 0..count {
            let mut worker = self.clone();
            worker.random = random(&mut self.random);
            ends.push(world.spawn(move |world| play(world, || worker.work(world))));
        }
        // One that has no time to end its wait: only a wake does.
        let mut patient = self.clone();
        let is_over = Rc::new(Cell::new(false));
        let says_so = is_over.clone();
        ends.push(world.spawn(move |world| {
            play(world, || patient.await_turn(world, true));
            says_so.set(true);
        }));
        self.work(world);
        let patient_end = ends.pop().unwrap();
        for end in ends {
            world.join(end);
        }
        let mut turns = 0;
        while !is_over.get() {
            turns += 1;
            assert!(turns < TURNS_MAX, "one waits for ever");
            self.have_turn(world);
            world.call(sys_sched_yield, []).unwrap();
        }
        world.join(patient_end);
        self.take_the_rest(world);
    }
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
    let mut sum = Tally::default();
    for tally in (first..first + count).map(run) {
        sum.functions += tally.functions;
        sum.interrupted += tally.interrupted;
        sum.restarted += tally.restarted;
    }
    if count >= SEEDS {
        assert!(sum.interrupted > 0, "no call answered EINTR");
        assert!(sum.restarted > 0, "no call went on");
    }
    std::println!("{} functions of signals", sum.functions);
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
    const BATCH: u64 = 100;
    let start = Instant::now();
    let (mut seed, mut functions) = (1_000_000, 0);
    while start.elapsed() < LONG {
        let seeds: String = [seed.to_string(), BATCH.to_string()].join("+");
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "threads::stress_tests::threads_keep_their_promises_in_any_order",
            ])
            .env("MUSLIN_SEED", &seeds)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
        let count = text
            .lines()
            .find_map(|line| line.strip_suffix(" functions of signals"));
        functions += count.unwrap().parse::<u64>().unwrap();
        seed += BATCH;
    }
    std::println!(
        "{} seeds, {functions} functions of signals",
        seed - 1_000_000
    );
}
