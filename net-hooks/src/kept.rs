//! What the calls keep of a socket's options: what they act by themselves, and what is only given back.

use alloc::vec::Vec;

use muslin::Errno;
use muslin_abi::flags::*;
use muslin_net_stack::{Kind, Setting};

use crate::control::{Time, Wishes};
use crate::missing;
use crate::net::Net;
use crate::socket::Socket;

/// One more than the greatest option that Linux knows.
const OPTIONS: i32 = 85;
/// Switches that are kept and given back; but for those of failures they change nothing here.
pub const SWITCHES: &[(i32, i32)] = &[
    (SOL_SOCKET, SO_DEBUG),
    (SOL_SOCKET, SO_DONTROUTE),
    (SOL_SOCKET, SO_OOBINLINE),
    (SOL_SOCKET, SO_NO_CHECK),
    (SOL_SOCKET, SO_RXQ_OVFL),
    (IPPROTO_IP, IP_RECVERR),
    (IPPROTO_IP, IP_FREEBIND),
    (IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
    (IPPROTO_IP, IP_MULTICAST_ALL),
    (IPPROTO_IPV6, IPV6_RECVERR),
    (IPPROTO_TCP, TCP_QUICKACK),
];
/// Numbers that are kept likewise, with what they are at first, and from where to where they go.
pub const NUMBERS: &[(i32, i32, i32, i32, i32)] = &[
    (SOL_SOCKET, SO_PRIORITY, 0, i32::MIN, i32::MAX),
    (SOL_SOCKET, SO_MARK, 0, i32::MIN, i32::MAX),
    (IPPROTO_IP, IP_MTU_DISCOVER, 1, 0, 5),
    (IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1, 0, 5),
    (IPPROTO_TCP, TCP_MAXSEG, 536, 88, 32767),
    (IPPROTO_TCP, TCP_SYNCNT, 6, 1, 127),
    (IPPROTO_TCP, TCP_LINGER2, 60, -1, i32::MAX),
    (IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, i32::MIN, i32::MAX),
    (IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 0, i32::MAX),
    (IPPROTO_TCP, TCP_FASTOPEN, 0, 0, i32::MAX),
    (IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1, i32::MIN, i32::MAX),
];

/// What the calls themselves keep of a socket's options; the rest is the stack's.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// `SO_RCVTIMEO`; none is for ever.
    pub receive_timeout_ns: Option<u64>,
    /// `SO_SNDTIMEO`
    pub send_timeout_ns: Option<u64>,
    /// What is told beside the bytes.
    pub wishes: Wishes,
    /// An attempt to connect was begun, and no call of `connect` has answered how it ended.
    pub is_connecting: bool,
    /// `TCP_NODELAY`, as the program set it.
    pub no_delay: bool,
    /// `TCP_CORK`, or a message with `MSG_MORE` was sent.
    pub is_corked: bool,
    has_sent_more: bool,
    /// `UDP_SEGMENT`, if it is not 0.
    pub segment_bytes: Option<u16>,
    /// `SO_RCVBUF` and `SO_SNDBUF` as Linux shows them, if set.
    pub receive_bytes: Option<u32>,
    pub send_bytes: Option<u32>,
    /// Those that are only kept, by level and number.
    others: Vec<(i32, i32, i32)>,
}

impl Kept {
    /// Those of a new connection of this listener.
    pub fn inherited(&self) -> Self {
        self.clone()
    }

    /// What the stack is to be told of `TCP_NODELAY`: what follows on `TCP_CORK` and `MSG_MORE` must not wait for
    /// the answer to what went before.
    pub fn delays_nothing(&self) -> Setting {
        Setting::NoDelay(self.no_delay || self.is_corked || self.has_sent_more)
    }

    fn keep(&mut self, level: i32, option: i32, value: i32) {
        self.others
            .retain(|&(kept_level, kept, _)| (kept_level, kept) != (level, option));
        self.others.push((level, option, value));
    }

    fn other(&self, level: i32, option: i32) -> Option<i32> {
        let mut others = self.others.iter();
        let found = others.find(|&&(kept_level, kept, _)| (kept_level, kept) == (level, option));
        found.map(|&(_, _, value)| value)
    }
}

/// A message with `MSG_MORE` is about to be sent by a stream.
///
/// # Errors
/// `EBADF` it is closed.
pub fn more_follows(net: &mut Net, socket: &Socket) -> Result<(), Errno> {
    let kept = net.kept(socket.id)?;
    if kept.has_sent_more || socket.kind != Kind::Stream {
        return Ok(());
    }
    kept.has_sent_more = true;
    let setting = kept.delays_nothing();
    net.stack.set(socket.id, setting)
}

/// Sets an option that only the calls know.
///
/// # Errors
/// `EBADF` it is closed · `EINVAL` out of range · `ENOPROTOOPT` no such option.
pub fn set(
    net: &mut Net,
    socket: &Socket,
    level: i32,
    option: i32,
    number: i32,
) -> Result<(), Errno> {
    let kept = net.kept(socket.id)?;
    if let Some(time) = time_of(level, option) {
        // As Linux: the last one counts, and neither is both off.
        kept.wishes.time = (number != 0).then_some(time);
        return Ok(());
    }
    if let Some(wish) = wish(&mut kept.wishes, level, option) {
        *wish = number != 0;
        return Ok(());
    }
    if SWITCHES.contains(&(level, option)) {
        let is_on = number != 0;
        kept.keep(level, option, i32::from(is_on));
        if matches!(
            (level, option),
            (IPPROTO_IP, IP_RECVERR) | (IPPROTO_IPV6, IPV6_RECVERR)
        ) {
            let of_v6 = level == IPPROTO_IPV6;
            let failures = Setting::TellFailures { of_v6, is_on };
            return net.stack.set(socket.id, failures);
        }
        return Ok(());
    }
    let known = NUMBERS
        .iter()
        .find(|&&(known_level, known, ..)| (known_level, known) == (level, option));
    match known {
        Some(&(_, _, _, least, most)) if (least..=most).contains(&number) => {
            kept.keep(level, option, number);
            Ok(())
        }
        Some(_) => Err(Errno::EINVAL),
        None => Err(unknown(level, option)),
    }
}

/// What an option that only the calls know is.
///
/// # Errors
/// `EBADF` it is closed · `ENOPROTOOPT` no such option.
pub fn value(net: &mut Net, socket: &Socket, level: i32, option: i32) -> Result<i32, Errno> {
    let kept = net.kept(socket.id)?;
    if let Some(time) = time_of(level, option) {
        return Ok(i32::from(kept.wishes.time == Some(time)));
    }
    if let Some(wish) = wish(&mut kept.wishes, level, option) {
        return Ok(i32::from(*wish));
    }
    let is_switch = SWITCHES.contains(&(level, option));
    let known = NUMBERS
        .iter()
        .find(|&&(known_level, known, ..)| (known_level, known) == (level, option));
    let at_first = match known {
        Some(&(_, _, at_first, ..)) => at_first,
        None if is_switch => 0,
        None => return Err(unknown(level, option)),
    };
    Ok(kept.other(level, option).unwrap_or(at_first))
}

/// The form of time that an option wishes for.
fn time_of(level: i32, option: i32) -> Option<Time> {
    match (level, option) {
        (SOL_SOCKET, SO_TIMESTAMP) => Some(Time::Microseconds),
        (SOL_SOCKET, SO_TIMESTAMPNS) => Some(Time::Nanoseconds),
        _ => None,
    }
}

/// The wish that an option is.
fn wish(wishes: &mut Wishes, level: i32, option: i32) -> Option<&mut bool> {
    Some(match (level, option) {
        (IPPROTO_IP, IP_PKTINFO) => &mut wishes.info,
        (IPPROTO_IP, IP_RECVTTL) => &mut wishes.ttl,
        (IPPROTO_IP, IP_RECVTOS) => &mut wishes.tos,
        (IPPROTO_IPV6, IPV6_RECVPKTINFO) => &mut wishes.info6,
        (IPPROTO_IPV6, IPV6_RECVHOPLIMIT) => &mut wishes.hop_limit,
        (IPPROTO_IPV6, IPV6_RECVTCLASS) => &mut wishes.traffic_class,
        _ => return None,
    })
}

/// An option that is not there: Linux has some of them.
fn unknown(level: i32, option: i32) -> Errno {
    if (1..OPTIONS).contains(&option) {
        missing::option(level, option);
    }
    Errno::ENOPROTOOPT
}
