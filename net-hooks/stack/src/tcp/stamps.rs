//! Timestamps of a connection (RFC 7323): what ours are, what is echoed, and what is too old.

use super::segment::{Segment, Stamp, is_before};
use super::stamp_clock;

/// A timestamp that was heard so long ago says nothing of those of today.
const STALE_NS: u64 = 24 * 24 * 3600 * 1_000_000_000;

/// The timestamps of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    offset: u32,
    /// The peer's that is echoed, and when it was heard.
    recent: u32,
    recent_ns: u64,
}

impl Stamps {
    pub fn begin(offset: u32, recent: u32, now_ns: u64) -> Self {
        Self {
            offset,
            recent,
            recent_ns: now_ns,
        }
    }

    /// The one of a segment that goes out now.
    pub fn stamp(&self, now_ns: u64) -> Stamp {
        Stamp {
            value: stamp_clock(self.offset, now_ns),
            echo: self.recent,
        }
    }

    /// Whether a segment is from before one that was heard: a number that came round again.
    pub fn is_old(&self, stamp: Stamp, now_ns: u64) -> bool {
        is_before(stamp.value, self.recent) && now_ns < self.recent_ns + STALE_NS
    }

    /// A segment that is not old was heard, when all up to `told` had been acknowledged.
    pub fn hear(&mut self, segment: &Segment, stamp: Stamp, told: u32, now_ns: u64) {
        if !is_before(told, segment.seq) {
            self.recent = stamp.value;
            self.recent_ns = now_ns;
        }
    }

    /// How long ago that was sent that a segment echoes. `None`: nothing of ours.
    pub fn echo_ns(&self, stamp: Stamp, now_ns: u64) -> Option<u64> {
        let milliseconds = stamp_clock(self.offset, now_ns).wrapping_sub(stamp.echo);
        (stamp.echo != 0 && milliseconds < u32::MAX / 2)
            .then_some(u64::from(milliseconds.max(1)) * 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_is_old_and_how_old() {
        let mut stamps = Stamps::begin(u32::MAX - 5, u32::MAX, 0);
        assert_eq!(stamps.stamp(10 * MS).value, 4);
        let of = |value, echo| Stamp { value, echo };
        // They come round.
        assert!(!stamps.is_old(of(3, 0), 0));
        assert!(stamps.is_old(of(u32::MAX - 1, 0), 0));
        assert!(!stamps.is_old(of(u32::MAX - 1, 0), STALE_NS));
        assert_eq!(stamps.echo_ns(of(3, u32::MAX), 16 * MS), Some(11 * MS));
        assert_eq!(stamps.echo_ns(of(3, 0), 16 * MS), None);
        assert_eq!(stamps.echo_ns(of(3, 77), 16 * MS), None);
        let header = [
            1, 1, 1, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 16, 0, 0, 0, 0, 0, 0,
        ];
        let Some(segment) = Segment::parse(&header, 0, 20) else {
            panic!("a header");
        };
        // One behind a hole is not echoed.
        stamps.hear(&segment, of(7, 0), 8, 0);
        assert_eq!(stamps.stamp(0).echo, u32::MAX);
        stamps.hear(&segment, of(7, 0), 9, 0);
        assert_eq!(stamps.stamp(0).echo, 7);
    }
}
