//! setsockopt, getsockopt.

use alloc::vec::Vec;
use core::net::IpAddr;

use muslin::{Context, Errno, SyscallArgs, SyscallResult, user};
use muslin_abi::flags::*;
use muslin_abi::layout::{Linger, Pod, Timeval, Ucred};
use muslin_abi::time::{limit_ns, timeval_of_limit};
use muslin_net_stack::{Family, Kind, Setting, State};

use crate::address;
use crate::groups::{self, MREQ6_BYTES, MREQN_BYTES};
use crate::kept;
use crate::net::{self, Net};
use crate::raw;
use crate::socket::{self, Socket};

/// The most bytes of a buffer that a program may ask for; it gets twice as much.
const BUFFER_BYTES_MAX: u32 = 4 << 20;
/// The least that it gets.
const SEND_BYTES_MIN: u32 = 4608;
const RECEIVE_BYTES_MIN: u32 = 2304;
/// What Linux says of buffers that nobody has set.
const STREAM_SEND_BYTES: u32 = 16_384;
const STREAM_RECEIVE_BYTES: u32 = 131_072;
const DATAGRAM_BYTES: u32 = 212_992;
/// Bytes of `struct tcp_info`, and places in it.
const TCP_INFO_BYTES: usize = 248;
const INFO_SEND_MSS_AT: usize = 16;
const INFO_RECEIVE_MSS_AT: usize = 20;
const INFO_UNACKED_AT: usize = 24;
const INFO_SACKED_AT: usize = 28;
/// What is there to choose for congestion.
const CONGESTION: &[u8] = b"cubic";
/// Bytes of the longest name of a link with its final 0.
const LINK_NAME_BYTES: usize = 16;
/// The longest value of an option that is looked at.
const VALUE_BYTES_MAX: usize = raw::FILTER6_BYTES;

/// Whom nobody was connected with: peers in a network have no numbers.
const NOBODY: Ucred = Ucred {
    pid: 0,
    uid: u32::MAX,
    gid: u32::MAX,
};

/// `setsockopt(sockfd, level, optname, optval, optlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `ENOPROTOOPT` no such option · `EINVAL` too short, or out of range · `EDOM` a
/// wrong time · `ENODEV` no such link · `EADDRINUSE` `EADDRNOTAVAIL` groups · `EFAULT`.
/// # Differs from Linux
/// Some options are kept and change nothing: [`kept::SWITCHES`], [`kept::NUMBERS`]. `TCP_CORK` and `MSG_MORE` hold less than
/// a segment back for 200 ms, unless something else is to be sent.
pub fn setsockopt(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let (level, option) = (args.int(1), args.int(2));
    let len = usize::try_from(args.int(4)).map_err(|_| Errno::EINVAL)?;
    let mut room = [0; VALUE_BYTES_MAX];
    let value = &mut room[..bytes_of_option(level, option, len)];
    user::read_bytes(args.addr(3), value)?;
    net::attempt(|net| set(net, &socket, level, option, value))?;
    Ok(0)
}

/// How much of the `len` bytes that a program gives for an option is looked at.
fn bytes_of_option(level: i32, option: i32, len: usize) -> usize {
    let most = match (level, option) {
        (SOL_SOCKET, SO_LINGER) => Linger::BYTES,
        (
            SOL_SOCKET,
            SO_RCVTIMEO | SO_RCVTIMEO_NEW | SO_SNDTIMEO | SO_SNDTIMEO_NEW | SO_BINDTODEVICE,
        )
        | (IPPROTO_TCP, TCP_CONGESTION) => LINK_NAME_BYTES,
        (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP | IP_MULTICAST_IF) => MREQN_BYTES,
        (IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP | IPV6_DROP_MEMBERSHIP) => MREQ6_BYTES,
        // See below: a number is a byte there if it is no whole one.
        (IPPROTO_ICMPV6, ICMPV6_FILTER) => raw::FILTER6_BYTES,
        (IPPROTO_IP, _) if len < i32::BYTES => 1,
        _ => i32::BYTES,
    };
    len.min(most)
}

fn set(net: &mut Net, socket: &Socket, level: i32, option: i32, value: &[u8]) -> Result<(), Errno> {
    if !has_level(socket, level) {
        return Err(Errno::ENOPROTOOPT);
    }
    if (level, option) == (SOL_SOCKET, SO_BINDTODEVICE) {
        let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
        let link = match name {
            [] => 0,
            name => groups::link_named(net, name).ok_or(Errno::ENODEV)?,
        };
        return net.stack.set(socket.id, Setting::BindToLink(link));
    }
    if let Some(kinds) = raw::blocked(socket, level, option, value)? {
        return net.stack.set(socket.id, kinds);
    }
    if let Some(group) = groups::group(net, level, option, value)? {
        return net.stack.set(socket.id, group);
    }
    if (level, option) == (IPPROTO_TCP, TCP_CONGESTION) {
        let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
        return if name == CONGESTION || name == b"reno" {
            Ok(())
        } else {
            Err(Errno::ENOENT)
        };
    }
    let number = match value {
        _ if value.len() >= i32::BYTES => i32::from_bytes(value),
        // As Linux: levels of IPv4 take a byte as well.
        [byte, ..] if level == IPPROTO_IP => i32::from(*byte),
        [] if level == IPPROTO_IP
            && !matches!(option, IP_TTL | IP_MULTICAST_TTL | IP_MULTICAST_LOOP) =>
        {
            0
        }
        _ => return Err(Errno::EINVAL),
    };
    let is_on = number != 0;
    let setting = match (level, option) {
        (SOL_SOCKET, SO_REUSEADDR) => Setting::ReuseAddress(is_on),
        (SOL_SOCKET, SO_REUSEPORT) => Setting::ReusePort(is_on),
        (SOL_SOCKET, SO_KEEPALIVE) => Setting::KeepAlive(is_on),
        (SOL_SOCKET, SO_BROADCAST) => Setting::Broadcast(is_on),
        (SOL_SOCKET, SO_RCVLOWAT) => {
            let least = if number < 0 { i32::MAX } else { number.max(1) };
            Setting::ReceiveLowWater(least as usize)
        }
        (SOL_SOCKET, SO_RCVBUF | SO_RCVBUFFORCE) => {
            let bytes = doubled(number).max(RECEIVE_BYTES_MIN);
            net.kept(socket.id)?.receive_bytes = Some(bytes);
            Setting::ReceiveBuffer(bytes as usize)
        }
        (SOL_SOCKET, SO_SNDBUF | SO_SNDBUFFORCE) => {
            let bytes = doubled(number).max(SEND_BYTES_MIN);
            net.kept(socket.id)?.send_bytes = Some(bytes);
            Setting::SendBuffer(bytes as usize)
        }
        (SOL_SOCKET, SO_LINGER) => {
            if value.len() < Linger::BYTES {
                return Err(Errno::EINVAL);
            }
            let linger = Linger::from_bytes(value);
            let seconds = (linger.l_linger as u32).min(i32::MAX as u32);
            Setting::Linger((linger.l_onoff != 0).then_some(seconds))
        }
        (SOL_SOCKET, SO_RCVTIMEO | SO_RCVTIMEO_NEW) => {
            net.kept(socket.id)?.receive_timeout_ns = timeout_ns(value)?;
            return Ok(());
        }
        (SOL_SOCKET, SO_SNDTIMEO | SO_SNDTIMEO_NEW) => {
            net.kept(socket.id)?.send_timeout_ns = timeout_ns(value)?;
            return Ok(());
        }
        (IPPROTO_IP, IP_TTL) => Setting::HopLimit(optional(number, 1)?),
        (IPPROTO_IP, IP_TOS) => Setting::TrafficClass(number as u8),
        (IPPROTO_IP, IP_MULTICAST_TTL) => {
            if socket.kind == Kind::Stream {
                return Err(Errno::EINVAL);
            }
            Setting::MulticastHopLimit(optional(number, 0)?.unwrap_or(1))
        }
        (IPPROTO_IP, IP_MULTICAST_LOOP) => Setting::MulticastLoop(is_on),
        (IPPROTO_IPV6, IPV6_V6ONLY) => Setting::V6Only(is_on),
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => Setting::HopLimit(optional(number, 0)?),
        (IPPROTO_IPV6, IPV6_TCLASS) => Setting::TrafficClass(optional(number, 0)?.unwrap_or(0)),
        (IPPROTO_IPV6, IPV6_MULTICAST_HOPS) => {
            if socket.kind == Kind::Stream {
                return Err(Errno::ENOPROTOOPT);
            }
            Setting::MulticastHopLimit(optional(number, 0)?.unwrap_or(1))
        }
        (IPPROTO_IPV6, IPV6_MULTICAST_LOOP) => match number {
            0 | 1 => Setting::MulticastLoop(is_on),
            _ => return Err(Errno::EINVAL),
        },
        (IPPROTO_TCP, TCP_NODELAY) => {
            let kept = net.kept(socket.id)?;
            kept.no_delay = is_on;
            kept.delays_nothing()
        }
        (IPPROTO_TCP, TCP_KEEPIDLE) => Setting::KeepIdleSeconds(within(number, 1, 32767)?),
        (IPPROTO_TCP, TCP_KEEPINTVL) => Setting::KeepIntervalSeconds(within(number, 1, 32767)?),
        (IPPROTO_TCP, TCP_KEEPCNT) => Setting::KeepCount(within(number, 1, 127)?),
        (IPPROTO_TCP, TCP_USER_TIMEOUT) => {
            Setting::UserTimeoutMilliseconds(within(number, 0, i32::MAX)?)
        }
        (IPPROTO_TCP, TCP_CORK) => {
            let kept = net.kept(socket.id)?;
            kept.is_corked = is_on;
            kept.delays_nothing()
        }
        (IPPROTO_UDP, UDP_CORK) if !is_on => return Ok(()),
        (IPPROTO_UDP, UDP_SEGMENT) => {
            let bytes = u16::try_from(number).map_err(|_| Errno::EINVAL)?;
            net.kept(socket.id)?.segment_bytes = (bytes > 0).then_some(bytes);
            return Ok(());
        }
        // The stack puts it where RFC 3542 wants it, for everybody.
        (SOL_RAW, IPV6_CHECKSUM) if raw::is_icmp_v6(socket) && number == 2 => return Ok(()),
        _ => return kept::set(net, socket, level, option, number),
    };
    net.stack.set(socket.id, setting)
}

/// `getsockopt(sockfd, level, optname, optval, optlen)`
///
/// # Errors
/// As [`setsockopt`].
pub fn getsockopt(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let (level, option) = (args.int(1), args.int(2));
    let room: i32 = user::read(args.addr(4))?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let value = net::attempt(|net| value_of(net, &socket, level, option))?;
    let mut len = value.len().min(room);
    // As Linux: levels of IPv4 give a byte to those who have room for no more.
    if level == IPPROTO_IP && (1..i32::BYTES).contains(&room) {
        len = 1;
    }
    user::write_bytes(args.addr(3), value.get(..len).unwrap_or_default())?;
    user::write(args.addr(4), &(len as i32))?;
    Ok(0)
}

/// The bytes of an option's value.
fn value_of(net: &mut Net, socket: &Socket, level: i32, option: i32) -> Result<Vec<u8>, Errno> {
    if !has_level(socket, level) {
        // As Linux, where one asks otherwise than one sets.
        return Err(match socket.family {
            Family::V4 => Errno::EOPNOTSUPP,
            Family::V6 => Errno::ENOPROTOOPT,
        });
    }
    let set = net.stack.options(socket.id)?;
    let (stream_bytes, is_stream) = match socket.kind {
        Kind::Stream => ((STREAM_SEND_BYTES, STREAM_RECEIVE_BYTES), true),
        _ => ((DATAGRAM_BYTES, DATAGRAM_BYTES), false),
    };
    let number = match (level, option) {
        (SOL_SOCKET, SO_TYPE) => match socket.kind {
            Kind::Stream => SOCK_STREAM as i32,
            Kind::Datagram | Kind::Echo => SOCK_DGRAM as i32,
            Kind::Raw(_) => SOCK_RAW as i32,
        },
        (SOL_SOCKET, SO_DOMAIN) => i32::from(address::number(socket.family)),
        (SOL_SOCKET, SO_PROTOCOL) => match (socket.kind, socket.family) {
            (Kind::Stream, _) => IPPROTO_TCP,
            (Kind::Datagram, _) => IPPROTO_UDP,
            (Kind::Echo, Family::V4) => IPPROTO_ICMP,
            (Kind::Echo, Family::V6) => IPPROTO_ICMPV6,
            (Kind::Raw(number), _) => number.into(),
        },
        (SOL_SOCKET, SO_ERROR) => {
            let error = net.stack.take_error(socket.id)?;
            net.tell_level(socket.id);
            error.map_or(0, Errno::raw)
        }
        (SOL_SOCKET, SO_ACCEPTCONN) => {
            i32::from(is_stream && net.stack.info(socket.id)?.state == State::Listen)
        }
        (SOL_SOCKET, SO_REUSEADDR) => i32::from(set.reuse_address),
        (SOL_SOCKET, SO_REUSEPORT) => i32::from(set.reuse_port),
        (SOL_SOCKET, SO_KEEPALIVE) => i32::from(set.keep_alive),
        (SOL_SOCKET, SO_BROADCAST) => i32::from(set.broadcast),
        (SOL_SOCKET, SO_RCVLOWAT) => set.receive_low_water as i32,
        (SOL_SOCKET, SO_SNDLOWAT) => 1,
        (SOL_SOCKET, SO_RCVBUF) => {
            let bytes = net.kept(socket.id)?.receive_bytes;
            bytes.unwrap_or(stream_bytes.1) as i32
        }
        (SOL_SOCKET, SO_SNDBUF) => {
            let bytes = net.kept(socket.id)?.send_bytes;
            bytes.unwrap_or(stream_bytes.0) as i32
        }
        (SOL_SOCKET, SO_LINGER) => {
            return Ok(bytes_of_value(&Linger {
                l_onoff: i32::from(set.linger.is_some()),
                l_linger: set.linger.unwrap_or(0) as i32,
            }));
        }
        (SOL_SOCKET, SO_RCVTIMEO | SO_RCVTIMEO_NEW) => {
            return Ok(timeval(net.kept(socket.id)?.receive_timeout_ns));
        }
        (SOL_SOCKET, SO_SNDTIMEO | SO_SNDTIMEO_NEW) => {
            return Ok(timeval(net.kept(socket.id)?.send_timeout_ns));
        }
        (SOL_SOCKET, SO_PEERCRED) => return Ok(bytes_of_value(&NOBODY)),
        (SOL_SOCKET, SO_PEERNAME) => {
            return Ok(address::bytes_of(net.stack.peer(socket.id)?));
        }
        (SOL_SOCKET, SO_COOKIE) => {
            let cookie = (u64::from(socket.id.generation) << 32) | (u64::from(socket.id.index) + 1);
            return Ok(bytes_of_value(&cookie));
        }
        (SOL_SOCKET, SO_INCOMING_CPU) => 0,
        (SOL_SOCKET, SO_BINDTODEVICE) => return Ok(groups::link_name(net, set.bound_link)),
        (IPPROTO_IP, IP_TTL) => i32::from(set.hop_limit.unwrap_or(64)),
        (IPPROTO_IP, IP_TOS) | (IPPROTO_IPV6, IPV6_TCLASS) => i32::from(set.traffic_class),
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => i32::from(set.hop_limit.unwrap_or(64)),
        (IPPROTO_IP, IP_MULTICAST_TTL) | (IPPROTO_IPV6, IPV6_MULTICAST_HOPS) => {
            i32::from(set.multicast_hop_limit)
        }
        (IPPROTO_IP, IP_MULTICAST_LOOP) | (IPPROTO_IPV6, IPV6_MULTICAST_LOOP) => {
            i32::from(set.multicast_loop)
        }
        (IPPROTO_IP, IP_MULTICAST_IF) => {
            let address = groups::address_of_link(net, set.multicast_link);
            return Ok(address.octets().to_vec());
        }
        (IPPROTO_IPV6, IPV6_MULTICAST_IF) => set.multicast_link as i32,
        (IPPROTO_IP, IP_MTU) | (IPPROTO_IPV6, IPV6_MTU) => {
            let peer = net.stack.peer(socket.id)?;
            mtu_to(net, address::unmapped_ip(peer.ip())) as i32
        }
        (IPPROTO_IPV6, IPV6_V6ONLY) => i32::from(set.v6_only),
        (IPPROTO_TCP, TCP_NODELAY) => i32::from(net.kept(socket.id)?.no_delay),
        (IPPROTO_TCP, TCP_KEEPIDLE) => set.keep_idle_seconds as i32,
        (IPPROTO_TCP, TCP_KEEPINTVL) => set.keep_interval_seconds as i32,
        (IPPROTO_TCP, TCP_KEEPCNT) => set.keep_count as i32,
        (IPPROTO_TCP, TCP_USER_TIMEOUT) => set.user_timeout_milliseconds as i32,
        (IPPROTO_TCP, TCP_CORK) => i32::from(net.kept(socket.id)?.is_corked),
        (IPPROTO_TCP, TCP_MAXSEG) => i32::from(net.stack.info(socket.id)?.max_segment_bytes),
        (IPPROTO_TCP, TCP_CONGESTION) => {
            let mut name = CONGESTION.to_vec();
            name.resize(LINK_NAME_BYTES, 0);
            return Ok(name);
        }
        (IPPROTO_TCP, TCP_INFO) => return tcp_info(net, socket),
        (IPPROTO_UDP, UDP_CORK) => 0,
        (IPPROTO_UDP, UDP_SEGMENT) => {
            let bytes = net.kept(socket.id)?.segment_bytes;
            bytes.unwrap_or(0).into()
        }
        _ => kept::value(net, socket, level, option)?,
    };
    Ok(bytes_of_value(&number))
}

/// What fits into a packet to a peer: of the links, the one with the smallest; that of the loopback to itself.
fn mtu_to(net: &Net, peer: IpAddr) -> u32 {
    let links = net.stack.links();
    let is_own = net.stack.addresses().iter().any(|it| it.address == peer);
    let is_near = is_own || peer.is_loopback();
    let of = links.iter().filter(|link| link.is_loopback == is_near);
    let mtu = of.map(|link| link.mtu_bytes).min().unwrap_or(1500);
    // In IPv4 the header counts, and there the loopback's is more than the field can say.
    if peer.is_ipv4() {
        mtu.min(u16::MAX.into())
    } else {
        mtu
    }
}

/// `struct tcp_info`, as far as the stack tells.
fn tcp_info(net: &Net, socket: &Socket) -> Result<Vec<u8>, Errno> {
    let info = net.stack.info(socket.id)?;
    let mut bytes = alloc::vec![0; TCP_INFO_BYTES];
    let mut put = |at: usize, number: u32| {
        if let Some(place) = bytes.get_mut(at..) {
            number.to_bytes(place);
        }
    };
    put(0, info.state as u32);
    put(INFO_SEND_MSS_AT, u32::from(info.max_segment_bytes));
    put(INFO_RECEIVE_MSS_AT, u32::from(info.max_segment_bytes));
    if info.state == State::Listen {
        put(INFO_UNACKED_AT, info.receive_queue as u32);
        put(INFO_SACKED_AT, info.send_queue as u32);
    }
    Ok(bytes)
}

/// Whether a socket has options of this level.
fn has_level(socket: &Socket, level: i32) -> bool {
    match level {
        SOL_SOCKET | IPPROTO_IP => true,
        IPPROTO_IPV6 => socket.family == Family::V6,
        IPPROTO_TCP => socket.kind == Kind::Stream,
        IPPROTO_UDP => socket.kind == Kind::Datagram,
        SOL_RAW => matches!(socket.kind, Kind::Raw(_)),
        IPPROTO_ICMPV6 => raw::is_icmp_v6(socket),
        _ => false,
    }
}

fn bytes_of_value<T: Pod>(value: &T) -> Vec<u8> {
    let mut bytes = alloc::vec![0; T::BYTES];
    value.to_bytes(&mut bytes);
    bytes
}

/// A buffer's size as Linux keeps it: it counts its own structures in.
fn doubled(asked: i32) -> u32 {
    (asked as u32).min(BUFFER_BYTES_MAX) * 2
}

/// A number from `least` to 255, of which -1 is none.
fn optional(number: i32, least: u8) -> Result<Option<u8>, Errno> {
    match u8::try_from(number) {
        Ok(number) if number >= least => Ok(Some(number)),
        Err(_) if number == -1 => Ok(None),
        _ => Err(Errno::EINVAL),
    }
}

fn within(number: i32, least: i32, most: i32) -> Result<u32, Errno> {
    if (least..=most).contains(&number) {
        Ok(number as u32)
    } else {
        Err(Errno::EINVAL)
    }
}

/// A time of the program: 0 is for ever, a negative one no wait at all.
fn timeout_ns(value: &[u8]) -> Result<Option<u64>, Errno> {
    if value.len() < Timeval::BYTES {
        return Err(Errno::EINVAL);
    }
    limit_ns(&Timeval::from_bytes(value))
}

fn timeval(timeout_ns: Option<u64>) -> Vec<u8> {
    bytes_of_value(&timeval_of_limit(timeout_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_ranges() {
        assert_eq!(optional(-1, 1), Ok(None));
        assert_eq!(optional(0, 1), Err(Errno::EINVAL));
        assert_eq!(optional(255, 1), Ok(Some(255)));
        assert_eq!(optional(256, 0), Err(Errno::EINVAL));
        assert_eq!(within(32767, 1, 32767), Ok(32767));
        assert_eq!(within(32768, 1, 32767), Err(Errno::EINVAL));
        assert_eq!(within(0, 1, 127), Err(Errno::EINVAL));
    }

    #[test]
    fn buffers_are_doubled_within_limits() {
        assert_eq!(doubled(1000), 2000);
        assert_eq!(doubled(-1), 8 << 20);
    }

    #[test]
    fn times_are_those_of_linux() {
        let ns = |tv_sec, tv_usec| timeout_ns(&bytes_of_value(&Timeval { tv_sec, tv_usec }));
        assert_eq!(ns(0, 0), Ok(None));
        assert_eq!(ns(1, 500_000), Ok(Some(1_500_000_000)));
        assert_eq!(ns(-1, 0), Ok(Some(0)));
        assert_eq!(ns(0, 1_000_000), Err(Errno::EDOM));
        assert_eq!(timeout_ns(&[0; 15]), Err(Errno::EINVAL));
        assert_eq!(
            timeval(Some(1_500_000_000)),
            bytes_of_value(&[1_i64, 500_000])
        );
    }
}
