//! How much may be on its way: slow start and congestion avoidance of RFC 5681, and what is left of
//! the window after a loss.

use super::segment::is_before;

/// What a connection begins with, in segments (RFC 6928).
const FIRST_SEGMENTS: u32 = 10;

/// The congestion window of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Congestion {
    mss: u32,
    window: u32,
    threshold: u32,
    /// Until this is acknowledged a loss is being repaired, and none after it is another one.
    recovery: Option<u32>,
    /// What is being repaired is all that was on its way: the timer ran out.
    is_timed_out: bool,
}

impl Congestion {
    pub fn new(mss: u16) -> Self {
        let mss = u32::from(mss);
        Self {
            mss,
            window: mss * FIRST_SEGMENTS,
            threshold: u32::MAX,
            recovery: None,
            is_timed_out: false,
        }
    }

    /// How much may be on its way.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Whether a loss is being repaired.
    pub fn is_recovering(&self) -> bool {
        self.recovery.is_some()
    }

    /// So many bytes newly arrived, and all up to `ack` are acknowledged; `on_its_way` were in the network before.
    /// One answer may stand for many segments, where the peer takes them together.
    pub fn on_ack(&mut self, ack: u32, mut bytes: u32, on_its_way: u32) {
        if self.recovery.is_some_and(|end| !is_before(ack, end)) {
            self.recovery = None;
            self.is_timed_out = false;
        }
        if self.is_recovering() && !self.is_timed_out {
            return;
        }
        // A window that is not used says nothing about the network.
        if on_its_way.saturating_mul(2) < self.window {
            return;
        }
        if self.window < self.threshold {
            let more = bytes.min(self.threshold - self.window);
            self.window = self.window.saturating_add(more);
            bytes -= more;
        }
        if bytes > 0 {
            let more = u64::from(self.mss) * u64::from(bytes) / u64::from(self.window);
            self.window = self.window.saturating_add((more as u32).max(1));
        }
    }

    /// A segment was lost. `flight`: all that is not acknowledged; `next`: the number behind it.
    pub fn on_loss(&mut self, flight: u32, next: u32) {
        if self.recovery.is_none() {
            self.threshold = self.half(flight);
            self.window = self.threshold;
            self.recovery = Some(next);
        }
    }

    /// The timer ran out.
    pub fn on_timeout(&mut self, flight: u32, next: u32) {
        if !self.is_timed_out {
            self.threshold = self.half(flight);
        }
        self.is_timed_out = true;
        self.recovery = Some(next);
        self.window = self.mss;
    }

    fn half(&self, flight: u32) -> u32 {
        (flight / 2).max(2 * self.mss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_doubles_then_halves_and_heals() {
        let mut congestion = Congestion::new(1000);
        assert_eq!(congestion.window(), 10_000);
        for ack in 1..=10 {
            congestion.on_ack(ack * 1000, 1000, 20_000);
        }
        assert_eq!(congestion.window(), 20_000);
        congestion.on_loss(20_000, 30_000);
        assert!(congestion.is_recovering());
        assert_eq!(congestion.window(), 10_000);
        // One loss more before it is repaired is the same one.
        congestion.on_loss(20_000, 31_000);
        congestion.on_ack(11_000, 1000, 20_000);
        assert_eq!(congestion.window(), 10_000);
        congestion.on_ack(30_000, 19_000, 10_000);
        assert!(!congestion.is_recovering());
        assert!((10_001..=12_000).contains(&congestion.window()));
        congestion.on_timeout(8000, 38_000);
        assert_eq!(congestion.window(), 1000);
        // It begins again at once.
        congestion.on_ack(31_000, 1000, 1000);
        assert_eq!(congestion.window(), 2000);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut congestion = Congestion::new(1000);
        for ack in 1..100 {
            congestion.on_ack(ack * 100, 100, 100);
        }
        assert_eq!(congestion.window(), 10_000);
    }
}
