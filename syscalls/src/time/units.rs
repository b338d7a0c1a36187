//! Nanoseconds and the structures that hold them.

use muslin_abi::layout::{Timespec, Timeval};

pub use muslin_abi::time::{NANOSECONDS, duration_ns, timespec_of_duration};

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
    fn nanoseconds_are_never_negative() {
        assert_eq!(timespec_of(-1), time(-1, 999_999_999));
        assert_eq!(timespec_of(-NANOSECONDS as i128), time(-1, 0));
        assert_eq!(timespec_of(2_000_000_007), time(2, 7));
        assert_eq!(timeval_of(-1).tv_usec, 999_999);
        assert_eq!(timeval_of(1_999).tv_usec, 1);
        assert_eq!(timespec_of(u64::MAX.into()).tv_sec, 18_446_744_073);
    }
}
