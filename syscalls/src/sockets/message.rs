//! What travels from one end to another: bytes, and beside them credentials and open files.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::layout::Ucred;

use super::domain::Domain;
use super::endpoint::{Endpoint, Kind};
use crate::files::file::File;

/// What a message takes beside its bytes, as Linux counts: its head, and the end of its buffer.
const HEAD_BYTES: usize = 256;
const BUFFER_END_BYTES: usize = 320;
const PAGE_BYTES: usize = 4096;
/// Bytes of a stream that have room in its message's buffer; more are in pages of their own.
const STREAM_BUFFER_BYTES: usize = PAGE_BYTES - BUFFER_END_BYTES;
/// The same of a datagram.
const DATAGRAM_BUFFER_BYTES: usize = 4 * PAGE_BYTES - BUFFER_END_BYTES;
/// The most bytes of a stream that are one message.
pub const STREAM_MESSAGE_BYTES_MAX: usize = STREAM_BUFFER_BYTES + 8 * PAGE_BYTES;

/// A message on its way.
pub struct Message {
    bytes: Vec<u8>,
    /// Bytes that were received: only a stream's reader takes less than all.
    taken: usize,
    /// Who sent it.
    pub credentials: Option<Ucred>,
    /// Open files.
    pub cargo: Option<Cargo>,
    charge: Charge,
}

impl Message {
    /// Bytes that `sender` sends. They count against what it may have on its way until the message is
    /// dropped.
    pub fn new(sender: &Arc<Endpoint>, bytes: Vec<u8>) -> Self {
        let cost_bytes = cost_bytes(sender.kind, bytes.len());
        sender.charge(cost_bytes);
        Self {
            bytes,
            taken: 0,
            credentials: None,
            cargo: None,
            charge: Charge {
                sender: sender.clone(),
                cost_bytes,
            },
        }
    }

    /// What was not received yet.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// So many more bytes were received.
    pub fn take(&mut self, len: usize) {
        self.taken = (self.taken + len).min(self.bytes.len());
    }

    /// The end that it comes from.
    pub fn sender(&self) -> &Arc<Endpoint> {
        &self.charge.sender
    }
}

/// What Linux counts for a message, so that as much is on its way before a sender waits.
fn cost_bytes(kind: Kind, len: usize) -> usize {
    let buffer = match kind {
        Kind::Stream => STREAM_BUFFER_BYTES,
        Kind::Datagram | Kind::Packets => DATAGRAM_BUFFER_BYTES,
    };
    let in_pages = len.saturating_sub(buffer).next_multiple_of(PAGE_BYTES);
    let in_buffer = len.saturating_sub(in_pages);
    HEAD_BYTES + (in_buffer + BUFFER_END_BYTES).next_power_of_two() + in_pages
}

/// What a message takes of its sender's room until it is dropped.
struct Charge {
    sender: Arc<Endpoint>,
    cost_bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.sender.discharge(self.cost_bytes);
    }
}

/// Open files on their way.
pub struct Cargo {
    domain: Arc<Domain>,
    files: Vec<Arc<File>>,
}

impl Cargo {
    /// Sends files on their way.
    pub fn new(domain: &Arc<Domain>, files: Vec<Arc<File>>) -> Self {
        domain.departed(&files);
        Self {
            domain: domain.clone(),
            files,
        }
    }

    /// The files.
    pub fn files(&self) -> &[Arc<File>] {
        &self.files
    }

    /// They have arrived.
    pub fn unload(mut self) -> Vec<Arc<File>> {
        let files = core::mem::take(&mut self.files);
        self.domain.arrived(&files);
        files
    }
}

impl Drop for Cargo {
    fn drop(&mut self) {
        self.domain.arrived(&self.files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cost_what_they_cost_on_linux() {
        // As Linux 6.18 says by SIOCOUTQ.
        for (len, bytes) in [
            (0, 768),
            (1, 768),
            (500, 1280),
            (2000, 4352),
            (3776, 4352),
            (3777, 4864),
            (4096, 4864),
            (10_000, 12_544),
            (STREAM_MESSAGE_BYTES_MAX, 37_120),
        ] {
            assert_eq!(cost_bytes(Kind::Stream, len), bytes, "{len}");
        }
        for (len, bytes) in [
            (3777, 8448),
            (10_000, 16_640),
            (40_000, 41_216),
            (65_536, 69_888),
            (100_000, 102_656),
        ] {
            assert_eq!(cost_bytes(Kind::Datagram, len), bytes, "{len}");
            assert_eq!(cost_bytes(Kind::Packets, len), bytes, "{len}");
        }
    }
}
