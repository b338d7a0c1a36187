//! What travels beside the bytes of a datagram: where from and to, over which link, with which hop limit
//! and traffic class.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use muslin::{Errno, user};
use muslin_abi::control::{ALIGNMENT, each_header};
use muslin_abi::flags::*;
use muslin_abi::layout::{Cmsghdr, Pod, Timespec};
use muslin_net_stack::{Family, Received, SendTo};

use crate::address::{mapped_ip, unmapped_ip};

/// The most bytes that a program may send beside the others (`net.core.optmem_max`).
const BYTES_MAX: usize = 128 * 1024;
/// Bytes of `struct in_pktinfo` and `struct in6_pktinfo`.
const PKTINFO_BYTES: usize = 12;
const PKTINFO6_BYTES: usize = 20;

/// In which form a program wants to be told when a datagram came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// `struct timeval`
    Microseconds,
    /// `struct timespec`
    Nanoseconds,
}

/// What a program wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `SO_TIMESTAMP`, in microseconds, or `SO_TIMESTAMPNS`.
    pub time: Option<Time>,
    /// `IP_PKTINFO`
    pub info: bool,
    /// `IP_RECVTTL`
    pub ttl: bool,
    /// `IP_RECVTOS`
    pub tos: bool,
    /// `IPV6_RECVPKTINFO`
    pub info6: bool,
    /// `IPV6_RECVHOPLIMIT`
    pub hop_limit: bool,
    /// `IPV6_RECVTCLASS`
    pub traffic_class: bool,
}

/// The bytes that a program sends beside the others.
///
/// # Errors
/// `ENOBUFS` too many · `EFAULT`.
pub fn take(place: usize, len: usize) -> Result<Vec<u8>, Errno> {
    if place == 0 || len < Cmsghdr::BYTES {
        return Ok(Vec::new());
    }
    if len > BYTES_MAX {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = Vec::new();
    let room = bytes.try_reserve_exact(len);
    room.map_err(|_| Errno::ENOBUFS)?;
    bytes.resize(len, 0);
    user::read_bytes(place, &mut bytes)?;
    Ok(bytes)
}

/// Lets what was sent beside the bytes decide where they go.
///
/// # Errors
/// `EINVAL` not laid out right, or unknown.
pub fn apply(bytes: &[u8], family: Family, to: &mut SendTo) -> Result<(), Errno> {
    each_header(bytes, |header, data| {
        match (header.cmsg_level, header.cmsg_type) {
            (IPPROTO_IP, IP_PKTINFO) => {
                let [link, _, _] = numbers::<PKTINFO_BYTES, 3>(data)?;
                to.link = link;
                let from = Ipv4Addr::from(*data[4..].first_chunk::<4>().ok_or(Errno::EINVAL)?);
                to.from = (!from.is_unspecified()).then(|| own(from.into(), family));
            }
            (IPPROTO_IP, IP_TTL) => to.hop_limit = Some(number(data, 1)?),
            (IPPROTO_IP, IP_TOS) => to.traffic_class = Some(number(data, 0)?),
            (IPPROTO_IPV6, IPV6_PKTINFO) if family == Family::V6 => {
                let [_, _, _, _, link] = numbers::<PKTINFO6_BYTES, 5>(data)?;
                to.link = link;
                let from = Ipv6Addr::from(*data.first_chunk::<16>().ok_or(Errno::EINVAL)?);
                to.from = (!from.is_unspecified()).then_some(from.into());
            }
            (IPPROTO_IPV6, IPV6_HOPLIMIT) => to.hop_limit = optional(data)?.or(to.hop_limit),
            (IPPROTO_IPV6, IPV6_TCLASS) => to.traffic_class = optional(data)?.or(to.traffic_class),
            (IPPROTO_UDP, UDP_SEGMENT) if data.len() == u16::BYTES => {
                to.segment_bytes = Some(u16::from_bytes(data));
            }
            (SOL_SOCKET | IPPROTO_IP | IPPROTO_IPV6 | IPPROTO_UDP, _) => return Err(Errno::EINVAL),
            _ => {}
        }
        Ok(())
    })
}

/// What a program is told of a datagram, as it lays it out. `realtime_of`: what the time of day was when the
/// steady clock said this.
pub fn bytes_of(
    wishes: &Wishes,
    received: &Received,
    family: Family,
    realtime_of: impl Fn(u64) -> Timespec,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let to = unmapped_ip(received.to);
    if let Some(time) = wishes.time {
        let at = realtime_of(received.at_ns);
        let (kind, part) = match time {
            Time::Microseconds => (SO_TIMESTAMP, at.tv_nsec / 1000),
            Time::Nanoseconds => (SO_TIMESTAMPNS, at.tv_nsec),
        };
        let mut data = Vec::from(at.tv_sec.to_le_bytes());
        data.extend(part.to_le_bytes());
        put(&mut bytes, SOL_SOCKET, kind, &data);
    }
    if let (true, IpAddr::V4(to)) = (wishes.info, to) {
        let mut data = Vec::from(received.link.to_le_bytes());
        data.extend(to.octets());
        data.extend(to.octets());
        put(&mut bytes, IPPROTO_IP, IP_PKTINFO, &data);
    }
    if wishes.ttl && to.is_ipv4() {
        let ttl = i32::from(received.hop_limit);
        put(&mut bytes, IPPROTO_IP, IP_TTL, &ttl.to_le_bytes());
    }
    if wishes.tos && to.is_ipv4() {
        put(&mut bytes, IPPROTO_IP, IP_TOS, &[received.traffic_class]);
    }
    if wishes.info6 && family == Family::V6 {
        let mut data = Vec::from(mapped_ip(received.to).octets());
        data.extend(received.link.to_le_bytes());
        put(&mut bytes, IPPROTO_IPV6, IPV6_PKTINFO, &data);
    }
    if wishes.hop_limit && family == Family::V6 {
        let hops = i32::from(received.hop_limit);
        put(&mut bytes, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops.to_le_bytes());
    }
    if wishes.traffic_class && family == Family::V6 {
        let class = i32::from(received.traffic_class);
        put(&mut bytes, IPPROTO_IPV6, IPV6_TCLASS, &class.to_le_bytes());
    }
    bytes
}

/// As much of them as there is room for: a header is there whole or not at all, and says how much data is.
pub fn cut(bytes: Vec<u8>, room: usize) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::new();
    let mut rest = &bytes[..];
    while rest.len() >= Cmsghdr::BYTES {
        let header = Cmsghdr::from_bytes(rest);
        let whole = header.cmsg_len.next_multiple_of(ALIGNMENT).min(rest.len());
        let left = room - kept.len();
        if left < Cmsghdr::BYTES {
            break;
        }
        let at = kept.len();
        kept.extend(rest.iter().take(whole.min(left)));
        let shown = Cmsghdr {
            cmsg_len: header.cmsg_len.min(left),
            ..header
        };
        if let Some(place) = kept.get_mut(at..at + Cmsghdr::BYTES) {
            shown.to_bytes(place);
        }
        rest = rest.get(whole..).unwrap_or_default();
    }
    kept
}

/// Puts one thing more behind those that are there.
pub fn put(bytes: &mut Vec<u8>, level: i32, kind: i32, data: &[u8]) {
    let header = Cmsghdr {
        cmsg_len: Cmsghdr::BYTES + data.len(),
        cmsg_level: level,
        cmsg_type: kind,
    };
    let mut head = [0; Cmsghdr::BYTES];
    header.to_bytes(&mut head);
    bytes.extend(head);
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

fn own(address: IpAddr, family: Family) -> IpAddr {
    match family {
        Family::V4 => address,
        Family::V6 => mapped_ip(address).into(),
    }
}

fn numbers<const BYTES: usize, const COUNT: usize>(data: &[u8]) -> Result<[u32; COUNT], Errno> {
    if data.len() != BYTES {
        return Err(Errno::EINVAL);
    }
    Ok(<[u32; COUNT]>::from_bytes(data))
}

/// A number of one byte or four, of at least `least`.
fn number(data: &[u8], least: u8) -> Result<u8, Errno> {
    let number = match data.len() {
        1 => i32::from(data[0]),
        4 => i32::from_bytes(data),
        _ => return Err(Errno::EINVAL),
    };
    let number = u8::try_from(number).map_err(|_| Errno::EINVAL)?;
    if number < least {
        return Err(Errno::EINVAL);
    }
    Ok(number)
}

/// A number of which -1 is none.
fn optional(data: &[u8]) -> Result<Option<u8>, Errno> {
    if data.len() != i32::BYTES {
        return Err(Errno::EINVAL);
    }
    match i32::from_bytes(data) {
        -1 => Ok(None),
        number => u8::try_from(number).map(Some).map_err(|_| Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn received(to: &str) -> Received {
        Received {
            bytes: 1,
            full_length: 1,
            from: "10.0.0.1:5".parse().unwrap(),
            to: to.parse().unwrap(),
            link: 2,
            hop_limit: 63,
            traffic_class: 8,
            at_ns: 0,
        }
    }

    fn time(at_ns: u64) -> Timespec {
        Timespec {
            tv_sec: at_ns as i64,
            tv_nsec: 7_000,
        }
    }

    fn all() -> Wishes {
        Wishes {
            time: None,
            info: true,
            ttl: true,
            tos: true,
            info6: true,
            hop_limit: true,
            traffic_class: true,
        }
    }

    #[test]
    fn what_was_received_beside_the_bytes_sends_an_answer_back() {
        for (family, to) in [(Family::V4, "10.0.0.2"), (Family::V6, "fd00::2")] {
            let mut bytes = bytes_of(&all(), &received(to), family, time);
            let mut answer = SendTo::default();
            apply(&bytes, family, &mut answer).unwrap();
            assert_eq!(answer.from, Some(to.parse().unwrap()));
            assert_eq!((answer.link, answer.hop_limit), (2, Some(63)));
            assert_eq!(answer.traffic_class, Some(8));
            bytes[0] = 0xff;
            assert_eq!(apply(&bytes, family, &mut answer), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn ipv4_over_ipv6_is_told_both_ways() {
        let wishes = Wishes {
            info: true,
            info6: true,
            ..Wishes::default()
        };
        let bytes = bytes_of(&wishes, &received("::ffff:10.0.0.2"), Family::V6, time);
        assert_eq!(bytes.len(), (16 + 16) + (16 + 24));
        let mut answer = SendTo::default();
        apply(&bytes, Family::V6, &mut answer).unwrap();
        assert_eq!(answer.from, Some("::ffff:10.0.0.2".parse().unwrap()));
    }

    #[test]
    fn times_are_told_in_one_form() {
        for (form, kind, part) in [
            (Time::Microseconds, SO_TIMESTAMP, 7_i64),
            (Time::Nanoseconds, SO_TIMESTAMPNS, 7_000),
        ] {
            let wishes = Wishes {
                time: Some(form),
                ..Wishes::default()
            };
            let mut received = received("10.0.0.2");
            received.at_ns = 5;
            let bytes = bytes_of(&wishes, &received, Family::V4, time);
            let header = Cmsghdr::from_bytes(&bytes);
            assert_eq!((header.cmsg_level, header.cmsg_type), (SOL_SOCKET, kind));
            assert_eq!(<[i64; 2]>::from_bytes(&bytes[Cmsghdr::BYTES..]), [5, part]);
        }
    }

    #[test]
    fn too_little_room_cuts() {
        let wishes = Wishes {
            info: true,
            ttl: true,
            ..Wishes::default()
        };
        let bytes = bytes_of(&wishes, &received("10.0.0.2"), Family::V4, time);
        assert_eq!(bytes.len(), 56);
        assert_eq!(cut(bytes.clone(), 0), []);
        assert_eq!(cut(bytes.clone(), 15), []);
        let first = cut(bytes.clone(), 20);
        assert_eq!(
            (first.len(), Cmsghdr::from_bytes(&first).cmsg_len),
            (20, 20)
        );
        assert_eq!(cut(bytes.clone(), 56), bytes);
    }

    #[test]
    fn unknown_things_are_refused() {
        let mut to = SendTo::default();
        for (level, kind) in [
            (IPPROTO_IP, 99),
            (SOL_SOCKET, SCM_RIGHTS),
            (IPPROTO_UDP, 103),
        ] {
            let mut bytes = Vec::new();
            put(&mut bytes, level, kind, &[0; 4]);
            assert_eq!(apply(&bytes, Family::V4, &mut to), Err(Errno::EINVAL));
        }
        let mut bytes = Vec::new();
        put(&mut bytes, IPPROTO_IP, IP_TTL, &0_i32.to_le_bytes());
        assert_eq!(apply(&bytes, Family::V4, &mut to), Err(Errno::EINVAL));
    }
}
