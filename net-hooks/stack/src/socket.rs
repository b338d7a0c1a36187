//! A socket: what it is set to, and what it is.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use muslin_abi::Errno;

use crate::datagram::Datagrams;
use crate::ip;
use crate::options::Options;
use crate::slots::{Name, Slots};
use crate::stack::{Family, Kind, SocketId};
use crate::tcp::connection::Connection;

/// An address and a port; IPv4 is always IPv4 here.
pub(crate) type Endpoint = (IpAddr, u16);

/// A socket.
pub(crate) struct Socket {
    pub name: Name,
    pub family: Family,
    pub kind: Kind,
    pub options: Options,
    /// Its local address: unspecified until one is chosen or needed.
    pub local: Endpoint,
    /// It has an entry in the table of ports.
    pub is_bound: bool,
    /// The error that waits to be told.
    pub error: Option<Errno>,
    /// It is in the queue of those that changed.
    pub is_changed: bool,
    /// The groups it joined, with their links.
    pub groups: Vec<(IpAddr, u32)>,
    pub body: Body,
}

/// What a socket is now.
pub(crate) enum Body {
    /// A stream that was not used yet.
    Idle,
    Listening(Listener),
    /// The handshake that it waits for.
    Connecting(Name),
    Connected(Box<Connection>),
    /// A stream that was connected, or tried to: what was not read yet.
    Ended(Ended),
    Datagrams(Datagrams),
}

/// A stream that takes connections.
pub(crate) struct Listener {
    pub backlog: usize,
    /// Connections that can be accepted.
    pub ready: VecDeque<Name>,
    /// Handshakes that are not done.
    pub half_open: usize,
    /// Until when answers to cookies may come: there was no room for a handshake before.
    pub cookies_until_ns: u64,
}

/// What is left of a connection.
#[derive(Default)]
pub(crate) struct Ended {
    pub unread: Vec<u8>,
    pub read: usize,
    /// It never was a connection, and that was told.
    pub is_refusal_told: bool,
    /// It never was a connection.
    pub is_refused: bool,
    /// The peer's end came before what ended it, and all that was sent before is here.
    pub had_end: bool,
    pub peer: Option<Endpoint>,
}

impl Socket {
    /// The address as this socket's family writes it. `link` for addresses that need one.
    pub fn address(&self, (address, port): Endpoint, link: u32) -> SocketAddr {
        written(self.family, (address, port), link)
    }

    /// The unspecified address of its family.
    pub fn unspecified(&self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Takes an address of a call: of its family, and IPv4 as IPv4. And the link it names, if it
    /// does.
    pub fn endpoint(&self, address: SocketAddr) -> Result<(Endpoint, Option<u32>), Errno> {
        let link = match (self.family, address) {
            (Family::V4, SocketAddr::V4(_)) => 0,
            (Family::V6, SocketAddr::V6(address)) => address.scope_id(),
            _ => return Err(Errno::EAFNOSUPPORT),
        };
        let plain = ip::plain(address.ip());
        let link = (link != 0 && ip::is_link_local(plain)).then_some(link);
        Ok(((plain, address.port()), link))
    }

    /// Whether it can talk to an address of this version.
    pub fn speaks(&self, address: IpAddr) -> bool {
        match (self.family, address) {
            (Family::V4, IpAddr::V4(_)) | (Family::V6, IpAddr::V6(_)) => true,
            (Family::V6, IpAddr::V4(_)) => !self.options.v6_only,
            (Family::V4, IpAddr::V6(_)) => false,
        }
    }

    /// The link that it is bound to.
    pub fn link(&self) -> Option<u32> {
        (self.options.bound_link != 0).then_some(self.options.bound_link)
    }

    pub fn id(&self) -> SocketId {
        SocketId {
            index: self.name.index,
            generation: self.name.generation,
        }
    }

    pub fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.body {
            Body::Connected(connection) => Some(connection),
            _ => None,
        }
    }

    /// Likewise, beside what is set on it.
    pub fn connection_set(&mut self) -> Option<(&mut Connection, &Options)> {
        match &mut self.body {
            Body::Connected(connection) => Some((connection, &self.options)),
            _ => None,
        }
    }

    /// Its descriptor was closed; it lives on for its peer.
    pub fn is_orphan(&self) -> bool {
        matches!(&self.body, Body::Connected(connection) if connection.orphaned_ns.is_some())
    }
}

impl Slots<Socket> {
    /// The connection of a socket that has one.
    pub fn connection(&mut self, name: Name) -> Option<&mut Connection> {
        self.get_mut(name)?.connection()
    }

    /// Likewise, beside what is set on it.
    pub fn connection_set(&mut self, name: Name) -> Option<(&mut Connection, &Options)> {
        self.get_mut(name)?.connection_set()
    }
}

/// An address as a family writes it.
pub(crate) fn written(family: Family, (address, port): Endpoint, link: u32) -> SocketAddr {
    match (family, address) {
        (Family::V6, IpAddr::V4(inner)) => {
            SocketAddr::V6(SocketAddrV6::new(inner.to_ipv6_mapped(), port, 0, 0))
        }
        (_, IpAddr::V6(inner)) => {
            let scope = if ip::is_link_local(address) { link } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(inner, port, 0, scope))
        }
        (Family::V4, IpAddr::V4(_)) => SocketAddr::new(address, port),
    }
}

impl From<SocketId> for Name {
    fn from(id: SocketId) -> Self {
        Self {
            index: id.index,
            generation: id.generation,
        }
    }
}
