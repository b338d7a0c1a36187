//! Two hosts on a cable, and time that passes when all is said.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use muslin_abi::Errno;

use super::cable::{Cable, End};
use crate::network::{Address, AddressSource};
use crate::smol::SmolStack;
use crate::stack::{Family, Kind, ReceiveHow, Received, SendTo, SocketId, Stack};

pub(crate) const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 7, 0, 1));
pub(crate) const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 7, 0, 2));
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Two hosts, `A` and `B`.
pub(crate) struct World {
    pub hosts: [SmolStack; 2],
    pub cable: Arc<Mutex<Cable>>,
    pub now: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with_mtu(seed, 1500)
    }

    pub fn with_mtu(seed: u64, mtu: u16) -> Self {
        let cable = Cable::new(seed);
        let host = |end: usize, address: IpAddr| {
            let mut stack = SmolStack::new([seed as u8 ^ end as u8; 16]);
            let link = stack.add_link(End::new(&cable, end, mtu));
            let address = Address {
                link,
                address,
                prefix_bits: 24,
                source: AddressSource::Static,
            };
            stack.add_address(address).unwrap();
            stack
        };
        Self {
            hosts: [host(0, A), host(1, B)],
            cable: cable.clone(),
            now: 0,
        }
    }

    /// One round: time goes on to what is due next, and both hosts do it.
    pub fn step(&mut self, limit: u64) {
        let due = self.hosts.each_ref().map(|host| host.deadline());
        let frame = self.cable.lock().unwrap().next_ns();
        let next = due[0].min(due[1]).min(frame);
        self.now = next.max(self.now + 1000).min(limit);
        self.cable.lock().unwrap().now_ns = self.now;
        for host in &mut self.hosts {
            host.poll(self.now);
        }
    }

    /// Rounds for this long.
    pub fn run(&mut self, ns: u64) {
        let end = self.now + ns;
        while self.now < end {
            self.step(end);
        }
    }

    /// Rounds until something is so.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut [SmolStack; 2]) -> bool) {
        let end = self.now + 4000 * SECOND;
        while !is_so(&mut self.hosts) {
            assert!(self.now < end, "never: {what}");
            self.step(end);
        }
    }

    /// Each host learns where the other one is.
    pub fn greet(&mut self) {
        let (address, mac) = (B, [2, 0, 0, 0, 0, 2]);
        self.hosts[0].learn(2, address, mac, true);
        let (address, mac) = (A, [2, 0, 0, 0, 0, 1]);
        self.hosts[1].learn(2, address, mac, true);
    }

    pub fn socket(&mut self, host: usize) -> SocketId {
        self.hosts[host].socket(Family::V4, Kind::Stream).unwrap()
    }

    /// A listener of `B`.
    pub fn listen(&mut self, port: u16, backlog: usize) -> SocketId {
        let id = self.socket(1);
        let stack = &mut self.hosts[1];
        stack.bind(id, SocketAddr::new(B, port)).unwrap();
        stack.listen(id, backlog).unwrap();
        id
    }

    /// A connection from `A` to `B`: both ends.
    pub fn connect(&mut self, listener: SocketId) -> (SocketId, SocketId) {
        let port = self.hosts[1].local(listener).unwrap().port();
        let client = self.socket(0);
        let answer = self.hosts[0].connect(client, SocketAddr::new(B, port));
        assert_eq!(answer, Err(Errno::EINPROGRESS));
        let mut server = None;
        self.until("accept", |hosts| {
            server = server.or(hosts[1].accept(listener).ok());
            server.is_some()
        });
        self.until("connected", |hosts| hosts[0].peer(client).is_ok());
        (client, server.unwrap().0)
    }
}

pub(crate) fn send(stack: &mut SmolStack, id: SocketId, bytes: &[u8]) -> Result<usize, Errno> {
    stack.send(id, &[bytes], &SendTo::default(), false)
}

pub(crate) fn receive(stack: &mut SmolStack, id: SocketId) -> Result<Vec<u8>, Errno> {
    receive_all(stack, id).map(|(bytes, _)| bytes)
}

pub(crate) fn receive_all(
    stack: &mut SmolStack,
    id: SocketId,
) -> Result<(Vec<u8>, Received), Errno> {
    let mut bytes = vec![0; 100_000];
    let received = stack.receive(id, &mut [&mut bytes], ReceiveHow::default())?;
    bytes.truncate(received.bytes);
    Ok((bytes, received))
}

/// The byte at a place of a stream that is told from others by a salt.
pub(crate) fn byte_at(salt: u8, place: usize) -> u8 {
    (place as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(19) as u8
        ^ salt
}
