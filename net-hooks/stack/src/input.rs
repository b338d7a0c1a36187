//! Frames that arrive: what they are, and whether they are for us.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ethernet::{self, Arp};
use crate::ip::{self, Head};
use crate::output::solicited_node;
use crate::smol::SmolStack;
use crate::topology::{Cast, LO};

/// The room in front of what was put together, for the header that TCP puts there.
const FRONT_BYTES: usize = 20;

/// A datagram that arrived: what is above IP is at `at..end` of its frame. There are at least
/// 20 bytes in front, which may be overwritten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub head: Head,
    pub link: u32,
    pub cast: Cast,
    pub at: usize,
    pub end: usize,
    /// Its checksum above IP needs no look.
    pub is_sum_known: bool,
}

impl SmolStack {
    /// Takes a frame of a link. `is_sum_known`: its checksum above IP needs no look.
    pub(crate) fn frame_input(&mut self, link: u32, frame: &mut [u8], is_sum_known: bool) {
        let Some(header) = ethernet::parse(frame) else {
            return self.count_error(link);
        };
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let is_for_many = header.to[0] & 1 != 0;
        if header.to != port.mac && !is_for_many {
            port.traffic.received_drops += 1;
            return;
        }
        match header.kind {
            ethernet::IPV4 | ethernet::IPV6 => {
                self.ip_input(link, frame, ethernet::HEADER_BYTES, is_sum_known);
            }
            ethernet::ARP => self.arp_input(link, &frame[ethernet::HEADER_BYTES..]),
            _ => port.traffic.received_drops += 1,
        }
    }

    pub(crate) fn count_error(&mut self, link: u32) {
        match self.port_mut(link) {
            Some(port) => port.traffic.received_errors += 1,
            None => self.lo.traffic.received_errors += 1,
        }
    }

    fn arp_input(&mut self, link: u32, bytes: &[u8]) {
        let Some(message) = Arp::parse(bytes) else {
            return self.count_error(link);
        };
        let is_host = !message.from.is_unspecified()
            && !message.from.is_multicast()
            && !message.from.is_broadcast()
            && message.from_mac[0] & 1 == 0;
        let is_for_us = self.topology.is_on(link, IpAddr::V4(message.to));
        // Nobody talks for us.
        let from = IpAddr::V4(message.from);
        if is_host && !self.topology.is_local(from) {
            self.learn(link, from, message.from_mac, is_for_us);
        }
        let mac = self.port(link).map(|port| port.mac);
        if let (true, true, Some(mac)) = (message.is_request, is_for_us, mac) {
            let answer = Arp {
                is_request: false,
                from_mac: mac,
                from: message.to,
                to_mac: message.from_mac,
                to: message.from,
            };
            self.send_arp(link, message.from_mac, &answer);
        }
    }

    /// Takes an IP packet at `at` of a frame.
    pub(crate) fn ip_input(&mut self, link: u32, frame: &mut [u8], at: usize, is_sum_known: bool) {
        let Some(parsed) = ip::parse(&frame[at..]) else {
            return self.count_error(link);
        };
        let Head { from, to, .. } = parsed.head;
        // What is on the loopback stays there, and nobody outside has an address of ours.
        let is_stray = link != LO
            && (from.is_loopback()
                || to.is_loopback()
                || (self.topology.is_local(from) && !self.is_on_trial(link, from)));
        if from.is_multicast() || self.topology.is_broadcast(Some(link), from) || is_stray {
            return self.count_error(link);
        }
        let Some(cast) = self.cast(link, to) else {
            // An address that is being leased is not ours yet.
            if parsed.part.is_none() && parsed.head.protocol == ip::UDP {
                self.dhcp_input(link, &frame[at + parsed.at..at + parsed.end]);
            }
            return;
        };
        if let Some(part) = parsed.part {
            let content = &frame[at + parsed.at..at + parsed.end];
            let Some(content) = self.reassembly.take(self.now, &parsed, part, content) else {
                return;
            };
            let mut whole = Vec::new();
            if whole
                .try_reserve_exact(FRONT_BYTES + content.len())
                .is_err()
            {
                // As if a part had been lost.
                return;
            }
            whole.resize(FRONT_BYTES, 0);
            whole.extend_from_slice(&content);
            let arrived = Arrived {
                head: parsed.head,
                link,
                cast,
                at: FRONT_BYTES,
                end: whole.len(),
                is_sum_known: false,
            };
            return self.datagram_input(&arrived, &mut whole);
        }
        let arrived = Arrived {
            head: parsed.head,
            link,
            cast,
            at: at + parsed.at,
            end: at + parsed.end,
            is_sum_known: is_sum_known || link == LO,
        };
        self.datagram_input(&arrived, frame);
    }

    fn datagram_input(&mut self, arrived: &Arrived, frame: &mut [u8]) {
        let is_heard = self.raw_input(arrived, frame);
        match (arrived.head.protocol, arrived.head.to) {
            (ip::TCP, _) => self.tcp_input(arrived, frame),
            (ip::UDP, _) => self.udp_input(arrived, frame),
            (ip::ICMP, IpAddr::V4(_)) => self.icmp_v4_input(arrived, frame),
            (ip::ICMPV6, IpAddr::V6(_)) => self.icmp_v6_input(arrived, frame),
            (ip::IGMP, IpAddr::V4(_)) => self.membership_query(arrived.link),
            _ if is_heard => {}
            _ => self.protocol_unreachable(arrived, frame),
        }
    }

    /// Whether, and as what, packets to this address are for us.
    fn cast(&self, link: u32, to: IpAddr) -> Option<Cast> {
        if to.is_multicast() {
            return self.is_listening(link, to).then_some(Cast::Multicast);
        }
        if self.topology.is_broadcast(Some(link), to) {
            return Some(Cast::Broadcast);
        }
        (self.topology.is_local(to) || self.is_gateway(link)).then_some(Cast::Unicast)
    }

    /// Whether somebody here listens to a group.
    fn is_listening(&self, link: u32, group: IpAddr) -> bool {
        let is_everybody = match group {
            IpAddr::V4(group) => group == Ipv4Addr::new(224, 0, 0, 1),
            IpAddr::V6(group) => {
                group == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)
                    || self.topology.addresses.iter().any(|own| {
                        matches!(own.address, IpAddr::V6(address) if own.link == link
                            && solicited_node(address) == group)
                    })
            }
        };
        is_everybody || self.groups.contains_key(&(link, group))
    }
}
