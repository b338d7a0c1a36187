//! One end: what waits in it to be received, to whom it sends, and how it ends.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use muslin_abi::Errno;
use muslin_abi::flags::*;
use muslin_abi::layout::Ucred;

use super::address::Name;
use super::domain::{Domain, Key, address_of};
use super::message::Message;
use super::options::Options;
use crate::files::Readiness;
use crate::lock::{Guard, Mutex};
use crate::threads::WaitQueue;

/// Messages in a queue before those who are not its peer wait; one more than this fits.
const QUEUE_MAX: usize = 10;

/// All that poll can say of an end.
const ANYTHING: Readiness = Readiness(!0);
/// What poll says when there is room.
const WRITABLE: Readiness = Readiness(POLLOUT | POLLWRNORM | POLLWRBAND);

/// What kind of socket an end is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `SOCK_STREAM`.
    Stream,
    /// `SOCK_DGRAM`.
    Datagram,
    /// `SOCK_SEQPACKET`.
    Packets,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Neither of the others.
    Closed,
    /// It takes connections.
    Listening,
    /// It has a peer, or had one.
    Connected,
}

/// An end.
pub struct Endpoint {
    /// Where it is known.
    pub domain: Arc<Domain>,
    /// What it is.
    pub kind: Kind,
    state: Mutex<State>,
    /// Who waits for it to be ready.
    pub queue: WaitQueue,
    /// Who waits for room in its queue.
    pub room: WaitQueue,
}

/// What changes about an end.
pub struct State {
    /// How far it is.
    pub phase: Phase,
    /// Its name.
    pub name: Option<Arc<Name>>,
    /// Whether others find it by that name: a connection has its listener's, and is not found.
    pub is_known: bool,
    /// To whom it sends.
    pub peer: Option<Arc<Endpoint>>,
    /// What waits to be received.
    pub messages: VecDeque<Message>,
    /// Connections that nobody has accepted yet.
    pub arrivals: VecDeque<Arc<Endpoint>>,
    /// Messages or connections before others wait.
    pub queue_max: usize,
    /// What it has on its way, as Linux counts.
    pub on_its_way_bytes: usize,
    /// Nothing will be received any more.
    pub is_shut_for_reading: bool,
    /// Nothing may be sent any more.
    pub is_shut_for_writing: bool,
    /// It was closed.
    pub is_over: bool,
    /// What the next call answers.
    pub error: Option<Errno>,
    /// Who listens here.
    pub own_credentials: Option<Ucred>,
    /// Who was at the other end when they were connected.
    pub peer_credentials: Option<Ucred>,
    /// What `setsockopt` has set.
    pub options: Options,
    /// Datagram sockets that were told that there is no room here.
    wants_room: Vec<Weak<Endpoint>>,
}

impl State {
    /// Whether what it has on its way leaves room for more.
    fn has_room_to_send(&self) -> bool {
        self.on_its_way_bytes < self.options.send_bytes
    }

    /// The same for `poll`, which says so when most has been received.
    fn is_writable(&self) -> bool {
        self.phase != Phase::Listening && self.on_its_way_bytes * 4 <= self.options.send_bytes
    }

    /// The next error, which is told once.
    pub fn take_error(&mut self) -> Result<(), Errno> {
        self.error.take().map_or(Ok(()), Err)
    }
}

impl Endpoint {
    /// An end that is neither named nor connected.
    pub fn new(domain: &Arc<Domain>, kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            domain: domain.clone(),
            kind,
            state: Mutex::new(State {
                phase: Phase::Closed,
                name: None,
                is_known: false,
                peer: None,
                messages: VecDeque::new(),
                arrivals: VecDeque::new(),
                queue_max: QUEUE_MAX,
                on_its_way_bytes: 0,
                is_shut_for_reading: false,
                is_shut_for_writing: false,
                is_over: false,
                error: None,
                own_credentials: None,
                peer_credentials: None,
                options: Options::default(),
                wants_room: Vec::new(),
            }),
            queue: WaitQueue::new(),
            room: WaitQueue::new(),
        })
    }

    /// What changes.
    pub fn state(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// Whether it has connections: all but datagrams.
    pub fn has_connections(&self) -> bool {
        self.kind != Kind::Datagram
    }

    /// To whom it sends.
    pub fn peer(&self) -> Option<Arc<Endpoint>> {
        self.state().peer.clone()
    }

    /// Its name.
    pub fn name(&self) -> Option<Arc<Name>> {
        self.state().name.clone()
    }

    /// Connects two new ends with each other.
    pub fn join(one: &Arc<Self>, other: &Arc<Self>, credentials: Ucred) {
        for (own, peer) in [(one, other), (other, one)] {
            let mut state = own.state();
            state.phase = Phase::Connected;
            state.peer = Some(peer.clone());
            state.peer_credentials = Some(credentials);
        }
    }

    /// Takes connections from now on, as many as `backlog` and one more at a time.
    ///
    /// # Errors
    /// `EOPNOTSUPP` it has none · `EINVAL` it has no name, or a peer.
    pub fn listen(&self, backlog: usize, credentials: Ucred) -> Result<(), Errno> {
        if !self.has_connections() {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut state = self.state();
        if state.name.is_none() || state.phase == Phase::Connected {
            return Err(Errno::EINVAL);
        }
        state.phase = Phase::Listening;
        state.own_credentials = Some(credentials);
        state.queue_max = backlog;
        drop(state);
        self.room.wake(ANYTHING);
        Ok(())
    }

    /// Connects to an end that listens.
    ///
    /// # Errors
    /// `ECONNREFUSED` it does not · `EAGAIN` no room for one more · `EISCONN` · `EINVAL` this one
    /// listens itself.
    pub fn connect(self: &Arc<Self>, other: &Arc<Self>, credentials: Ucred) -> Result<(), Errno> {
        let there = other.state();
        if there.phase != Phase::Listening || there.is_shut_for_reading {
            return Err(Errno::ECONNREFUSED);
        }
        if there.arrivals.len() > there.queue_max {
            return Err(Errno::EAGAIN);
        }
        let (name, options) = (there.name.clone(), there.options.inherited());
        let listener = there.own_credentials;
        drop(there);
        match self.state().phase {
            Phase::Closed => {}
            Phase::Connected => return Err(Errno::EISCONN),
            Phase::Listening => return Err(Errno::EINVAL),
        }
        let arrival = Self::new(&self.domain, self.kind);
        Self::join(self, &arrival, credentials);
        self.state().peer_credentials = listener;
        {
            let mut state = arrival.state();
            state.name = name;
            state.options = options;
        }
        other.state().arrivals.push_back(arrival);
        other.queue.wake(Readiness::READABLE);
        Ok(())
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// `EOPNOTSUPP` it has none · `EINVAL` it does not listen · `EAGAIN` nobody has connected.
    pub fn accept(&self) -> Result<Arc<Endpoint>, Errno> {
        if !self.has_connections() {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut state = self.state();
        if state.phase != Phase::Listening {
            return Err(Errno::EINVAL);
        }
        state.take_error()?;
        match state.arrivals.pop_front() {
            Some(arrival) => {
                drop(state);
                self.has_room();
                Ok(arrival)
            }
            None => Err(Errno::EAGAIN),
        }
    }

    /// Sends datagrams to `other` from now on, or to nobody.
    ///
    /// # Errors
    /// `EPERM` the other one has another peer.
    pub fn associate(self: &Arc<Self>, other: Option<Arc<Self>>) -> Result<(), Errno> {
        if let Some(other) = &other {
            if !self.may_send_to(other) {
                return Err(Errno::EPERM);
            }
            other.state().phase = Phase::Connected;
        }
        let old = {
            let mut state = self.state();
            state.phase = match other {
                Some(_) => Phase::Connected,
                None => Phase::Closed,
            };
            core::mem::replace(&mut state.peer, other.clone())
        };
        let Some(old) = old else { return Ok(()) };
        let is_same = other.is_some_and(|other| Arc::ptr_eq(&old, &other));
        if !is_same {
            self.forget(&old);
        }
        self.queue.wake(WRITABLE);
        Ok(())
    }

    /// What came from a peer that is no more is lost, and the peer is told if it had this one as its
    /// own.
    fn forget(self: &Arc<Self>, old: &Arc<Self>) {
        let lost = core::mem::take(&mut self.state().messages);
        if lost.is_empty() {
            return;
        }
        self.domain.bury(lost);
        self.has_room();
        let mut state = old.state();
        let is_mutual = state
            .peer
            .as_ref()
            .is_some_and(|peer| Arc::ptr_eq(peer, self));
        if is_mutual && !state.is_over {
            state.error = Some(Errno::ECONNRESET);
            drop(state);
            old.queue.wake(ANYTHING);
        }
    }

    /// Whether the other one receives from this: it has no peer, or this.
    pub fn may_send_to(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let state = other.state();
        state
            .peer
            .as_ref()
            .is_none_or(|peer| Arc::ptr_eq(peer, self))
    }

    /// Whether a datagram from this one finds the other's queue full. That of a peer never is.
    pub fn finds_full(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        if Arc::ptr_eq(self, other) {
            return false;
        }
        let mut state = other.state();
        let is_mutual = state
            .peer
            .as_ref()
            .is_some_and(|peer| Arc::ptr_eq(peer, self));
        let is_full = !is_mutual && state.messages.len() > state.queue_max;
        if is_full
            && !state
                .wants_room
                .iter()
                .any(|other| other.as_ptr() == Arc::as_ptr(self))
        {
            state.wants_room.push(Arc::downgrade(self));
        }
        is_full
    }

    /// There is room in the queue: for those who connect or send datagrams to it.
    pub fn has_room(&self) {
        let wants_room = core::mem::take(&mut self.state().wants_room);
        for endpoint in wants_room.iter().filter_map(Weak::upgrade) {
            endpoint.queue.wake(WRITABLE);
        }
        self.room.wake(ANYTHING);
    }

    /// Whether more may be sent from here now.
    ///
    /// # Errors
    /// `EAGAIN` too much is on its way · `EPIPE` nothing may be sent any more · an error that waits to
    /// be told.
    pub fn may_send(&self) -> Result<(), Errno> {
        let mut state = self.state();
        state.take_error()?;
        if state.is_shut_for_writing {
            return Err(Errno::EPIPE);
        }
        state.has_room_to_send().then_some(()).ok_or(Errno::EAGAIN)
    }

    /// A message comes in.
    pub fn deliver(&self, message: Message) {
        self.state().messages.push_back(message);
        self.queue.wake(Readiness::READABLE);
    }

    /// A message of this end is on its way.
    pub fn charge(&self, bytes: usize) {
        self.state().on_its_way_bytes += bytes;
    }

    /// It is not any more.
    pub fn discharge(&self, bytes: usize) {
        let mut state = self.state();
        state.on_its_way_bytes -= bytes;
        let is_writable = state.is_writable();
        drop(state);
        if is_writable {
            self.queue.wake(WRITABLE);
        }
    }

    /// Ends one way or both. The other end sees it, if there are connections.
    pub fn shut(&self, reading: bool, writing: bool) {
        let peer = {
            let mut state = self.state();
            state.is_shut_for_reading |= reading;
            state.is_shut_for_writing |= writing;
            state.peer.clone()
        };
        self.queue.wake(ANYTHING);
        if reading {
            self.room.wake(ANYTHING);
        }
        if let Some(peer) = peer.filter(|_| self.has_connections()) {
            let mut state = peer.state();
            state.is_shut_for_reading |= writing;
            state.is_shut_for_writing |= reading;
            drop(state);
            peer.queue.wake(ANYTHING);
        }
    }

    /// It is closed. `is_arrival`: nobody has accepted it.
    pub fn release(self: &Arc<Self>, is_arrival: bool) {
        let (peer, name, messages, arrivals) = {
            let mut state = self.state();
            state.is_over = true;
            state.is_shut_for_reading = true;
            state.is_shut_for_writing = true;
            // It keeps the name: a peer may still ask for it.
            let is_known = core::mem::take(&mut state.is_known);
            let name = state.name.clone().filter(|_| is_known);
            let messages = core::mem::take(&mut state.messages);
            let arrivals = core::mem::take(&mut state.arrivals);
            (state.peer.take(), name, messages, arrivals)
        };
        if let Some(name) = name {
            self.domain.remove(&Key::of(self.kind, &name));
        }
        if let Some(peer) = peer.filter(|_| self.has_connections()) {
            let mut state = peer.state();
            state.is_shut_for_reading = true;
            state.is_shut_for_writing = true;
            if is_arrival || !messages.is_empty() {
                state.error = Some(Errno::ECONNRESET);
            }
            drop(state);
            peer.queue.wake(ANYTHING);
        }
        for arrival in arrivals {
            arrival.release(true);
        }
        self.has_room();
        self.domain.bury(messages);
        self.domain.closed();
    }

    /// Takes all messages out, those of connections that nobody has accepted too.
    pub fn take_all(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        messages.extend(self.state().messages.drain(..));
        for arrival in self.arrivals() {
            messages.extend(arrival.state().messages.drain(..));
        }
        messages
    }

    /// The descriptions in its messages, by their addresses.
    pub fn addresses_held(&self) -> Vec<usize> {
        let of_state = |state: Guard<'_, State>| -> Vec<usize> {
            let cargos = state
                .messages
                .iter()
                .filter_map(|message| message.cargo.as_ref());
            cargos
                .flat_map(|cargo| cargo.files())
                .map(address_of)
                .collect()
        };
        let mut addresses = of_state(self.state());
        for arrival in self.arrivals() {
            addresses.extend(of_state(arrival.state()));
        }
        addresses
    }

    fn arrivals(&self) -> Vec<Arc<Endpoint>> {
        self.state().arrivals.iter().cloned().collect()
    }

    /// What can be done without waiting.
    pub fn readiness(self: &Arc<Self>) -> Readiness {
        let state = self.state();
        let mut bits = 0;
        if state.error.is_some() {
            bits |= POLLERR;
        }
        if state.is_shut_for_reading {
            bits |= Readiness::READABLE.0 | POLLRDHUP;
            if state.is_shut_for_writing {
                bits |= POLLHUP;
            }
        }
        if !state.messages.is_empty() || !state.arrivals.is_empty() {
            bits |= Readiness::READABLE.0;
        }
        if self.has_connections() && state.phase == Phase::Closed {
            bits |= POLLHUP;
        }
        let (is_writable, peer) = (state.is_writable(), state.peer.clone());
        drop(state);
        let has_room = |peer: &Arc<Self>| self.has_connections() || !self.finds_full(peer);
        if is_writable && peer.as_ref().is_none_or(has_room) {
            bits |= WRITABLE.0;
        }
        Readiness(bits)
    }

    /// Bytes that can be received: of datagrams, those of the next.
    ///
    /// # Errors
    /// `EINVAL` it listens.
    pub fn bytes_to_receive(&self) -> Result<usize, Errno> {
        let state = self.state();
        if state.phase == Phase::Listening {
            return Err(Errno::EINVAL);
        }
        let lengths = state.messages.iter().map(|message| message.rest().len());
        Ok(match self.kind {
            Kind::Datagram => lengths.take(1).sum(),
            Kind::Stream | Kind::Packets => lengths.sum(),
        })
    }
}
