//! A gateway's part: packets of one link that are for others are not dropped but told, so that somebody
//! above can end their connections here and speak to those others in his own way.
//!
//! A connection is held until it is known what becomes of it: the peer hears no answer before.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use muslin_abi::Errno;

use crate::datagram::udp;
use crate::icmp::{self, Unreachable};
use crate::ip::{self, Head};
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Listener, Socket};
use crate::stack::{Family, Kind, SocketId};
use crate::{calls, input::Arrived};

/// More than these are not kept until somebody asks: what comes then is lost, as on a wire.
const PASSING_MAX: usize = 256;

/// What came by that is for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Somebody wants a connection, and waits for [`SmolStack::admit`] or [`SmolStack::refuse`].
    Connection {
        /// Its name meanwhile.
        id: HeldId,
        /// Who.
        from: SocketAddr,
        /// With whom.
        to: SocketAddr,
    },
    /// One of these connections is not wanted any more: it was given up before it was accepted.
    Lost {
        /// Who wanted it.
        from: SocketAddr,
        /// With whom.
        to: SocketAddr,
    },
    /// A datagram that no socket takes.
    Datagram {
        /// Who sent it.
        from: SocketAddr,
        /// To whom.
        to: SocketAddr,
        /// What is in it.
        content: Vec<u8>,
    },
    /// A request for an echo.
    Echo {
        /// Who asks.
        from: IpAddr,
        /// Whom.
        to: IpAddr,
        /// Identifier, number and data of the request.
        content: Vec<u8>,
    },
}

/// Names a connection that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldId(pub(crate) Name);

/// Why somebody does not get what he wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has that port.
    Port,
    /// The host does not answer.
    Host,
    /// There is no way to that network.
    Network,
    /// It is not allowed.
    Prohibited,
    /// As if it had been lost.
    Silent,
}

impl Refusal {
    /// As errors of ICMP say it, of IPv4 and of IPv6.
    pub(crate) fn codes(self) -> Option<Unreachable> {
        let (v4, v6) = match self {
            Self::Port => (icmp::V4_PORT, icmp::V6_PORT),
            Self::Host => (1, 3),
            Self::Network => (0, 0),
            Self::Prohibited => (13, 1),
            Self::Silent => return None,
        };
        Some(Unreachable {
            v4: (icmp::V4_UNREACHABLE, v4),
            v6: (icmp::V6_UNREACHABLE, v6),
        })
    }
}

/// What a gateway knows.
pub(crate) struct Gateway {
    link: u32,
    /// The socket at which connections with others are accepted. It has no port.
    pub listener: Name,
    passing: VecDeque<Passing>,
}

impl SmolStack {
    /// Takes all that comes over a link, whoever it is for. Connections that are admitted are accepted
    /// at the socket whose name is given; its settings become theirs. So many are there at once before
    /// they are accepted; more are not answered.
    pub fn set_gateway(&mut self, link: u32, backlog: usize) -> SocketId {
        let listener = self.sockets.insert(|name| Socket {
            name,
            // It has both, and writes IPv4 as IPv6 does.
            family: Family::V6,
            kind: Kind::Stream,
            options: calls::defaults(Kind::Stream),
            local: (core::net::Ipv6Addr::UNSPECIFIED.into(), 0),
            is_bound: false,
            error: None,
            is_changed: false,
            groups: Vec::new(),
            body: Body::Listening(Listener {
                backlog,
                ready: VecDeque::new(),
                half_open: 0,
                cookies_until_ns: 0,
            }),
        });
        self.gateway = Some(Box::new(Gateway {
            link,
            listener,
            passing: VecDeque::new(),
        }));
        SocketId {
            index: listener.index,
            generation: listener.generation,
        }
    }

    /// What came by first of what is for others, and was not told yet.
    pub fn take_passing(&mut self) -> Option<Passing> {
        self.gateway.as_mut()?.passing.pop_front()
    }

    /// Sends a datagram in somebody's name.
    ///
    /// # Errors
    /// `ENETUNREACH` no way there · `ENOBUFS` · `EAFNOSUPPORT` the addresses are of two versions.
    pub fn send_as(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        content: &[u8],
    ) -> Result<(), Errno> {
        if from.is_ipv4() != to.is_ipv4() {
            return Err(Errno::EAFNOSUPPORT);
        }
        let ends = ((from.ip(), from.port()), (to.ip(), to.port()));
        let mut packet =
            udp(&[content], content.len(), ends.0, ends.1, false).ok_or(Errno::ENOBUFS)?;
        self.output(&Head::new(from.ip(), to.ip(), ip::UDP), None, &mut packet)
    }

    /// Answers a request for an echo in somebody's name. `content` as in [`Passing::Echo`].
    ///
    /// # Errors
    /// As [`SmolStack::send_as`].
    pub fn echo_as(&mut self, from: IpAddr, to: IpAddr, content: &[u8]) -> Result<(), Errno> {
        let (protocol, kind) = match (from, to) {
            (IpAddr::V4(_), IpAddr::V4(_)) => (ip::ICMP, icmp::V4_ECHO_REPLY),
            (IpAddr::V6(_), IpAddr::V6(_)) => (ip::ICMPV6, icmp::V6_ECHO_REPLY),
            _ => return Err(Errno::EAFNOSUPPORT),
        };
        let mut packet = icmp::try_message(from, to, kind, 0, &[content]).ok_or(Errno::ENOBUFS)?;
        self.output(&Head::new(from, to, protocol), None, &mut packet)
    }

    /// Tells the sender of a datagram that it did not arrive.
    pub fn refuse_datagram(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        content: &[u8],
        why: Refusal,
    ) {
        let ends = ((from.ip(), from.port()), (to.ip(), to.port()));
        let (Some(codes), Some(datagram)) = (
            why.codes(),
            udp(&[content], content.len(), ends.0, ends.1, false),
        ) else {
            return;
        };
        let head = Head::new(from.ip(), to.ip(), ip::UDP);
        self.send_unreachable(&head, None, datagram.bytes(), codes);
    }

    /// Tells who asked for an echo that nobody answers.
    pub fn refuse_echo(&mut self, from: IpAddr, to: IpAddr, content: &[u8], why: Refusal) {
        let (protocol, kind) = match to {
            IpAddr::V4(_) => (ip::ICMP, icmp::V4_ECHO_REQUEST),
            IpAddr::V6(_) => (ip::ICMPV6, icmp::V6_ECHO_REQUEST),
        };
        let (Some(codes), Some(request)) = (
            why.codes(),
            icmp::try_message(from, to, kind, 0, &[content]),
        ) else {
            return;
        };
        let head = Head::new(from, to, protocol);
        self.send_unreachable(&head, None, request.bytes(), codes);
    }

    /// Whether what comes over this link is taken for others.
    pub(crate) fn is_gateway(&self, link: u32) -> bool {
        self.gateway
            .as_ref()
            .is_some_and(|gateway| gateway.link == link)
    }

    /// Tells of something that came by. `false`: there is no gateway, or too much came by.
    pub(crate) fn tell_passing(&mut self, passing: Passing) -> bool {
        let Some(gateway) = &mut self.gateway else {
            return false;
        };
        // Who was told of a connection hears of its end: there are no more of these than were told.
        let is_owed = matches!(passing, Passing::Lost { .. });
        let has_room = (is_owed || gateway.passing.len() < PASSING_MAX)
            && gateway.passing.try_reserve(1).is_ok();
        if has_room {
            gateway.passing.push_back(passing);
        }
        has_room
    }

    /// Takes a request for an echo that is for somebody else.
    pub(crate) fn echo_passing(&mut self, arrived: &Arrived, content: &[u8]) {
        let Head { from, to, .. } = arrived.head;
        self.tell_passing(Passing::Echo {
            from,
            to,
            content: content.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    #[test]
    fn much_that_comes_by_hides_no_loss() {
        let mut stack = SmolStack::new([1; 16]);
        stack.set_gateway(2, 4);
        let from = SocketAddr::from((Ipv4Addr::new(10, 0, 2, 15), 1));
        let to = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 2));
        let datagram = || Passing::Datagram {
            from,
            to,
            content: Vec::new(),
        };
        for _ in 0..PASSING_MAX {
            assert!(stack.tell_passing(datagram()));
        }
        assert!(!stack.tell_passing(datagram()));
        assert!(stack.tell_passing(Passing::Lost { from, to }));
        let last = core::iter::from_fn(|| stack.take_passing()).last();
        assert_eq!(last, Some(Passing::Lost { from, to }));
    }
}
