//! Messages that did not arrive: which socket hears of it, and what it is told. An error is all that most hear; who asks
//! (`IP_RECVERR`) is told who said so, and of what.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use muslin_abi::Errno;

use crate::datagram::{copy, scatter};
use crate::icmp::{V4_UNREACHABLE, V6_UNREACHABLE};
use crate::ip::Head;
use crate::ports::{Protocol, fit};
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Endpoint, Socket, written};
use crate::stack::{Failure, Received};
use crate::tcp::Flow;

/// How many failures wait to be told: later ones are an error alone.
const FAILURES_MAX: usize = 64;
/// How much of a message is kept: no more of it is quoted by who keeps to the rules (RFC 4443), and the queue is beside
/// what the socket's buffers may have.
const CONTENT_BYTES_MAX: usize = 1280;
/// The codes of a host that does not answer, in IPv4 and in IPv6.
const V4_HOST: u8 = 1;
const V6_ADDRESS: u8 = 3;
/// What comes before the content of a datagram of UDP.
const UDP_HEADER_BYTES: usize = 8;

/// What a message of ICMP says of a packet of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub errno: Errno,
    pub kind: u8,
    pub code: u8,
    /// The size that would have fitted, or the place of the mistake.
    pub info: u32,
    /// The header of the message, and the link that it came over.
    pub head: Head,
    pub link: u32,
}

impl Report {
    /// Nobody here knows how to reach a neighbour: as if we had been told.
    pub fn of_neighbour(head: &Head, link: u32) -> Self {
        let (kind, code) = match head.to {
            IpAddr::V4(_) => (V4_UNREACHABLE, V4_HOST),
            IpAddr::V6(_) => (V6_UNREACHABLE, V6_ADDRESS),
        };
        Self {
            errno: Errno::EHOSTUNREACH,
            kind,
            code,
            info: 0,
            head: Head::new(head.from, head.from, head.protocol),
            link,
        }
    }

    /// Whether it ends what a socket with one peer does, also of those who did not ask.
    fn is_final(&self) -> bool {
        matches!(
            self.errno,
            Errno::ECONNREFUSED | Errno::EMSGSIZE | Errno::EPROTO
        )
    }
}

/// The failures that wait at a socket.
#[derive(Default)]
pub(crate) struct Failures {
    /// Whether it is to be told of those of IPv4, and of those of IPv6.
    tells: [bool; 2],
    queue: VecDeque<Kept>,
}

struct Kept {
    report: Report,
    /// Whom the message was for.
    destination: Endpoint,
    content: Vec<u8>,
    at_ns: u64,
}

impl Failures {
    fn tells(&self, report: &Report) -> bool {
        self.tells[usize::from(report.head.from.is_ipv6())]
    }

    /// Begins to keep those of one version, or forgets all.
    pub fn set(&mut self, of_v6: bool, is_on: bool) {
        self.tells[usize::from(of_v6)] = is_on;
        if !is_on {
            self.queue.clear();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl SmolStack {
    /// A datagram of ours was not delivered. `above`: what is quoted behind its IP header.
    pub(crate) fn udp_unreachable(
        &mut self,
        head: &Head,
        (local, peer): (u16, u16),
        report: &Report,
        above: &[u8],
    ) {
        let flow = Flow {
            local: head.from,
            local_port: local,
            peer: head.to,
            peer_port: peer,
        };
        let content = above.get(UDP_HEADER_BYTES..).unwrap_or_default();
        self.message_unreachable(Protocol::Udp, &flow, report, content);
    }

    /// The same for an echo.
    pub(crate) fn echo_unreachable(&mut self, head: &Head, id: u16, report: &Report, above: &[u8]) {
        let protocol = match head.to {
            IpAddr::V4(_) => Protocol::EchoV4,
            IpAddr::V6(_) => Protocol::EchoV6,
        };
        let flow = Flow {
            local: head.from,
            local_port: id,
            peer: head.to,
            peer_port: 0,
        };
        self.message_unreachable(protocol, &flow, report, above);
    }

    fn message_unreachable(
        &mut self,
        protocol: Protocol,
        flow: &Flow,
        report: &Report,
        content: &[u8],
    ) {
        let score = |socket: &Socket| {
            let Body::Datagrams(datagrams) = &socket.body else {
                return None;
            };
            let fit = fit(socket, flow.local)?;
            match datagrams.peer {
                Some((peer, port)) => {
                    let is_peer =
                        peer == flow.peer && (port == flow.peer_port || flow.peer_port == 0);
                    is_peer.then_some(fit + 4)
                }
                // As in Linux: who has many peers hears of it only if it asked.
                None => datagrams.failures.tells(report).then_some(fit),
            }
        };
        let Some(name) = self.best(protocol, flow, score) else {
            return;
        };
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let Body::Datagrams(datagrams) = &mut socket.body else {
            return;
        };
        let failures = &mut datagrams.failures;
        let content = content.get(..CONTENT_BYTES_MAX).unwrap_or(content);
        if failures.tells(report) {
            if failures.queue.len() < FAILURES_MAX
                && failures.queue.try_reserve(1).is_ok()
                && let Some(content) = copy(content)
            {
                failures.queue.push_back(Kept {
                    report: *report,
                    destination: (flow.peer, flow.peer_port),
                    content,
                    at_ns: now,
                });
            }
        } else if !report.is_final() {
            return;
        }
        socket.error = Some(report.errno);
        self.mark_changed(name);
    }

    /// Tells of the oldest failure, and gives what is known of the message.
    pub(crate) fn failure_receive(
        &mut self,
        name: Name,
        pieces: &mut [&mut [u8]],
    ) -> Result<Failure, Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        let family = socket.family;
        let Body::Datagrams(datagrams) = &mut socket.body else {
            return Err(Errno::EAGAIN);
        };
        let queue = &mut datagrams.failures.queue;
        let kept = queue.pop_front().ok_or(Errno::EAGAIN)?;
        // As in Linux: the error is that of the next one.
        socket.error = queue.front().map(|next| next.report.errno);
        let Report { head, link, .. } = kept.report;
        let received = Received {
            bytes: scatter(&kept.content, pieces),
            full_length: kept.content.len(),
            from: written(family, (head.from, 0), link),
            to: head.to,
            link,
            hop_limit: head.hop_limit,
            traffic_class: head.class,
            at_ns: kept.at_ns,
        };
        self.mark_changed(name);
        Ok(Failure {
            errno: kept.report.errno,
            is_v6: head.from.is_ipv6(),
            kind: kept.report.kind,
            code: kept.report.code,
            info: kept.report.info,
            destination: written(family, kept.destination, link),
            received,
        })
    }
}
