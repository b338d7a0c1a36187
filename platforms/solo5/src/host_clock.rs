//! The clocks of a host's kernel, asked for seldom: see `steady`.

use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use muslin_platform::Clock;

use crate::calls::{self, ClockId};
use crate::steady::Steady;

/// Leaf of cpuid that tells about power, the leaf that tells how many there are, and the bit of edx
/// that says that the counter runs at one rate.
const POWER_LEAF: u32 = 0x8000_0007;
const EXTENDED_LEAVES: u32 = 0x8000_0000;
const HAS_STEADY_COUNTER: u32 = 1 << 8;

/// What boot asks. A program that looks at no clock need not know what the counter is: `cpuid` leaves a
/// virtual machine, for microseconds.
const QUESTIONS_OF_BOOT: u8 = 2;
/// The processor's counter runs at one rate, whatever the processor does; or it does not.
const STEADY: u8 = 0xfe;
const UNSTEADY: u8 = 0xff;

/// Both clocks of the host's kernel.
#[derive(Debug)]
pub struct HostClock {
    /// How often the clocks were asked before the counter was looked at; or what it is.
    counter: AtomicU8,
    monotonic: Steady,
    realtime: Steady,
    /// The latest answer of the monotonic clock.
    latest_ns: AtomicU64,
}

impl HostClock {
    /// Clocks that were never asked.
    pub const fn new() -> Self {
        Self {
            counter: AtomicU8::new(0),
            monotonic: Steady::new(),
            realtime: Steady::new(),
            latest_ns: AtomicU64::new(0),
        }
    }

    /// Can the processor's counter be trusted? Not before that is known.
    fn is_counter_steady(&self) -> bool {
        let counter = match self.counter.load(Ordering::Relaxed) {
            STEADY => return true,
            UNSTEADY => return false,
            asked if asked < QUESTIONS_OF_BOOT => asked + 1,
            _ if __cpuid(EXTENDED_LEAVES).eax >= POWER_LEAF
                && __cpuid(POWER_LEAF).edx & HAS_STEADY_COUNTER != 0 =>
            {
                STEADY
            }
            _ => UNSTEADY,
        };
        self.counter.store(counter, Ordering::Relaxed);
        counter == STEADY
    }

    #[inline(always)]
    fn read(&self, clock: &Steady, id: ClockId) -> u64 {
        if !self.is_counter_steady() {
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
