//! The Internet checksum (RFC 1071), and the header it covers that is never sent.

use core::net::IpAddr;

/// The sum of some bytes. In words of four, of which no packet has enough to overflow: a guest has
/// no vectors.
fn data(bytes: &[u8]) -> u16 {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let (mut low, mut high) = (0u64, 0u64);
    for block in blocks {
        let block = u128::from_ne_bytes(*block);
        let (one, two) = (block as u64, (block >> 64) as u64);
        low += (one & 0xffff_ffff) + (two & 0xffff_ffff);
        high += (one >> 32) + (two >> 32);
    }
    let mut sum = low + high;
    for pair in rest.chunks(2) {
        let second = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_ne_bytes([pair[0], second]));
    }
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::from_be(sum as u16)
}

/// The sum of sums.
fn combine(sums: &[u16]) -> u16 {
    let mut sum: u32 = sums.iter().map(|&sum| u32::from(sum)).sum();
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

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

/// What to write into the checksum field of a transport header whose checksum is left to somebody else.
pub(crate) fn left_of_transport(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> u16 {
    pseudo(from, to, protocol, len)
}

/// Whether the checksum of a transport header is right.
pub(crate) fn is_transport_right(from: IpAddr, to: IpAddr, protocol: u8, bytes: &[u8]) -> bool {
    combine(&[pseudo(from, to, protocol, bytes.len()), data(bytes)]) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_rule() {
        let bytes: alloc::vec::Vec<u8> = (0..3000u32)
            .map(|place| ((place * 167) >> 3) as u8)
            .collect();
        for start in 0..40 {
            for end in (start..3000).step_by(37) {
                let bytes = &bytes[start..end];
                let mut sum = 0u64;
                for (place, &byte) in bytes.iter().enumerate() {
                    sum += u64::from(byte) << if place % 2 == 0 { 8 } else { 0 };
                }
                while sum > 0xffff {
                    sum = (sum & 0xffff) + (sum >> 16);
                }
                assert_eq!(u64::from(data(bytes)), sum, "{start}..{end}");
            }
        }
        assert_eq!(data(&[0xff; 65_535]), 0xff00);
        assert_eq!(combine(&[0xffff, 0xffff, 1]), 1);
    }
}
