//! DHCPv4 (RFC 2131): an address, its network, routers and name servers, for a time.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use crate::datagram::udp;
use crate::ethernet::{BROADCAST, Mac};
use crate::ip::{self, Head};
use crate::network::{AddressSource, Route};
use crate::smol::SmolStack;
use crate::stack::Stack;

const CLIENT: u16 = 68;
const SERVER: u16 = 67;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const SECOND_NS: u64 = 1_000_000_000;
/// The longest pause between two attempts.
const PAUSE_SECONDS_MAX: u64 = 64;
/// How often an offer is asked for before another is looked for.
const REQUESTS_MAX: u32 = 4;
/// The metric of routes that were learnt: those that were given come first.
const METRIC: u32 = 100;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// What a link knows of its lease.
#[derive(Default)]
pub(crate) struct Dhcp {
    phase: Phase,
    xid: u32,
    tries: u32,
    /// When something is to be sent.
    next_ns: u64,
    lease: Option<Lease>,
    servers: Vec<IpAddr>,
    routes: Vec<Route>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Off,
    Selecting,
    Requesting {
        address: Ipv4Addr,
        server: Ipv4Addr,
    },
    Bound,
}

#[derive(Clone, Copy)]
struct Lease {
    address: Ipv4Addr,
    server: Ipv4Addr,
    renew_ns: u64,
    rebind_ns: u64,
    end_ns: u64,
}

/// What a server says.
#[derive(Default)]
struct Answer {
    kind: u8,
    address: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    prefix_bits: Option<u8>,
    routers: Vec<Ipv4Addr>,
    name_servers: Vec<IpAddr>,
    /// Destination, prefix, router: where they are given, `routers` do not count (RFC 3442).
    routes: Vec<(Ipv4Addr, u8, Ipv4Addr)>,
    lease_seconds: Option<u32>,
    renew_seconds: Option<u32>,
    rebind_seconds: Option<u32>,
}

impl Dhcp {
    /// Begins to ask, or stops.
    pub fn set(&mut self, is_on: bool, now_ns: u64, xid: u32) {
        if is_on && self.phase == Phase::Off {
            self.phase = Phase::Selecting;
            self.xid = xid;
            self.tries = 0;
            self.next_ns = now_ns;
        } else if !is_on {
            self.phase = Phase::Off;
        }
    }

    pub fn deadline(&self) -> u64 {
        match self.phase {
            Phase::Off => u64::MAX,
            _ => self.next_ns,
        }
    }

    /// The name servers that came with the lease.
    pub fn servers(&self) -> &[IpAddr] {
        &self.servers
    }
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    bytes.first_chunk::<4>().copied().map(Ipv4Addr::from)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().copied().map(u32::from_be_bytes)
}

/// Reads an answer to us.
fn parse(bytes: &[u8], xid: u32, mac: Mac) -> Option<Answer> {
    let is_ours = *bytes.first()? == 2
        && number(bytes.get(4..)?)? == xid
        && bytes.get(28..34)? == mac
        && bytes.get(236..240)? == COOKIE;
    if !is_ours {
        return None;
    }
    let mut answer = Answer {
        address: address(&bytes[16..]).filter(|address| !address.is_unspecified()),
        ..Answer::default()
    };
    let mut options = &bytes[240..];
    loop {
        options = match *options {
            [] | [255, ..] => break,
            [0, ref rest @ ..] => rest,
            [kind, len, ref rest @ ..] => {
                let value = rest.get(..usize::from(len))?;
                answer.take(kind, value);
                &rest[value.len()..]
            }
            _ => return None,
        };
    }
    Some(answer)
}

impl Answer {
    fn take(&mut self, kind: u8, value: &[u8]) {
        match kind {
            1 => self.prefix_bits = number(value).map(|mask| mask.leading_ones() as u8),
            3 => self.routers = value.chunks_exact(4).filter_map(address).collect(),
            6 => {
                let servers = value.chunks_exact(4).filter_map(address);
                self.name_servers = servers.map(IpAddr::V4).collect();
            }
            51 => self.lease_seconds = number(value),
            53 => self.kind = value.first().copied().unwrap_or(0),
            54 => self.server = address(value),
            58 => self.renew_seconds = number(value),
            59 => self.rebind_seconds = number(value),
            121 => self.routes = classless(value).unwrap_or_default(),
            _ => {}
        }
    }

    /// Where to, how many bits, and by way of whom.
    fn all_routes(&self) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
        if !self.routes.is_empty() {
            return self.routes.clone();
        }
        let default = |&router: &Ipv4Addr| (Ipv4Addr::UNSPECIFIED, 0, router);
        self.routers.first().map(default).into_iter().collect()
    }
}

/// Reads the option of routes with prefixes.
fn classless(mut value: &[u8]) -> Option<Vec<(Ipv4Addr, u8, Ipv4Addr)>> {
    let mut routes = Vec::new();
    while let [bits, rest @ ..] = value {
        let octets = usize::from(bits.div_ceil(8));
        let mut destination = [0; 4];
        destination
            .get_mut(..octets)?
            .copy_from_slice(rest.get(..octets)?);
        routes.push((destination.into(), *bits, address(rest.get(octets..)?)?));
        value = rest.get(octets + 4..)?;
    }
    Some(routes)
}

impl SmolStack {
    /// Sends what is due on a link.
    pub(crate) fn run_dhcp(&mut self, link: u32) {
        let now = self.now;
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let dhcp = &mut port.dhcp;
        if now < dhcp.deadline() || dhcp.phase == Phase::Off {
            return;
        }
        let is_over = dhcp.lease.is_some_and(|lease| now >= lease.end_ns);
        if is_over {
            self.drop_lease(link);
            return self.run_dhcp(link);
        }
        dhcp.tries += 1;
        let pause = (2u64 << dhcp.tries.min(6)).min(PAUSE_SECONDS_MAX) * SECOND_NS;
        dhcp.next_ns = now + pause;
        match (dhcp.phase, dhcp.lease) {
            (Phase::Off, _) => {}
            (Phase::Requesting { .. }, _) if dhcp.tries > REQUESTS_MAX => {
                dhcp.phase = Phase::Selecting;
                dhcp.tries = 0;
                dhcp.next_ns = now;
                self.run_dhcp(link);
            }
            (Phase::Requesting { address, server }, _) => {
                let options: [&[u8]; 2] = [&with(50, address), &with(54, server)];
                self.send_dhcp(link, REQUEST, Ipv4Addr::UNSPECIFIED, None, &options);
            }
            (Phase::Bound, Some(lease)) => {
                let is_rebinding = now >= lease.rebind_ns;
                let end_ns = if is_rebinding {
                    lease.end_ns
                } else {
                    lease.rebind_ns
                };
                dhcp.next_ns = (now + 60 * SECOND_NS).min(end_ns);
                let server = (!is_rebinding).then_some(lease.server);
                self.send_dhcp(link, REQUEST, lease.address, server, &[]);
            }
            (Phase::Selecting | Phase::Bound, _) => {
                self.send_dhcp(link, DISCOVER, Ipv4Addr::UNSPECIFIED, None, &[]);
            }
        }
    }

    fn send_dhcp(
        &mut self,
        link: u32,
        kind: u8,
        own: Ipv4Addr,
        server: Option<Ipv4Addr>,
        more: &[&[u8]],
    ) {
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let (mac, xid) = (port.mac, port.dhcp.xid);
        let mut message = alloc::vec![0; 240];
        message[..4].copy_from_slice(&[1, 1, 6, 0]);
        message[4..8].copy_from_slice(&xid.to_be_bytes());
        if own.is_unspecified() {
            // We hear only what is for everybody.
            message[10] = 0x80;
        }
        message[12..16].copy_from_slice(&own.octets());
        message[28..34].copy_from_slice(&mac);
        message[236..240].copy_from_slice(&COOKIE);
        message.extend_from_slice(&[53, 1, kind, 61, 7, 1]);
        message.extend_from_slice(&mac);
        message.extend_from_slice(&[55, 7, 1, 3, 6, 51, 58, 59, 121]);
        for option in more {
            message.extend_from_slice(option);
        }
        message.push(255);
        // Some servers want the length that BOOTP had.
        message.resize(message.len().max(300), 0);
        let (from, to) = (
            IpAddr::V4(own),
            server.unwrap_or(Ipv4Addr::BROADCAST).into(),
        );
        let packet = udp(
            &[&message],
            message.len(),
            (from, CLIENT),
            (to, SERVER),
            false,
        );
        let Some(mut packet) = packet else {
            // As if it had been lost.
            return;
        };
        let head = Head::new(from, to, ip::UDP);
        if server.is_some() {
            // Without a way there is the broadcast, later.
            let _ = self.output(&head, Some(link), &mut packet);
        } else {
            ip::write(&mut packet, &head, 0, None);
            self.send_frame(link, BROADCAST, to, &mut packet);
        }
    }

    /// Takes a datagram of UDP on a link, if it is for this client.
    pub(crate) fn dhcp_input(&mut self, link: u32, bytes: &[u8]) -> bool {
        let now = self.now;
        let Some(port) = self.port_mut(link) else {
            return false;
        };
        let ports = [SERVER.to_be_bytes(), CLIENT.to_be_bytes()].concat();
        if port.dhcp.phase == Phase::Off || bytes.get(..4) != Some(&ports) {
            return false;
        }
        let dhcp = &mut port.dhcp;
        let Some(answer) = bytes
            .get(8..)
            .and_then(|bytes| parse(bytes, dhcp.xid, port.mac))
        else {
            return true;
        };
        match (dhcp.phase, answer.kind) {
            (Phase::Selecting, OFFER) => {
                if let (Some(address), Some(server)) = (answer.address, answer.server) {
                    dhcp.phase = Phase::Requesting { address, server };
                    dhcp.tries = 0;
                    dhcp.next_ns = now;
                    self.run_dhcp(link);
                }
            }
            (Phase::Requesting { .. } | Phase::Bound, ACK) => self.take_lease(link, &answer),
            (Phase::Requesting { .. } | Phase::Bound, NAK) => {
                self.drop_lease(link);
                self.run_dhcp(link);
            }
            _ => {}
        }
        true
    }

    fn take_lease(&mut self, link: u32, answer: &Answer) {
        let now = self.now;
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let server = match port.dhcp.phase {
            Phase::Requesting { server, .. } => Some(server),
            _ => port.dhcp.lease.map(|lease| lease.server),
        };
        let (Some(address), Some(server)) = (answer.address, answer.server.or(server)) else {
            return;
        };
        let old = port.dhcp.lease.map(|lease| lease.address);
        if old.is_some_and(|old| old != address) {
            self.drop_lease(link);
        }
        let seconds = u64::from(answer.lease_seconds.unwrap_or(3600).max(60));
        let within = |value: Option<u32>, default| {
            value
                .map(u64::from)
                .filter(|&value| value > 0 && value < seconds)
                .unwrap_or(default)
        };
        let rebind = within(answer.rebind_seconds, seconds * 7 / 8);
        let renew = within(answer.renew_seconds, seconds / 2).min(rebind);
        let lease = Lease {
            address,
            server,
            renew_ns: now + renew * SECOND_NS,
            rebind_ns: now + rebind * SECOND_NS,
            end_ns: now + seconds * SECOND_NS,
        };
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let dhcp = &mut port.dhcp;
        dhcp.phase = Phase::Bound;
        dhcp.tries = 0;
        dhcp.next_ns = lease.renew_ns;
        dhcp.lease = Some(lease);
        dhcp.servers.clone_from(&answer.name_servers);
        let old_routes = core::mem::take(&mut dhcp.routes);
        self.topology
            .routes
            .retain(|route| !old_routes.contains(route));
        let bits = answer.prefix_bits.unwrap_or(24);
        let own = crate::calls::learnt(link, address.into(), bits, AddressSource::Dhcp);
        // It is there already, when a lease is renewed.
        let _ = self.add_address(own);
        let mut added = Vec::new();
        for (destination, prefix_bits, router) in answer.all_routes() {
            let route = Route {
                destination: destination.into(),
                prefix_bits,
                gateway: (!router.is_unspecified()).then_some(router.into()),
                link,
                metric: METRIC,
            };
            // A router that is not on the link is no use.
            if self.add_route(route).is_ok() {
                added.push(route);
            }
        }
        if let Some(port) = self.port_mut(link) {
            port.dhcp.routes = added;
        }
    }

    /// The lease is over: from the beginning.
    fn drop_lease(&mut self, link: u32) {
        let (now, xid) = (self.now, self.secret.number() as u32);
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let dhcp = &mut port.dhcp;
        dhcp.phase = Phase::Selecting;
        dhcp.xid = xid;
        dhcp.tries = 0;
        dhcp.next_ns = now;
        dhcp.servers.clear();
        let (lease, routes) = (dhcp.lease.take(), core::mem::take(&mut dhcp.routes));
        self.topology.routes.retain(|route| !routes.contains(route));
        if let Some(lease) = lease {
            // Somebody may have taken it away.
            let _ = self.remove_address(link, lease.address.into());
        }
    }
}

/// An option that is an address.
fn with(kind: u8, address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [kind, 4, a, b, c, d]
}
