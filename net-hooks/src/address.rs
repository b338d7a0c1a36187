//! `struct sockaddr_in` and `struct sockaddr_in6`.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use muslin_abi::Errno;
use muslin_abi::flags::{AF_INET, AF_INET6, AF_UNSPEC};
use muslin_abi::layout::Pod;
use muslin_net_stack::{Family, Kind};

/// Bytes of the longest address of any family, `struct sockaddr_storage`.
pub const STORAGE_BYTES: i32 = 128;
/// Bytes of the family that every address begins with.
const FAMILY_BYTES: usize = 2;
/// Bytes of `struct sockaddr_in`.
const V4_BYTES: usize = 16;
/// Bytes of `struct sockaddr_in6`, and of the one that had no scope yet.
const V6_BYTES: usize = 28;
const V6_BYTES_MIN: usize = 24;

/// The family that the bytes of an address begin with.
pub fn family(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_bytes(bytes.get(..FAMILY_BYTES)?))
}

/// What the bytes of an address say to `bind`.
///
/// # Errors
/// `EINVAL` too short · `EAFNOSUPPORT` of another family than the socket.
pub fn to_bind(bytes: &[u8], family_of_socket: Family) -> Result<SocketAddr, Errno> {
    let address = match family_of_socket {
        Family::V4 => v4(bytes).ok_or(Errno::EINVAL)?,
        Family::V6 => v6(bytes).ok_or(Errno::EINVAL)?,
    };
    let is_any = address.ip().is_unspecified();
    match family(bytes) {
        // As Linux: old programs leave the family out.
        Some(AF_UNSPEC) if family_of_socket == Family::V4 && is_any => Ok(address),
        other if other == Some(number(family_of_socket)) => Ok(address),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// What the bytes of an address say to `connect`; `None`: forget the peer.
///
/// # Errors
/// `EINVAL` too short · `EAFNOSUPPORT` of another family than the socket.
pub fn to_connect(
    bytes: &[u8],
    family_of_socket: Family,
    kind: Kind,
) -> Result<Option<SocketAddr>, Errno> {
    let address = match (family(bytes).ok_or(Errno::EINVAL)?, family_of_socket) {
        (AF_UNSPEC, _) => return Ok(None),
        (AF_INET, Family::V6) if kind != Kind::Stream => mapped(v4(bytes).ok_or(Errno::EINVAL)?),
        (given, Family::V4) => {
            let address = v4(bytes).ok_or(Errno::EINVAL)?;
            if given != AF_INET {
                return Err(Errno::EAFNOSUPPORT);
            }
            address
        }
        (given, Family::V6) => {
            let address = v6(bytes).ok_or(Errno::EINVAL)?;
            if given != AF_INET6 {
                return Err(Errno::EAFNOSUPPORT);
            }
            address
        }
    };
    Ok(Some(address))
}

/// Where the bytes of an address send a datagram; `None`: to the peer.
///
/// # Errors
/// `EINVAL` too short, or no port · `EAFNOSUPPORT` of another family than the socket.
pub fn to_send(
    bytes: &[u8],
    family_of_socket: Family,
    kind: Kind,
) -> Result<Option<SocketAddr>, Errno> {
    let address = match family_of_socket {
        Family::V4 => {
            let address = v4(bytes).ok_or(Errno::EINVAL)?;
            if !matches!(family(bytes), Some(AF_INET | AF_UNSPEC)) {
                return Err(Errno::EAFNOSUPPORT);
            }
            address
        }
        Family::V6 => match family(bytes).ok_or(Errno::EINVAL)? {
            AF_UNSPEC => return Ok(None),
            AF_INET => mapped(v4(bytes).ok_or(Errno::EINVAL)?),
            AF_INET6 => v6(bytes).ok_or(Errno::EINVAL)?,
            _ => return Err(Errno::EINVAL),
        },
    };
    if address.port() == 0 && kind == Kind::Datagram {
        return Err(Errno::EINVAL);
    }
    Ok(Some(address))
}

/// The bytes of an address.
pub fn bytes_of(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(V6_BYTES);
    match address {
        SocketAddr::V4(address) => {
            bytes.extend(AF_INET.to_le_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.resize(V4_BYTES, 0);
        }
        SocketAddr::V6(address) => {
            bytes.extend(AF_INET6.to_le_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.flowinfo().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend(address.scope_id().to_le_bytes());
        }
    }
    bytes
}

/// The address of no family's any host, with port 0.
pub fn unspecified(family: Family) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

/// An IPv4 address as IPv6 writes it.
pub fn mapped_ip(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The address that IPv6 may have written as its own.
pub fn unmapped_ip(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn mapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::from((mapped_ip(address.ip()), address.port()))
}

/// The number of a family.
pub fn number(family: Family) -> u16 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?))
}

fn v4(bytes: &[u8]) -> Option<SocketAddr> {
    let bytes = bytes.get(..V4_BYTES)?;
    let ip = Ipv4Addr::from(*bytes.get(4..8)?.first_chunk::<4>()?);
    Some(SocketAddrV4::new(ip, port(bytes)?).into())
}

fn v6(bytes: &[u8]) -> Option<SocketAddr> {
    let flow = u32::from_be_bytes(*bytes.get(4..8)?.first_chunk()?);
    let ip = Ipv6Addr::from(*bytes.get(8..V6_BYTES_MIN)?.first_chunk::<16>()?);
    let scope = bytes.get(V6_BYTES_MIN..V6_BYTES).map_or(0, u32::from_bytes);
    Some(SocketAddrV6::new(ip, port(bytes)?, flow, scope).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn text(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn addresses_survive_the_way_through_bytes() {
        for address in ["10.0.0.2:80", "[fe80::1%3]:8080", "[::]:0"] {
            let address = text(address);
            let family = if address.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            };
            let bytes = bytes_of(address);
            assert_eq!(bytes.len(), if address.is_ipv4() { 16 } else { 28 });
            assert_eq!(to_bind(&bytes, family), Ok(address));
            assert_eq!(to_connect(&bytes, family, Kind::Stream), Ok(Some(address)));
        }
    }

    #[test]
    fn short_addresses_and_those_of_other_families_are_refused() {
        let v4 = bytes_of(text("1.2.3.4:5"));
        let v6 = bytes_of(text("[::1]:5"));
        assert_eq!(to_bind(&v4[..15], Family::V4), Err(Errno::EINVAL));
        assert_eq!(to_bind(&v6[..23], Family::V6), Err(Errno::EINVAL));
        assert_eq!(to_bind(&v6[..24], Family::V6), Ok(text("[::1]:5")));
        assert_eq!(to_bind(&v6, Family::V4), Err(Errno::EAFNOSUPPORT));
        assert_eq!(to_bind(&v4, Family::V6), Err(Errno::EINVAL));
        let connect = |bytes: &[u8], family| to_connect(bytes, family, Kind::Stream);
        assert_eq!(connect(&v4[..1], Family::V4), Err(Errno::EINVAL));
        assert_eq!(connect(&v6, Family::V4), Err(Errno::EAFNOSUPPORT));
        assert_eq!(connect(&v4, Family::V6), Err(Errno::EINVAL));
        assert_eq!(connect(&[0, 0], Family::V4), Ok(None));
    }

    #[test]
    fn the_family_may_be_left_out_of_any_address() {
        let mut any = bytes_of(text("0.0.0.0:7"));
        any[0] = 0;
        assert_eq!(to_bind(&any, Family::V4), Ok(text("0.0.0.0:7")));
        any[4] = 1;
        assert_eq!(to_bind(&any, Family::V4), Err(Errno::EAFNOSUPPORT));
    }

    #[test]
    fn datagrams_of_ipv6_reach_ipv4_by_its_own_addresses() {
        let v4 = bytes_of(text("1.2.3.4:5"));
        let reached = Ok(Some(text("[::ffff:1.2.3.4]:5")));
        assert_eq!(to_send(&v4, Family::V6, Kind::Datagram), reached);
        assert_eq!(to_connect(&v4, Family::V6, Kind::Datagram), reached);
        let no_port = bytes_of(text("1.2.3.4:0"));
        let sent = to_send(&no_port, Family::V4, Kind::Datagram);
        assert_eq!(sent, Err(Errno::EINVAL));
    }
}
