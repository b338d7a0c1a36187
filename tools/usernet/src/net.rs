//! The network that a guest sees: as users of QEMU know it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest packet in bytes.
pub const MTU_BYTES: u16 = 1500;

/// How many bits of addresses name the networks.
pub(crate) const V4_BITS: u8 = 24;
pub(crate) const V6_BITS: u8 = 64;

/// The gateway.
pub(crate) const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
pub(crate) const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// The name server.
pub const NAMES_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// The same by IPv6.
pub(crate) const NAMES_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3);
/// The guest, if it asks.
pub(crate) const GUEST_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The hardware address of the gateway.
pub(crate) const MAC: [u8; 6] = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02];

/// Whether an address is one of these networks.
pub(crate) fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == GATEWAY_V4.octets()[..3],
        IpAddr::V6(address) => address.segments()[..4] == GATEWAY_V6.segments()[..4],
    }
}
