//! The calls on streams.

use alloc::collections::VecDeque;
use core::net::SocketAddr;

use muslin_abi::Errno;
use muslin_abi::flags::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM};

use super::transfer::State as Transferring;
use super::{Flow, Handshake, Target};
use crate::ip;
use crate::ports::Protocol;
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Ended, Endpoint, Listener, Socket};
use crate::stack::{ConnectionInfo, Received, Shutdown, State};
use crate::timers::Timer;
use crate::topology::Cast;

/// The largest backlog, as Linux's `somaxconn`.
const BACKLOG_MAX: usize = 4096;

/// How long bytes wait for more of which was said that they come at once, as in Linux.
const MORE_NS: u64 = 200_000_000;

const READ: u16 = POLLIN | POLLRDNORM;
const WRITE: u16 = POLLOUT | POLLWRNORM;

impl SmolStack {
    pub(crate) fn stream_listen(&mut self, name: Name, backlog: usize) -> Result<(), Errno> {
        let backlog = backlog.min(BACKLOG_MAX);
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        match &mut socket.body {
            Body::Listening(listener) => {
                listener.backlog = backlog;
                return Ok(());
            }
            Body::Idle | Body::Ended(_) => {}
            _ => return Err(Errno::EINVAL),
        }
        if !socket.is_bound {
            let local = (socket.unspecified(), 0);
            self.bind_to(name, local)?;
        }
        self.ports_listen(name)?;
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        socket.body = Body::Listening(Listener {
            backlog,
            ready: VecDeque::new(),
            half_open: 0,
            cookies_until_ns: 0,
        });
        self.mark_changed(name);
        Ok(())
    }

    pub(crate) fn stream_accept(&mut self, name: Name) -> Result<(Name, SocketAddr), Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        let Body::Listening(listener) = &mut socket.body else {
            return Err(Errno::EINVAL);
        };
        let accepted = listener.ready.pop_front().ok_or(Errno::EAGAIN)?;
        let socket = self.sockets.get(accepted).ok_or(Errno::ECONNABORTED)?;
        let peer = match &socket.body {
            Body::Connected(connection) => Some((connection.flow.peer, connection.flow.peer_port)),
            Body::Ended(ended) => ended.peer,
            _ => None,
        };
        let link = self.link_of(accepted);
        let peer = socket.address(peer.ok_or(Errno::ECONNABORTED)?, link);
        self.mark_changed(accepted);
        Ok((accepted, peer))
    }

    /// Puts an accepted connection back. Whether it is with its listener again.
    pub(crate) fn stream_put_back(&mut self, name: Name, accepted: Name) -> bool {
        let Some(Body::Listening(listener)) =
            self.sockets.get_mut(name).map(|socket| &mut socket.body)
        else {
            return false;
        };
        if listener.ready.try_reserve(1).is_err() {
            return false;
        }
        listener.ready.push_front(accepted);
        self.mark_changed(name);
        true
    }

    /// The link that addresses of a socket mean.
    pub(crate) fn link_of(&self, name: Name) -> u32 {
        match self.sockets.get(name).map(|socket| &socket.body) {
            Some(Body::Connected(connection)) => connection.link.unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn stream_connect(&mut self, name: Name, to: SocketAddr) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        match &mut socket.body {
            Body::Idle => {}
            Body::Connecting(_) => return Err(Errno::EALREADY),
            Body::Ended(ended) if ended.is_refused => {
                if let Some(errno) = socket.error.take() {
                    ended.is_refusal_told = true;
                    return Err(errno);
                }
                // The error was taken before: this call is told once, and the next one begins anew.
                if !core::mem::replace(&mut ended.is_refusal_told, true) {
                    return Err(Errno::ECONNABORTED);
                }
            }
            Body::Ended(_) => {}
            Body::Connected(_) | Body::Listening(_) => return Err(Errno::EISCONN),
            Body::Datagrams(_) => return Err(Errno::EOPNOTSUPP),
        }
        let socket = self.sockets.get(name).ok_or(Errno::EBADF)?;
        let ((mut peer, port), scope) = socket.endpoint(to)?;
        if peer.is_unspecified() {
            // As everywhere: nobody in particular is this host.
            peer = match peer {
                core::net::IpAddr::V4(_) => core::net::Ipv4Addr::LOCALHOST.into(),
                core::net::IpAddr::V6(_) => core::net::Ipv6Addr::LOCALHOST.into(),
            };
        }
        if !socket.speaks(peer) {
            return Err(Errno::ENETUNREACH);
        }
        let link = scope.or(socket.link());
        let bound = socket.local;
        let from = (!bound.0.is_unspecified()).then_some(bound.0);
        if from.is_some_and(|from| from.is_ipv4() != peer.is_ipv4()) {
            return Err(Errno::EINVAL);
        }
        let way = self.topology.way(peer, from, link)?;
        if way.cast != Cast::Unicast {
            return Err(Errno::ENETUNREACH);
        }
        if port == 0 {
            return Err(Errno::ECONNREFUSED);
        }
        let flow = |local_port| Flow {
            local: way.source,
            local_port,
            peer,
            peer_port: port,
        };
        let local_port = if bound.1 != 0 {
            bound.1
        } else {
            let is_free = |stack: &Self, port| !stack.tcp.flows.contains_key(&flow(port));
            self.free_port(Protocol::Tcp, is_free)
                .ok_or(Errno::EADDRNOTAVAIL)?
        };
        let flow = flow(local_port);
        if self.tcp.flows.contains_key(&flow) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if !self.has_memory() {
            return Err(Errno::ENOBUFS);
        }
        let first = self.tcp.first_sequence(&flow, self.now);
        let handshake = self
            .tcp
            .handshakes
            .insert(|_| Handshake::ours(flow, name, link, first));
        self.add_flow(flow, Target::Handshake(handshake));
        if let Some(socket) = self.sockets.get_mut(name) {
            socket.local = (way.source, local_port);
            socket.body = Body::Connecting(handshake);
            socket.error = None;
        }
        self.send_handshake(handshake);
        self.settle();
        // Also on the loopback, where all may be over already: as in Linux.
        Err(Errno::EINPROGRESS)
    }

    pub(crate) fn stream_disconnect(&mut self, name: Name) {
        match self.sockets.get(name).map(|socket| &socket.body) {
            Some(&Body::Connecting(handshake)) => {
                self.remove_handshake(handshake);
            }
            Some(Body::Connected(_)) => self.reset(name, None),
            Some(Body::Listening(_)) => self.close_listener(name),
            _ => {}
        }
        if let Some(socket) = self.sockets.get_mut(name) {
            socket.body = Body::Idle;
            if !socket.is_bound {
                socket.local = (socket.unspecified(), 0);
            }
        }
        self.mark_changed(name);
    }

    pub(crate) fn stream_send(
        &mut self,
        name: Name,
        pieces: &[&[u8]],
        has_more: bool,
    ) -> Result<usize, Errno> {
        let now = self.now;
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let options = socket.options;
        let connection = match &mut socket.body {
            Body::Connected(connection) => connection,
            Body::Connecting(_) => return Err(Errno::EAGAIN),
            Body::Idle | Body::Listening(_) => return Err(Errno::EPIPE),
            _ => return Err(Errno::EPIPE),
        };
        if connection.is_finished {
            return Err(Errno::EPIPE);
        }
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        if connection.is_waiting_to_grow() {
            connection.was_full = true;
            return Err(Errno::EAGAIN);
        }
        let wish = connection.send_wish(&options, total);
        let is_large = total > connection.transfer.send_bytes();
        // It would wait here for the peer, and with it what is written next.
        let would_wait = !has_more && total > connection.send_room().min(connection.peer_room());
        if (is_large || would_wait) && connection.is_still() {
            let receive_bytes = connection.transfer.receive_bytes();
            let engine = &mut self.tcp.engine;
            let out = &mut self.scratch;
            if wish > connection.transfer.send_bytes() {
                connection.grow(engine, now, receive_bytes, wish, out);
            }
        }
        let mut taken = 0;
        for piece in pieces {
            let len = piece.len().min(connection.send_room());
            let len = connection.transfer.send(&piece[..len]);
            connection.written = connection.written.wrapping_add(len as u32);
            taken += len;
            if len < piece.len() {
                break;
            }
        }
        if taken < total {
            connection.was_full = true;
        }
        if taken == 0 && total > 0 {
            return Err(Errno::EAGAIN);
        }
        let is_small = connection.unsent() < usize::from(connection.offer.mss);
        if has_more && taken == total && is_small && connection.send_room() > 0 {
            // It waits for the rest, unless that takes long, or something else is sent.
            let at = now + MORE_NS;
            if at < connection.armed_ns {
                connection.armed_ns = at;
                self.timers.arm(at, Timer::Socket(name));
            }
            return Ok(taken);
        }
        self.drive(name);
        if taken < total
            && let Some(connection) = self.sockets.connection(name)
            && connection.is_all_sent()
            && wish > connection.transfer.send_bytes()
        {
            // The network takes more than there is room for.
            connection.is_short = true;
            self.drive(name);
        }
        self.settle();
        Ok(taken)
    }

    pub(crate) fn stream_receive(
        &mut self,
        name: Name,
        pieces: &mut [&mut [u8]],
        is_peek: bool,
    ) -> Result<Received, Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        let room: usize = pieces.iter().map(|piece| piece.len()).sum();
        let local = socket.local;
        let (bytes, peer) = match &mut socket.body {
            Body::Connected(connection) => {
                let peer = (connection.flow.peer, connection.flow.peer_port);
                let queue = connection.transfer.receive_queue();
                // The end is told before an error, as in Linux.
                if queue == 0 && room > 0 && !connection.has_ended() {
                    if let Some(errno) = socket.error.take() {
                        return Err(errno);
                    }
                    if !connection.is_deaf {
                        return Err(Errno::EAGAIN);
                    }
                }
                let bytes = if is_peek {
                    peek(
                        pieces,
                        |into| connection.transfer.peek(into),
                        queue.min(room),
                    )
                } else {
                    let mut bytes = 0;
                    for piece in pieces {
                        let len = connection.transfer.receive(piece);
                        bytes += len;
                        if len < piece.len() {
                            break;
                        }
                    }
                    bytes
                };
                if !is_peek {
                    connection.read_next = connection.read_next.wrapping_add(bytes as u32);
                }
                (bytes, peer)
            }
            Body::Ended(ended) => {
                let unread = &ended.unread[ended.read..];
                if unread.is_empty() && !ended.had_end {
                    if let Some(errno) = socket.error.take() {
                        return Err(errno);
                    }
                    if ended.peer.is_none() {
                        return Err(Errno::ENOTCONN);
                    }
                }
                let mut bytes = 0;
                for piece in pieces {
                    let len = piece.len().min(unread.len() - bytes);
                    piece[..len].copy_from_slice(&unread[bytes..bytes + len]);
                    bytes += len;
                }
                if !is_peek {
                    ended.read += bytes;
                }
                (bytes, ended.peer.unwrap_or(local))
            }
            Body::Connecting(_) => return Err(Errno::EAGAIN),
            _ => return Err(Errno::ENOTCONN),
        };
        if bytes > 0 && !is_peek {
            self.after_reading(name);
        }
        let link = self.link_of(name);
        let socket = self.sockets.get(name).ok_or(Errno::EBADF)?;
        Ok(Received {
            bytes,
            full_length: bytes,
            from: socket.address(peer, link),
            to: local.0,
            link,
            hop_limit: ip::HOP_LIMIT,
            traffic_class: 0,
            at_ns: 0,
        })
    }

    /// The program read: a larger buffer where this one was too small, and a word to the peer.
    fn after_reading(&mut self, name: Name) {
        let now = self.now;
        let Some((connection, options)) = self.sockets.connection_set(name) else {
            return;
        };
        let wish = connection.receive_wish(options);
        let is_larger = connection.was_filled && connection.is_still();
        let rests = connection.rest_ns() < connection.armed_ns;
        if !is_larger && !rests && !connection.is_window_due() {
            return;
        }
        if is_larger {
            connection.was_filled = false;
            if wish > connection.transfer.receive_bytes() {
                let send_bytes = connection.transfer.send_bytes();
                let engine = &mut self.tcp.engine;
                let mut out = core::mem::take(&mut self.scratch);
                let has_grown = connection.grow(engine, now, wish, send_bytes, &mut out);
                self.scratch = out;
                if has_grown {
                    self.emit(name);
                }
            }
        }
        self.drive(name);
        self.settle();
    }

    pub(crate) fn stream_shutdown(&mut self, name: Name, how: Shutdown) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        match &mut socket.body {
            Body::Connected(connection) => {
                connection.is_deaf |= how != Shutdown::Write;
                if how != Shutdown::Read && !connection.is_finished {
                    connection.is_finished = true;
                    connection.finish();
                    self.drive(name);
                }
            }
            Body::Listening(_) if how != Shutdown::Write => {
                self.close_listener(name);
                if let Some(socket) = self.sockets.get_mut(name) {
                    socket.body = Body::Idle;
                }
            }
            &mut Body::Connecting(handshake) if how != Shutdown::Read => {
                self.remove_handshake(handshake);
                if let Some(socket) = self.sockets.get_mut(name) {
                    socket.body = Body::Ended(Ended::default());
                }
            }
            Body::Listening(_) | Body::Connecting(_) => {}
            _ => return Err(Errno::ENOTCONN),
        }
        self.mark_changed(name);
        self.settle();
        Ok(())
    }

    /// Gives up what waits at a listener.
    fn close_listener(&mut self, name: Name) {
        let Some(Body::Listening(listener)) =
            self.sockets.get_mut(name).map(|socket| &mut socket.body)
        else {
            return;
        };
        let has_half_open = listener.half_open > 0;
        let ready = core::mem::take(&mut listener.ready);
        for connection in ready {
            self.reset(connection, None);
            self.remove_socket(connection);
        }
        if has_half_open {
            for index in 0..self.tcp.handshakes.places() as u32 {
                if let Some(handshake) = self.tcp.handshakes.at(index)
                    && self
                        .tcp
                        .handshakes
                        .get(handshake)
                        .is_some_and(|handshake| handshake.owner == name)
                {
                    self.remove_handshake(handshake);
                }
            }
        }
    }

    pub(crate) fn stream_close(&mut self, name: Name) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let linger = socket.options.linger;
        match &mut socket.body {
            Body::Connected(connection) => {
                if connection.transfer.receive_queue() > 0 || linger == Some(0) {
                    self.reset(name, None);
                    return self.remove_socket(name);
                }
                connection.orphaned_ns = Some(now);
                connection.heard_ns = now;
                connection.is_finished = true;
                connection.finish();
                self.release_port(name);
                self.drive(name);
            }
            Body::Listening(_) => {
                self.close_listener(name);
                self.remove_socket(name);
            }
            &mut Body::Connecting(handshake) => {
                self.remove_handshake(handshake);
                self.remove_socket(name);
            }
            _ => self.remove_socket(name),
        }
    }

    pub(crate) fn stream_info(&self, socket: &Socket) -> ConnectionInfo {
        let of = |state, receive_queue, send_queue, max_segment_bytes| ConnectionInfo {
            state,
            receive_queue,
            send_queue,
            max_segment_bytes,
        };
        match &socket.body {
            Body::Connected(connection) => {
                let state = match connection.transfer.state() {
                    Transferring::Established => State::Established,
                    Transferring::SynSent => State::SynSent,
                    Transferring::SynReceived => State::SynReceived,
                    Transferring::FinWait1 => State::FinWait1,
                    Transferring::FinWait2 => State::FinWait2,
                    Transferring::CloseWait => State::CloseWait,
                    Transferring::Closing => State::Closing,
                    Transferring::LastAck => State::LastAck,
                    Transferring::TimeWait => State::TimeWait,
                    Transferring::Closed | Transferring::Listen => State::Close,
                };
                let transfer = &connection.transfer;
                of(
                    state,
                    transfer.receive_queue(),
                    connection.send_queue(),
                    connection.offer.mss,
                )
            }
            Body::Listening(listener) => {
                of(State::Listen, listener.ready.len(), listener.backlog, 0)
            }
            Body::Connecting(_) => of(State::SynSent, 0, 0, 0),
            Body::Ended(ended) => of(State::Close, ended.unread.len() - ended.read, 0, 0),
            Body::Idle | Body::Datagrams(_) => of(State::Close, 0, 0, 0),
        }
    }

    pub(crate) fn stream_peer(&self, socket: &Socket) -> Result<Endpoint, Errno> {
        match &socket.body {
            Body::Connected(connection) => Ok((connection.flow.peer, connection.flow.peer_port)),
            _ => Err(Errno::ENOTCONN),
        }
    }
}

/// As Linux's `tcp_poll`.
pub(crate) fn readiness(socket: &Socket) -> u16 {
    let error = if socket.error.is_some() { POLLERR } else { 0 };
    let bits = match &socket.body {
        Body::Listening(listener) if listener.ready.is_empty() => 0,
        Body::Listening(_) => READ,
        Body::Connecting(_) => 0,
        Body::Connected(connection) => {
            let has_ended = connection.has_ended() || connection.is_deaf;
            let enough = socket.options.receive_low_water.max(1);
            let mut bits = 0;
            if has_ended {
                bits |= READ | POLLRDHUP;
            }
            if connection.transfer.receive_queue() >= enough {
                bits |= READ;
            }
            if has_ended && connection.is_finished {
                bits |= POLLHUP;
            }
            if connection.is_finished || connection.is_writable() {
                bits |= WRITE;
            }
            bits
        }
        Body::Ended(_) => READ | WRITE | POLLHUP | POLLRDHUP,
        Body::Idle | Body::Datagrams(_) => WRITE | POLLHUP,
    };
    bits | error
}

/// Peeks into several pieces: the bytes are given from the front each time, so it takes a copy.
fn peek(pieces: &mut [&mut [u8]], mut give: impl FnMut(&mut [u8]) -> usize, len: usize) -> usize {
    if let [piece] = pieces {
        return give(piece);
    }
    let mut all = alloc::vec::Vec::new();
    if all.try_reserve_exact(len).is_err() {
        return pieces.first_mut().map_or(0, |piece| give(piece));
    }
    all.resize(len, 0);
    let len = give(&mut all);
    let mut at = 0;
    for piece in pieces {
        let part = piece.len().min(len - at);
        piece[..part].copy_from_slice(&all[at..at + part]);
        at += part;
    }
    at
}
