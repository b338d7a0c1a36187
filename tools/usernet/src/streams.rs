//! Streams: each is a connection of the guest that ends in the stack, and one of the host.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use muslin_abi::Errno as StackErrno;
use muslin_net_stack::{
    Family, HeldId, Kind, ReceiveHow, Refusal, SendTo, Setting, Shutdown, SmolStack, SocketId,
    Stack,
};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, connect, recv, send, shutdown, sockopt};

use crate::gateway::World;
use crate::host;
use crate::names;
use crate::net::GATEWAY_V4;
use crate::poller::{Event, Source};
use crate::reach::{self, Place};

/// How far the buffers of a stream towards the guest grow, each way.
pub const STREAM_BYTES: usize = 256 * 1024;
/// How many there are at most.
pub(crate) const STREAMS_MAX: usize = 1024;
/// So many pieces are moved before another stream has its turn.
const TURN_PIECES: usize = 8;

/// The two ends of a connection, as the guest names them: its own, and the other one.
type Ends = (SocketAddr, SocketAddr);

/// All streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    all: BTreeMap<u64, Stream>,
    by_ends: HashMap<Ends, u64>,
    by_socket: HashMap<SocketId, u64>,
    /// Those with something to move.
    busy: VecDeque<u64>,
    next_number: u64,
}

#[derive(Debug)]
struct Stream {
    guest: Guest,
    host: OwnedFd,
    /// The host's socket was not found empty, or full, since it told otherwise.
    can_read: bool,
    can_write: bool,
    up: Way,
    down: Way,
    is_busy: bool,
    /// At the end of all: its peer had sent what nobody will read.
    is_unread: bool,
}

/// Where the guest's side is.
#[derive(Clone, Copy, Debug)]
enum Guest {
    /// It waits for what becomes of the host's side.
    Held(HeldId, Ends),
    /// It was let in, and has not answered.
    Admitted(Ends),
    Open(SocketId),
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// What was taken from one side and is not with the other.
    rest: Vec<u8>,
    has_ended: bool,
    /// The other side knows that.
    is_end_told: bool,
}

/// One side of a stream failed.
struct Broken;

impl Stream {
    fn new(guest: Guest, host: OwnedFd) -> Self {
        Self {
            guest,
            host,
            can_read: false,
            can_write: false,
            up: Way::default(),
            down: Way::default(),
            is_busy: false,
            is_unread: false,
        }
    }

    /// Moves what can be moved. `true`: there may be more.
    fn pump(
        &mut self,
        stack: &mut SmolStack,
        socket: SocketId,
        buffer: &mut [u8],
    ) -> Result<bool, Broken> {
        let has_more_up = self.pump_up(stack, socket, buffer)?;
        let has_more_down = self.pump_down(stack, socket, buffer)?;
        Ok(has_more_up || has_more_down)
    }

    /// From the guest to the host.
    fn pump_up(
        &mut self,
        stack: &mut SmolStack,
        socket: SocketId,
        buffer: &mut [u8],
    ) -> Result<bool, Broken> {
        for _ in 0..TURN_PIECES {
            if !self.up.rest.is_empty() {
                if !self.can_write {
                    return Ok(false);
                }
                let sent = self.write(&self.up.rest)?;
                self.can_write = sent == self.up.rest.len();
                self.up.rest.drain(..sent);
                continue;
            }
            if self.up.has_ended {
                if !self.up.is_end_told {
                    self.up.is_end_told = true;
                    // Who has reset the stream is noticed by reading.
                    let _ = shutdown(&self.host, rustix::net::Shutdown::Write);
                }
                return Ok(false);
            }
            if !self.can_write {
                return Ok(false);
            }
            match stack.receive(socket, &mut [&mut *buffer], ReceiveHow::default()) {
                Ok(got) if got.bytes == 0 => self.up.has_ended = true,
                Ok(got) => {
                    let bytes = buffer.get(..got.bytes).unwrap_or_default();
                    let sent = self.write(bytes)?;
                    self.can_write = sent == bytes.len();
                    self.up.rest.extend(bytes.iter().skip(sent));
                }
                Err(StackErrno::EAGAIN) => return Ok(false),
                Err(_) => return Err(Broken),
            }
        }
        Ok(true)
    }

    /// From the host to the guest.
    fn pump_down(
        &mut self,
        stack: &mut SmolStack,
        socket: SocketId,
        buffer: &mut [u8],
    ) -> Result<bool, Broken> {
        for _ in 0..TURN_PIECES {
            if !self.down.rest.is_empty() {
                let sent = give(stack, socket, &self.down.rest)?;
                self.down.rest.drain(..sent);
                if !self.down.rest.is_empty() {
                    return Ok(false);
                }
            }
            if self.down.has_ended {
                if !self.down.is_end_told {
                    self.down.is_end_told = true;
                    stack
                        .shutdown(socket, Shutdown::Write)
                        .map_err(|_| Broken)?;
                }
                return Ok(false);
            }
            if !self.can_read {
                return Ok(false);
            }
            match recv(&self.host, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => self.down.has_ended = true,
                Ok((_, len)) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    let sent = give(stack, socket, bytes)?;
                    self.down.rest.extend(bytes.iter().skip(sent));
                }
                Err(Errno::AGAIN) => self.can_read = false,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Broken),
            }
        }
        Ok(true)
    }

    /// Gives bytes to the host, as many as it takes.
    fn write(&self, bytes: &[u8]) -> Result<usize, Broken> {
        match send(&self.host, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(_) => Err(Broken),
        }
    }

    /// Tells the host that nothing follows, and takes what its peer sends: a socket that is closed with that unread
    /// resets, and what it had still to send is lost. `true`: more may come before the peer has all.
    fn part(&mut self, buffer: &mut [u8]) -> bool {
        if !matches!(self.guest, Guest::Open(_)) {
            return false;
        }
        if !std::mem::replace(&mut self.up.is_end_told, true) {
            // Who has reset the stream is noticed by reading.
            let _ = shutdown(&self.host, rustix::net::Shutdown::Write);
        }
        for _ in 0..TURN_PIECES {
            match recv(&self.host, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return false,
                Ok(_) => self.is_unread = true,
                Err(Errno::AGAIN) => return self.is_unread,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Both sides know of both ends.
    fn is_over(&self) -> bool {
        self.up.is_end_told && self.down.is_end_told
    }
}

/// Gives bytes to the guest, as many as there is room for.
fn give(stack: &mut SmolStack, socket: SocketId, bytes: &[u8]) -> Result<usize, Broken> {
    match stack.send(socket, &[bytes], &SendTo::default(), false) {
        Ok(sent) => Ok(sent),
        Err(StackErrno::EAGAIN) => Ok(0),
        Err(_) => Err(Broken),
    }
}

/// What is set on sockets towards the guest.
pub(crate) fn set_up(stack: &mut SmolStack, socket: SocketId) -> Result<(), StackErrno> {
    for setting in [
        // Who has little to say has waited already, if it should.
        Setting::NoDelay(true),
        Setting::ReceiveBuffer(STREAM_BYTES),
        Setting::SendBuffer(STREAM_BYTES),
        Setting::KeepAlive(true),
        Setting::KeepIdleSeconds(host::STILL_SECONDS),
        Setting::KeepIntervalSeconds(host::ASK_SECONDS),
        Setting::KeepCount(host::QUESTIONS),
    ] {
        stack.set(socket, setting)?;
    }
    Ok(())
}

/// An address of the stack's, with IPv4 as such.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Streams {
    /// The guest wants a connection.
    pub fn connect(&mut self, world: &mut World, id: HeldId, ends: Ends) {
        if self.all.len() >= STREAMS_MAX {
            return world.stack.refuse(id, Refusal::Silent);
        }
        let number = self.next_number;
        match open(world, ends.1, number) {
            Ok(host) => {
                self.next_number += 1;
                self.by_ends.insert(ends, number);
                let stream = Stream::new(Guest::Held(id, ends), host);
                self.all.insert(number, stream);
            }
            Err(why) => world.stack.refuse(id, why),
        }
    }

    /// Somebody has connected to a port of the host that stands for one of the guest.
    pub fn connect_to_guest(&mut self, world: &mut World, host: OwnedFd, guest: SocketAddr) {
        // What is refused here is closed; who connected hears it.
        if self.all.len() >= STREAMS_MAX {
            return;
        }
        let _ = host::set_up(&host);
        let stack = &mut world.stack;
        let Ok(socket) = stack.socket(Family::V4, Kind::Stream) else {
            return;
        };
        let begun = set_up(stack, socket)
            .and_then(|()| stack.bind(socket, (GATEWAY_V4, 0).into()))
            .and_then(|()| match stack.connect(socket, guest) {
                Err(StackErrno::EINPROGRESS) => Ok(()),
                begun => begun,
            });
        let number = self.next_number;
        let source = Source::Stream(number);
        if begun.is_err() || world.poller.add_changes(&host, source).is_err() {
            world.stack.close(socket);
            return;
        }
        self.next_number += 1;
        self.by_socket.insert(socket, number);
        let stream = Stream::new(Guest::Open(socket), host);
        self.all.insert(number, stream);
    }

    /// Something happened to the host's side.
    pub fn host_event(&mut self, world: &mut World, number: u64, event: Event) {
        let Some(stream) = self.all.get_mut(&number) else {
            return;
        };
        stream.can_read |= event.can_read;
        stream.can_write |= event.can_write;
        match stream.guest {
            Guest::Held(id, ends) => match sockopt::socket_error(&stream.host) {
                Ok(Ok(())) if event.can_write => {
                    stream.guest = Guest::Admitted(ends);
                    world.stack.admit(id);
                }
                Ok(Ok(())) => {}
                Ok(Err(errno)) | Err(errno) => {
                    world.stack.refuse(id, host::refusal(errno));
                    self.remove(number);
                }
            },
            Guest::Admitted(_) => {}
            Guest::Open(_) => self.make_busy(number),
        }
    }

    /// The guest has answered: connections can be accepted.
    pub fn accept(&mut self, world: &mut World) {
        while let Ok((socket, peer)) = world.stack.accept(world.listener) {
            let local = world.stack.local(socket).ok();
            let ends = local.map(|local| (canonical(peer), canonical(local)));
            let number = ends.and_then(|ends| self.by_ends.remove(&ends));
            match number.and_then(|number| Some((number, self.all.get_mut(&number)?))) {
                Some((number, stream)) => {
                    stream.guest = Guest::Open(socket);
                    self.by_socket.insert(socket, number);
                    self.make_busy(number);
                }
                None => reset(&mut world.stack, socket),
            }
        }
    }

    /// The guest gave up a connection that it did not have yet.
    pub fn lost(&mut self, ends: Ends) {
        if let Some(&number) = self.by_ends.get(&ends) {
            self.remove(number);
        }
    }

    /// Something happened to the guest's side.
    pub fn guest_event(&mut self, socket: SocketId) {
        if let Some(&number) = self.by_socket.get(&socket) {
            self.make_busy(number);
        }
    }

    /// Moves bytes. `true`: there is more to do.
    pub fn run(&mut self, world: &mut World) -> bool {
        for _ in 0..self.busy.len() {
            let Some(number) = self.busy.pop_front() else {
                break;
            };
            let Some(stream) = self.all.get_mut(&number) else {
                continue;
            };
            stream.is_busy = false;
            let Guest::Open(socket) = stream.guest else {
                continue;
            };
            match stream.pump(&mut world.stack, socket, &mut world.buffer) {
                Ok(has_more) => {
                    if stream.is_over() {
                        world.stack.close(socket);
                        self.remove(number);
                    } else if has_more {
                        self.make_busy(number);
                    }
                }
                Err(Broken) => {
                    reset(&mut world.stack, socket);
                    let _ = sockopt::set_socket_linger(&stream.host, Some(Duration::ZERO));
                    self.remove(number);
                }
            }
        }
        !self.busy.is_empty()
    }

    /// Whether the host has not taken all that guests have sent.
    pub fn owes_host(&self, stack: &SmolStack) -> bool {
        self.all.values().any(|stream| match stream.guest {
            Guest::Open(socket) => {
                let queue = stack.info(socket).map_or(0, |info| info.receive_queue);
                queue > 0 || !stream.up.rest.is_empty()
            }
            _ => false,
        })
    }

    /// Lets go of the hosts that have all that the guest has sent, now that it has ended. `true`: there are others.
    pub fn part(&mut self, buffer: &mut [u8]) -> bool {
        self.all.retain(|_, stream| stream.part(buffer));
        !self.all.is_empty()
    }

    fn make_busy(&mut self, number: u64) {
        if let Some(stream) = self.all.get_mut(&number)
            && !std::mem::replace(&mut stream.is_busy, true)
        {
            self.busy.push_back(number);
        }
    }

    fn remove(&mut self, number: u64) {
        match self.all.remove(&number).map(|stream| stream.guest) {
            Some(Guest::Held(_, ends) | Guest::Admitted(ends)) => {
                self.by_ends.remove(&ends);
            }
            Some(Guest::Open(socket)) => {
                self.by_socket.remove(&socket);
            }
            None => {}
        }
    }
}

/// Begins to connect the host's side.
fn open(world: &mut World, to: SocketAddr, number: u64) -> Result<OwnedFd, Refusal> {
    let settings = &world.settings;
    let there = match reach::place(to, settings.reaches_host)? {
        Place::There(there) => there,
        Place::Names => *names::servers(&settings.name_servers)
            .first()
            .ok_or(Refusal::Port)?,
    };
    let begin = || {
        let host = host::stream(there.ip())?;
        host::set_up(&host)?;
        match connect(&host, &there) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        world.poller.add_changes(&host, Source::Stream(number))?;
        Ok(host)
    };
    begin().map_err(host::refusal)
}

fn reset(stack: &mut SmolStack, socket: SocketId) {
    let _ = stack.set(socket, Setting::Linger(Some(0)));
    stack.close(socket);
}
