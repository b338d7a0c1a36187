//! Nanoseconds and the structures that hold them.

use muslin_abi::Errno;
use muslin_abi::layout::{Timespec, Timeval};

/// Nanoseconds of a second.
pub const NANOSECONDS: i64 = 1_000_000_000;

/// A duration, or a point after a clock's start, in nanoseconds. What is longer than the clock can
/// count is as long as it can count, 584 years.
///
/// # Errors
/// `EINVAL` negative seconds, or nanoseconds that are not a part of a second.
pub fn duration_ns(time: &Timespec) -> Result<u64, Errno> {
    if time.tv_sec < 0 || !(0..NANOSECONDS).contains(&time.tv_nsec) {
        return Err(Errno::EINVAL);
    }
    Ok((time.tv_sec as u64)
        .saturating_mul(NANOSECONDS as u64)
        .saturating_add(time.tv_nsec as u64))
}

/// Nanoseconds as the structure; before 1970 the seconds are negative, the nanoseconds never.
pub fn timespec_of(ns: i128) -> Timespec {
    let second = i128::from(NANOSECONDS);
    Timespec {
        tv_sec: ns.div_euclid(second) as i64,
        tv_nsec: ns.rem_euclid(second) as i64,
    }
}

/// As [`timespec_of`], cut to microseconds.
pub fn timeval_of(ns: i128) -> Timeval {
    let time = timespec_of(ns);
    Timeval {
        tv_sec: time.tv_sec,
        tv_usec: time.tv_nsec / 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tv_sec: i64, tv_nsec: i64) -> Timespec {
        Timespec { tv_sec, tv_nsec }
    }

    #[test]
    fn durations_are_checked_and_saturate() {
        assert_eq!(duration_ns(&time(1, 5)), Ok(1_000_000_005));
        assert_eq!(duration_ns(&time(0, 999_999_999)), Ok(999_999_999));
        assert_eq!(duration_ns(&time(i64::MAX, 999_999_999)), Ok(u64::MAX));
        for wrong in [time(-1, 0), time(0, -1), time(0, NANOSECONDS)] {
            assert_eq!(duration_ns(&wrong), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn nanoseconds_are_never_negative() {
        assert_eq!(timespec_of(-1), time(-1, 999_999_999));
        assert_eq!(timespec_of(-NANOSECONDS as i128), time(-1, 0));
        assert_eq!(timespec_of(2_000_000_007), time(2, 7));
        assert_eq!(timeval_of(-1).tv_usec, 999_999);
        assert_eq!(timeval_of(1_999).tv_usec, 1);
        assert_eq!(timespec_of(u64::MAX.into()).tv_sec, 18_446_744_073);
    }
}
