//! The processor's counter as a clock.

use core::sync::atomic::{AtomicU64, Ordering};

/// Bits behind the point of the rate.
const RATE_BITS: u32 = 32;
const SECOND_NS: u64 = 1_000_000_000;

/// A counter whose rate is known.
#[derive(Debug)]
pub struct Counter {
    start: AtomicU64,
    /// Nanoseconds a tick, with `RATE_BITS` bits behind the point.
    rate: AtomicU64,
}

impl Counter {
    /// A counter that stands at 0.
    pub const fn new() -> Self {
        Self {
            start: AtomicU64::new(0),
            rate: AtomicU64::new(0),
        }
    }

    /// Counts nanoseconds from `ticks` on, at `ticks_per_second`.
    pub fn start(&self, ticks: u64, ticks_per_second: u64) {
        let rate = (SECOND_NS << RATE_BITS) / ticks_per_second.max(1);
        self.rate.store(rate, Ordering::Relaxed);
        self.start.store(ticks, Ordering::Relaxed);
    }

    /// Nanoseconds since the start, at `ticks`.
    pub fn ns(&self, ticks: u64) -> u64 {
        let ticks = ticks.saturating_sub(self.start.load(Ordering::Relaxed));
        let rate = self.rate.load(Ordering::Relaxed);
        ((u128::from(ticks) * u128::from(rate)) >> RATE_BITS) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_nanoseconds_for_years() {
        for ticks_per_second in [1_000_000_000, 2_300_000_000, 3_141_592_653] {
            let counter = Counter::new();
            counter.start(77, ticks_per_second);
            assert_eq!(counter.ns(77), 0);
            assert_eq!(counter.ns(0), 0, "a counter that stepped back");
            let years = 10 * 365 * 86_400;
            let ns = counter.ns(77 + years * ticks_per_second);
            let error = ns.abs_diff(years * SECOND_NS);
            // A billionth: 32 bits behind the point.
            assert!(error <= years * SECOND_NS / 1_000_000_000, "{error}");
        }
    }

    #[test]
    fn a_rate_of_nothing_does_not_divide_by_it() {
        let counter = Counter::new();
        counter.start(0, 0);
        assert_eq!(counter.ns(1), SECOND_NS);
    }
}
