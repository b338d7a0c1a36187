//! The stack where memory is out: calls answer, connections are fewer, and nothing panics.
//!
//! The allocator here is as the one of the object in libc.a: what is larger than a spare block may
//! fail, and smaller ones are there.
#![allow(unsafe_code, reason = "an allocator")]
#![allow(clippy::expect_used, reason = "a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use muslin_abi::Errno;
use muslin_net_stack::{
    Address, AddressSource, Family, Kind, Link, ReceiveHow, SendTo, SmolStack, SocketId, Stack,
};

/// What never fails.
const SPARE_BYTES: usize = 2048;

thread_local! {
    /// Large allocations that are still granted, and those that are refused behind them.
    static GRANTED: Cell<usize> = const { Cell::new(usize::MAX) };
    static REFUSED: Cell<usize> = const { Cell::new(0) };
    /// Bytes in use, and how many there may be.
    static USED: Cell<usize> = const { Cell::new(0) };
    static BUDGET: Cell<usize> = const { Cell::new(usize::MAX) };
    static FAILURES: Cell<usize> = const { Cell::new(0) };
}

struct Little;

fn is_granted(bytes: usize) -> bool {
    if bytes <= SPARE_BYTES {
        return true;
    }
    if USED.get().saturating_add(bytes) > BUDGET.get() {
        FAILURES.set(FAILURES.get() + 1);
        return false;
    }
    if GRANTED.get() > 0 {
        GRANTED.set(GRANTED.get() - 1);
        return true;
    }
    if REFUSED.get() > 0 {
        REFUSED.set(REFUSED.get() - 1);
        FAILURES.set(FAILURES.get() + 1);
        return false;
    }
    true
}

// SAFETY: the system's, or none.
unsafe impl GlobalAlloc for Little {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_granted(layout.size()) {
            return std::ptr::null_mut();
        }
        USED.set(USED.get().wrapping_add(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        USED.set(USED.get().wrapping_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static MEMORY: Little = Little;

fn has_memory() -> bool {
    USED.get() < BUDGET.get()
}

struct Host {
    stack: SmolStack,
    now_ns: u64,
    listener: SocketId,
    address: SocketAddr,
}

impl Host {
    fn new() -> Self {
        let mut stack = SmolStack::new([7; 16]);
        stack.set_memory(has_memory);
        stack.set_time(1);
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let listener = stack.socket(Family::V4, Kind::Stream).expect("a socket");
        stack.bind(listener, address).expect("an address");
        stack.listen(listener, 4096).expect("listens");
        Self {
            stack,
            now_ns: 1,
            listener,
            address,
        }
    }

    fn step(&mut self, ns: u64) {
        self.now_ns += ns;
        self.stack.poll(self.now_ns);
        while self.stack.take_changed().is_some() {}
    }

    /// Opens connections, moves bytes on all of them, and closes them. How many were opened, and
    /// how many bytes arrived.
    fn use_connections(&mut self, count: usize, bytes: usize) -> (usize, usize) {
        let how = SendTo::default();
        let payload = vec![5; bytes.min(SPARE_BYTES)];
        let mut clients = Vec::with_capacity(SPARE_BYTES / 64);
        let mut servers = Vec::with_capacity(SPARE_BYTES / 64);
        for _ in 0..count.min(SPARE_BYTES / 64) {
            let Ok(client) = self.stack.socket(Family::V4, Kind::Stream) else {
                continue;
            };
            if self.stack.connect(client, self.address) != Err(Errno::EINPROGRESS) {
                self.stack.close(client);
                continue;
            }
            clients.push(client);
            if let Ok((server, _)) = self.stack.accept(self.listener) {
                servers.push(server);
            }
        }
        let mut arrived = 0;
        for _ in 0..bytes.div_ceil(SPARE_BYTES) {
            for &client in &clients {
                // Whether it is taken depends on memory.
                let _ = self.stack.send(client, &[&payload], &how, false);
            }
            self.step(1_000_000);
            let mut place = [0; SPARE_BYTES];
            for &server in &servers {
                let received =
                    self.stack
                        .receive(server, &mut [&mut place[..]], ReceiveHow::default());
                arrived += received.map_or(0, |received| received.bytes);
            }
        }
        let opened = servers.len();
        for socket in servers.into_iter().chain(clients) {
            self.stack.close(socket);
        }
        self.step(1_000_000);
        (opened, arrived)
    }
}

fn reset() {
    GRANTED.set(usize::MAX);
    REFUSED.set(0);
    BUDGET.set(usize::MAX);
    FAILURES.set(0);
}

#[test]
fn any_allocation_may_fail() {
    let mut failures = 0;
    for granted in 0..400 {
        for refused in [1, 3, 50] {
            let mut host = Host::new();
            FAILURES.set(0);
            GRANTED.set(granted);
            REFUSED.set(refused);
            for _ in 0..3 {
                host.use_connections(8, 64 * 1024);
            }
            failures += FAILURES.get();
            reset();
            host.step(120_000_000_000);
            let (opened, arrived) = host.use_connections(2, 8 * 1024);
            assert_eq!(opened, 2, "{granted} granted, {refused} refused");
            assert_eq!(arrived, 16 * 1024, "{granted} granted, {refused} refused");
        }
    }
    assert!(failures > 1000, "{failures} allocations failed");
}

#[test]
fn connections_live_within_a_budget() {
    let mut host = Host::new();
    BUDGET.set(USED.get() + 300 * 1024);
    let mut most = 0;
    for _ in 0..100 {
        most = most.max(host.use_connections(32, 16 * 1024).0);
    }
    let failures = FAILURES.get();
    // What was lost is repeated, or given up.
    for _ in 0..100 {
        host.step(2_000_000_000);
        while let Ok((unknown, _)) = host.stack.accept(host.listener) {
            host.stack.close(unknown);
        }
    }
    let (opened, arrived) = host.use_connections(1, 8 * 1024);
    // A failure allocates, too.
    reset();
    assert!(most > 4, "{most} connections at once");
    assert!(failures > 0, "the budget was never met");
    assert_eq!((opened, arrived), (1, 8 * 1024));
}

#[test]
fn datagrams_are_dropped_and_sends_refused() {
    let mut host = Host::new();
    let socket = |host: &mut Host| host.stack.socket(Family::V4, Kind::Datagram);
    let from = socket(&mut host).expect("a socket");
    let to = socket(&mut host).expect("a socket");
    let address = SocketAddr::from(([127, 0, 0, 1], 53));
    host.stack.bind(to, address).expect("an address");
    let how = SendTo {
        to: Some(address),
        ..SendTo::default()
    };
    let message = vec![3; 60_000];
    BUDGET.set(USED.get() + 1024);
    assert_eq!(
        host.stack.send(from, &[&message], &how, false),
        Err(Errno::ENOBUFS)
    );
    reset();
    assert_eq!(host.stack.send(from, &[&message], &how, false), Ok(60_000));
}

/// The frames that are on their way to each end of a cable.
type Frames = Arc<Mutex<[VecDeque<Vec<u8>>; 2]>>;

struct End {
    frames: Frames,
    end: usize,
}

impl Link for End {
    fn name(&self) -> &str {
        "eth0"
    }

    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.end as u8]
    }

    fn mtu_bytes(&self) -> u16 {
        1500
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        let mut frames = self.frames.lock().expect("the cable");
        let bytes = frames[self.end].pop_front().ok_or(Errno::EAGAIN)?;
        frame[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        self.frames.lock().expect("the cable")[1 - self.end].push_back(frame.into());
        Ok(())
    }
}

#[test]
fn a_datagram_in_parts_is_dropped_and_the_next_one_arrives() {
    let frames = Frames::default();
    for queue in frames.lock().expect("the cable").iter_mut() {
        queue.reserve(256);
    }
    let mut hosts = [0, 1].map(|end| {
        let mut stack = SmolStack::new([end as u8; 16]);
        stack.set_time(1);
        let frames = frames.clone();
        let link = stack.add_link(Box::new(End { frames, end }));
        let address = Address {
            link,
            address: IpAddr::from([10, 0, 0, end as u8 + 1]),
            prefix_bits: 24,
            source: AddressSource::Static,
        };
        stack.add_address(address).expect("an address");
        stack
    });
    let sockets = hosts.each_mut().map(|host| {
        let socket = host.socket(Family::V4, Kind::Datagram);
        socket.expect("a socket")
    });
    let to = SocketAddr::from(([10, 0, 0, 2], 53));
    hosts[1].bind(sockets[1], to).expect("an address");
    let how = SendTo {
        to: Some(to),
        ..SendTo::default()
    };
    let message = vec![3; 60_000];
    let mut place = vec![0; message.len()];
    let mut now_ns = 1;
    let mut send = |granted: usize, refused: usize| {
        let sent = hosts[0].send(sockets[0], &[&message], &how, false);
        assert_eq!(sent, Ok(message.len()));
        for _ in 0..4 {
            now_ns += 1_000_000;
            hosts[0].poll(now_ns);
            GRANTED.set(granted);
            REFUSED.set(refused);
            hosts[1].poll(now_ns);
            GRANTED.set(usize::MAX);
            REFUSED.set(0);
        }
        let pieces = &mut [&mut place[..]];
        let received = hosts[1].receive(sockets[1], pieces, ReceiveHow::default());
        received.map(|received| received.bytes)
    };
    // The neighbours get to know each other: what waits for that may be lost.
    let _ = send(usize::MAX, 0);
    assert_eq!(send(usize::MAX, 0), Ok(message.len()));
    let mut dropped = 0;
    for granted in 0..60 {
        dropped += usize::from(send(granted, 1) == Err(Errno::EAGAIN));
        assert_eq!(send(usize::MAX, 0), Ok(message.len()), "{granted} granted");
    }
    assert!(dropped >= 40, "{dropped} of 60 were dropped");
}
