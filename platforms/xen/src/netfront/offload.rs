//! Work on frames that is left to the other side, as the library OS says it, by a `struct virtio_net_hdr`, and as
//! Xen's rings do.
//!
//! Source: virtio 1.2, 5.1.6; Xen 4.17 `xen/include/public/io/netif.h`.

use muslin_abi::net_device::{HEADER_BYTES, OFFLOAD_BYTES};

use crate::abi::{XEN_NETIF_GSO_TYPE_TCPV4, XEN_NETIF_GSO_TYPE_TCPV6};

/// In the header: a checksum is missing, or was found right.
const NEEDS_SUM: u8 = 1;
const HAS_GOOD_SUM: u8 = 2;
/// In the header: a segment of TCP is to be cut, over IPv4 or over IPv6.
const CUT: [u8; 2] = [1, 4];
/// The same in a ring.
const CUT_IN_RING: [u8; 2] = [XEN_NETIF_GSO_TYPE_TCPV4, XEN_NETIF_GSO_TYPE_TCPV6];

/// The fields of an Ethernet header, and of those of IP, that say where a checksum belongs.
const KIND: core::ops::Range<usize> = 12..14;
const IPV4: [u8; 2] = [8, 0];
const IPV6: [u8; 2] = [0x86, 0xdd];
const IPV6_BYTES: usize = 40;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What of a frame is left to the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// A checksum is missing.
    pub needs_sum: bool,
    /// It is known to be right.
    pub has_good_sum: bool,
    /// It is to be cut: how, in a ring's numbers, and how much data belongs into each segment.
    pub cut: Option<(u8, u16)>,
}

impl Left {
    /// What a header says; `None` if it makes no sense.
    pub fn of(header: &[u8; OFFLOAD_BYTES]) -> Option<Self> {
        let size = u16::from_le_bytes([header[4], header[5]]);
        let cut = match header[1] {
            0 => None,
            kind => {
                let at = CUT.iter().position(|&known| known == kind)?;
                Some((CUT_IN_RING[at], size))
            }
        };
        let is_sense = cut.is_none_or(|(_, size)| size != 0);
        is_sense.then_some(Self {
            needs_sum: header[0] & NEEDS_SUM != 0,
            has_good_sum: header[0] & HAS_GOOD_SUM != 0,
            cut,
        })
    }

    /// Writes the header in front of a frame.
    pub fn write(self, header: &mut [u8; OFFLOAD_BYTES], frame: &[u8]) {
        header.fill(0);
        if self.has_good_sum {
            header[0] = HAS_GOOD_SUM;
        }
        if let Some((start, sum_at)) = self.needs_sum.then(|| place_of_sum(frame)).flatten() {
            header[0] = NEEDS_SUM;
            header[6..8].copy_from_slice(&start.to_le_bytes());
            header[8..10].copy_from_slice(&sum_at.to_le_bytes());
        }
        if let Some((kind, size)) = self.cut
            && let Some(at) = CUT_IN_RING.iter().position(|&known| known == kind)
        {
            header[1] = CUT[at];
            header[4..6].copy_from_slice(&size.to_le_bytes());
        }
    }
}

/// Where what a checksum is about begins, and where in it that belongs.
fn place_of_sum(frame: &[u8]) -> Option<(u16, u16)> {
    let packet = frame.get(HEADER_BYTES..)?;
    let (protocol, len) = match frame.get(KIND)? {
        kind if kind == IPV4 => (*packet.get(9)?, usize::from(packet.first()? & 15) * 4),
        kind if kind == IPV6 => (*packet.get(6)?, IPV6_BYTES),
        _ => return None,
    };
    let sum_at = match protocol {
        TCP => 16,
        UDP => 6,
        _ => return None,
    };
    let start = HEADER_BYTES + len;
    (start + usize::from(sum_at) + 2 <= frame.len()).then_some((start as u16, sum_at))
}
