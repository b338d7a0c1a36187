//! How much may be on its way: slow start, congestion avoidance and fast recovery of RFC 5681 and
//! RFC 6582 (NewReno).
//!
//! What moves the bytes knows only a peer's window. So the peer's window is shown to it no larger
//! than what the network takes; and a hole that is found during recovery is shown to it as the
//! duplicate acknowledgements that make it send again.

use super::segment::is_before;

/// What a connection begins with, in segments (RFC 6928).
const FIRST_SEGMENTS: u32 = 10;
/// How many duplicates mean a loss.
pub(crate) const DUPLICATES: u32 = 3;

/// The congestion window of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Congestion {
    mss: u32,
    window: u32,
    threshold: u32,
    duplicates: u32,
    /// Until what is acknowledged the loss is being repaired.
    recovery: Option<u32>,
    /// The oldest byte that is not acknowledged.
    acknowledged: u32,
    /// The timer ran out since the last acknowledgement.
    is_timed_out: bool,
}

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing to do.
    Nothing,
    /// A part of what was lost arrived: the next hole is to be sent again.
    Hole,
}

impl Congestion {
    pub fn new(mss: u16, acknowledged: u32) -> Self {
        let mss = u32::from(mss);
        Self {
            mss,
            window: mss * FIRST_SEGMENTS,
            threshold: u32::MAX,
            duplicates: 0,
            recovery: None,
            acknowledged,
            is_timed_out: false,
        }
    }

    /// How much may be on its way.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// The oldest byte that the peer has not acknowledged.
    pub fn acknowledged(&self) -> u32 {
        self.acknowledged
    }

    /// Whether this acknowledgement says the same again while bytes are on their way.
    pub fn is_duplicate(&self, ack: u32, sent: u32, says_nothing_new: bool) -> bool {
        ack == self.acknowledged && says_nothing_new && is_before(ack, sent)
    }

    /// An acknowledgement came, and bytes up to `sent` had been sent.
    pub fn on_ack(&mut self, ack: u32, sent: u32, says_nothing_new: bool) -> Meaning {
        if self.is_duplicate(ack, sent, says_nothing_new) {
            self.duplicates += 1;
            if self.duplicates == DUPLICATES && self.recovery.is_none() {
                self.threshold = self.half(sent);
                self.window = self.threshold + DUPLICATES * self.mss;
                self.recovery = Some(sent);
            } else if self.recovery.is_some() {
                // One more segment has left the network.
                self.window = self.window.saturating_add(self.mss);
            }
            return Meaning::Nothing;
        }
        if !is_before(self.acknowledged, ack) || is_before(sent, ack) {
            return Meaning::Nothing;
        }
        let bytes = ack.wrapping_sub(self.acknowledged);
        self.acknowledged = ack;
        self.duplicates = 0;
        self.is_timed_out = false;
        match self.recovery {
            Some(end) if is_before(ack, end) => {
                self.window = self.window.saturating_sub(bytes).max(self.mss) + self.mss;
                return Meaning::Hole;
            }
            Some(_) => {
                self.recovery = None;
                self.window = self.threshold.max(2 * self.mss);
            }
            None if self.window < self.threshold => {
                self.window = self.window.saturating_add(bytes.min(2 * self.mss));
            }
            None => {
                let more = u64::from(self.mss) * u64::from(bytes) / u64::from(self.window);
                self.window = self.window.saturating_add((more as u32).max(1));
            }
        }
        Meaning::Nothing
    }

    /// The timer ran out, and the oldest segment was sent again.
    pub fn on_timeout(&mut self, sent: u32) {
        if !self.is_timed_out {
            self.threshold = self.half(sent);
        }
        self.is_timed_out = true;
        self.recovery = None;
        self.duplicates = 0;
        self.window = self.mss;
    }

    /// Whether the oldest segment is sent again because of duplicates.
    pub fn is_recovering(&self) -> bool {
        self.recovery.is_some()
    }

    fn half(&self, sent: u32) -> u32 {
        (sent.wrapping_sub(self.acknowledged) / 2).max(2 * self.mss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_doubles_then_halves_and_heals() {
        let mut congestion = Congestion::new(1000, 0);
        assert_eq!(congestion.window(), 10_000);
        let mut acked = 0;
        for _ in 0..10 {
            acked += 1000;
            congestion.on_ack(acked, 20_000, true);
        }
        assert_eq!(congestion.window(), 20_000);
        for _ in 0..3 {
            assert_eq!(congestion.on_ack(acked, 30_000, true), Meaning::Nothing);
        }
        assert!(congestion.is_recovering());
        assert_eq!(congestion.window(), 10_000 + 3000);
        assert_eq!(congestion.on_ack(acked + 1000, 30_000, true), Meaning::Hole);
        assert_eq!(congestion.on_ack(30_000, 30_000, true), Meaning::Nothing);
        assert!(!congestion.is_recovering());
        assert_eq!(congestion.window(), 10_000);
        congestion.on_timeout(38_000);
        assert_eq!(congestion.window(), 1000);
    }

    #[test]
    fn data_and_old_acknowledgements_are_no_duplicates() {
        let mut congestion = Congestion::new(1000, 5000);
        for _ in 0..5 {
            congestion.on_ack(5000, 9000, false);
            congestion.on_ack(4000, 9000, true);
            congestion.on_ack(5000, 5000, true);
        }
        assert!(!congestion.is_recovering());
        // What was never sent cannot be acknowledged.
        congestion.on_ack(9001, 9000, true);
        assert_eq!(congestion.acknowledged(), 5000);
    }
}
