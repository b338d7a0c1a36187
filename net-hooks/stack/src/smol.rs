//! [`SmolStack`]: all parts together, and what makes them go.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::dhcp::Dhcp;
use crate::duplicates::Trials;
use crate::gateway::Gateway;
use crate::icmp::ErrorLimit;
use crate::link::Link;
use crate::links::{Loopback, Port};
use crate::neighbours::Neighbours;
use crate::network::{Address, AddressSource, Automatic};
use crate::offload;
use crate::packet::Packet;
use crate::path::Paths;
use crate::ports::Ports;
use crate::reassembly::Reassembly;
use crate::secret::Secret;
use crate::slaac::Slaac;
use crate::slots::{Name, Slots};
use crate::socket::{Body, Socket};
use crate::stack::Stack;
use crate::tcp::Tcp;
use crate::timers::{Timer, Timers};
use crate::topology::{LO, Topology};

/// How many frames of one link are taken before others have their turn.
const FRAMES_AT_ONCE: usize = 128;
/// How many packets of the loopback are taken at once.
const LO_AT_ONCE: usize = 512;
/// How many timers of what is gone are kept at least.
const STALE_TIMERS: usize = 256;
/// How soon a device that was full is offered its frames again.
const FULL_NS: u64 = 200_000;

/// A [`crate::Stack`] on smoltcp.
///
/// smoltcp moves the bytes of TCP connections, each in a set of its own; all around it (handshakes,
/// ports, routes, neighbours, UDP, ICMP, DHCP) is this crate's.
pub struct SmolStack {
    pub(crate) now: u64,
    pub(crate) secret: Secret,
    pub(crate) topology: Topology,
    pub(crate) neighbours: Neighbours,
    pub(crate) links: Vec<Port>,
    pub(crate) lo: Loopback,
    pub(crate) paths: Paths,
    pub(crate) trials: Trials,
    pub(crate) reassembly: Reassembly,
    pub(crate) ports: Ports,
    pub(crate) tcp: Tcp,
    pub(crate) sockets: Slots<Socket>,
    pub(crate) timers: Timers,
    /// The groups that sockets joined on each link, and how many did.
    pub(crate) groups: BTreeMap<(u32, IpAddr), u32>,
    pub(crate) icmp_errors: ErrorLimit,
    pub(crate) ip_id: u32,
    /// What is for others is told here.
    pub(crate) gateway: Option<Box<Gateway>>,
    /// The segment that is being made.
    pub(crate) scratch: Packet,
    /// Whether there is memory for more than what is there: see [`SmolStack::set_memory`].
    has_memory: fn() -> bool,
    changed: VecDeque<Name>,
    frame: Vec<u8>,
    /// Frames were left where they are, so that others have their turn.
    is_busy: bool,
}

impl SmolStack {
    /// A stack with the loopback alone. `seed` comes from the world's entropy: who knows it
    /// foresees sequence numbers and ports.
    pub fn new(seed: [u8; 16]) -> Self {
        let mut secret = Secret::new(seed);
        Self {
            now: 0,
            topology: Topology::new(),
            neighbours: Neighbours::new(secret.keys(7)),
            links: Vec::new(),
            lo: Loopback::default(),
            paths: Paths::default(),
            trials: Trials::default(),
            reassembly: Reassembly::default(),
            ports: Ports::new(&secret),
            tcp: Tcp::new(&mut secret),
            sockets: Slots::new(),
            timers: Timers::default(),
            groups: BTreeMap::new(),
            icmp_errors: ErrorLimit::default(),
            ip_id: secret.number() as u32,
            gateway: None,
            scratch: Packet::default(),
            has_memory: || true,
            changed: VecDeque::new(),
            frame: Vec::new(),
            is_busy: false,
            secret,
        }
    }

    /// Has the stack ask whether there is memory before it takes anything new: a socket, a
    /// connection. What is there goes on without, with what it has.
    pub fn set_memory(&mut self, has_memory: fn() -> bool) {
        self.has_memory = has_memory;
    }

    /// Whether there is memory for one more socket, and a connection of it, in all tables.
    pub(crate) fn has_memory(&mut self) -> bool {
        let sockets = self.sockets.len() + 1;
        let names = |len: usize| sockets.saturating_sub(len);
        let (changed, waiting, blocked) = (
            names(self.changed.len()),
            names(self.tcp.waiting.len()),
            names(self.tcp.blocked.len()),
        );
        (self.has_memory)()
            && self.sockets.has_room()
            && self.tcp.handshakes.has_room()
            && self.changed.try_reserve(changed).is_ok()
            && self.tcp.waiting.try_reserve(waiting).is_ok()
            && self.tcp.blocked.try_reserve(blocked).is_ok()
            && self.has_room_for_flow()
            && self
                .timers
                .has_room(sockets + self.tcp.handshakes.len() + 1)
    }

    /// Puts the timers of what is there in anew: without entries of what is gone.
    fn renew_timers(&mut self) {
        let most = 2 * (self.sockets.len() + self.tcp.handshakes.len()) + STALE_TIMERS;
        if !self.timers.is_lossy && self.timers.len() <= most {
            return;
        }
        self.timers.clear();
        let timers = &mut self.timers;
        for socket in self.sockets.iter() {
            if let Body::Connected(connection) = &socket.body
                && connection.armed_ns != u64::MAX
            {
                timers.arm(connection.armed_ns, Timer::Socket(socket.name));
            }
        }
        for index in 0..self.tcp.handshakes.places() as u32 {
            if let Some(name) = self.tcp.handshakes.at(index)
                && let Some(handshake) = self.tcp.handshakes.get(name)
            {
                timers.arm(handshake.due_ns(), Timer::Handshake(name));
            }
        }
    }

    /// Adds a link, and gives its number. It has an address of its own for IPv6, and no other.
    pub fn add_link(&mut self, link: Box<dyn Link + Send>) -> u32 {
        let port = Port::new(link);
        let frame_bytes = port.frame_bytes();
        if self.frame.len() < frame_bytes {
            self.frame.resize(frame_bytes, 0);
        }
        let own = interface_address(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), port.mac);
        let has_offload = port.has_offload;
        self.links.push(port);
        let number = LO + self.links.len() as u32;
        if has_offload {
            self.tcp.engine.cutting_links.push(number);
        }
        self.topology.addresses.push(Address {
            link: number,
            address: IpAddr::V6(own),
            prefix_bits: 64,
            source: AddressSource::LinkLocal,
        });
        self.trials.add(number, own.into());
        number
    }

    pub(crate) fn port(&self, link: u32) -> Option<&Port> {
        self.links.get((link as usize).checked_sub(2)?)
    }

    pub(crate) fn port_mut(&mut self, link: u32) -> Option<&mut Port> {
        self.links.get_mut((link as usize).checked_sub(2)?)
    }

    /// The numbers of the links to the outside.
    pub(crate) fn link_numbers(&self) -> core::ops::Range<u32> {
        LO + 1..LO + 1 + self.links.len() as u32
    }

    /// A socket's readiness may have changed.
    pub(crate) fn mark_changed(&mut self, name: Name) {
        if let Some(socket) = self.sockets.get_mut(name)
            && !socket.is_changed
            && self.changed.try_reserve(1).is_ok()
        {
            socket.is_changed = true;
            self.changed.push_back(name);
        }
    }

    pub(crate) fn next_changed(&mut self) -> Option<Name> {
        while let Some(name) = self.changed.pop_front() {
            if let Some(socket) = self.sockets.get_mut(name) {
                socket.is_changed = false;
                if !socket.is_orphan() {
                    return Some(name);
                }
            }
        }
        None
    }

    /// Takes a socket away.
    pub(crate) fn remove_socket(&mut self, name: Name) {
        self.release_port(name);
        let groups = match self.sockets.get_mut(name) {
            Some(socket) => core::mem::take(&mut socket.groups),
            None => return,
        };
        for (group, link) in groups {
            self.leave_group(link, group);
        }
        self.sockets.remove(name);
    }

    /// Runs what is on its way within this stack.
    pub(crate) fn settle(&mut self) {
        for _ in 0..LO_AT_ONCE {
            let Some(mut packet) = self.lo.pop() else {
                self.drive_waiting();
                if !self.lo.is_waiting() {
                    self.run_blocked();
                }
                if self.lo.is_waiting() {
                    continue;
                }
                return;
            };
            self.ip_input(LO, packet.bytes_mut(), 0, true);
        }
    }

    /// Moves frames, and runs what is due.
    pub(crate) fn run(&mut self) {
        self.is_busy = false;
        self.renew_timers();
        for index in 0..self.links.len() {
            self.links[index].flush();
            self.receive(index);
        }
        while let Some((at_ns, timer)) = self.timers.due(self.now) {
            match timer {
                Timer::Socket(name) => self.run_connection(name, at_ns),
                Timer::Handshake(name) => self.run_handshake(name),
            }
        }
        self.run_neighbours();
        self.run_trials();
        self.run_time_waits();
        for link in self.link_numbers() {
            self.run_dhcp(link);
            self.run_slaac(link);
        }
        for index in 0..self.links.len() {
            if self.links[index].is_gone {
                self.lose(index);
            }
        }
        self.run_blocked();
        self.settle();
    }

    fn receive(&mut self, index: usize) {
        let mut frame = core::mem::take(&mut self.frame);
        let number = LO + 1 + index as u32;
        for taken in 0.. {
            if taken == FRAMES_AT_ONCE {
                self.is_busy = true;
                break;
            }
            let Some(place) = self.links[index].receive(&mut frame) else {
                break;
            };
            let is_sum_known = offload::is_sum_known(&frame[..place.start]);
            self.frame_input(number, &mut frame[place], is_sum_known);
        }
        self.frame = frame;
        self.drive_waiting();
    }

    /// A link whose device is gone has no addresses, and no routes lead over it.
    fn lose(&mut self, index: usize) {
        let number = LO + 1 + index as u32;
        let port = &mut self.links[index];
        port.automatic = Automatic::default();
        port.dhcp = Dhcp::default();
        port.slaac = Slaac::default();
        self.topology.routes.retain(|route| route.link != number);
        let addresses = self.topology.addresses.iter();
        let own: Vec<IpAddr> = addresses
            .filter(|own| own.link == number)
            .map(|own| own.address)
            .collect();
        for address in own {
            // It was there just now.
            let _ = self.remove_address(number, address);
        }
    }

    /// When [`SmolStack::run`] has something to do.
    pub(crate) fn next_deadline(&self) -> u64 {
        if self.is_busy || self.lo.is_waiting() {
            return self.now;
        }
        let mut is_full = !self.tcp.blocked.is_empty();
        let mut automatic = u64::MAX;
        for port in &self.links {
            is_full |= port.is_waiting();
            automatic = automatic
                .min(port.dhcp.deadline())
                .min(port.slaac.deadline());
        }
        let full = if is_full {
            self.now + FULL_NS
        } else {
            u64::MAX
        };
        let time_wait = self
            .tcp
            .time_waits
            .front()
            .map_or(u64::MAX, |entry| entry.0);
        full.min(self.timers.first())
            .min(self.neighbours.deadline())
            .min(self.trials.deadline())
            .min(time_wait)
            .min(automatic)
    }
}

/// The address that a hardware address makes in a network of 64 bits (RFC 4291, appendix A).
pub(crate) fn interface_address(network: Ipv6Addr, mac: [u8; 6]) -> Ipv6Addr {
    let mut octets = network.octets();
    let [a, b, c, d, e, f] = mac;
    octets[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from(octets)
}
