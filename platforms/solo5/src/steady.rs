//! A clock that is read from the processor's counter between questions to the host.
//!
//! A question costs an entry of the host's kernel, the counter a few nanoseconds. The rate comes from
//! two questions; the counter is trusted for no longer than half of the time that the rate was
//! measured over, and for [`TRUST_NS_MAX`] at most, so what it can be wrong by is what a question can
//! be late by.

use core::sync::atomic::{AtomicU64, Ordering};

/// The longest time without a question.
const TRUST_NS_MAX: u64 = 50_000_000;
/// Less time than this says nothing about the rate.
const RATE_NS_MIN: u64 = 1_000_000;
/// A guess that is wrong by more was based on a counter that was changed, or on a clock that was.
const ERROR_NS_MAX: u64 = 100_000;
/// A question that takes more ticks was interrupted: it says nothing about the rate.
const QUESTION_TICKS_MAX: u64 = 20_000;
/// Bits behind the point of the rate.
const RATE_BITS: u32 = 32;

/// A clock and the processor's counter side by side. One thread at a time reads it.
#[derive(Debug, Default)]
pub struct Steady {
    /// Counter and clock where the rate is measured from; 0 before the first question.
    first: [AtomicU64; 2],
    /// Counter and clock at the last question.
    last: [AtomicU64; 2],
    /// Nanoseconds a tick, with `RATE_BITS` bits behind the point; 0 if not known.
    rate: AtomicU64,
    /// For how many ticks behind the last question the counter is trusted.
    trusted_ticks: AtomicU64,
}

fn get(pair: &[AtomicU64; 2]) -> (u64, u64) {
    (
        pair[0].load(Ordering::Relaxed),
        pair[1].load(Ordering::Relaxed),
    )
}

fn set(pair: &[AtomicU64; 2], ticks: u64, ns: u64) {
    pair[0].store(ticks, Ordering::Relaxed);
    pair[1].store(ns, Ordering::Relaxed);
}

impl Steady {
    /// A clock that was never asked.
    pub const fn new() -> Self {
        Self {
            first: [const { AtomicU64::new(0) }; 2],
            last: [const { AtomicU64::new(0) }; 2],
            rate: AtomicU64::new(0),
            trusted_ticks: AtomicU64::new(0),
        }
    }

    /// Nanoseconds now. `counter` reads the counter, `ask` the clock.
    #[inline(always)] // all but a few of thousands end before the question
    pub fn now(&self, counter: impl Fn() -> u64, ask: impl FnOnce() -> u64) -> u64 {
        let before = counter();
        let (ticks, ns) = get(&self.last);
        let elapsed = before.wrapping_sub(ticks);
        if elapsed < self.trusted_ticks.load(Ordering::Relaxed) {
            return ns + self.span(elapsed);
        }
        self.ask(before, counter, ask)
    }

    /// What the clock says, and what follows from it. `before` is what the counter said.
    #[cold]
    #[inline(never)]
    fn ask(&self, before: u64, counter: impl Fn() -> u64, ask: impl FnOnce() -> u64) -> u64 {
        let (ticks, ns) = get(&self.last);
        let elapsed = before.wrapping_sub(ticks);
        let guess = ns.saturating_add(self.span(elapsed));
        let asked = ask();
        let took = counter().wrapping_sub(before);
        if took < QUESTION_TICKS_MAX {
            self.learn(before.wrapping_add(took / 2), asked, guess);
        } else {
            self.trusted_ticks.store(0, Ordering::Relaxed);
        }
        asked
    }

    fn span(&self, ticks: u64) -> u64 {
        let rate = u128::from(self.rate.load(Ordering::Relaxed));
        ((u128::from(ticks) * rate) >> RATE_BITS) as u64
    }

    /// Takes in that the clock said `ns` when the counter said `ticks`.
    fn learn(&self, ticks: u64, ns: u64, guess: u64) {
        set(&self.last, ticks, ns);
        let (first_ticks, first_ns) = get(&self.first);
        let is_known = self.rate.load(Ordering::Relaxed) != 0;
        if first_ticks == 0 || ns < first_ns || (is_known && guess.abs_diff(ns) > ERROR_NS_MAX) {
            set(&self.first, ticks, ns);
            self.rate.store(0, Ordering::Relaxed);
            self.trusted_ticks.store(0, Ordering::Relaxed);
            return;
        }
        let (span_ticks, span_ns) = (ticks.wrapping_sub(first_ticks), ns - first_ns);
        if span_ns < RATE_NS_MIN || span_ticks == 0 {
            return;
        }
        let rate = (u128::from(span_ns) << RATE_BITS) / u128::from(span_ticks);
        let trusted_ns = (span_ns / 2).min(TRUST_NS_MAX);
        let trusted = u128::from(trusted_ns) * u128::from(span_ticks) / u128::from(span_ns);
        self.rate.store(rate as u64, Ordering::Relaxed);
        self.trusted_ticks.store(trusted as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// A world whose counter ticks three times a nanosecond, and where a question takes 100 ns.
    struct World {
        ns: Cell<u64>,
        counter_offset: Cell<u64>,
        questions: Cell<u32>,
    }

    impl World {
        fn new() -> Self {
            Self {
                ns: Cell::new(5_000_000_000),
                counter_offset: Cell::new(0),
                questions: Cell::new(0),
            }
        }

        fn now(&self, clock: &Steady) -> u64 {
            clock.now(
                || self.ns.get() * 3 + self.counter_offset.get(),
                || {
                    self.questions.set(self.questions.get() + 1);
                    self.ns.set(self.ns.get() + 100);
                    self.ns.get() - 50
                },
            )
        }

        fn pass(&self, ns: u64) {
            self.ns.set(self.ns.get() + ns);
        }
    }

    #[test]
    fn it_is_right_and_asks_seldom() {
        let (world, clock) = (World::new(), Steady::new());
        for _ in 0..1_000_000 {
            world.pass(1_000);
            let now = world.now(&clock);
            assert!(now.abs_diff(world.ns.get()) < 1_000);
        }
        // A thousand until the rate is known, then twenty a second and a few while trust grows.
        assert!(world.questions.get() < 1_100, "{}", world.questions.get());
    }

    #[test]
    fn it_asks_again_after_a_long_pause() {
        let (world, clock) = (World::new(), Steady::new());
        for _ in 0..3_000 {
            world.pass(1_000);
            world.now(&clock);
        }
        let questions = world.questions.get();
        world.pass(10_000_000_000);
        assert!(world.now(&clock).abs_diff(world.ns.get()) < 1_000);
        assert_eq!(world.questions.get(), questions + 1);
    }

    #[test]
    fn a_counter_that_jumps_is_measured_anew() {
        let (world, clock) = (World::new(), Steady::new());
        for _ in 0..3_000 {
            world.pass(1_000);
            world.now(&clock);
        }
        world.counter_offset.set(1 << 50);
        for _ in 0..100_000 {
            world.pass(1_000);
            assert!(world.now(&clock).abs_diff(world.ns.get()) < 1_000);
        }
    }
}
