//! What went over a device in one direction.

use core::fmt;

/// Frames and bytes that arrived, and frames that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that were handed on.
    pub frames: u64,
    /// Their bytes, with the Ethernet header.
    pub bytes: u64,
    /// Frames that were lost on the way.
    pub dropped: u64,
}

impl Counters {
    /// A frame was handed on.
    pub fn count(&mut self, frame: &[u8]) {
        self.frames += 1;
        self.bytes += frame.len() as u64;
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} frames, {} bytes, {} dropped",
            self.frames, self.bytes, self.dropped
        )
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn frames_and_bytes_are_counted() {
        let mut counters = Counters::default();
        counters.count(&[0; 60]);
        counters.count(&[0; 1514]);
        counters.dropped += 1;
        assert_eq!(counters.to_string(), "2 frames, 1574 bytes, 1 dropped");
    }
}
