//! The time of day, by libc's own `clock_gettime`, as any program would ask for it.

use core::ffi::c_int;

use muslin::clock;
use muslin_abi::layout::Timespec;

const CLOCK_REALTIME: c_int = 0;
const SECOND_NS: i64 = 1_000_000_000;

unsafe extern "C" {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
}

/// What the time of day was when the steady clock said this.
pub fn realtime_of(steady_ns: u64) -> Timespec {
    let mut now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: there is room for the time; the call does nothing else.
    unsafe { clock_gettime(CLOCK_REALTIME, &raw mut now) };
    let ago_ns = clock::now_ns().saturating_sub(steady_ns);
    let ago_ns = i64::try_from(ago_ns).unwrap_or(i64::MAX);
    let mut then = Timespec {
        tv_sec: now.tv_sec - ago_ns / SECOND_NS,
        tv_nsec: now.tv_nsec - ago_ns % SECOND_NS,
    };
    if then.tv_nsec < 0 {
        then.tv_sec -= 1;
        then.tv_nsec += SECOND_NS;
    }
    then
}
