//! The Internet checksum (RFC 1071), and the header it covers that is never sent.

use core::net::IpAddr;

use smoltcp::wire::checksum::{combine, data};

/// The sum of the pseudo header.
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> u16 {
    let side = |address: IpAddr| match address {
        IpAddr::V4(address) => data(&address.octets()),
        IpAddr::V6(address) => data(&address.octets()),
    };
    let len = len as u32;
    combine(&[
        side(from),
        side(to),
        (len >> 16) as u16,
        len as u16,
        u16::from(protocol),
    ])
}

/// What to write into the checksum field, which is zero now.
pub(crate) fn of(bytes: &[u8]) -> u16 {
    !data(bytes)
}

/// Whether a checksum that covers only these bytes is right.
pub(crate) fn is_right(bytes: &[u8]) -> bool {
    data(bytes) == 0xffff
}

/// What to write into the checksum field of a transport header, which is zero now.
pub(crate) fn of_transport(from: IpAddr, to: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    !combine(&[pseudo(from, to, protocol, bytes.len()), data(bytes)])
}

/// Whether the checksum of a transport header is right.
pub(crate) fn is_transport_right(from: IpAddr, to: IpAddr, protocol: u8, bytes: &[u8]) -> bool {
    combine(&[pseudo(from, to, protocol, bytes.len()), data(bytes)]) == 0xffff
}
