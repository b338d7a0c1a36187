//! The clocks of a host's kernel, asked for seldom: see `steady`.

use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use muslin_platform::Clock;

use crate::calls::{self, ClockId};
use crate::steady::Steady;

/// Leaf of cpuid that tells about power, the leaf that tells how many there are, and the bit of edx
/// that says that the counter runs at one rate.
const POWER_LEAF: u32 = 0x8000_0007;
const EXTENDED_LEAVES: u32 = 0x8000_0000;
const HAS_STEADY_COUNTER: u32 = 1 << 8;

/// Both clocks of the host's kernel.
#[derive(Debug)]
pub struct HostClock {
    /// Does the processor's counter run at one rate, whatever the processor does?
    is_counter_steady: AtomicBool,
    monotonic: Steady,
    realtime: Steady,
    /// The latest answer of the monotonic clock.
    latest_ns: AtomicU64,
}

impl HostClock {
    /// Clocks that ask each time, until [`start`](Self::start).
    pub const fn new() -> Self {
        Self {
            is_counter_steady: AtomicBool::new(false),
            monotonic: Steady::new(),
            realtime: Steady::new(),
            latest_ns: AtomicU64::new(0),
        }
    }

    /// Finds out whether the processor's counter can be trusted.
    pub fn start(&self) {
        let is_steady = __cpuid(EXTENDED_LEAVES).eax >= POWER_LEAF
            && __cpuid(POWER_LEAF).edx & HAS_STEADY_COUNTER != 0;
        self.is_counter_steady.store(is_steady, Ordering::Relaxed);
    }

    fn read(&self, clock: &Steady, id: ClockId) -> u64 {
        if !self.is_counter_steady.load(Ordering::Relaxed) {
            return nanoseconds(id) as u64;
        }
        // SAFETY: every x86_64 has the instruction.
        clock.now(|| unsafe { _rdtsc() }, || nanoseconds(id) as u64)
    }
}

impl Clock for HostClock {
    fn monotonic_ns(&self) -> u64 {
        let ns = self.read(&self.monotonic, ClockId::Monotonic);
        // A question may find the clock a little behind what the counter said. Nobody else asks
        // meanwhile, so that two steps do.
        let latest_ns = self.latest_ns.load(Ordering::Relaxed).max(ns);
        self.latest_ns.store(latest_ns, Ordering::Relaxed);
        latest_ns
    }
    fn realtime_ns(&self) -> i64 {
        self.read(&self.realtime, ClockId::Realtime) as i64
    }
}

fn nanoseconds(id: ClockId) -> i64 {
    let [seconds, nanoseconds] = calls::clock(id);
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(nanoseconds)
}
