//! Who has which port.

use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::net::IpAddr;

use hashbrown::HashMap;
use muslin_abi::Errno;

use crate::secret::{Keys, Secret};
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Endpoint, Socket};
use crate::stack::{Family, Kind};
use crate::tcp::{Flow, Target};

/// Ports for those that do not choose one, as in Linux.
const EPHEMERAL_FIRST: u16 = 32_768;
const EPHEMERAL_COUNT: u16 = 28_232;

/// What the ports are of. An echo socket's is its identifier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    EchoV4,
    EchoV6,
    /// Raw sockets; the port is the protocol.
    RawV4,
    RawV6,
}

impl Protocol {
    pub fn of(kind: Kind, family: Family) -> Self {
        match (kind, family) {
            (Kind::Stream, _) => Self::Tcp,
            (Kind::Datagram, _) => Self::Udp,
            (Kind::Echo, Family::V4) => Self::EchoV4,
            (Kind::Echo, Family::V6) => Self::EchoV6,
            (Kind::Raw(_), Family::V4) => Self::RawV4,
            (Kind::Raw(_), Family::V6) => Self::RawV6,
        }
    }
}

/// The sockets that are bound to each port, and how many flows each port of ours has.
pub(crate) struct Ports {
    bound: HashMap<(Protocol, u16), Vec<Name>, Keys>,
    flows: HashMap<u16, u32, Keys>,
    spread: Keys,
}

impl Ports {
    pub fn new(secret: &Secret) -> Self {
        Self {
            bound: HashMap::with_hasher(secret.keys(4)),
            flows: HashMap::with_hasher(secret.keys(5)),
            spread: secret.keys(6),
        }
    }

    /// The sockets bound to a port.
    pub fn at(&self, protocol: Protocol, port: u16) -> &[Name] {
        self.bound.get(&(protocol, port)).map_or(&[], Vec::as_slice)
    }

    /// How many ports have sockets, and how many have flows.
    #[cfg(test)]
    pub fn len(&self) -> (usize, usize) {
        (self.bound.len(), self.flows.len())
    }
}

/// Whether a socket's address takes in this one; more is better.
pub(crate) fn fit(socket: &Socket, address: IpAddr) -> Option<u32> {
    if socket.local.0.is_unspecified() {
        socket.speaks(address).then_some(0)
    } else {
        (socket.local.0 == address).then_some(2)
    }
}

/// Whether two sockets would take the same packets.
fn overlap(one: &Socket, address: IpAddr, other: &Socket) -> bool {
    let links = (one.options.bound_link, other.options.bound_link);
    if links.0 != 0 && links.1 != 0 && links.0 != links.1 {
        return false;
    }
    match (address.is_unspecified(), other.local.0.is_unspecified()) {
        (false, false) => address == other.local.0,
        (false, true) => other.speaks(address),
        (true, false) => one.speaks(other.local.0),
        (true, true) => {
            one.family == other.family || !(one.options.v6_only || other.options.v6_only)
        }
    }
}

impl SmolStack {
    /// Binds a socket. Port 0: a free one.
    pub(crate) fn bind_to(&mut self, name: Name, (address, port): Endpoint) -> Result<(), Errno> {
        let socket = self.sockets.get(name).ok_or(Errno::EBADF)?;
        let protocol = Protocol::of(socket.kind, socket.family);
        if socket.is_bound
            || socket.local.1 != 0
            || !matches!(
                socket.body,
                Body::Idle | Body::Datagrams(_) | Body::Ended(_)
            )
        {
            return Err(Errno::EINVAL);
        }
        let is_for_many = socket.kind != Kind::Stream
            && (address.is_multicast() || self.topology.is_broadcast(None, address));
        if !address.is_unspecified() && !is_for_many && !self.topology.is_local(address) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let port = if port != 0 {
            if self.is_taken(name, protocol, address, port) {
                return Err(Errno::EADDRINUSE);
            }
            port
        } else {
            let is_free = |stack: &Self, port| {
                stack.ports.at(protocol, port).is_empty()
                    && !(protocol == Protocol::Tcp && stack.ports.flows.contains_key(&port))
            };
            self.free_port(protocol, is_free).ok_or(Errno::EADDRINUSE)?
        };
        let bound = &mut self.ports.bound;
        bound.try_reserve(1).map_err(|_| Errno::ENOBUFS)?;
        let names = bound.entry((protocol, port)).or_default();
        if names.try_reserve(1).is_err() {
            if names.is_empty() {
                bound.remove(&(protocol, port));
            }
            return Err(Errno::ENOBUFS);
        }
        names.push(name);
        if let Some(socket) = self.sockets.get_mut(name) {
            socket.is_bound = true;
            socket.local = (address, port);
        }
        Ok(())
    }

    /// Whether somebody who does not share has this port.
    fn is_taken(&self, name: Name, protocol: Protocol, address: IpAddr, port: u16) -> bool {
        if matches!(protocol, Protocol::RawV4 | Protocol::RawV6) {
            // All of them hear it.
            return false;
        }
        let Some(socket) = self.sockets.get(name) else {
            return true;
        };
        let mine = socket.options;
        let is_shared = |other: &Socket| {
            let theirs = other.options;
            let is_address_shared = mine.reuse_address
                && theirs.reuse_address
                && !matches!(other.body, Body::Listening(_));
            is_address_shared || mine.reuse_port && theirs.reuse_port
        };
        let others = self.ports.at(protocol, port);
        let is_bound = others
            .iter()
            .filter_map(|&other| self.sockets.get(other))
            .any(|other| {
                other.name != name && overlap(socket, address, other) && !is_shared(other)
            });
        // Connections of a listener that is gone keep its port, unless somebody insists.
        let is_flowing = protocol == Protocol::Tcp
            && others.is_empty()
            && self.ports.flows.contains_key(&port)
            && !mine.reuse_address
            && !mine.reuse_port;
        is_bound || is_flowing
    }

    /// A port that nobody has, from a place that nobody can foresee (RFC 6056).
    pub(crate) fn free_port(
        &mut self,
        protocol: Protocol,
        is_free: impl Fn(&Self, u16) -> bool,
    ) -> Option<u16> {
        let begin = (self.secret.number() % u64::from(EPHEMERAL_COUNT)) as u16;
        (0..EPHEMERAL_COUNT)
            .map(|step| EPHEMERAL_FIRST + (begin + step) % EPHEMERAL_COUNT)
            .find(|&port| self.ports.at(protocol, port).is_empty() && is_free(self, port))
    }

    /// A bound stream wants to listen.
    pub(crate) fn ports_listen(&mut self, name: Name) -> Result<(), Errno> {
        let socket = self.sockets.get(name).ok_or(Errno::EBADF)?;
        let is_rival = |other: &Socket| {
            other.name != name
                && matches!(other.body, Body::Listening(_))
                && overlap(socket, socket.local.0, other)
                && !(socket.options.reuse_port && other.options.reuse_port)
        };
        let others = self.ports.at(Protocol::Tcp, socket.local.1);
        let has_rival = others
            .iter()
            .filter_map(|&other| self.sockets.get(other))
            .any(is_rival);
        if has_rival {
            return Err(Errno::EADDRINUSE);
        }
        Ok(())
    }

    /// Takes a socket's entry away.
    pub(crate) fn release_port(&mut self, name: Name) {
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        if !core::mem::replace(&mut socket.is_bound, false) {
            return;
        }
        let key = (Protocol::of(socket.kind, socket.family), socket.local.1);
        if let Some(names) = self.ports.bound.get_mut(&key) {
            names.retain(|&other| other != name);
            if names.is_empty() {
                self.ports.bound.remove(&key);
            }
        }
    }

    /// Whether there is memory to remember one more.
    pub(crate) fn has_room_for_flow(&mut self) -> bool {
        self.tcp.flows.try_reserve(1).is_ok() && self.ports.flows.try_reserve(1).is_ok()
    }

    /// Remembers what a flow's segments are for.
    pub(crate) fn add_flow(&mut self, flow: Flow, target: Target) {
        if self.tcp.flows.insert(flow, target).is_none() {
            *self.ports.flows.entry(flow.local_port).or_insert(0) += 1;
        }
    }

    /// Forgets a flow.
    pub(crate) fn remove_flow(&mut self, flow: &Flow) {
        if self.tcp.flows.remove(flow).is_none() {
            return;
        }
        if let Some(count) = self.ports.flows.get_mut(&flow.local_port) {
            *count -= 1;
            if *count == 0 {
                self.ports.flows.remove(&flow.local_port);
            }
        }
    }

    /// The listener for a new flow; of several with one port, always the same one for one flow.
    pub(crate) fn find_listener(&self, flow: &Flow, link: u32) -> Option<Name> {
        let score = |socket: &Socket| {
            let is_listening = matches!(socket.body, Body::Listening(_));
            let is_on_link = socket.link().is_none_or(|bound| bound == link);
            (is_listening && is_on_link)
                .then(|| fit(socket, flow.local))
                .flatten()
        };
        self.best(Protocol::Tcp, flow, score)
    }

    /// The socket at a flow's local port that fits best.
    pub(crate) fn best(
        &self,
        protocol: Protocol,
        flow: &Flow,
        score: impl Fn(&Socket) -> Option<u32>,
    ) -> Option<Name> {
        let names = self.ports.at(protocol, flow.local_port);
        let scores = || {
            names.iter().filter_map(|&name| {
                let score = score(self.sockets.get(name)?)?;
                Some((score, name))
            })
        };
        let best = scores().map(|(score, _)| score).max()?;
        let count = scores().filter(|&(score, _)| score == best).count();
        let pick = if count == 1 {
            0
        } else {
            (self.ports.spread.hash_one(flow) % count as u64) as usize
        };
        scores()
            .filter(|&(score, _)| score == best)
            .nth(pick)
            .map(|(_, name)| name)
    }
}
