//! Ethernet headers, and ARP, which exists only there.

use core::net::{IpAddr, Ipv4Addr};

use crate::packet::Packet;

pub(crate) const HEADER_BYTES: usize = 14;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const BROADCAST: Mac = [0xff; 6];

/// A hardware address.
pub(crate) type Mac = [u8; 6];

/// A header that was read.
pub(crate) struct Header {
    pub to: Mac,
    pub kind: u16,
}

/// Reads a header. `None`: the frame is too short.
pub(crate) fn parse(frame: &[u8]) -> Option<Header> {
    let header = frame.first_chunk::<HEADER_BYTES>()?;
    let mut to = [0; 6];
    to.copy_from_slice(&header[..6]);
    Some(Header {
        to,
        kind: u16::from_be_bytes([header[12], header[13]]),
    })
}

/// Puts a header in front.
pub(crate) fn write(packet: &mut Packet, from: Mac, to: Mac, kind: u16) {
    let header = packet.prepend(HEADER_BYTES);
    header[..6].copy_from_slice(&to);
    header[6..12].copy_from_slice(&from);
    header[12..].copy_from_slice(&kind.to_be_bytes());
}

/// The hardware address of a multicast group.
pub(crate) fn group_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        IpAddr::V6(group) => {
            let octets = group.octets();
            [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]
        }
    }
}

/// A message of ARP for IPv4.
pub(crate) struct Arp {
    pub is_request: bool,
    pub from_mac: Mac,
    pub from: Ipv4Addr,
    pub to_mac: Mac,
    pub to: Ipv4Addr,
}

const ARP_BYTES: usize = 28;
const ARP_HEAD: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

impl Arp {
    /// Reads what follows the Ethernet header.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<ARP_BYTES>()?;
        let is_request = match bytes[6..8] {
            [0, 1] => true,
            [0, 2] => false,
            _ => return None,
        };
        if bytes[..6] != ARP_HEAD {
            return None;
        }
        let mac = |at: usize| {
            let mut mac = [0; 6];
            mac.copy_from_slice(&bytes[at..at + 6]);
            mac
        };
        let address =
            |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        Some(Self {
            is_request,
            from_mac: mac(8),
            from: address(14),
            to_mac: mac(18),
            to: address(24),
        })
    }

    /// The message, without an Ethernet header.
    pub fn packet(&self) -> Packet {
        let mut packet = Packet::new(ARP_BYTES);
        let bytes = packet.bytes_mut();
        bytes[..6].copy_from_slice(&ARP_HEAD);
        bytes[6..8].copy_from_slice(&[0, if self.is_request { 1 } else { 2 }]);
        bytes[8..14].copy_from_slice(&self.from_mac);
        bytes[14..18].copy_from_slice(&self.from.octets());
        bytes[18..24].copy_from_slice(&self.to_mac);
        bytes[24..28].copy_from_slice(&self.to.octets());
        packet
    }
}
