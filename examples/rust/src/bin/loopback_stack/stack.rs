//! A network stack of one machine: bytes go from one socket's queue to another's, and no packet is ever
//! made. It has streams and datagrams, no options but what it is told, and nobody outside.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use muslin::Errno;
use muslin_net_stack::{
    Address, AddressSource, Automatic, ConnectionInfo, Family, Kind, LinkInfo, Neighbour, Options,
    ReceiveHow, Received, Route, SendTo, Setting, Shutdown, SocketId, Stack, State, Traffic,
};

/// Bytes, or datagrams' bytes, that wait for one reader.
const QUEUE_BYTES_MAX: usize = 256 * 1024;
/// The first port that is chosen for who names none.
const FIRST_FREE_PORT: u16 = 32768;
/// The number of the only link.
const LOOPBACK: u32 = 1;

const POLLIN: u16 = 0x1;
const POLLOUT: u16 = 0x4;
const POLLHUP: u16 = 0x10;
const POLLNVAL: u16 = 0x20;
const POLLRDHUP: u16 = 0x2000;

/// A stack without a network.
#[derive(Default)]
pub struct Loopback {
    sockets: Vec<Option<Socket>>,
    changed: VecDeque<SocketId>,
    generation: u32,
    last_port: u16,
}

struct Socket {
    id: SocketId,
    family: Family,
    kind: Kind,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    /// The other end of a connection; `None` once that is closed.
    other: Option<SocketId>,
    /// Connections that wait, of a listener.
    waiting: Option<VecDeque<SocketId>>,
    backlog: usize,
    /// Bytes that came, and of datagrams from whom and how many each.
    bytes: VecDeque<u8>,
    datagrams: VecDeque<(SocketAddr, usize)>,
    /// The other end sends no more; this one sends no more.
    is_at_end: bool,
    has_ended: bool,
    options: Options,
}

impl Loopback {
    fn get(&self, id: SocketId) -> Result<&Socket, Errno> {
        let place = self.sockets.get(id.index as usize);
        let socket = place.and_then(Option::as_ref);
        socket.filter(|socket| socket.id == id).ok_or(Errno::EBADF)
    }

    fn get_mut(&mut self, id: SocketId) -> Result<&mut Socket, Errno> {
        let place = self.sockets.get_mut(id.index as usize);
        let socket = place.and_then(Option::as_mut);
        socket.filter(|socket| socket.id == id).ok_or(Errno::EBADF)
    }

    fn all(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.iter().flatten()
    }

    fn change(&mut self, id: SocketId) {
        self.changed.push_back(id);
    }

    fn is_taken(&self, kind: Kind, port: u16) -> bool {
        let port_of = |socket: &Socket| socket.local.map(|local| local.port());
        self.all()
            .any(|socket| socket.kind == kind && port_of(socket) == Some(port))
    }

    /// A port that nobody has.
    fn free_port(&mut self, kind: Kind) -> Result<u16, Errno> {
        for _ in FIRST_FREE_PORT..=u16::MAX {
            self.last_port = self.last_port.max(FIRST_FREE_PORT - 1);
            self.last_port = self.last_port.checked_add(1).unwrap_or(FIRST_FREE_PORT);
            if !self.is_taken(kind, self.last_port) {
                return Ok(self.last_port);
            }
        }
        Err(Errno::EADDRNOTAVAIL)
    }

    /// Gives a socket an address if it has none.
    fn name(&mut self, id: SocketId) -> Result<SocketAddr, Errno> {
        let (family, kind, local) = {
            let socket = self.get(id)?;
            (socket.family, socket.kind, socket.local)
        };
        if let Some(local) = local {
            return Ok(local);
        }
        let local = SocketAddr::new(here(family), self.free_port(kind)?);
        self.get_mut(id)?.local = Some(local);
        Ok(local)
    }

    /// Who is at an address: a listener, or a socket of datagrams.
    fn at(&self, kind: Kind, address: SocketAddr) -> Option<SocketId> {
        let mut all = self.all();
        let found = all.find(|socket| {
            socket.kind == kind
                && (kind != Kind::Stream || socket.waiting.is_some())
                && socket.local.is_some_and(|local| {
                    local.port() == address.port()
                        && (local.ip().is_unspecified() || local.ip() == address.ip())
                })
        });
        found.map(|socket| socket.id)
    }
}

/// The machine's own address.
fn here(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::LOCALHOST.into(),
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Whether an address is the machine's.
fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback() || address.is_unspecified()
}

impl Stack for Loopback {
    fn set_time(&mut self, _now_ns: u64) {}

    fn poll(&mut self, _now_ns: u64) -> u64 {
        u64::MAX
    }

    fn deadline(&self) -> u64 {
        u64::MAX
    }

    fn take_changed(&mut self) -> Option<SocketId> {
        self.changed.pop_front()
    }

    fn socket(&mut self, family: Family, kind: Kind) -> Result<SocketId, Errno> {
        if matches!(kind, Kind::Echo | Kind::Raw(_)) {
            return Err(Errno::EPROTONOSUPPORT);
        }
        let index = match self.sockets.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.sockets.push(None);
                self.sockets.len() - 1
            }
        };
        self.generation = self.generation.wrapping_add(1);
        let id = SocketId {
            index: index as u32,
            generation: self.generation,
        };
        self.sockets[index] = Some(Socket {
            id,
            family,
            kind,
            local: None,
            peer: None,
            other: None,
            waiting: None,
            backlog: 0,
            bytes: VecDeque::new(),
            datagrams: VecDeque::new(),
            is_at_end: false,
            has_ended: false,
            options: at_first(),
        });
        Ok(id)
    }

    fn bind(&mut self, id: SocketId, local: SocketAddr) -> Result<(), Errno> {
        let (kind, has_name) = {
            let socket = self.get(id)?;
            (socket.kind, socket.local.is_some())
        };
        if has_name {
            return Err(Errno::EINVAL);
        }
        if !is_here(local.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if self.is_taken(kind, local.port()) {
            return Err(Errno::EADDRINUSE);
        }
        let port = match local.port() {
            0 => self.free_port(kind)?,
            port => port,
        };
        self.get_mut(id)?.local = Some(SocketAddr::new(local.ip(), port));
        Ok(())
    }

    fn listen(&mut self, id: SocketId, backlog: usize) -> Result<(), Errno> {
        let socket = self.get(id)?;
        if socket.kind != Kind::Stream {
            return Err(Errno::EOPNOTSUPP);
        }
        if socket.peer.is_some() {
            return Err(Errno::EINVAL);
        }
        self.name(id)?;
        let socket = self.get_mut(id)?;
        socket.backlog = backlog;
        socket.waiting.get_or_insert_default();
        Ok(())
    }

    fn accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr), Errno> {
        let listener = self.get_mut(id)?;
        if listener.kind != Kind::Stream {
            return Err(Errno::EOPNOTSUPP);
        }
        let waiting = listener.waiting.as_mut().ok_or(Errno::EINVAL)?;
        let accepted = waiting.pop_front().ok_or(Errno::EAGAIN)?;
        self.change(id);
        let peer = self.peer(accepted)?;
        Ok((accepted, peer))
    }

    fn put_back(&mut self, listener: SocketId, connection: SocketId) {
        let queue = self.get_mut(listener).ok();
        match queue.and_then(|listener| listener.waiting.as_mut()) {
            Some(waiting) => {
                waiting.push_front(connection);
                self.change(listener);
            }
            None => self.close(connection),
        }
    }

    fn connect(&mut self, id: SocketId, peer: SocketAddr) -> Result<(), Errno> {
        let socket = self.get(id)?;
        let (family, kind) = (socket.family, socket.kind);
        if !is_here(peer.ip()) {
            return Err(Errno::ENETUNREACH);
        }
        if kind != Kind::Stream {
            self.name(id)?;
            self.get_mut(id)?.peer = Some(peer);
            return Ok(());
        }
        if socket.peer.is_some() {
            return Err(Errno::EISCONN);
        }
        let listener = self.at(kind, peer).ok_or(Errno::ECONNREFUSED)?;
        let local = self.name(id)?;
        let (options, is_full) = {
            let listener = self.get(listener)?;
            let waiting = listener.waiting.as_ref().map_or(0, VecDeque::len);
            (listener.options, waiting > listener.backlog)
        };
        if is_full {
            return Err(Errno::ECONNREFUSED);
        }
        let accepted = self.socket(family, kind)?;
        {
            let end = self.get_mut(accepted)?;
            end.local = Some(peer);
            end.peer = Some(local);
            end.other = Some(id);
            end.options = options;
        }
        let end = self.get_mut(id)?;
        end.peer = Some(peer);
        end.other = Some(accepted);
        let waiting = self.get_mut(listener)?.waiting.as_mut();
        waiting.ok_or(Errno::ECONNREFUSED)?.push_back(accepted);
        self.change(listener);
        self.change(id);
        Ok(())
    }

    fn disconnect(&mut self, id: SocketId) -> Result<(), Errno> {
        let other = self.get_mut(id)?.other.take();
        self.get_mut(id)?.peer = None;
        if let Some(other) = other {
            self.get_mut(other)?.is_at_end = true;
            self.change(other);
        }
        Ok(())
    }

    fn send(
        &mut self,
        id: SocketId,
        pieces: &[&[u8]],
        to: &SendTo,
        _more: bool,
    ) -> Result<usize, Errno> {
        let socket = self.get(id)?;
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let (target, room) = match socket.kind {
            Kind::Stream => {
                let target = socket.other.filter(|_| !socket.has_ended);
                let target = self.get(target.ok_or(Errno::EPIPE)?)?;
                (target.id, QUEUE_BYTES_MAX - target.bytes.len())
            }
            Kind::Datagram | Kind::Echo | Kind::Raw(_) => {
                let peer = to.to.or(socket.peer).ok_or(Errno::EDESTADDRREQ)?;
                if !is_here(peer.ip()) {
                    return Err(Errno::ENETUNREACH);
                }
                let local = self.name(id)?;
                let Some(target) = self.at(Kind::Datagram, peer) else {
                    return Ok(len);
                };
                let target = self.get_mut(target)?;
                if target.bytes.len() + len > QUEUE_BYTES_MAX {
                    return Ok(len);
                }
                target.datagrams.push_back((local, len));
                (target.id, len)
            }
        };
        if len > 0 && room == 0 {
            return Err(Errno::EAGAIN);
        }
        let target_socket = self.get_mut(target)?;
        let bytes = pieces.iter().flat_map(|piece| piece.iter());
        target_socket.bytes.extend(bytes.take(room));
        self.change(target);
        Ok(len.min(room))
    }

    fn receive(
        &mut self,
        id: SocketId,
        pieces: &mut [&mut [u8]],
        how: ReceiveHow,
    ) -> Result<Received, Errno> {
        let socket = self.get_mut(id)?;
        let (from, there) = match socket.kind {
            Kind::Stream => {
                let from = socket.peer.ok_or(Errno::ENOTCONN)?;
                if socket.bytes.is_empty() && !socket.is_at_end {
                    return Err(Errno::EAGAIN);
                }
                (from, socket.bytes.len())
            }
            Kind::Datagram | Kind::Echo | Kind::Raw(_) => *socket.datagrams.front().ok_or(Errno::EAGAIN)?,
        };
        let mut bytes = socket.bytes.iter().take(there);
        let mut copied = 0;
        for place in pieces.iter_mut().flat_map(|piece| piece.iter_mut()) {
            let Some(byte) = bytes.next() else { break };
            *place = *byte;
            copied += 1;
        }
        if !how.peek {
            let gone = match socket.kind {
                Kind::Stream => copied,
                Kind::Datagram | Kind::Echo | Kind::Raw(_) => {
                    socket.datagrams.pop_front();
                    there
                }
            };
            socket.bytes.drain(..gone);
        }
        let (to, other) = (socket.local, socket.other);
        let full_length = match socket.kind {
            Kind::Stream => copied,
            Kind::Datagram | Kind::Echo | Kind::Raw(_) => there,
        };
        self.change(id);
        if let Some(other) = other {
            self.change(other);
        }
        Ok(Received {
            bytes: copied,
            full_length,
            from,
            to: to.map_or(from.ip(), |to| to.ip()),
            link: LOOPBACK,
            hop_limit: 64,
            traffic_class: 0,
            at_ns: 0,
        })
    }

    fn shutdown(&mut self, id: SocketId, how: Shutdown) -> Result<(), Errno> {
        let socket = self.get_mut(id)?;
        if socket.peer.is_none() {
            return Err(Errno::ENOTCONN);
        }
        socket.is_at_end |= how != Shutdown::Write;
        socket.has_ended |= how != Shutdown::Read;
        let (has_ended, other) = (socket.has_ended, socket.other);
        self.change(id);
        if let (true, Some(other)) = (has_ended, other) {
            self.get_mut(other)?.is_at_end = true;
            self.change(other);
        }
        Ok(())
    }

    fn close(&mut self, id: SocketId) {
        let place = self.sockets.get_mut(id.index as usize);
        let Some(closed) = place.and_then(|place| place.take_if(|socket| socket.id == id)) else {
            return;
        };
        for waiting in closed.waiting.into_iter().flatten() {
            self.close(waiting);
        }
        let other = closed.other.and_then(|other| self.get_mut(other).ok());
        if let Some(other) = other {
            other.is_at_end = true;
            other.other = None;
            let other = other.id;
            self.change(other);
        }
    }

    fn local(&self, id: SocketId) -> Result<SocketAddr, Errno> {
        let socket = self.get(id)?;
        let nobody = match socket.family {
            Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        Ok(socket.local.unwrap_or(nobody))
    }

    fn peer(&self, id: SocketId) -> Result<SocketAddr, Errno> {
        self.get(id)?.peer.ok_or(Errno::ENOTCONN)
    }

    fn set(&mut self, id: SocketId, setting: Setting) -> Result<(), Errno> {
        let options = &mut self.get_mut(id)?.options;
        match setting {
            Setting::ReuseAddress(is_on) => options.reuse_address = is_on,
            Setting::NoDelay(is_on) => options.no_delay = is_on,
            _ => {}
        }
        Ok(())
    }

    fn options(&self, id: SocketId) -> Result<Options, Errno> {
        Ok(self.get(id)?.options)
    }

    fn readiness(&self, id: SocketId) -> u16 {
        let Ok(socket) = self.get(id) else {
            return POLLNVAL;
        };
        let mut ready = 0;
        if let Some(waiting) = &socket.waiting {
            return if waiting.is_empty() { 0 } else { POLLIN };
        }
        if !socket.bytes.is_empty() || !socket.datagrams.is_empty() {
            ready |= POLLIN;
        }
        if socket.kind != Kind::Stream {
            return ready | POLLOUT;
        }
        if socket.peer.is_none() {
            return POLLOUT | POLLHUP;
        }
        if socket.is_at_end {
            ready |= POLLIN | POLLRDHUP;
        }
        let other = socket.other.and_then(|other| self.get(other).ok());
        if other.is_none_or(|other| other.bytes.len() < QUEUE_BYTES_MAX) {
            ready |= POLLOUT;
        }
        if socket.is_at_end && socket.has_ended {
            ready |= POLLHUP;
        }
        ready
    }

    fn take_error(&mut self, id: SocketId) -> Result<Option<Errno>, Errno> {
        self.get(id).map(|_| None)
    }

    fn info(&self, id: SocketId) -> Result<ConnectionInfo, Errno> {
        let socket = self.get(id)?;
        let state = match (&socket.waiting, socket.peer) {
            (Some(_), _) => State::Listen,
            (None, Some(_)) => State::Established,
            (None, None) => State::Close,
        };
        let receive_queue = match (&socket.waiting, socket.datagrams.front()) {
            (Some(waiting), _) => waiting.len(),
            (None, Some(&(_, len))) => len,
            (None, None) => socket.bytes.len(),
        };
        Ok(ConnectionInfo {
            state,
            receive_queue,
            send_queue: socket.backlog,
            max_segment_bytes: u16::MAX,
        })
    }

    fn each_socket(&self, tell: &mut dyn FnMut(SocketId, Family, Kind)) {
        self.all()
            .for_each(|socket| tell(socket.id, socket.family, socket.kind));
    }

    fn unfinished(&self) -> usize {
        // Bytes are in the other end's queue as soon as they are sent.
        0
    }

    fn is_unfinished(&self, _: SocketId) -> bool {
        false
    }

    fn links(&self) -> Vec<LinkInfo> {
        vec![LinkInfo {
            index: LOOPBACK,
            name: String::from("lo"),
            mac: [0; 6],
            mtu_bytes: 65536,
            is_loopback: true,
            traffic: Traffic::default(),
        }]
    }

    fn set_automatic(&mut self, _link: u32, _automatic: Automatic) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }

    fn addresses(&self) -> Vec<Address> {
        [(Family::V4, 8), (Family::V6, 128)]
            .map(|(family, prefix_bits)| Address {
                link: LOOPBACK,
                address: here(family),
                prefix_bits,
                source: AddressSource::Static,
            })
            .to_vec()
    }

    fn add_address(&mut self, _address: Address) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }

    fn remove_address(&mut self, _link: u32, _address: IpAddr) -> Result<(), Errno> {
        Err(Errno::EADDRNOTAVAIL)
    }

    fn routes(&self) -> Vec<Route> {
        Vec::new()
    }

    fn add_route(&mut self, _route: Route) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }

    fn remove_route(&mut self, _route: Route) -> Result<(), Errno> {
        Err(Errno::ESRCH)
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        Vec::new()
    }

    fn name_servers(&self) -> Vec<IpAddr> {
        Vec::new()
    }
}

/// The options of a new socket.
fn at_first() -> Options {
    Options {
        reuse_address: false,
        reuse_port: false,
        keep_alive: false,
        keep_idle_seconds: 7200,
        keep_interval_seconds: 75,
        keep_count: 9,
        user_timeout_milliseconds: 0,
        no_delay: false,
        linger: None,
        receive_buffer: QUEUE_BYTES_MAX,
        send_buffer: QUEUE_BYTES_MAX,
        receive_low_water: 1,
        broadcast: false,
        v6_only: false,
        hop_limit: None,
        traffic_class: 0,
        multicast_hop_limit: 1,
        multicast_loop: true,
        multicast_link: 0,
        bound_link: 0,
    }
}
