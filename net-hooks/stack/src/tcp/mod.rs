//! TCP: connections and how they come to be. The bytes of one are moved by [`transfer`].

mod calls;
mod congestion;
pub(crate) mod connection;
mod drive;
mod flight;
mod handshake;
mod held;
mod input;
mod output;
mod ranges;
mod segment;
mod settle;
mod stamps;
mod time_wait;
mod timing;
mod transfer;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash, Hasher};
use core::net::{IpAddr, Ipv6Addr};

use hashbrown::HashMap;

use crate::secret::{Keys, Secret};
use crate::slots::{Name, Slots};

pub(crate) use calls::readiness;
pub(crate) use handshake::Handshake;
use transfer::Engine;

/// The two ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flow {
    pub local: IpAddr,
    pub local_port: u16,
    pub peer: IpAddr,
    pub peer_port: u16,
}

/// Each write costs the keyed hash as much as a word of content, and every segment looks its flow up: so it is one.
impl Hash for Flow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut bytes = [0; 36];
        let [a, b] = self.local_port.to_be_bytes();
        let [c, d] = self.peer_port.to_be_bytes();
        bytes[..4].copy_from_slice(&[a, b, c, d]);
        let len = match (self.local, self.peer) {
            (IpAddr::V4(local), IpAddr::V4(peer)) => {
                bytes[4..8].copy_from_slice(&local.octets());
                bytes[8..12].copy_from_slice(&peer.octets());
                12
            }
            (local, peer) => {
                bytes[4..20].copy_from_slice(&wide(local).octets());
                bytes[20..].copy_from_slice(&wide(peer).octets());
                36
            }
        };
        state.write(&bytes[..len]);
    }
}

fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// What segments of a flow are for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Connection(Name),
    Handshake(Name),
    TimeWait(time_wait::TimeWait),
}

/// All of TCP that is not in a socket.
pub(crate) struct Tcp {
    pub flows: HashMap<Flow, Target, Keys>,
    pub handshakes: Slots<Handshake>,
    pub engine: Engine,
    /// Flows in TIME_WAIT, and when they end, in that order.
    pub time_waits: VecDeque<(u64, Flow)>,
    /// How many there may be.
    pub time_waits_max: usize,
    /// Connections that segments came for, and that were not driven since.
    pub waiting: Vec<Name>,
    /// Connections with something to send, when their links have room again.
    pub blocked: Vec<Name>,
    sequence_keys: Keys,
    cookie_keys: Keys,
    stamp_keys: Keys,
}

impl Tcp {
    pub fn new(secret: &mut Secret) -> Self {
        Self {
            flows: HashMap::with_hasher(secret.keys(1)),
            handshakes: Slots::new(),
            engine: Engine::new(secret.number()),
            time_waits: VecDeque::new(),
            time_waits_max: time_wait::TIME_WAITS_FIRST,
            waiting: Vec::new(),
            blocked: Vec::new(),
            sequence_keys: secret.keys(2),
            cookie_keys: secret.keys(3),
            stamp_keys: secret.keys(8),
        }
    }

    /// The first sequence number of a connection (RFC 6528): a clock of 4 µs, from a place that
    /// only we can tell for each flow.
    fn first_sequence(&self, flow: &Flow, now_ns: u64) -> u32 {
        let place = self.sequence_keys.hash_one(flow) as u32;
        place.wrapping_add((now_ns / 4000) as u32)
    }

    /// Where the timestamps of a connection begin: they tell nobody how long we run.
    fn stamp_offset(&self, flow: &Flow) -> u32 {
        self.stamp_keys.hash_one(flow) as u32
    }
}

/// The clock of timestamps, in milliseconds as in Linux.
fn stamp_clock(offset: u32, now_ns: u64) -> u32 {
    offset.wrapping_add((now_ns / 1_000_000) as u32)
}
