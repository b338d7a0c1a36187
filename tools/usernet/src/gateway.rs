//! The gateway: what it has, and what makes it go.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use muslin_net_stack::{Address, AddressSource, Passing, SmolStack, SocketId, Stack};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::device::Guest;
use crate::dhcp;
use crate::messages::Messages;
use crate::net::{GATEWAY_V4, GATEWAY_V6, NAMES_V4, NAMES_V6, V4_BITS, V6_BITS};
use crate::poller::{Poller, Source};
use crate::publish::Published;
use crate::router;
use crate::settings::{Publish, Settings};
use crate::streams::{self, STREAMS_MAX, Streams};

/// The longest message, and how much of a stream is moved at once.
const BUFFER_BYTES: usize = 65_536;
/// How long the host may take what a guest sent before it ended.
const REST_TIME: Duration = Duration::from_secs(3);
/// How long those who send what nobody reads any more may take to hear the end of it.
const PART_TIME: Duration = Duration::from_secs(1);
const REST_PAUSE: Duration = Duration::from_micros(200);

/// Why there is no gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A port of the host cannot be had.
    Publish(Publish, Errno),
    /// The system refuses something else.
    System(Errno),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(publish, errno) => {
                write!(formatter, "{}: {errno}", publish.host)
            }
            Self::System(errno) => errno.fmt(formatter),
        }
    }
}

/// What all parts work with.
pub(crate) struct World {
    pub stack: SmolStack,
    pub poller: Poller,
    pub settings: Settings,
    /// Where connections of the guest come from.
    pub listener: SocketId,
    pub buffer: Vec<u8>,
    pub now_ns: u64,
}

/// A network for one guest.
pub struct Gateway {
    guest: Guest,
    world: World,
    link: u32,
    leases: SocketId,
    streams: Streams,
    messages: Messages,
    published: Published,
    start: Instant,
    advertise_ns: u64,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Gateway");
        shown.field("guest", &self.guest).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Makes a network: `guest` is one end of a socket of packets that does not wait. Ports are
    /// published from here on.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn new(guest: OwnedFd, settings: Settings, publish: &[Publish]) -> Result<Self, Problem> {
        let mut seed = [0; 16];
        getrandom(&mut seed, GetRandomFlags::empty()).map_err(Problem::System)?;
        let mut stack = SmolStack::new(seed);
        let guest = Guest::new(guest);
        let link = stack.add_link(Box::new(guest.clone()));
        let (listener, leases) = set_up(&mut stack, link)
            .map_err(|errno| Problem::System(Errno::from_raw_os_error(errno.raw())))?;
        let poller = Poller::new().map_err(Problem::System)?;
        let world = World {
            stack,
            poller,
            settings,
            listener,
            buffer: vec![0; BUFFER_BYTES],
            now_ns: 0,
        };
        let mut published = Published::default();
        for &publish in publish {
            published
                .open(&world, publish)
                .map_err(|errno| Problem::Publish(publish, errno))?;
        }
        Ok(Self {
            guest,
            world,
            link,
            leases,
            streams: Streams::default(),
            messages: Messages::default(),
            published,
            start: Instant::now(),
            advertise_ns: 0,
        })
    }

    /// Serves the guest until it hangs up, or `end` can be read.
    ///
    /// # Errors
    /// The system cannot wait for so much.
    pub fn run(&mut self, end: BorrowedFd<'_>) -> Result<(), Errno> {
        allow_descriptors();
        self.world
            .poller
            .add_reader(&*self.guest.fd, Source::Guest)?;
        self.world.poller.add_reader(end, Source::End)?;
        let mut is_over = false;
        loop {
            let next_ns = self.step();
            if is_over || self.guest.has_hung_up() {
                break;
            }
            is_over = self.wait(next_ns);
        }
        self.finish();
        Ok(())
    }

    /// Gives the host what the guest had sent when it ended.
    fn finish(&mut self) {
        let until = Instant::now() + REST_TIME;
        while Instant::now() < until {
            let next_ns = self.step();
            let has_more = next_ns <= self.world.now_ns;
            if !has_more && !self.streams.owes_host(&self.world.stack) {
                break;
            }
            // The descriptors of the guest and of the end tell of that for ever.
            thread::sleep(REST_PAUSE);
            self.wait(self.world.now_ns);
        }
        let until = Instant::now() + PART_TIME;
        while self.streams.part(&mut self.world.buffer) && Instant::now() < until {
            thread::sleep(REST_PAUSE);
        }
    }

    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Waits until a time. `true`: the end has come.
    fn wait(&mut self, until_ns: u64) -> bool {
        let now_ns = self.now_ns();
        let timeout = (until_ns != u64::MAX).then(|| until_ns.saturating_sub(now_ns));
        let world = &mut self.world;
        let mut is_over = false;
        for event in world.poller.wait(timeout) {
            match event.source {
                Source::Guest => {}
                Source::End => is_over = true,
                Source::Stream(number) => self.streams.host_event(world, number, event),
                Source::Messages(number) => self.messages.host_event(world, number),
                Source::Published(number) => {
                    self.published.host_event(world, &mut self.streams, number);
                }
            }
        }
        is_over
    }

    /// Does what can be done now. Says when there is more to do.
    fn step(&mut self) -> u64 {
        let now_ns = self.now_ns();
        self.world.now_ns = now_ns;
        self.world.stack.poll(now_ns);
        while let Some(passing) = self.world.stack.take_passing() {
            self.pass(passing);
        }
        while let Some(socket) = self.world.stack.take_changed() {
            if socket == self.world.listener {
                self.streams.accept(&mut self.world);
            } else if socket == self.leases {
                dhcp::serve(&mut self.world.stack, socket, self.link);
            } else {
                self.streams.guest_event(socket);
            }
        }
        let is_busy = self.streams.run(&mut self.world);
        if now_ns >= self.advertise_ns {
            self.advertise_ns = now_ns + router::EVERY_NS;
            self.guest.advertise();
        }
        let forget_ns = self.messages.forget(now_ns).unwrap_or(u64::MAX);
        if is_busy {
            return now_ns;
        }
        let deadline_ns = self.world.stack.deadline();
        deadline_ns.min(self.advertise_ns).min(forget_ns)
    }

    fn pass(&mut self, passing: Passing) {
        let world = &mut self.world;
        match passing {
            Passing::Connection { id, from, to } => self.streams.connect(world, id, (from, to)),
            Passing::Lost { from, to } => self.streams.lost((from, to)),
            Passing::Datagram { from, to, content } => {
                if !self.published.answer(to, &content) {
                    self.messages.datagram(world, from, to, &content);
                }
            }
            Passing::Echo { from, to, content } => self.messages.echo(world, from, to, &content),
        }
    }
}

/// Lets this process have as many descriptors as it may: each stream takes one. Who then finds none is not answered.
fn allow_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    // Without it there are fewer at once.
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
}

/// Gives the stack its addresses, and opens what listens. The listener, and the server of leases.
fn set_up(stack: &mut SmolStack, link: u32) -> Result<(SocketId, SocketId), muslin_abi::Errno> {
    for (address, prefix_bits) in [
        (IpAddr::from(GATEWAY_V4), V4_BITS),
        (IpAddr::from(NAMES_V4), V4_BITS),
        (IpAddr::from(GATEWAY_V6), V6_BITS),
        (IpAddr::from(NAMES_V6), V6_BITS),
    ] {
        stack.add_address(Address {
            link,
            address,
            prefix_bits,
            source: AddressSource::Static,
        })?;
    }
    let listener = stack.set_gateway(link, STREAMS_MAX);
    streams::set_up(stack, listener)?;
    Ok((listener, dhcp::open(stack)?))
}
