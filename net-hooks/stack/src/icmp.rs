//! ICMP of both versions: echoes, errors, and the questions of IPv6 after neighbours.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use muslin_abi::Errno;

use crate::checksum;
use crate::ethernet::Mac;
use crate::failures::Report;
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::packet::Packet;
use crate::smol::SmolStack;
use crate::topology::{Cast, LO};

pub(crate) const V4_ECHO_REPLY: u8 = 0;
pub(crate) const V4_UNREACHABLE: u8 = 3;
pub(crate) const V4_ECHO_REQUEST: u8 = 8;
const V4_TIME_EXCEEDED: u8 = 11;
const V4_PARAMETER: u8 = 12;
/// The code of a packet that is too long for a router, which says what is not.
const V4_TOO_BIG: u8 = 4;

pub(crate) const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_TIME_EXCEEDED: u8 = 3;
const V6_PARAMETER: u8 = 4;
pub(crate) const V6_ECHO_REQUEST: u8 = 128;
pub(crate) const V6_ECHO_REPLY: u8 = 129;
const V6_LISTENER_QUERY: u8 = 130;
pub(crate) const V6_ROUTER_SOLICITATION: u8 = 133;
const V6_ROUTER_ADVERTISEMENT: u8 = 134;
pub(crate) const V6_SOLICITATION: u8 = 135;
const V6_ADVERTISEMENT: u8 = 136;

/// The codes of an unreachable port.
pub(crate) const V4_PORT: u8 = 3;
const V4_PROTOCOL: u8 = 2;
pub(crate) const V6_PORT: u8 = 4;

/// How many errors we send in a second.
const ERRORS_PER_SECOND: u32 = 1000;
/// How much of the packet an error quotes.
const QUOTE_BYTES_V4: usize = 548;
const QUOTE_BYTES_V6: usize = 1232;

/// Type and code of an error, in IPv4 and in IPv6.
#[derive(Clone, Copy)]
pub(crate) struct Unreachable {
    pub v4: (u8, u8),
    pub v6: (u8, u8),
}

/// How many errors were sent in this second.
#[derive(Default)]
pub(crate) struct ErrorLimit {
    second: u64,
    count: u32,
}

impl ErrorLimit {
    fn may_send(&mut self, now_ns: u64) -> bool {
        let second = now_ns / 1_000_000_000;
        if second != self.second {
            *self = Self { second, count: 0 };
        }
        self.count += 1;
        self.count <= ERRORS_PER_SECOND
    }
}

/// A message: four bytes of head, and the rest. With its checksum.
pub(crate) fn message(from: IpAddr, to: IpAddr, kind: u8, code: u8, rest: &[&[u8]]) -> Packet {
    let len: usize = rest.iter().map(|piece| piece.len()).sum();
    write_message(Packet::new(4 + len), from, to, kind, code, rest)
}

/// As [`message`], of any length. `None`: there is no memory.
pub(crate) fn try_message(
    from: IpAddr,
    to: IpAddr,
    kind: u8,
    code: u8,
    rest: &[&[u8]],
) -> Option<Packet> {
    let len: usize = rest.iter().map(|piece| piece.len()).sum();
    let packet = Packet::try_new(4 + len)?;
    Some(write_message(packet, from, to, kind, code, rest))
}

fn write_message(
    mut packet: Packet,
    from: IpAddr,
    to: IpAddr,
    kind: u8,
    code: u8,
    rest: &[&[u8]],
) -> Packet {
    let bytes = packet.bytes_mut();
    bytes[..4].copy_from_slice(&[kind, code, 0, 0]);
    let mut at = 4;
    for piece in rest {
        bytes[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    }
    let sum = match to {
        IpAddr::V4(_) => checksum::of(bytes),
        IpAddr::V6(_) => checksum::of_transport(from, to, ip::ICMPV6, bytes),
    };
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The question after the hardware address of a neighbour.
pub(crate) fn solicitation(from: IpAddr, group: IpAddr, target: Ipv6Addr, mac: Mac) -> Packet {
    let rest: [&[u8]; 4] = [&[0; 4], &target.octets(), &[1, 1], &mac];
    message(from, group, V6_SOLICITATION, 0, &rest)
}

/// The option of this kind among those of a message about neighbours.
pub(crate) fn option(mut bytes: &[u8], kind: u8) -> Option<&[u8]> {
    while let [this, units, ..] = *bytes {
        let len = usize::from(units) * 8;
        if len == 0 || len > bytes.len() {
            return None;
        }
        if this == kind {
            return Some(&bytes[..len]);
        }
        bytes = &bytes[len..];
    }
    None
}

fn mac_option(bytes: &[u8], kind: u8) -> Option<Mac> {
    option(bytes, kind)?.get(2..8)?.try_into().ok()
}

fn address(bytes: &[u8]) -> Option<Ipv6Addr> {
    bytes.first_chunk::<16>().copied().map(Ipv6Addr::from)
}

/// What Linux makes of the codes of "destination unreachable" in IPv4.
fn errno_v4(code: u8) -> Errno {
    match code {
        0 | 6 | 9 | 11 => Errno::ENETUNREACH,
        2 => Errno::ENOPROTOOPT,
        3 => Errno::ECONNREFUSED,
        4 => Errno::EMSGSIZE,
        5 => Errno::EOPNOTSUPP,
        7 => Errno::EHOSTDOWN,
        _ => Errno::EHOSTUNREACH,
    }
}

/// The same for IPv6.
fn errno_v6(code: u8) -> Errno {
    match code {
        0 => Errno::ENETUNREACH,
        1 | 5 | 6 => Errno::EACCES,
        4 => Errno::ECONNREFUSED,
        _ => Errno::EHOSTUNREACH,
    }
}

impl SmolStack {
    /// Takes a message of ICMP for IPv4.
    pub(crate) fn icmp_v4_input(&mut self, arrived: &Arrived, frame: &[u8]) {
        let bytes = &frame[arrived.at..arrived.end];
        let &[kind, code, _, _, _, _, _, _, ..] = bytes else {
            return self.count_error(arrived.link);
        };
        if !checksum::is_right(bytes) {
            return self.count_error(arrived.link);
        }
        let mut report = |errno, info| {
            let report = Report::of(arrived, (kind, code), errno, info);
            self.unreachable(&bytes[8..], &report);
        };
        match kind {
            V4_ECHO_REQUEST => self.answer_echo(arrived, bytes, V4_ECHO_REPLY),
            V4_ECHO_REPLY => self.echo_input(arrived, bytes),
            V4_UNREACHABLE if code == V4_TOO_BIG => {
                let mtu = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
                let report = Report::of(arrived, (kind, code), Errno::EMSGSIZE, mtu as u32);
                self.too_big(&bytes[8..], mtu, &report);
            }
            V4_UNREACHABLE => report(errno_v4(code), 0),
            V4_TIME_EXCEEDED => report(Errno::EHOSTUNREACH, 0),
            V4_PARAMETER => report(Errno::EPROTO, bytes[4].into()),
            _ => {}
        }
    }

    /// Takes a message of ICMP for IPv6.
    pub(crate) fn icmp_v6_input(&mut self, arrived: &Arrived, frame: &[u8]) {
        let bytes = &frame[arrived.at..arrived.end];
        let Head { from, to, .. } = arrived.head;
        let &[kind, code, _, _, _, _, _, _, ..] = bytes else {
            return self.count_error(arrived.link);
        };
        if !checksum::is_transport_right(from, to, ip::ICMPV6, bytes) {
            return self.count_error(arrived.link);
        }
        // What has crossed a router says nothing about neighbours.
        let is_near = arrived.head.hop_limit == 255 && arrived.link != LO;
        let mut report = |errno, info| {
            let report = Report::of(arrived, (kind, code), errno, info);
            self.unreachable(&bytes[8..], &report);
        };
        match kind {
            V6_ECHO_REQUEST => self.answer_echo(arrived, bytes, V6_ECHO_REPLY),
            V6_ECHO_REPLY => self.echo_input(arrived, bytes),
            V6_TOO_BIG => {
                let mtu = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
                let report = Report::of(arrived, (kind, code), Errno::EMSGSIZE, mtu);
                self.too_big(&bytes[8..], mtu as usize, &report);
            }
            V6_UNREACHABLE => report(errno_v6(code), 0),
            V6_TIME_EXCEEDED => report(Errno::EHOSTUNREACH, 0),
            V6_PARAMETER => report(
                Errno::EPROTO,
                u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            ),
            V6_LISTENER_QUERY => self.membership_query(arrived.link),
            V6_SOLICITATION if is_near => self.solicitation_input(arrived, &bytes[8..]),
            V6_ADVERTISEMENT if is_near => self.advertisement_input(arrived, &bytes[8..]),
            V6_ROUTER_ADVERTISEMENT if is_near => self.router_input(arrived, bytes),
            _ => {}
        }
    }

    fn answer_echo(&mut self, arrived: &Arrived, bytes: &[u8], kind: u8) {
        let Head { from, to, .. } = arrived.head;
        // Linux answers no echoes to everybody either, in IPv4.
        let source = match arrived.cast {
            Cast::Unicast => Some(to),
            _ if to.is_ipv4() => return,
            _ => None,
        };
        if from.is_unspecified() {
            return;
        }
        if source.is_some_and(|to| !self.topology.is_local(to)) {
            return self.echo_passing(arrived, &bytes[4..]);
        }
        let Ok(way) = self.topology.way(from, source, self.near(arrived, from)) else {
            return;
        };
        let Some(mut packet) = try_message(way.source, from, kind, 0, &[&bytes[4..]]) else {
            return;
        };
        let head = Head {
            class: arrived.head.class,
            ..Head::new(way.source, from, arrived.head.protocol)
        };
        self.output_by(&way, &head, &mut packet);
    }

    /// The link that an address means that means something only there.
    pub(crate) fn near(&self, arrived: &Arrived, address: IpAddr) -> Option<u32> {
        ip::is_link_local(address).then_some(arrived.link)
    }

    fn solicitation_input(&mut self, arrived: &Arrived, bytes: &[u8]) {
        let Some(target) =
            address(bytes).filter(|&target| self.topology.is_on(arrived.link, IpAddr::V6(target)))
        else {
            return;
        };
        let Some(mac) = self.port(arrived.link).map(|port| port.mac) else {
            return;
        };
        let from = arrived.head.from;
        let is_asking_for_itself = from.is_unspecified();
        if is_asking_for_itself && self.is_claimed(arrived.link, target) {
            return;
        }
        if let (false, Some(theirs)) = (is_asking_for_itself, mac_option(&bytes[16..], 1)) {
            self.learn(arrived.link, from, theirs, true);
        }
        // Solicited (unless to all), and override.
        let (to, flags) = if is_asking_for_itself {
            (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into(), 0x20)
        } else {
            (from, 0x60)
        };
        let source = IpAddr::V6(target);
        let rest: [&[u8]; 4] = [&[flags, 0, 0, 0], &target.octets(), &[2, 1], &mac];
        let mut packet = message(source, to, V6_ADVERTISEMENT, 0, &rest);
        let head = Head {
            hop_limit: 255,
            ..Head::new(source, to, ip::ICMPV6)
        };
        if let Ok(way) = self.topology.way(to, Some(source), Some(arrived.link)) {
            self.output_by(&way, &head, &mut packet);
        }
    }

    fn advertisement_input(&mut self, arrived: &Arrived, bytes: &[u8]) {
        let Some(target) = address(bytes) else {
            return;
        };
        if self.is_claimed(arrived.link, target) {
            return;
        }
        let target = IpAddr::V6(target);
        if let (false, Some(mac)) = (
            target.is_multicast() || self.topology.is_local(target),
            mac_option(&bytes[16..], 2),
        ) {
            self.learn(arrived.link, target, mac, false);
        }
    }

    /// A packet of ours was too long for a router: later ones are shorter.
    fn too_big(&mut self, quoted: &[u8], mtu: usize, report: &Report) {
        let Some((head, above)) = quoted_head(quoted) else {
            return;
        };
        let Some(&[a, b, c, d, e, f, g, h]) = above.first_chunk::<8>() else {
            return;
        };
        // A router of old does not say what it takes.
        if mtu == 0 || !self.topology.is_local(head.from) || self.topology.is_local(head.to) {
            return;
        }
        if head.protocol == ip::TCP {
            let ports = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let seq = u32::from_be_bytes([e, f, g, h]);
            return self.tcp_too_big(&head, ports, seq, mtu);
        }
        self.narrow(head.to, mtu);
        self.unreachable(quoted, report);
    }

    /// A packet of ours could not reach its destination: tells the socket it came from.
    /// `quoted` is the beginning of the packet.
    pub(crate) fn unreachable(&mut self, quoted: &[u8], report: &Report) {
        // Its end may be cut, so the header says more than there is.
        let Some((head, above)) = quoted_head(quoted) else {
            return;
        };
        if !self.topology.is_local(head.from) {
            return;
        }
        let Some(&[a, b, c, d, e, f, g, h]) = above.first_chunk::<8>() else {
            return;
        };
        let (local, peer) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        match head.protocol {
            ip::TCP => {
                let seq = u32::from_be_bytes([e, f, g, h]);
                self.tcp_unreachable(&head, local, peer, seq, report.errno);
            }
            ip::UDP => self.udp_unreachable(&head, (local, peer), report, above),
            ip::ICMP | ip::ICMPV6 => {
                self.echo_unreachable(&head, u16::from_be_bytes([e, f]), report, above);
            }
            _ => {}
        }
    }

    /// Tells the sender of a datagram that nobody has its port.
    pub(crate) fn port_unreachable(&mut self, arrived: &Arrived, frame: &[u8]) {
        let codes = Unreachable {
            v4: (V4_UNREACHABLE, V4_PORT),
            v6: (V6_UNREACHABLE, V6_PORT),
        };
        self.answer_unreachable(arrived, frame, codes);
    }

    /// Tells the sender of a packet that we do not speak its protocol.
    pub(crate) fn protocol_unreachable(&mut self, arrived: &Arrived, frame: &[u8]) {
        let codes = Unreachable {
            v4: (V4_UNREACHABLE, V4_PROTOCOL),
            v6: (V6_PARAMETER, 1),
        };
        self.answer_unreachable(arrived, frame, codes);
    }

    fn answer_unreachable(&mut self, arrived: &Arrived, frame: &[u8], codes: Unreachable) {
        let from = arrived.head.from;
        if arrived.cast != Cast::Unicast || from.is_unspecified() {
            return;
        }
        if arrived.link != LO && !self.icmp_errors.may_send(self.now) {
            return;
        }
        let link = self.near(arrived, from);
        self.send_unreachable(&arrived.head, link, &frame[arrived.at..arrived.end], codes);
    }

    /// Tells the sender of a packet that it did not arrive: `content` is what was in it.
    pub(crate) fn send_unreachable(
        &mut self,
        head: &Head,
        link: Option<u32>,
        content: &[u8],
        codes: Unreachable,
    ) {
        let Head { from, to, .. } = *head;
        // The header that is quoted is made anew: the frame may have been put together of parts.
        let mut quoted = Packet::with(content);
        ip::write(&mut quoted, head, 0, None);
        let mut quote: Vec<u8> = quoted.bytes().into();
        let ((kind, code), most) = match to {
            IpAddr::V4(_) => (codes.v4, QUOTE_BYTES_V4),
            IpAddr::V6(_) => (codes.v6, QUOTE_BYTES_V6),
        };
        quote.truncate(most);
        let mut packet = message(to, from, kind, code, &[&[0; 4], &quote]);
        let protocol = match to {
            IpAddr::V4(_) => ip::ICMP,
            IpAddr::V6(_) => ip::ICMPV6,
        };
        let head = Head::new(to, from, protocol);
        // Without a way back there is nobody to tell.
        let _ = self.output(&head, link, &mut packet);
    }
}

impl Report {
    /// What an arrived message says.
    fn of(arrived: &Arrived, (kind, code): (u8, u8), errno: Errno, info: u32) -> Self {
        Self {
            errno,
            kind,
            code,
            info,
            head: arrived.head,
            link: arrived.link,
        }
    }
}

/// The header of a quoted packet, and what is left of what was above.
fn quoted_head(quoted: &[u8]) -> Option<(Head, &[u8])> {
    let header = quoted.first_chunk::<20>()?;
    let v4 = |at: usize| IpAddr::from([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    match header[0] >> 4 {
        4 => {
            let at = usize::from(header[0] & 15) * 4;
            Some((Head::new(v4(12), v4(16), header[9]), quoted.get(at..)?))
        }
        6 => {
            let from = IpAddr::V6(address(quoted.get(8..)?)?);
            let to = IpAddr::V6(address(quoted.get(24..)?)?);
            Some((Head::new(from, to, header[6]), quoted.get(40..)?))
        }
        _ => None,
    }
}
