//! When a timer is due, and how often.

/// Times of one clock at which a timer is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The next time; `None` if there is none.
    pub next_ns: Option<u64>,
    /// From each time to the one after it; 0 if there is only one.
    pub interval_ns: u64,
}

impl Schedule {
    /// How long it is until the timer is due, never 0 while it will be; 0 if it will not. Times that
    /// are over by now do not count, if others follow.
    pub fn left_ns(&self, now_ns: u64) -> u64 {
        let mut schedule = *self;
        if schedule.interval_ns != 0 {
            schedule.pass(now_ns);
        }
        match schedule.next_ns {
            Some(next_ns) => next_ns.saturating_sub(now_ns).max(1),
            None => 0,
        }
    }

    /// Goes on to the first time that is still to come; how many were passed.
    pub fn pass(&mut self, now_ns: u64) -> u64 {
        let Some(next_ns) = self.next_ns else {
            return 0;
        };
        let Some(late_ns) = now_ns.checked_sub(next_ns) else {
            return 0;
        };
        if self.interval_ns == 0 {
            self.next_ns = None;
            return 1;
        }
        let passed = late_ns / self.interval_ns + 1;
        self.next_ns = Some(next_ns.saturating_add(passed.saturating_mul(self.interval_ns)));
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(next_ns: u64, interval_ns: u64) -> Schedule {
        Schedule {
            next_ns: Some(next_ns),
            interval_ns,
        }
    }

    #[test]
    fn one_time_is_passed_once() {
        let mut once = schedule(100, 0);
        assert_eq!((once.left_ns(40), once.pass(99)), (60, 0));
        // It is due and has not been seen: not yet over.
        assert_eq!(once.left_ns(150), 1);
        assert_eq!((once.pass(100), once.next_ns), (1, None));
        assert_eq!((once.left_ns(101), once.pass(1000)), (0, 0));
        assert_eq!(Schedule::default().left_ns(5), 0);
    }

    #[test]
    fn times_that_were_missed_are_counted() {
        let mut often = schedule(100, 30);
        assert_eq!((often.pass(100), often.next_ns), (1, Some(130)));
        assert_eq!(often.left_ns(190), 30);
        assert_eq!((often.pass(189), often.next_ns), (2, Some(190)));
        assert_eq!((often.pass(250), often.next_ns), (3, Some(280)));
        let mut last = schedule(u64::MAX - 1, u64::MAX);
        assert_eq!((last.pass(u64::MAX), last.next_ns), (1, Some(u64::MAX)));
    }
}
