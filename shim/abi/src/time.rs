//! Times as calls lay them out, and their nanoseconds.

use crate::Errno;
use crate::layout::{Timespec, Timeval};

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

/// A duration as the structure.
pub fn timespec_of_duration(ns: u64) -> Timespec {
    Timespec {
        tv_sec: (ns / NANOSECONDS as u64) as i64,
        tv_nsec: (ns % NANOSECONDS as u64) as i64,
    }
}

/// The limit that `SO_RCVTIMEO` and `SO_SNDTIMEO` set: 0 is none, a negative time no wait at all.
///
/// # Errors
/// `EDOM` microseconds that are not a part of a second.
pub fn limit_ns(time: &Timeval) -> Result<Option<u64>, Errno> {
    if !(0..1_000_000).contains(&time.tv_usec) {
        return Err(Errno::EDOM);
    }
    let Ok(seconds) = u64::try_from(time.tv_sec) else {
        return Ok(Some(0));
    };
    let ns = seconds
        .saturating_mul(NANOSECONDS as u64)
        .saturating_add(time.tv_usec as u64 * 1000);
    Ok((ns > 0).then_some(ns))
}

/// The same the other way, cut to microseconds.
pub fn timeval_of_limit(limit_ns: Option<u64>) -> Timeval {
    let us = limit_ns.unwrap_or(0) / 1000;
    Timeval {
        tv_sec: (us / 1_000_000) as i64,
        tv_usec: (us % 1_000_000) as i64,
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
        assert_eq!(timespec_of_duration(1_000_000_005), time(1, 5));
        assert_eq!(timespec_of_duration(u64::MAX).tv_sec, 18_446_744_073);
    }

    #[test]
    fn limits_of_sockets_have_two_special_times() {
        let limit = |tv_sec, tv_usec| limit_ns(&Timeval { tv_sec, tv_usec });
        assert_eq!(limit(0, 0), Ok(None));
        assert_eq!(limit(-1, 0), Ok(Some(0)));
        assert_eq!(limit(1, 5), Ok(Some(1_000_005_000)));
        assert_eq!(limit(i64::MAX, 0), Ok(Some(u64::MAX)));
        assert_eq!(limit(0, 1_000_000), Err(Errno::EDOM));
        let shown = timeval_of_limit(Some(1_000_005_999));
        assert_eq!((shown.tv_sec, shown.tv_usec), (1, 5));
        assert_eq!(timeval_of_limit(None).tv_usec, 0);
    }
}
