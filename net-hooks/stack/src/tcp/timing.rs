//! How long a connection waits for an answer (RFC 6298, with the bounds of Linux).

/// The shortest time by which a timeout is longer than a round trip.
const MARGIN_NS: u64 = 200_000_000;
/// The longest timeout.
const TIMEOUT_NS_MAX: u64 = 120_000_000_000;
/// The timeout before anything was measured.
const TIMEOUT_NS_FIRST: u64 = 1_000_000_000;
/// The shortest wait for the answer to a tail, and how long a peer may keep the answer to a
/// segment that came alone.
const TAIL_NS_MIN: u64 = 10_000_000;
const ALONE_NS: u64 = 50_000_000;
/// A timeout is doubled no more often.
const BACK_OFF_MAX: u32 = 16;

/// What is known of the time that answers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timing {
    /// 0: nothing was measured yet.
    smooth_ns: u64,
    variation_ns: u64,
    latest_ns: u64,
    shortest_ns: u64,
    /// How often the timer ran out since something new was acknowledged.
    pub back_off: u32,
}

impl Timing {
    /// A segment and its answer took this long.
    pub fn sample(&mut self, sample_ns: u64) {
        let sample_ns = sample_ns.max(1);
        self.latest_ns = sample_ns;
        if self.smooth_ns == 0 {
            self.smooth_ns = sample_ns;
            self.variation_ns = sample_ns / 2;
            self.shortest_ns = sample_ns;
            return;
        }
        let difference_ns = self.smooth_ns.abs_diff(sample_ns);
        self.variation_ns = (self.variation_ns * 3 + difference_ns) / 4;
        self.smooth_ns = (self.smooth_ns * 7 + sample_ns) / 8;
        self.shortest_ns = self.shortest_ns.min(sample_ns);
    }

    /// The timer ran out.
    pub fn back_off(&mut self) {
        self.back_off = (self.back_off + 1).min(BACK_OFF_MAX);
    }

    pub fn smooth_ns(&self) -> u64 {
        self.smooth_ns
    }

    pub fn latest_ns(&self) -> u64 {
        self.latest_ns
    }

    pub fn shortest_ns(&self) -> u64 {
        self.shortest_ns
    }

    /// How long the timer waits now.
    pub fn timeout_ns(&self) -> u64 {
        let timeout_ns = if self.smooth_ns == 0 {
            TIMEOUT_NS_FIRST
        } else {
            self.smooth_ns + (4 * self.variation_ns).max(MARGIN_NS)
        };
        (timeout_ns << self.back_off).min(TIMEOUT_NS_MAX)
    }

    /// How long the answer to a tail is waited for; `is_alone`: it is one segment, whose answer may
    /// be kept by the peer; `probes`: how often it was sent again in vain.
    pub fn tail_ns(&self, is_alone: bool, probes: u32) -> Option<u64> {
        let kept_ns = if is_alone { ALONE_NS } else { 0 };
        let wait_ns = (2 * self.smooth_ns + kept_ns).max(TAIL_NS_MIN) << probes;
        (self.smooth_ns > 0 && wait_ns < self.timeout_ns()).then_some(wait_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_timeout_follows_what_is_measured_and_doubles() {
        let mut timing = Timing::default();
        assert_eq!(timing.timeout_ns(), 1000 * MS);
        assert_eq!(timing.tail_ns(false, 0), None);
        timing.sample(MS);
        assert_eq!(timing.timeout_ns(), 201 * MS);
        assert_eq!(timing.tail_ns(false, 0), Some(10 * MS));
        assert_eq!(timing.tail_ns(true, 0), Some(52 * MS));
        timing.back_off();
        timing.back_off();
        assert_eq!(timing.timeout_ns(), 804 * MS);
        for _ in 0..40 {
            timing.back_off();
        }
        assert_eq!(timing.timeout_ns(), 120_000 * MS);
        timing.back_off = 0;
        for _ in 0..100 {
            timing.sample(400 * MS);
            timing.sample(800 * MS);
        }
        let timeout_ms = timing.timeout_ns() / MS;
        assert!((1200..1700).contains(&timeout_ms), "{timeout_ms}");
        assert_eq!(timing.shortest_ns(), MS);
    }
}
