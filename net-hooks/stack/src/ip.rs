//! IP headers, of both versions: read and written.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum;
use crate::packet::Packet;

pub(crate) const ICMP: u8 = 1;
pub(crate) const IGMP: u8 = 2;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;

const V6_HOP_BY_HOP: u8 = 0;
const V6_ROUTING: u8 = 43;
const V6_FRAGMENT: u8 = 44;
const V6_DESTINATION: u8 = 60;

/// How many headers of options a packet may have.
const V6_HEADERS_MAX: usize = 8;

/// The hop limit of packets that nobody chose one for.
pub(crate) const HOP_LIMIT: u8 = 64;

/// What the layers above need of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: u8,
    pub hop_limit: u8,
    pub class: u8,
}

impl Head {
    /// A packet from us, as most are.
    pub fn new(from: IpAddr, to: IpAddr, protocol: u8) -> Self {
        Self {
            from,
            to,
            protocol,
            hop_limit: HOP_LIMIT,
            class: 0,
        }
    }
}

/// Which part of a datagram a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub id: u32,
    pub offset: usize,
    pub is_last: bool,
}

/// A header that was read: what is above is at `at..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub head: Head,
    pub at: usize,
    pub end: usize,
    pub part: Option<Part>,
}

/// The length of a header that we write.
pub(crate) fn header_bytes(to: IpAddr) -> usize {
    if to.is_ipv4() { 20 } else { 40 }
}

/// Reads a header. `None`: malformed.
pub(crate) fn parse(bytes: &[u8]) -> Option<Parsed> {
    match bytes.first()? >> 4 {
        4 => parse_v4(bytes),
        6 => parse_v6(bytes),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn parse_v4(bytes: &[u8]) -> Option<Parsed> {
    let header = bytes.first_chunk::<20>()?;
    let at = usize::from(header[0] & 15) * 4;
    let end = usize::from(word(header, 2)?);
    if at < 20 || end < at || end > bytes.len() || !checksum::is_right(&bytes[..at]) {
        return None;
    }
    let fragment = word(header, 6)?;
    let offset = usize::from(fragment & 0x1fff) * 8;
    let has_more = fragment & 0x2000 != 0;
    let address = |at: usize| {
        IpAddr::V4(Ipv4Addr::new(
            header[at],
            header[at + 1],
            header[at + 2],
            header[at + 3],
        ))
    };
    Some(Parsed {
        head: Head {
            from: address(12),
            to: address(16),
            protocol: header[9],
            hop_limit: header[8],
            class: header[1],
        },
        at,
        end,
        part: (has_more || offset > 0).then_some(Part {
            id: u32::from(word(header, 4)?),
            offset,
            is_last: !has_more,
        }),
    })
}

fn parse_v6(bytes: &[u8]) -> Option<Parsed> {
    let header = bytes.first_chunk::<40>()?;
    let end = 40 + usize::from(word(header, 4)?);
    if end > bytes.len() {
        return None;
    }
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    let mut protocol = header[6];
    let mut at = 40;
    let mut part = None;
    for _ in 0..V6_HEADERS_MAX {
        match protocol {
            V6_HOP_BY_HOP | V6_DESTINATION | V6_ROUTING => {
                let next = *bytes.get(at)?;
                let len = 8 + usize::from(*bytes.get(at + 1)?) * 8;
                // A route that is not at its end goes by way of us: we are no router.
                if protocol == V6_ROUTING && *bytes.get(at + 3)? != 0 {
                    return None;
                }
                protocol = next;
                at += len;
            }
            V6_FRAGMENT => {
                let fragment = word(bytes, at + 2)?;
                let id = u32::from(word(bytes, at + 4)?) << 16 | u32::from(word(bytes, at + 6)?);
                part = Some(Part {
                    id,
                    offset: usize::from(fragment & !7),
                    is_last: fragment & 1 == 0,
                });
                protocol = *bytes.get(at)?;
                at += 8;
                // What follows in a later part is not a header.
                break;
            }
            _ => break,
        }
    }
    if at > end {
        return None;
    }
    if let Some(Part {
        offset: 0,
        is_last: true,
        ..
    }) = part
    {
        part = None;
    }
    Some(Parsed {
        head: Head {
            from: address(8),
            to: address(24),
            protocol,
            hop_limit: header[7],
            class: header[0] << 4 | header[1] >> 4,
        },
        at,
        end,
        part,
    })
}

/// Puts a header in front. `part` with the identification of the datagram.
pub(crate) fn write(packet: &mut Packet, head: &Head, id: u32, part: Option<Part>) {
    let len = packet.len();
    match (head.from, head.to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = packet.prepend(20);
            header.fill(0);
            header[0] = 0x45;
            header[1] = head.class;
            header[2..4].copy_from_slice(&((len + 20) as u16).to_be_bytes());
            header[4..6].copy_from_slice(&(id as u16).to_be_bytes());
            if let Some(part) = part {
                let fragment = (part.offset / 8) as u16 | if part.is_last { 0 } else { 0x2000 };
                header[6..8].copy_from_slice(&fragment.to_be_bytes());
            }
            header[8] = head.hop_limit;
            header[9] = head.protocol;
            header[12..16].copy_from_slice(&from.octets());
            header[16..20].copy_from_slice(&to.octets());
            let sum = checksum::of(header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut protocol = head.protocol;
            if let Some(part) = part {
                let header = packet.prepend(8);
                header[0] = protocol;
                header[1] = 0;
                let fragment = part.offset as u16 | u16::from(!part.is_last);
                header[2..4].copy_from_slice(&fragment.to_be_bytes());
                header[4..8].copy_from_slice(&id.to_be_bytes());
                protocol = V6_FRAGMENT;
            }
            let len = packet.len();
            let header = packet.prepend(40);
            header[0] = 0x60 | head.class >> 4;
            header[1] = head.class << 4;
            header[2..4].fill(0);
            header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
            header[6] = protocol;
            header[7] = head.hop_limit;
            header[8..24].copy_from_slice(&from.octets());
            header[24..40].copy_from_slice(&to.octets());
        }
        // The source is chosen for the destination: they are of one version.
        _ => {}
    }
}

/// An IPv4 address in IPv6 clothes becomes itself.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(inner) => inner.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Whether a link-local address, which means something only with its link.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_multicast() && address.octets()[1] & 15 == 2
        }
        IpAddr::V4(_) => false,
    }
}

/// Whether the first `bits` bits of two addresses are the same.
pub(crate) fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}
