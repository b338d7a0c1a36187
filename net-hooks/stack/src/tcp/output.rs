//! Segments on their way out.

use super::Flow;
use super::segment::{ACK, Bare, RST, Segment};
use crate::checksum;
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::offload::Left;
use crate::packet::Packet;
use crate::smol::SmolStack;
use crate::topology::{LO, Way};

/// The largest segment on the loopback: there is nothing to gain from one that fills a buffer.
const LO_MSS: usize = 8192;

impl SmolStack {
    /// The largest segment on a way.
    pub(super) fn mss(&self, flow: &Flow, link: u32) -> u16 {
        let room = self.path_mtu(link, flow.peer)
            - ip::header_bytes(flow.peer)
            - super::segment::HEADER_BYTES;
        let room = if link == LO { room.min(LO_MSS) } else { room };
        u16::try_from(room).unwrap_or(u16::MAX)
    }

    /// Sends a segment without data.
    pub(super) fn send_bare(&mut self, flow: &Flow, link: Option<u32>, bare: &Bare) {
        let mut packet = core::mem::take(&mut self.scratch);
        bare.write(&mut packet);
        let head = Head::new(flow.local, flow.peer, ip::TCP);
        self.send_segment(&head, link, &mut packet);
        self.scratch = packet;
    }

    /// Puts the checksum into a segment, and sends it.
    pub(super) fn send_segment(&mut self, head: &Head, link: Option<u32>, packet: &mut Packet) {
        // Without a way it is lost, as behind a cut wire: it is sent again, or given up, in time.
        let Ok(way) = self.topology.way(head.to, Some(head.from), link) else {
            return;
        };
        self.send_segment_by(&way, head, packet);
    }

    fn send_segment_by(&mut self, way: &Way, head: &Head, packet: &mut Packet) {
        let (from, to, segment_len) = (head.from, head.to, packet.len());
        if self.has_offload(way.link) {
            let sum = checksum::left_of_transport(from, to, ip::TCP, segment_len);
            let cut_bytes = packet.cut_bytes;
            let bytes = packet.bytes_mut();
            bytes[16..18].copy_from_slice(&sum.to_be_bytes());
            packet.left = Some(Left {
                segment_len,
                header_len: usize::from(bytes[12] >> 4) * 4,
                cut_bytes,
                is_v4: to.is_ipv4(),
            });
        } else if way.link != LO {
            // Nothing damages what does not leave.
            packet.cut_bytes = None;
            let bytes = packet.bytes_mut();
            bytes[16..18].fill(0);
            let sum = checksum::of_transport(from, to, ip::TCP, bytes);
            bytes[16..18].copy_from_slice(&sum.to_be_bytes());
        }
        self.output_by(way, head, packet);
    }

    /// Answers a segment that nobody expects with a reset (RFC 9293, 3.10.7.1).
    pub(super) fn send_reset(&mut self, flow: &Flow, arrived: &Arrived, segment: &Segment) {
        if segment.has(RST) {
            return;
        }
        let bare = if segment.has(ACK) {
            Bare::of(flow, segment.ack, 0, RST, 0)
        } else {
            let ack = segment.seq.wrapping_add(segment.sequence_len());
            Bare::of(flow, 0, ack, RST | ACK, 0)
        };
        self.send_bare(flow, self.near(arrived, flow.peer), &bare);
    }
}
