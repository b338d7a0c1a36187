//! Router advertisements (RFC 4861): how a guest comes to its addresses of IPv6, its router and its
//! name server (RFC 8106).

use std::net::Ipv6Addr;

use crate::net::{GATEWAY_V6, MAC, MTU_BYTES, NAMES_V6, V6_BITS};

/// How often guests are told, and for how long it is true.
pub(crate) const EVERY_NS: u64 = 600_000_000_000;
const LIFETIME_SECONDS: u16 = 1800;

/// Where the gateway is on the link: the address that its hardware address makes.
const FROM: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5055, 0x0aff, 0xfe00, 0x0202);
const TO: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const TO_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

const ETHERNET_BYTES: usize = 14;
const IP_BYTES: usize = 40;
const KIND_IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;

/// Whether a frame asks for routers.
pub(crate) fn is_question(frame: &[u8]) -> bool {
    let is_ip = frame.get(12..14) == Some(&KIND_IPV6);
    let packet = frame.get(ETHERNET_BYTES..).unwrap_or_default();
    is_ip && packet.get(6) == Some(&ICMPV6) && packet.get(IP_BYTES) == Some(&SOLICITATION)
}

/// The frame that tells everybody.
pub(crate) fn advertisement() -> Vec<u8> {
    let for_ever = u32::MAX.to_be_bytes();
    let mut message = vec![ADVERTISEMENT, 0, 0, 0];
    // The hop limit to use; no DHCP; the router's lifetime; nothing about times.
    message.extend([64, 0]);
    message.extend(LIFETIME_SECONDS.to_be_bytes());
    message.extend([0; 8]);
    // The hardware address.
    message.extend([1, 1]);
    message.extend(MAC);
    // The longest packet.
    message.extend([5, 1, 0, 0]);
    message.extend(u32::from(MTU_BYTES).to_be_bytes());
    // The network: on this link, and to make addresses of.
    message.extend([3, 4, V6_BITS, 0xc0]);
    message.extend([for_ever, for_ever, [0; 4]].concat());
    let network = u128::from(GATEWAY_V6) >> (128 - V6_BITS) << (128 - V6_BITS);
    message.extend(network.to_be_bytes());
    // The name server.
    message.extend([25, 3, 0, 0]);
    message.extend(for_ever);
    message.extend(NAMES_V6.octets());
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut frame = [&TO_MAC[..], &MAC, &KIND_IPV6].concat();
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend([ICMPV6, 255]);
    frame.extend(FROM.octets());
    frame.extend(TO.octets());
    frame.extend(message);
    frame
}

/// The checksum of a message of whole words between these addresses.
fn checksum(message: &[u8]) -> u16 {
    let head = [message.len() as u32, u32::from(ICMPV6)].map(u32::to_be_bytes);
    let all = [
        &FROM.octets()[..],
        &TO.octets(),
        head.as_flattened(),
        message,
    ]
    .concat();
    let words = all.chunks(2).map(|word| match *word {
        [high, low] => u32::from(high) << 8 | u32::from(low),
        _ => 0,
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
