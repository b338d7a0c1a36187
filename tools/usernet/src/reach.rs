//! Where a guest's destinations are, and which it may not have.
//!
//! It reaches what the host reaches, but neither the host itself (unless that is said) nor what means
//! something only to the host: addresses of the loopback and of its links. The gateway stands for the
//! host's loopback, where that may be reached; the name server for the host's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use muslin_net_stack::Refusal;

use crate::host;
use crate::net::{GATEWAY_V4, GATEWAY_V6, NAMES_V4, NAMES_V6, is_inside};
use crate::route;

/// The port of name servers.
const NAMES_PORT: u16 = 53;

/// What clouds have at addresses that are not of a link, and tell this host's secrets: the metadata servers of Amazon (and
/// those of its pods) and Google by IPv6, of Alibaba and Oracle, and Azure's own.
const METADATA: &[IpAddr] = &[
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To an address as the host sees it.
    There(SocketAddr),
    /// To the host's name servers.
    Names,
}

/// Finds the place of a guest's destination.
pub(crate) fn place(to: SocketAddr, reaches_host: bool) -> Result<Place, Refusal> {
    match to.ip() {
        IpAddr::V4(GATEWAY_V4) if reaches_host => {
            Ok(Place::There((Ipv4Addr::LOCALHOST, to.port()).into()))
        }
        IpAddr::V6(GATEWAY_V6) if reaches_host => {
            Ok(Place::There((Ipv6Addr::LOCALHOST, to.port()).into()))
        }
        IpAddr::V4(GATEWAY_V4) | IpAddr::V6(GATEWAY_V6) => Err(Refusal::Port),
        IpAddr::V4(NAMES_V4) | IpAddr::V6(NAMES_V6) => match to.port() {
            NAMES_PORT => Ok(Place::Names),
            _ => Err(Refusal::Port),
        },
        address if is_inside(address) => Err(Refusal::Host),
        address if !is_everywhere(address) || METADATA.contains(&address) => {
            Err(Refusal::Prohibited)
        }
        address => {
            if !reaches_host && !route::is_elsewhere(address).map_err(host::refusal)? {
                return Err(Refusal::Prohibited);
            }
            Ok(Place::There(to))
        }
    }
}

/// Whether an address means the same to everybody: not this host, nor one on a link, nor many.
fn is_everywhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let first = address.octets()[0];
            // From 224 on groups, and what is reserved.
            first != 0 && first < 224 && !address.is_loopback() && !address.is_link_local()
        }
        // Global, or of an organization; others are the host's, a link's, or IPv4 in disguise.
        IpAddr::V6(address) => {
            let is_global = address.segments()[0] & 0xe000 == 0x2000;
            is_global && !is_tunnel(address) || address.is_unique_local()
        }
    }
}

/// Whether an address stands for one of IPv4, of any kind, at the other end of a tunnel: 6to4 and Teredo.
fn is_tunnel(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x2002, ..] | [0x2001, 0, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(to: &str, reaches_host: bool) -> Result<Place, Refusal> {
        let to = to.parse().unwrap_or_else(|_| panic!("{to}"));
        place(to, reaches_host)
    }

    #[test]
    fn the_gateway_is_the_hosts_loopback_if_that_is_said() {
        let there = |to: &str| Ok(Place::There(to.parse().unwrap_or_else(|_| panic!("{to}"))));
        assert_eq!(of("10.0.2.2:80", true), there("127.0.0.1:80"));
        assert_eq!(of("[fd00::2]:80", true), there("[::1]:80"));
        assert_eq!(of("10.0.2.2:80", false), Err(Refusal::Port));
        assert_eq!(of("[fd00::2]:80", false), Err(Refusal::Port));
    }

    #[test]
    fn of_the_name_server_there_is_one_port() {
        for to in ["10.0.2.3", "[fd00::3]"] {
            assert_eq!(of(&format!("{to}:53"), false), Ok(Place::Names));
            assert_eq!(of(&format!("{to}:80"), true), Err(Refusal::Port));
        }
        assert_eq!(of("10.0.2.77:80", true), Err(Refusal::Host));
        assert_eq!(of("[fd00::77]:80", true), Err(Refusal::Host));
    }

    #[test]
    fn what_means_something_to_the_host_alone_is_not_reached() {
        for to in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::1]",
            "[2001:0:a9fe:a9fe::1]",
            "[fd00:ec2::254]",
            "[fd20:ce::254]",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            for reaches_host in [false, true] {
                let found = of(&format!("{to}:80"), reaches_host);
                assert_eq!(found, Err(Refusal::Prohibited), "{to}");
            }
        }
    }
}
