//! [`Stack`] for [`SmolStack`]: each call goes to the kind of its socket.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use muslin_abi::Errno;
use muslin_abi::flags::POLLNVAL;

use crate::datagram::{self, Datagrams};
use crate::ip;
use crate::network::{Address, AddressSource, Automatic, LinkInfo, Neighbour, Route};
use crate::options::{Options, Setting};
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Socket};
use crate::stack::{
    ConnectionInfo, Failure, Family, Kind, ReceiveHow, Received, SendTo, Shutdown, SocketId, Stack,
    State,
};
use crate::tcp;
use crate::topology::{LO, network};

/// How many sockets there may be.
const SOCKETS_MAX: usize = 1 << 20;
/// How far the buffers of a stream grow, unless it is told otherwise.
const STREAM_BYTES: usize = 2048 * 1024;
/// What messages may take that nobody has received, as in Linux.
const DATAGRAM_BYTES: usize = 212_992;
/// The bounds of what a program may set.
const BUFFER_MIN: usize = 2048;
const BUFFER_MAX: usize = 4 << 20;

/// What is set on a new socket.
pub(crate) fn defaults(kind: Kind) -> Options {
    let buffer = match kind {
        Kind::Stream => STREAM_BYTES,
        Kind::Datagram | Kind::Echo | Kind::Raw(_) => DATAGRAM_BYTES,
    };
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
        receive_buffer: buffer,
        send_buffer: buffer,
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

impl SmolStack {
    /// The socket of a name, unless its descriptor was closed.
    fn find(&self, id: SocketId) -> Result<&Socket, Errno> {
        self.sockets
            .get(id.into())
            .filter(|socket| !socket.is_orphan())
            .ok_or(Errno::EBADF)
    }

    fn find_kind(&self, id: SocketId) -> Result<(Name, Kind), Errno> {
        self.find(id).map(|socket| (socket.name, socket.kind))
    }

    fn find_mut(&mut self, id: SocketId) -> Result<&mut Socket, Errno> {
        self.find(id)?;
        self.sockets.get_mut(id.into()).ok_or(Errno::EBADF)
    }

    /// Bytes, and an end, that a peer has not acknowledged.
    fn left_of(&self, socket: &Socket) -> usize {
        let info = self.stream_info(socket);
        let is_end_on_its_way = matches!(
            info.state,
            State::FinWait1 | State::Closing | State::LastAck
        );
        info.send_queue + usize::from(is_end_on_its_way)
    }

    fn has_link(&self, link: u32) -> bool {
        link == LO || self.port(link).is_some_and(|port| !port.is_gone)
    }

    /// Puts one setting into the options of a socket.
    fn change(socket: &mut Socket, setting: Setting) -> Result<(), Errno> {
        let is_stream = socket.kind == Kind::Stream;
        let within = |value: u32, most: u32| {
            let is_right = (1..=most).contains(&value);
            is_right.then_some(value).ok_or(Errno::EINVAL)
        };
        let options = &mut socket.options;
        match setting {
            Setting::ReuseAddress(on) => options.reuse_address = on,
            Setting::ReusePort(on) => options.reuse_port = on,
            Setting::KeepAlive(on) => options.keep_alive = on,
            Setting::KeepIdleSeconds(_)
            | Setting::KeepIntervalSeconds(_)
            | Setting::KeepCount(_)
            | Setting::UserTimeoutMilliseconds(_)
            | Setting::NoDelay(_)
                if !is_stream =>
            {
                return Err(Errno::ENOPROTOOPT);
            }
            Setting::KeepIdleSeconds(value) => options.keep_idle_seconds = within(value, 32_767)?,
            Setting::KeepIntervalSeconds(value) => {
                options.keep_interval_seconds = within(value, 32_767)?;
            }
            Setting::KeepCount(value) => options.keep_count = within(value, 127)?,
            Setting::UserTimeoutMilliseconds(value) => options.user_timeout_milliseconds = value,
            Setting::NoDelay(on) => options.no_delay = on,
            Setting::Linger(linger) => options.linger = linger,
            Setting::ReceiveBuffer(bytes) => {
                options.receive_buffer = bytes.clamp(BUFFER_MIN, BUFFER_MAX);
            }
            Setting::SendBuffer(bytes) => {
                options.send_buffer = bytes.clamp(BUFFER_MIN, BUFFER_MAX);
            }
            Setting::ReceiveLowWater(bytes) => options.receive_low_water = bytes.max(1),
            Setting::Broadcast(on) => options.broadcast = on,
            Setting::V6Only(_) if socket.family == Family::V4 => return Err(Errno::ENOPROTOOPT),
            Setting::V6Only(_) if socket.local.1 != 0 => return Err(Errno::EINVAL),
            Setting::V6Only(on) => options.v6_only = on,
            Setting::HopLimit(Some(0)) => return Err(Errno::EINVAL),
            Setting::HopLimit(limit) => options.hop_limit = limit,
            Setting::TrafficClass(class) => options.traffic_class = class,
            Setting::MulticastHopLimit(limit) => options.multicast_hop_limit = limit,
            Setting::MulticastLoop(on) => options.multicast_loop = on,
            Setting::MulticastLink(link) => options.multicast_link = link,
            Setting::BindToLink(link) => options.bound_link = link,
            Setting::TellFailures { of_v6, is_on } => {
                // A stream has one peer, and hears of it by its own means.
                if let Body::Datagrams(datagrams) = &mut socket.body {
                    datagrams.failures.set(of_v6, is_on);
                }
            }
            Setting::BlockKinds(kinds) => match (&mut socket.body, socket.kind) {
                (Body::Datagrams(datagrams), Kind::Raw(ip::ICMP | ip::ICMPV6)) => {
                    datagrams.blocked = kinds;
                }
                _ => return Err(Errno::EOPNOTSUPP),
            },
            // They are not in the options.
            Setting::Join { .. } | Setting::Leave { .. } => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}

impl Stack for SmolStack {
    fn set_time(&mut self, now_ns: u64) {
        self.now = self.now.max(now_ns);
    }

    fn poll(&mut self, now_ns: u64) -> u64 {
        self.set_time(now_ns);
        self.run();
        self.next_deadline()
    }

    fn deadline(&self) -> u64 {
        self.next_deadline()
    }

    fn take_changed(&mut self) -> Option<SocketId> {
        let name = self.next_changed()?;
        self.sockets.get(name).map(Socket::id)
    }

    fn socket(&mut self, family: Family, kind: Kind) -> Result<SocketId, Errno> {
        if self.sockets.len() >= SOCKETS_MAX || !self.has_memory() {
            return Err(Errno::ENOBUFS);
        }
        let name = self.sockets.insert(|name| {
            let mut socket = Socket {
                name,
                family,
                kind,
                options: defaults(kind),
                local: (core::net::Ipv4Addr::UNSPECIFIED.into(), 0),
                is_bound: false,
                error: None,
                is_changed: false,
                groups: Vec::new(),
                body: match kind {
                    Kind::Stream => Body::Idle,
                    Kind::Datagram | Kind::Echo | Kind::Raw(_) => {
                        Body::Datagrams(Datagrams::default())
                    }
                },
            };
            socket.local.0 = socket.unspecified();
            socket
        });
        if let Kind::Raw(number) = kind
            && let Err(errno) = self.raw_begin(name, number)
        {
            self.remove_socket(name);
            return Err(errno);
        }
        Ok(SocketId {
            index: name.index,
            generation: name.generation,
        })
    }

    fn bind(&mut self, id: SocketId, local: SocketAddr) -> Result<(), Errno> {
        let socket = self.find(id)?;
        let name = socket.name;
        let (local, _) = socket.endpoint(local)?;
        // An IPv4 address in an IPv6 socket for IPv6 alone.
        if !local.0.is_unspecified() && !socket.speaks(local.0) {
            return Err(Errno::EINVAL);
        }
        match socket.kind {
            Kind::Raw(_) => self.raw_bind(name, local),
            _ => self.bind_to(name, local),
        }
    }

    fn listen(&mut self, id: SocketId, backlog: usize) -> Result<(), Errno> {
        match self.find_kind(id)? {
            (name, Kind::Stream) => self.stream_listen(name, backlog),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    fn accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr), Errno> {
        let (name, Kind::Stream) = self.find_kind(id)? else {
            return Err(Errno::EOPNOTSUPP);
        };
        let (name, peer) = self.stream_accept(name)?;
        let id = SocketId {
            index: name.index,
            generation: name.generation,
        };
        Ok((id, peer))
    }

    fn put_back(&mut self, listener: SocketId, connection: SocketId) {
        if !self.stream_put_back(listener.into(), connection.into()) {
            self.close(connection);
        }
    }

    fn connect(&mut self, id: SocketId, peer: SocketAddr) -> Result<(), Errno> {
        match self.find_kind(id)? {
            (name, Kind::Stream) => self.stream_connect(name, peer),
            (name, _) => self.datagram_connect(name, peer),
        }
    }

    fn disconnect(&mut self, id: SocketId) -> Result<(), Errno> {
        match self.find_kind(id)? {
            (name, Kind::Stream) => self.stream_disconnect(name),
            (name, _) => self.datagram_disconnect(name),
        }
        Ok(())
    }

    fn send(
        &mut self,
        id: SocketId,
        pieces: &[&[u8]],
        to: &SendTo,
        more: bool,
    ) -> Result<usize, Errno> {
        match self.find_kind(id)? {
            (name, Kind::Stream) => self.stream_send(name, pieces, more),
            (name, _) => self.datagram_send(name, pieces, to),
        }
    }

    fn receive(
        &mut self,
        id: SocketId,
        pieces: &mut [&mut [u8]],
        how: ReceiveHow,
    ) -> Result<Received, Errno> {
        match self.find_kind(id)? {
            (name, Kind::Stream) => self.stream_receive(name, pieces, how.peek),
            (name, _) => self.datagram_receive(name, pieces, how.peek),
        }
    }

    fn receive_failure(
        &mut self,
        id: SocketId,
        pieces: &mut [&mut [u8]],
    ) -> Result<Failure, Errno> {
        let (name, _) = self.find_kind(id)?;
        self.failure_receive(name, pieces)
    }

    fn shutdown(&mut self, id: SocketId, how: Shutdown) -> Result<(), Errno> {
        match self.find_kind(id)? {
            (name, Kind::Stream) => self.stream_shutdown(name, how),
            (name, _) => self.datagram_shutdown(name, how),
        }
    }

    fn close(&mut self, id: SocketId) {
        match self.find_kind(id) {
            Ok((name, Kind::Stream)) => self.stream_close(name),
            Ok((name, _)) => self.remove_socket(name),
            Err(_) => return,
        }
        self.settle();
    }

    fn local(&self, id: SocketId) -> Result<SocketAddr, Errno> {
        let socket = self.find(id)?;
        let mut local = socket.local;
        // Nobody in particular is written as the family does.
        if local.0.is_unspecified() {
            local.0 = socket.unspecified();
        }
        Ok(socket.address(local, self.link_of(socket.name)))
    }

    fn peer(&self, id: SocketId) -> Result<SocketAddr, Errno> {
        let socket = self.find(id)?;
        let (peer, link) = match &socket.body {
            Body::Datagrams(datagrams) => (
                datagrams.peer.ok_or(Errno::ENOTCONN)?,
                datagrams.peer_link.unwrap_or(0),
            ),
            _ => (self.stream_peer(socket)?, self.link_of(socket.name)),
        };
        Ok(socket.address(peer, link))
    }

    fn set(&mut self, id: SocketId, setting: Setting) -> Result<(), Errno> {
        let (name, kind) = self.find_kind(id)?;
        match setting {
            Setting::Join { group, link } => {
                return match kind {
                    Kind::Stream => Err(Errno::ENOPROTOOPT),
                    _ => self.join(name, group, link),
                };
            }
            Setting::Leave { group, link } => return self.leave(name, group, link),
            Setting::BindToLink(link) | Setting::MulticastLink(link)
                if link != 0 && !self.has_link(link) =>
            {
                return Err(Errno::ENODEV);
            }
            _ => {}
        }
        let socket = self.find_mut(id)?;
        Self::change(socket, setting)?;
        let no_delay = socket.options.no_delay;
        if let Some(connection) = socket.connection() {
            connection.hold_small(None, no_delay);
            // Of what is not there nothing waited.
            if !matches!(setting, Setting::NoDelay(_)) || !connection.is_all_sent() {
                self.drive(name);
                self.settle();
            }
        }
        Ok(())
    }

    fn options(&self, id: SocketId) -> Result<Options, Errno> {
        self.find(id).map(|socket| socket.options)
    }

    fn readiness(&self, id: SocketId) -> u16 {
        match self.find(id) {
            Ok(socket) => match &socket.body {
                Body::Datagrams(datagrams) => datagram::readiness(socket, datagrams),
                _ => tcp::readiness(socket),
            },
            Err(_) => POLLNVAL,
        }
    }

    fn take_error(&mut self, id: SocketId) -> Result<Option<Errno>, Errno> {
        self.find_mut(id).map(|socket| socket.error.take())
    }

    fn info(&self, id: SocketId) -> Result<ConnectionInfo, Errno> {
        let socket = self.find(id)?;
        let Body::Datagrams(datagrams) = &socket.body else {
            return Ok(self.stream_info(socket));
        };
        Ok(ConnectionInfo {
            state: match datagrams.peer {
                Some(_) => State::Established,
                None => State::Close,
            },
            receive_queue: datagrams.next_len(),
            send_queue: 0,
            max_segment_bytes: 0,
        })
    }

    fn each_socket(&self, tell: &mut dyn FnMut(SocketId, Family, Kind)) {
        let known = self.sockets.iter().filter(|socket| !socket.is_orphan());
        known.for_each(|socket| tell(socket.id(), socket.family, socket.kind));
    }

    fn unfinished(&self) -> usize {
        let orphans = self.sockets.iter().filter(|socket| socket.is_orphan());
        orphans.map(|socket| self.left_of(socket)).sum()
    }

    fn is_unfinished(&self, id: SocketId) -> bool {
        let socket = self.sockets.get(id.into());
        socket.is_some_and(|socket| socket.is_orphan() && self.left_of(socket) > 0)
    }

    fn links(&self) -> Vec<LinkInfo> {
        let lo = LinkInfo {
            index: LO,
            name: "lo".into(),
            mac: [0; 6],
            // As Linux tells it: one more than a packet can have.
            mtu_bytes: crate::links::LO_MTU as u32 + 1,
            is_loopback: true,
            traffic: self.lo.traffic,
        };
        let others = self.link_numbers().zip(&self.links);
        let others = others.filter(|(_, port)| !port.is_gone);
        core::iter::once(lo)
            .chain(others.map(|(index, port)| LinkInfo {
                index,
                name: port.name.clone(),
                mac: port.mac,
                mtu_bytes: port.mtu as u32,
                is_loopback: false,
                traffic: port.traffic,
            }))
            .collect()
    }

    fn set_automatic(&mut self, link: u32, automatic: Automatic) -> Result<(), Errno> {
        let now = self.now;
        let xid = self.secret.number() as u32;
        let port = self
            .port_mut(link)
            .filter(|port| !port.is_gone)
            .ok_or(Errno::ENODEV)?;
        port.automatic = automatic;
        port.dhcp.set(automatic.dhcpv4, now, xid);
        port.slaac.set(automatic.slaac, now);
        self.run_dhcp(link);
        self.run_slaac(link);
        Ok(())
    }

    fn addresses(&self) -> Vec<Address> {
        self.topology.addresses.clone()
    }

    fn add_address(&mut self, address: Address) -> Result<(), Errno> {
        if !self.has_link(address.link) {
            return Err(Errno::ENODEV);
        }
        let host = address.address;
        let bits = if host.is_ipv4() { 32 } else { 128 };
        let is_many = host.is_multicast() || host.is_unspecified();
        let is_broadcast = host == IpAddr::V4(core::net::Ipv4Addr::BROADCAST);
        if address.prefix_bits > bits || is_many || is_broadcast {
            return Err(Errno::EINVAL);
        }
        if self.topology.is_on(address.link, host) {
            return Err(Errno::EEXIST);
        }
        self.topology.addresses.push(address);
        self.trials.add(address.link, host);
        Ok(())
    }

    fn remove_address(&mut self, link: u32, address: IpAddr) -> Result<(), Errno> {
        let addresses = &mut self.topology.addresses;
        let place = addresses
            .iter()
            .position(|own| own.link == link && own.address == address)
            .ok_or(Errno::EADDRNOTAVAIL)?;
        addresses.remove(place);
        if !self.topology.is_local(address) {
            self.end_connections_of(address);
        }
        Ok(())
    }

    fn routes(&self) -> Vec<Route> {
        self.topology.all_routes()
    }

    fn add_route(&mut self, route: Route) -> Result<(), Errno> {
        let bits = if route.destination.is_ipv4() { 32 } else { 128 };
        let is_mixed = route
            .gateway
            .is_some_and(|gateway| gateway.is_ipv4() != route.destination.is_ipv4());
        if route.prefix_bits > bits || is_mixed {
            return Err(Errno::EINVAL);
        }
        if !self.has_link(route.link) {
            return Err(Errno::ENODEV);
        }
        if let Some(gateway) = route.gateway {
            let way = self.topology.way(gateway, None, Some(route.link));
            if way.is_err() {
                return Err(Errno::ENETUNREACH);
            }
        }
        let route = Route {
            destination: network(route.destination, route.prefix_bits),
            ..route
        };
        if self.topology.routes.contains(&route) {
            return Err(Errno::EEXIST);
        }
        self.topology.routes.push(route);
        Ok(())
    }

    fn remove_route(&mut self, route: Route) -> Result<(), Errno> {
        let routes = &mut self.topology.routes;
        let place = routes
            .iter()
            .position(|&known| known == route)
            .ok_or(Errno::ESRCH)?;
        routes.remove(place);
        Ok(())
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let known = self.neighbours.known();
        known
            .map(|(link, address, mac)| Neighbour { link, address, mac })
            .collect()
    }

    fn name_servers(&self) -> Vec<IpAddr> {
        let mut servers: Vec<IpAddr> = Vec::new();
        for port in &self.links {
            for &server in port.dhcp.servers().iter().chain(port.slaac.servers()) {
                if !servers.contains(&server) {
                    servers.push(server);
                }
            }
        }
        servers
    }
}

/// An address that this stack found out for itself.
pub(crate) fn learnt(link: u32, address: IpAddr, bits: u8, source: AddressSource) -> Address {
    Address {
        link,
        address,
        prefix_bits: bits,
        source,
    }
}
