//! A packet under construction: bytes with room in front of them for headers.

use alloc::vec::Vec;

use crate::offload::Left;

/// Room for an Ethernet header, the longest IP header we write, a fragment header, a timestamp, and what
/// is in front of a frame.
const HEADROOM: usize = 96;

/// A packet that headers are put in front of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    start: usize,
    /// It is longer than a segment may be, and to be cut into segments with so many bytes.
    pub cut_bytes: Option<u16>,
    /// What of it is left to whoever takes it.
    pub left: Option<Left>,
}

impl Packet {
    /// A packet of `len` zero bytes.
    pub fn new(len: usize) -> Self {
        let mut packet = Self::default();
        packet.reset(len);
        packet
    }

    /// As [`Packet::new`]. `None`: there is no memory.
    pub fn try_new(len: usize) -> Option<Self> {
        let mut packet = Self::default();
        packet.has_memory(len).then(|| {
            packet.reset(len);
            packet
        })
    }

    /// Whether there is memory for `len` bytes, and for one more behind.
    pub fn has_memory(&mut self, len: usize) -> bool {
        let more = (HEADROOM + len + 1).saturating_sub(self.bytes.len());
        self.bytes.try_reserve(more).is_ok()
    }

    /// A packet with these bytes.
    pub fn with(content: &[u8]) -> Self {
        let mut packet = Self::new(content.len());
        packet.bytes_mut().copy_from_slice(content);
        packet
    }

    /// Becomes `len` bytes, of any value, and keeps its memory.
    pub fn reset(&mut self, len: usize) {
        self.start = HEADROOM;
        self.cut_bytes = None;
        self.left = None;
        self.bytes.resize(HEADROOM + len, 0);
    }

    /// Puts `len` bytes in front, of any value, and gives them.
    ///
    /// # Panics
    /// Without room: headers have lengths we know.
    pub fn prepend(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= self.start, "no room for a header of {len} bytes");
        self.start -= len;
        let start = self.start;
        &mut self.bytes[start..start + len]
    }

    /// Puts bytes behind.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops `len` bytes at the front.
    pub fn drop_front(&mut self, len: usize) {
        self.start = (self.start + len).min(self.bytes.len());
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// All of it.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let start = self.start;
        &mut self.bytes[start..]
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }
}
