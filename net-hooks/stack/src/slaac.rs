//! Addresses, routes and name servers that routers of IPv6 tell of (RFC 4862, RFC 8106).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::ethernet::group_mac;
use crate::icmp::{self, V6_ROUTER_SOLICITATION, option};
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::network::{AddressSource, Route};
use crate::smol::{SmolStack, interface_address};
use crate::stack::Stack;

const SECOND_NS: u64 = 1_000_000_000;
/// How often routers are asked to show themselves, and how long each is waited for.
const SOLICITATIONS: u32 = 3;
const SOLICIT_EVERY_NS: u64 = 4 * SECOND_NS;
/// How much is remembered: more is nobody's honest network.
const THINGS_MAX: usize = 16;
const METRIC: u32 = 1024;
/// The least that a link for IPv6 carries.
const MTU_MIN: usize = 1280;

/// What a link knows from its routers.
#[derive(Default)]
pub(crate) struct Slaac {
    is_on: bool,
    asked: u32,
    ask_ns: u64,
    addresses: Vec<(Ipv6Addr, u64)>,
    routes: Vec<(Route, u64)>,
    servers: Vec<IpAddr>,
    servers_until_ns: u64,
}

impl Slaac {
    pub fn set(&mut self, is_on: bool, now_ns: u64) {
        if is_on && !self.is_on {
            self.asked = 0;
            self.ask_ns = now_ns;
        }
        self.is_on = is_on;
    }

    pub fn deadline(&self) -> u64 {
        let ask = if self.is_on && self.asked < SOLICITATIONS {
            self.ask_ns
        } else {
            u64::MAX
        };
        let addresses = self.addresses.iter().map(|entry| entry.1);
        let routes = self.routes.iter().map(|entry| entry.1);
        let servers = (!self.servers.is_empty()).then_some(self.servers_until_ns);
        addresses
            .chain(routes)
            .chain(servers)
            .min()
            .unwrap_or(u64::MAX)
            .min(ask)
    }

    pub fn servers(&self) -> &[IpAddr] {
        &self.servers
    }
}

/// When something that lasts this long is over.
fn until(now_ns: u64, seconds: u32) -> u64 {
    match seconds {
        u32::MAX => u64::MAX,
        seconds => now_ns + u64::from(seconds) * SECOND_NS,
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}

fn address(bytes: &[u8]) -> Option<Ipv6Addr> {
    bytes.first_chunk::<16>().copied().map(Ipv6Addr::from)
}

impl SmolStack {
    /// Asks for routers, and forgets what is over.
    pub(crate) fn run_slaac(&mut self, link: u32) {
        let now = self.now;
        let Some(port) = self.port_mut(link) else {
            return;
        };
        if now < port.slaac.deadline() {
            return;
        }
        let slaac = &mut port.slaac;
        let mac = port.mac;
        let over = |until_ns: u64| until_ns <= now;
        let addresses: Vec<_> = slaac
            .addresses
            .extract_if(.., |entry| over(entry.1))
            .collect();
        let routes: Vec<_> = slaac.routes.extract_if(.., |entry| over(entry.1)).collect();
        if over(slaac.servers_until_ns) {
            slaac.servers.clear();
        }
        let is_asking = slaac.is_on && slaac.asked < SOLICITATIONS && slaac.ask_ns <= now;
        if is_asking {
            slaac.asked += 1;
            slaac.ask_ns = now + SOLICIT_EVERY_NS;
        }
        for (address, _) in addresses {
            // Somebody may have taken it away.
            let _ = self.remove_address(link, address.into());
        }
        for (route, _) in routes {
            let _ = self.remove_route(route);
        }
        if is_asking {
            let to = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2));
            let Ok(way) = self.topology.way(to, None, Some(link)) else {
                return;
            };
            let rest: [&[u8]; 3] = [&[0; 4], &[1, 1], &mac];
            let mut packet = icmp::message(way.source, to, V6_ROUTER_SOLICITATION, 0, &rest);
            let head = Head {
                hop_limit: 255,
                ..Head::new(way.source, to, ip::ICMPV6)
            };
            ip::write(&mut packet, &head, 0, None);
            self.send_frame(link, group_mac(to), to, &mut packet);
        }
    }

    /// A router tells of itself.
    pub(crate) fn router_input(&mut self, arrived: &Arrived, bytes: &[u8]) {
        let (now, link, router) = (self.now, arrived.link, arrived.head.from);
        let Some(port) = self.port_mut(link) else {
            return;
        };
        if !port.slaac.is_on || bytes.len() < 16 || !ip::is_link_local(router) {
            return;
        }
        port.slaac.asked = SOLICITATIONS;
        let mac = port.mac;
        let options = &bytes[16..];
        if let Some(mtu) = option(options, 5).and_then(|option| option.get(4..8)) {
            let mtu = number(mtu) as usize;
            if (MTU_MIN..=port.mtu).contains(&mtu) {
                port.mtu = mtu;
            }
        }
        if let Some(theirs) =
            option(options, 1).and_then(|option| option.get(2..8)?.try_into().ok())
        {
            self.learn(link, router, theirs, true);
        }
        let lifetime = u32::from(bytes[6]) << 8 | u32::from(bytes[7]);
        let default = Route {
            destination: Ipv6Addr::UNSPECIFIED.into(),
            prefix_bits: 0,
            gateway: Some(router),
            link,
            metric: METRIC,
        };
        self.learn_route(default, until(now, lifetime));
        let mut rest = options;
        while let [kind, units, ..] = *rest {
            let len = usize::from(units) * 8;
            if len == 0 || len > rest.len() {
                return;
            }
            let (option, next) = rest.split_at(len);
            match kind {
                3 if len == 32 => self.prefix_input(link, mac, option),
                25 if len >= 24 => self.servers_input(link, option),
                _ => {}
            }
            rest = next;
        }
    }

    fn learn_route(&mut self, route: Route, until_ns: u64) {
        let now = self.now;
        let Some(port) = self.port_mut(route.link) else {
            return;
        };
        let routes = &mut port.slaac.routes;
        let has_room = routes.len() < THINGS_MAX;
        match routes.iter_mut().find(|known| known.0 == route) {
            // What is over is taken away when its time is looked at.
            Some(known) => known.1 = until_ns,
            None if until_ns > now && has_room => {
                routes.push((route, until_ns));
                // A router on its own link is always reached.
                let _ = self.add_route(route);
            }
            None => {}
        }
    }

    fn prefix_input(&mut self, link: u32, mac: [u8; 6], option: &[u8]) {
        let now = self.now;
        let (bits, flags, seconds) = (option[2], option[3], number(&option[4..]));
        let Some(prefix) = address(&option[16..]) else {
            return;
        };
        let is_ours = flags & 0x40 != 0 && bits == 64;
        if !is_ours || prefix.is_multicast() || prefix.is_unicast_link_local() {
            return;
        }
        let own = interface_address(prefix, mac);
        let until_ns = until(now, seconds);
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let addresses = &mut port.slaac.addresses;
        let has_room = addresses.len() < THINGS_MAX;
        match addresses.iter_mut().find(|known| known.0 == own) {
            Some(known) => known.1 = until_ns,
            None if seconds > 0 && has_room => {
                addresses.push((own, until_ns));
                let address = crate::calls::learnt(link, own.into(), bits, AddressSource::Slaac);
                // It may have been given already.
                let _ = self.add_address(address);
            }
            None => {}
        }
    }

    fn servers_input(&mut self, link: u32, option: &[u8]) {
        let until_ns = until(self.now, number(&option[4..]));
        if let Some(port) = self.port_mut(link) {
            let servers = option[8..].chunks_exact(16).filter_map(address);
            port.slaac.servers = servers.map(IpAddr::V6).take(THINGS_MAX).collect();
            port.slaac.servers_until_ns = until_ns;
        }
    }
}
