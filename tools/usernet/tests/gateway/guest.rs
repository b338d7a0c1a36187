//! A guest, its gateway, and what they say to each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use muslin_abi::Errno;
use muslin_net_stack::{
    Automatic, Family, Kind, Link, ReceiveHow, SendTo, SmolStack, SocketId, Stack,
};
use muslin_usernet::{Gateway, MTU_BYTES, Publish, Settings};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};

/// Something is wrong if it takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

pub const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2));

/// The guest's end of the wire.
#[derive(Clone)]
pub struct Wire(pub Arc<OwnedFd>);

impl Link for Wire {
    fn name(&self) -> &str {
        "eth0"
    }

    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 0x15]
    }

    fn mtu_bytes(&self) -> u16 {
        MTU_BYTES
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        recv(&*self.0, &mut *frame, RecvFlags::empty())
            .map(|(_, len)| len)
            .map_err(|_| Errno::EAGAIN)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        send(&*self.0, frame, SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(|_| Errno::EAGAIN)
    }
}

/// A guest, and the thread of its gateway.
pub struct Guest {
    pub stack: SmolStack,
    pub wire: Wire,
    start: Instant,
    end: Arc<OwnedFd>,
    gateway: Option<JoinHandle<()>>,
}

impl Guest {
    /// One that may reach this host.
    pub fn new() -> Self {
        Self::with("host", &[])
    }

    pub fn with(settings: &str, publish: &[Publish]) -> Self {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let settings: Settings = settings.parse().unwrap();
        let mut gateway = Gateway::new(far, settings, publish).unwrap();
        let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let ended = end.clone();
        let gateway = thread::spawn(move || gateway.run(ended.as_fd()).unwrap());
        let mut stack = SmolStack::new([7; 16]);
        let wire = Wire(Arc::new(near));
        let link = stack.add_link(Box::new(wire.clone()));
        let automatic = Automatic {
            dhcpv4: true,
            slaac: true,
        };
        stack.set_automatic(link, automatic).unwrap();
        let mut guest = Self {
            stack,
            wire,
            start: Instant::now(),
            end,
            gateway: Some(gateway),
        };
        guest.until("an address", |stack| {
            let has =
                |is_it: fn(&IpAddr) -> bool| stack.addresses().iter().any(|it| is_it(&it.address));
            has(|it| it.to_string() == "10.0.2.15")
                && has(|it| it.to_string().starts_with("fd00::"))
        });
        guest
    }

    /// Goes on until something is so.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut SmolStack) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let now_ns = self.start.elapsed().as_nanos() as u64;
            let next_ns = self.stack.poll(now_ns);
            if is_so(&mut self.stack) {
                return;
            }
            assert!(Instant::now() < give_up, "never: {what}");
            // The host's side is looked at again and again.
            let wait_ns = next_ns.saturating_sub(now_ns).min(1_000_000);
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: wait_ns as i64,
            };
            let mut waits = [PollFd::new(&*self.wire.0, PollFlags::IN)];
            poll(&mut waits, Some(&timeout)).unwrap();
        }
    }

    /// Goes on for a time.
    pub fn run(&mut self, time: Duration) {
        let end = Instant::now() + time;
        self.until("time passes", |_| Instant::now() >= end);
    }

    pub fn socket(&mut self, kind: Kind, to: IpAddr) -> SocketId {
        let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
        self.stack.socket(family, kind).unwrap()
    }

    /// Connects, or says why not.
    pub fn try_connect(&mut self, to: SocketAddr) -> Result<SocketId, Errno> {
        let socket = self.socket(Kind::Stream, to.ip());
        let mut begun = self.stack.connect(socket, to);
        let mut error = None;
        if begun == Err(Errno::EINPROGRESS) {
            begun = Ok(());
            self.until("connected", |stack| {
                error = stack.take_error(socket).unwrap();
                error.is_some() || stack.peer(socket).is_ok()
            });
        }
        begun.and(error.map_or(Ok(socket), Err))
    }

    pub fn connect(&mut self, to: SocketAddr) -> SocketId {
        self.try_connect(to).expect("connected")
    }

    /// A socket of messages with one peer.
    pub fn datagrams(&mut self, to: SocketAddr) -> SocketId {
        let socket = self.socket(Kind::Datagram, to.ip());
        self.stack.connect(socket, to).unwrap();
        socket
    }

    pub fn send(&mut self, socket: SocketId, bytes: &[u8]) -> Result<usize, Errno> {
        self.stack.send(socket, &[bytes], &SendTo::default(), false)
    }

    /// What comes next: nothing is the end.
    pub fn receive(&mut self, socket: SocketId) -> Result<Vec<u8>, Errno> {
        let mut got = Err(Errno::EAGAIN);
        self.until("something is received", |stack| {
            got = take(stack, socket);
            got != Err(Errno::EAGAIN)
        });
        got
    }

    /// Ends, and the gateway with it.
    pub fn end(&mut self) {
        rustix::io::write(&*self.end, &1_u64.to_ne_bytes()).unwrap();
        if let Some(gateway) = self.gateway.take() {
            gateway.join().unwrap();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

/// What has come to a socket.
pub fn take(stack: &mut SmolStack, socket: SocketId) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; 100_000];
    let got = stack.receive(socket, &mut [&mut bytes], ReceiveHow::default())?;
    bytes.truncate(got.bytes);
    Ok(bytes)
}

/// A byte of a stream, by its place.
pub fn byte_at(place: usize) -> u8 {
    ((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 37) as u8
}

/// The bytes of a place.
pub fn bytes_at(place: usize, len: usize) -> Vec<u8> {
    (place..place + len).map(byte_at).collect()
}
