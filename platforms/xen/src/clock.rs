//! Time of the hypervisor: what Xen last wrote to the shared page, and the processor's counter since.

use core::arch::x86_64::_rdtsc;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use crate::shared_info::shared_info;

const SECOND_NS: u64 = 1_000_000_000;

/// What the clock said last: it never goes back.
static LAST: AtomicU64 = AtomicU64::new(0);

/// What Xen writes, at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    system_time: u64,
    rate: u32,
    shift: i8,
}

impl Reading {
    /// Nanoseconds when the counter stood at `now`.
    ///
    /// A counter that Xen emulates begins at 0 with the guest, and what Xen wrote may be of before that: then
    /// `ticks` is below 0, and wraps.
    fn at(self, now: u64) -> u64 {
        let ticks = now.wrapping_sub(self.ticks);
        let ticks = if ticks > i64::MAX as u64 { 0 } else { ticks };
        let ticks = match self.shift {
            shift @ 0.. => u128::from(ticks) << shift.min(63),
            shift => u128::from(ticks >> shift.unsigned_abs().min(63)),
        };
        let elapsed = (ticks.wrapping_mul(u128::from(self.rate))) >> 32;
        self.system_time.wrapping_add(elapsed as u64)
    }
}

/// Reads what changes under the reader's hands: `version` is odd meanwhile.
fn steadily<T>(version: *const u32, read: impl Fn() -> T) -> T {
    loop {
        // SAFETY: a word of the shared page.
        let before = unsafe { version.read_volatile() };
        fence(Ordering::Acquire);
        let found = read();
        fence(Ordering::Acquire);
        // SAFETY: as above.
        if before & 1 == 0 && unsafe { version.read_volatile() } == before {
            return found;
        }
        spin_loop();
    }
}

/// Nanoseconds since the machine started.
pub fn system_time_ns() -> u64 {
    let page = shared_info();
    // SAFETY: fields of the shared page, which is there for good; every pattern of bits is a value.
    let found = unsafe {
        let time = &raw const (*page).vcpu_info[0].time;
        steadily(&raw const (*time).version, || {
            let reading = Reading {
                ticks: (&raw const (*time).tsc_timestamp).read_volatile(),
                system_time: (&raw const (*time).system_time).read_volatile(),
                rate: (&raw const (*time).tsc_to_system_mul).read_volatile(),
                shift: (&raw const (*time).tsc_shift).read_volatile(),
            };
            reading.at(_rdtsc())
        })
    };
    let now = found.max(LAST.load(Ordering::Relaxed));
    LAST.store(now, Ordering::Relaxed);
    now
}

/// Nanoseconds since 1970-01-01 00:00 UTC.
pub fn wall_time_ns() -> i64 {
    let page = shared_info();
    // SAFETY: as above.
    let start = unsafe {
        steadily(&raw const (*page).wc_version, || {
            let low = (&raw const (*page).wc_sec).read_volatile();
            let high = (&raw const (*page).wc_sec_hi).read_volatile();
            let ns = (&raw const (*page).wc_nsec).read_volatile();
            (u64::from(high) << 32 | u64::from(low)).wrapping_mul(SECOND_NS) + u64::from(ns)
        })
    };
    start.wrapping_add(system_time_ns()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds() {
        let half = Reading {
            ticks: 1000,
            system_time: 7,
            rate: 1 << 31,
            shift: 0,
        };
        assert_eq!(half.at(3000), 1007);
        assert_eq!(Reading { shift: 1, ..half }.at(3000), 2007);
        assert_eq!(Reading { shift: -1, ..half }.at(3000), 507);
        assert_eq!(half.at(900), 7, "a counter that stepped back");
        let before = Reading {
            ticks: 0_u64.wrapping_sub(1000),
            ..half
        };
        assert_eq!(before.at(3000), 2007, "written before the guest was there");
        let years = 10 * 365 * 86_400 * SECOND_NS;
        assert_eq!(half.at(1000 + 2 * years), 7 + years);
        let wild = Reading {
            shift: i8::MIN,
            ..half
        };
        assert_eq!(wild.at(u64::MAX), 7);
    }
}
