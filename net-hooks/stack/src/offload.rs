//! What is in front of the frames of a link that has either side leave work to the other: `struct
//! virtio_net_hdr`.
//!
//! Source: virtio 1.2, 5.1.6; Linux `include/uapi/linux/virtio_net.h`.

use crate::packet::Packet;

/// Its length.
pub(crate) const FRONT_BYTES: usize = 10;
/// The longest frame, with what is in front: an Ethernet header, and the longest packet of IP.
pub(crate) const FRAME_BYTES_MAX: usize = FRONT_BYTES + crate::ethernet::HEADER_BYTES + 65_535;
/// How much data a segment of TCP has at most that is left to be cut: behind any headers it fits a packet.
pub(crate) const SEGMENT_DATA_MAX: u16 = 65_000;

const NEEDS_SUM: u8 = 1;
const HAS_GOOD_SUM: u8 = 2;
const CUT_TCP_V4: u8 = 1;
const CUT_TCP_V6: u8 = 4;
/// Where the checksum is in a header of TCP.
const TCP_SUM_AT: u16 = 16;

/// What of a segment of TCP is left to whoever takes the frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// So many bytes at the packet's end are the segment; its checksum is still that of the header which is never
    /// sent.
    pub segment_len: usize,
    /// The length of its header.
    pub header_len: usize,
    /// It is to be cut into segments with so many bytes of data.
    pub cut_bytes: Option<u16>,
    pub is_v4: bool,
}

/// Puts it in front of a frame.
pub(crate) fn write(frame: &mut Packet) {
    let left = frame.left;
    let frame_len = frame.len();
    let front = frame.prepend(FRONT_BYTES);
    front.fill(0);
    let Some(left) = left else {
        return;
    };
    let start = frame_len - left.segment_len;
    front[0] = NEEDS_SUM;
    if let Some(bytes) = left.cut_bytes {
        front[1] = if left.is_v4 { CUT_TCP_V4 } else { CUT_TCP_V6 };
        let headers = (start + left.header_len) as u16;
        front[2..4].copy_from_slice(&headers.to_le_bytes());
        front[4..6].copy_from_slice(&bytes.to_le_bytes());
    }
    front[6..8].copy_from_slice(&(start as u16).to_le_bytes());
    front[8..10].copy_from_slice(&TCP_SUM_AT.to_le_bytes());
}

/// Whether the checksum above IP needs no look: there is none yet, or somebody looked.
pub(crate) fn is_sum_known(front: &[u8]) -> bool {
    front
        .first()
        .is_some_and(|flags| flags & (NEEDS_SUM | HAS_GOOD_SUM) != 0)
}
