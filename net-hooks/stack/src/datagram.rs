//! UDP, and the echoes of ICMP: sockets that send and receive whole messages.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use muslin_abi::Errno;
use muslin_abi::flags::{
    POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM,
};

use crate::checksum;
use crate::failures::Failures;
use crate::gateway::Passing;
use crate::icmp;
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::packet::Packet;
use crate::ports::{Protocol, fit};
use crate::raw;
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Endpoint, Socket};
use crate::stack::{Family, Kind, Received, SendTo, Shutdown};
use crate::tcp::Flow;
use crate::topology::{Cast, LO};

const HEADER_BYTES: usize = 8;
/// What a datagram costs beside its bytes, so that empty ones have a bound too.
const OVERHEAD_BYTES: usize = 256;
/// The largest message.
const MESSAGE_MAX: usize = 65_535;
/// The most datagrams of one call, as on Linux.
const SEGMENTS_MAX: usize = 128;

/// What is special about a socket of messages.
#[derive(Default)]
pub(crate) struct Datagrams {
    pub peer: Option<Endpoint>,
    /// The link that the peer's address means.
    pub peer_link: Option<u32>,
    /// What it is to be told of messages that did not arrive.
    pub failures: Failures,
    /// The kinds of messages that a raw socket of ICMP does not hear, a bit each.
    pub blocked: [u32; 8],
    /// The link that took no more of its messages: it cannot be written until that has room.
    pub full_link: Option<u32>,
    queue: VecDeque<Datagram>,
    queued_bytes: usize,
    is_deaf: bool,
    is_mute: bool,
}

#[derive(Clone)]
pub(crate) struct Datagram {
    from: Endpoint,
    to: IpAddr,
    link: u32,
    hop_limit: u8,
    class: u8,
    at_ns: u64,
    content: Vec<u8>,
}

impl Datagram {
    /// Of a packet of a raw socket's.
    pub fn of(arrived: &Arrived, at_ns: u64, content: Vec<u8>) -> Self {
        Self {
            from: (arrived.head.from, 0),
            to: arrived.head.to,
            link: arrived.link,
            hop_limit: arrived.head.hop_limit,
            class: arrived.head.class,
            at_ns,
            content,
        }
    }
}

impl Datagrams {
    /// The length of the next message, or 0.
    pub fn next_len(&self) -> usize {
        self.queue
            .front()
            .map_or(0, |datagram| datagram.content.len())
    }

    /// Puts a message into the queue, unless it is full.
    fn push(&mut self, datagram: Datagram, limit_bytes: usize) -> bool {
        let bytes = datagram.content.len() + OVERHEAD_BYTES;
        // One message always fits.
        if self.is_deaf
            || self.queue.try_reserve(1).is_err()
            || (!self.queue.is_empty() && self.queued_bytes + bytes > limit_bytes)
        {
            return false;
        }
        self.queued_bytes += bytes;
        self.queue.push_back(datagram);
        true
    }

    fn pop(&mut self) {
        if let Some(datagram) = self.queue.pop_front() {
            self.queued_bytes -= datagram.content.len() + OVERHEAD_BYTES;
        }
    }
}

/// The datagrams of a socket.
fn datagrams(socket: &mut Socket) -> Result<&mut Datagrams, Errno> {
    match &mut socket.body {
        Body::Datagrams(datagrams) => Ok(datagrams),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

impl SmolStack {
    /// Takes a datagram of UDP.
    pub(crate) fn udp_input(&mut self, arrived: &Arrived, frame: &[u8]) {
        let Head { from, to, .. } = arrived.head;
        let bytes = &frame[arrived.at..arrived.end];
        let Some(&[a, b, c, d, e, f, g, h]) = bytes.first_chunk::<HEADER_BYTES>() else {
            return self.count_error(arrived.link);
        };
        let (from_port, to_port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let len = usize::from(u16::from_be_bytes([e, f]));
        let is_summed = [g, h] != [0, 0];
        let bytes = match bytes.get(..len) {
            Some(bytes) if len >= HEADER_BYTES => bytes,
            _ => return self.count_error(arrived.link),
        };
        let is_right = if is_summed {
            arrived.is_sum_known || checksum::is_transport_right(from, to, ip::UDP, bytes)
        } else {
            to.is_ipv4() || arrived.link == LO
        };
        if !is_right {
            return self.count_error(arrived.link);
        }
        if self.dhcp_input(arrived.link, bytes) {
            return;
        }
        let flow = Flow {
            local: to,
            local_port: to_port,
            peer: from,
            peer_port: from_port,
        };
        self.message_input(Protocol::Udp, &flow, arrived, frame, &bytes[HEADER_BYTES..]);
    }

    /// Takes an answer to an echo.
    pub(crate) fn echo_input(&mut self, arrived: &Arrived, bytes: &[u8]) {
        let Head { from, to, .. } = arrived.head;
        let protocol = match to {
            IpAddr::V4(_) => Protocol::EchoV4,
            IpAddr::V6(_) => Protocol::EchoV6,
        };
        let flow = Flow {
            local: to,
            local_port: u16::from_be_bytes([bytes[4], bytes[5]]),
            peer: from,
            peer_port: 0,
        };
        self.message_input(protocol, &flow, arrived, &[], bytes);
    }

    /// Gives a message to who it is for.
    fn message_input(
        &mut self,
        protocol: Protocol,
        flow: &Flow,
        arrived: &Arrived,
        frame: &[u8],
        content: &[u8],
    ) {
        let score = |socket: &Socket| {
            let Body::Datagrams(datagrams) = &socket.body else {
                return None;
            };
            if socket.link().is_some_and(|link| link != arrived.link) {
                return None;
            }
            let fit = if arrived.cast == Cast::Unicast {
                fit(socket, flow.local)?
            } else {
                // Of those bound to an address of a host, none hears what is for many.
                let is_fit = socket.local.0 == flow.local
                    || socket.local.0.is_unspecified() && socket.speaks(flow.local);
                is_fit.then_some(0)?
            };
            match datagrams.peer {
                Some((peer, port)) => {
                    let is_peer = peer == flow.peer && (port == flow.peer_port || port == 0);
                    is_peer.then_some(fit + 4)
                }
                None => Some(fit),
            }
        };
        let at_ns = self.now;
        let datagram = |content: Vec<u8>| Datagram {
            at_ns,
            from: (flow.peer, flow.peer_port),
            to: flow.local,
            link: arrived.link,
            hop_limit: arrived.head.hop_limit,
            class: arrived.head.class,
            content,
        };
        if arrived.cast == Cast::Unicast {
            match self.best(protocol, flow, score) {
                Some(name) => match copy(content) {
                    Some(content) => self.push_message(name, datagram(content)),
                    None => self.count_drop(arrived.link),
                },
                None if protocol == Protocol::Udp && self.is_gateway(arrived.link) => {
                    self.tell_passing(Passing::Datagram {
                        from: SocketAddr::new(flow.peer, flow.peer_port),
                        to: SocketAddr::new(flow.local, flow.local_port),
                        content: content.into(),
                    });
                }
                None if protocol == Protocol::Udp => self.port_unreachable(arrived, frame),
                None => {}
            }
            return;
        }
        // There may be many, and no memory for a list of them.
        let mut at = 0;
        while let Some(&name) = self.ports.at(protocol, flow.local_port).get(at) {
            at += 1;
            if self.sockets.get(name).and_then(score).is_none() {
                continue;
            }
            match copy(content) {
                Some(content) => self.push_message(name, datagram(content)),
                None => self.count_drop(arrived.link),
            }
        }
    }

    pub(crate) fn push_message(&mut self, name: Name, datagram: Datagram) {
        let link = datagram.link;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let limit_bytes = socket.options.receive_buffer;
        let is_taken = datagrams(socket).is_ok_and(|queue| queue.push(datagram, limit_bytes));
        if is_taken {
            self.mark_changed(name);
        } else {
            self.count_drop(link);
        }
    }

    /// A datagram is lost for want of room.
    pub(crate) fn count_drop(&mut self, link: u32) {
        if let Some(port) = self.port_mut(link) {
            port.traffic.received_drops += 1;
        } else {
            self.lo.traffic.received_drops += 1;
        }
    }

    pub(crate) fn datagram_connect(&mut self, name: Name, to: SocketAddr) -> Result<(), Errno> {
        let socket = self.sockets.get(name).ok_or(Errno::EBADF)?;
        let ((mut peer, port), scope) = socket.endpoint(to)?;
        if peer.is_unspecified() {
            peer = match peer {
                IpAddr::V4(_) => core::net::Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => core::net::Ipv6Addr::LOCALHOST.into(),
            };
        }
        if !socket.speaks(peer) {
            return Err(Errno::ENETUNREACH);
        }
        let link = scope.or(socket.link());
        let (bound, is_bound) = (socket.local, socket.local.1 != 0);
        let from = (!bound.0.is_unspecified() && !bound.0.is_multicast()).then_some(bound.0);
        let way = self.topology.way(peer, from, link)?;
        if way.cast == Cast::Broadcast && !socket.options.broadcast {
            return Err(Errno::EACCES);
        }
        if !is_bound {
            let unspecified = socket.unspecified();
            self.bind_to(name, (unspecified, 0))?;
        }
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        if bound.0.is_unspecified() {
            socket.local.0 = way.source;
        }
        let datagrams = datagrams(socket)?;
        datagrams.peer = Some((peer, port));
        datagrams.peer_link = link;
        self.mark_changed(name);
        Ok(())
    }

    pub(crate) fn datagram_disconnect(&mut self, name: Name) {
        if let Some(socket) = self.sockets.get_mut(name) {
            let unspecified = socket.unspecified();
            if let Ok(datagrams) = datagrams(socket)
                && datagrams.peer.take().is_some()
            {
                socket.local.0 = unspecified;
            }
        }
        self.mark_changed(name);
    }

    pub(crate) fn datagram_send(
        &mut self,
        name: Name,
        pieces: &[&[u8]],
        how: &SendTo,
    ) -> Result<usize, Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let (options, kind, family) = (socket.options, socket.kind, socket.family);
        let ((to, to_port), scope) = match how.to {
            Some(to) => socket.endpoint(to)?,
            None => {
                let datagrams = datagrams(socket)?;
                let peer = datagrams.peer.ok_or(Errno::EDESTADDRREQ)?;
                (peer, datagrams.peer_link)
            }
        };
        if datagrams(socket)?.is_mute {
            return Err(Errno::EPIPE);
        }
        let to = match to {
            IpAddr::V4(to) if to.is_unspecified() => core::net::Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(to) if to.is_unspecified() => core::net::Ipv6Addr::LOCALHOST.into(),
            to => to,
        };
        let is_raw = matches!(kind, Kind::Raw(_));
        if !socket.speaks(to) || (is_raw && raw::is_foreign(family, to)) {
            return Err(Errno::ENETUNREACH);
        }
        if to_port == 0 && kind == Kind::Datagram {
            return Err(Errno::EINVAL);
        }
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let header_bytes = if kind == Kind::Datagram {
            HEADER_BYTES
        } else {
            0
        };
        let ip_bytes = if to.is_ipv4() { 20 } else { 0 };
        if total + header_bytes + ip_bytes > MESSAGE_MAX {
            return Err(Errno::EMSGSIZE);
        }
        let local = socket.local;
        let is_host = |address: &IpAddr| !address.is_unspecified() && !address.is_multicast();
        let from = how
            .from
            .map(ip::plain)
            .filter(is_host)
            .or(Some(local.0).filter(is_host));
        if from.is_some_and(|from| from.is_ipv4() != to.is_ipv4()) {
            return Err(Errno::EINVAL);
        }
        if from.is_some_and(|from| !self.topology.is_local(from)) {
            return Err(Errno::EINVAL);
        }
        let for_many =
            (to.is_multicast() && options.multicast_link != 0).then_some(options.multicast_link);
        let bound = (options.bound_link != 0).then_some(options.bound_link);
        let link = (how.link != 0)
            .then_some(how.link)
            .or(scope)
            .or(bound)
            .or(for_many);
        let way = self.topology.way(to, from, link)?;
        if way.cast == Cast::Broadcast && !options.broadcast {
            return Err(Errno::EACCES);
        }
        if local.1 == 0 {
            let unspecified = match family {
                Family::V4 => core::net::Ipv4Addr::UNSPECIFIED.into(),
                Family::V6 => core::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            self.bind_to(name, (unspecified, 0))
                .map_err(|_| Errno::EAGAIN)?;
        }
        let local_port = self.sockets.get(name).ok_or(Errno::EBADF)?.local.1;
        let is_for_many = way.cast != Cast::Unicast;
        let hop_limit = if way.cast == Cast::Multicast {
            options.multicast_hop_limit
        } else {
            options.hop_limit.unwrap_or(ip::HOP_LIMIT)
        };
        let segment = usize::from(how.segment_bytes.unwrap_or(0));
        let is_cut = kind == Kind::Datagram && segment > 0;
        if is_cut {
            // Such a datagram is not taken apart once more.
            let headers = ip::header_bytes(to) + HEADER_BYTES;
            if headers + segment.min(total) > self.path_mtu(way.link, to) {
                return Err(Errno::EMSGSIZE);
            }
            if total > segment * SEGMENTS_MAX {
                return Err(Errno::EINVAL);
            }
        }
        let head = Head {
            from: way.source,
            to,
            protocol: match (kind, to) {
                (Kind::Echo, IpAddr::V4(_)) => ip::ICMP,
                (Kind::Echo, IpAddr::V6(_)) => ip::ICMPV6,
                (Kind::Raw(protocol), _) => protocol,
                _ => ip::UDP,
            },
            hop_limit: how.hop_limit.unwrap_or(hop_limit),
            class: how.traffic_class.unwrap_or(options.traffic_class),
        };
        if !self.has_room(way.link) {
            self.block_messages(name, way.link);
            return Err(Errno::EAGAIN);
        }
        let is_heard_here = is_for_many
            && way.link != LO
            && (way.cast == Cast::Broadcast || options.multicast_loop);
        let each = if is_cut { segment } else { total.max(1) };
        for start in (0..total.max(1)).step_by(each) {
            let cut;
            let (pieces, len) = if total > each {
                cut = part(pieces, start, each)?;
                (&cut[..], each.min(total - start))
            } else {
                (pieces, total)
            };
            let mut packet = match kind {
                Kind::Echo => echo(pieces, len, local_port, way.source, to)?,
                Kind::Raw(protocol) => raw::packet(pieces, len, protocol, (way.source, to))?,
                _ => udp(
                    pieces,
                    len,
                    (way.source, local_port),
                    (to, to_port),
                    way.link == LO,
                )
                .ok_or(Errno::ENOBUFS)?,
            };
            if is_heard_here {
                self.loop_back(way.link, &head, &packet);
            }
            self.output_by(&way, &head, &mut packet);
        }
        self.settle();
        Ok(total)
    }

    /// What we send to many, we hear too.
    fn loop_back(&mut self, link: u32, head: &Head, packet: &Packet) {
        let arrived = Arrived {
            head: *head,
            link,
            cast: if head.to.is_multicast() {
                Cast::Multicast
            } else {
                Cast::Broadcast
            },
            at: 0,
            end: packet.len(),
            is_sum_known: true,
        };
        let is_heard =
            arrived.cast == Cast::Broadcast || self.groups.contains_key(&(link, head.to));
        if is_heard && head.protocol == ip::UDP {
            self.udp_input(&arrived, packet.bytes());
        }
    }

    pub(crate) fn datagram_receive(
        &mut self,
        name: Name,
        pieces: &mut [&mut [u8]],
        is_peek: bool,
    ) -> Result<Received, Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let (family, local) = (socket.family, socket.local);
        let datagrams = datagrams(socket)?;
        let Some(datagram) = datagrams.queue.front() else {
            if !datagrams.is_deaf {
                return Err(Errno::EAGAIN);
            }
            return Ok(Received {
                bytes: 0,
                full_length: 0,
                from: crate::socket::written(family, local, 0),
                to: local.0,
                link: 0,
                hop_limit: 0,
                traffic_class: 0,
                at_ns: 0,
            });
        };
        let bytes = scatter(&datagram.content, pieces);
        let received = Received {
            bytes,
            full_length: datagram.content.len(),
            from: crate::socket::written(family, datagram.from, datagram.link),
            to: datagram.to,
            link: datagram.link,
            hop_limit: datagram.hop_limit,
            traffic_class: datagram.class,
            at_ns: datagram.at_ns,
        };
        if !is_peek {
            datagrams.pop();
        }
        Ok(received)
    }

    pub(crate) fn datagram_shutdown(&mut self, name: Name, how: Shutdown) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        let datagrams = datagrams(socket)?;
        // Linux does it for both, and says this.
        let is_connected = datagrams.peer.is_some();
        if is_connected {
            datagrams.is_deaf |= how != Shutdown::Write;
            datagrams.is_mute |= how != Shutdown::Read;
        }
        self.mark_changed(name);
        if is_connected {
            Ok(())
        } else {
            Err(Errno::ENOTCONN)
        }
    }
}

/// A datagram of UDP.
pub(crate) fn udp(
    pieces: &[&[u8]],
    total: usize,
    from: Endpoint,
    to: Endpoint,
    is_plain: bool,
) -> Option<Packet> {
    let mut packet = Packet::try_new(HEADER_BYTES + total)?;
    let bytes = packet.bytes_mut();
    bytes[..2].copy_from_slice(&from.1.to_be_bytes());
    bytes[2..4].copy_from_slice(&to.1.to_be_bytes());
    bytes[4..6].copy_from_slice(&((HEADER_BYTES + total) as u16).to_be_bytes());
    gather(&mut bytes[HEADER_BYTES..], pieces);
    // Nothing damages what does not leave.
    if !is_plain {
        let sum = match checksum::of_transport(from.0, to.0, ip::UDP, bytes) {
            0 => 0xffff,
            sum => sum,
        };
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    Some(packet)
}

/// The pieces of so many bytes from a place on.
fn part<'a>(pieces: &[&'a [u8]], start: usize, most: usize) -> Result<Vec<&'a [u8]>, Errno> {
    let (mut skip, mut left) = (start, most);
    let mut part = Vec::new();
    let room = part.try_reserve_exact(pieces.len());
    room.map_err(|_| Errno::ENOBUFS)?;
    for piece in pieces {
        let from = skip.min(piece.len());
        let len = left.min(piece.len() - from);
        skip -= from;
        left -= len;
        part.extend(piece.get(from..from + len));
    }
    Ok(part)
}

/// A request for an echo, with our identifier.
///
/// # Errors
/// `EINVAL` it is another message, or none.
fn echo(
    pieces: &[&[u8]],
    total: usize,
    id: u16,
    from: IpAddr,
    to: IpAddr,
) -> Result<Packet, Errno> {
    let mut content = Vec::new();
    let room = content.try_reserve_exact(total);
    room.map_err(|_| Errno::ENOBUFS)?;
    content.resize(total, 0);
    gather(&mut content, pieces);
    let kind = match to {
        IpAddr::V4(_) => icmp::V4_ECHO_REQUEST,
        IpAddr::V6(_) => icmp::V6_ECHO_REQUEST,
    };
    match *content {
        [this, 0, _, _, _, _, _, _, ..] if this == kind => {}
        _ => return Err(Errno::EINVAL),
    }
    icmp::try_message(from, to, kind, 0, &[&id.to_be_bytes(), &content[6..]]).ok_or(Errno::ENOBUFS)
}

/// A copy, if there is memory for it.
pub(crate) fn copy(content: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(content.len()).ok()?;
    copy.extend_from_slice(content);
    Some(copy)
}

pub(crate) fn gather(mut into: &mut [u8], pieces: &[&[u8]]) {
    for piece in pieces {
        let (here, rest) = into.split_at_mut(piece.len());
        here.copy_from_slice(piece);
        into = rest;
    }
}

/// Puts content into pieces, as much as there is room for. How much.
pub(crate) fn scatter(content: &[u8], pieces: &mut [&mut [u8]]) -> usize {
    let mut bytes = 0;
    for piece in pieces {
        let len = piece.len().min(content.len() - bytes);
        piece[..len].copy_from_slice(&content[bytes..bytes + len]);
        bytes += len;
    }
    bytes
}

/// As Linux's `datagram_poll`.
pub(crate) fn readiness(socket: &Socket, datagrams: &Datagrams) -> u16 {
    let mut bits = match datagrams.full_link {
        None => POLLOUT | POLLWRNORM | POLLWRBAND,
        Some(_) => 0,
    };
    if socket.error.is_some() || !datagrams.failures.is_empty() {
        bits |= POLLERR;
    }
    if datagrams.is_deaf {
        bits |= POLLRDHUP | POLLIN | POLLRDNORM;
        if datagrams.is_mute {
            bits |= POLLHUP;
        }
    }
    if !datagrams.queue.is_empty() {
        bits |= POLLIN | POLLRDNORM;
    }
    bits
}
