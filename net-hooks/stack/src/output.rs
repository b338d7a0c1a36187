//! Packets on their way out: the way, fragments, the neighbour, the frame.

use core::net::{IpAddr, Ipv6Addr};

use muslin_abi::Errno;

use crate::ethernet::{self, Arp, Mac};
use crate::failures::Report;
use crate::icmp;
use crate::ip::{self, Head, Part};
use crate::links::LO_MTU;
use crate::neighbours::{Found, Question};
use crate::packet::Packet;
use crate::smol::SmolStack;
use crate::topology::{Cast, LO, Way};

impl SmolStack {
    /// The largest IP packet on a link.
    pub(crate) fn mtu(&self, link: u32) -> usize {
        self.port(link).map_or(LO_MTU, |port| port.mtu)
    }

    /// Whether segments that go over a link may be cut by whoever takes them.
    pub(crate) fn has_offload(&self, link: u32) -> bool {
        self.port(link).is_some_and(|port| port.has_offload)
    }

    /// Whether a link takes what could wait.
    pub(crate) fn has_room(&self, link: u32) -> bool {
        match self.port(link) {
            Some(port) => port.has_room(),
            None => self.lo.has_room(),
        }
    }

    /// Sends a packet by the way that the routes say.
    ///
    /// # Errors
    /// Those of [`crate::topology::Topology::way`].
    pub(crate) fn output(
        &mut self,
        head: &Head,
        link: Option<u32>,
        packet: &mut Packet,
    ) -> Result<(), Errno> {
        let way = self.topology.way(head.to, Some(head.from), link)?;
        self.output_by(&way, head, packet);
        Ok(())
    }

    /// Sends a packet by this way: in parts, where it is too long.
    pub(crate) fn output_by(&mut self, way: &Way, head: &Head, packet: &mut Packet) {
        let room = self.path_mtu(way.link, head.to) - ip::header_bytes(head.to);
        if packet.len() <= room || packet.left.is_some() {
            self.ip_id = self.ip_id.wrapping_add(1);
            ip::write(packet, head, self.ip_id, None);
            return self.forward(way, packet);
        }
        let id = self.secret.number() as u32;
        // The header of parts in IPv6 takes 8 bytes; parts are of multiples of 8 bytes.
        let part_bytes = (room - 8) & !7;
        let content = core::mem::take(packet);
        let mut offset = 0;
        for part in content.bytes().chunks(part_bytes) {
            let Some(mut packet) = Packet::try_new(part.len()) else {
                // As if it had been lost.
                return;
            };
            packet.bytes_mut().copy_from_slice(part);
            let is_last = offset + part.len() == content.len();
            let part = Part {
                id,
                offset,
                is_last,
            };
            ip::write(&mut packet, head, id, Some(part));
            self.forward(way, &mut packet);
            offset += part_bytes;
        }
    }

    /// Gives a packet with its IP header to who takes it next.
    fn forward(&mut self, way: &Way, packet: &mut Packet) {
        if way.link == LO {
            return self.lo.push(core::mem::take(packet));
        }
        let mac = match way.cast {
            Cast::Broadcast => ethernet::BROADCAST,
            Cast::Multicast => ethernet::group_mac(way.next_hop),
            Cast::Unicast => {
                let question = Question {
                    link: way.link,
                    address: way.next_hop,
                };
                match self.neighbours.find(way.link, way.next_hop, self.now) {
                    Found::Known(mac) => mac,
                    Found::KnownAsk(mac) => {
                        self.ask(question);
                        mac
                    }
                    found => {
                        let packet = core::mem::take(packet);
                        self.neighbours.wait(way.link, way.next_hop, packet);
                        if matches!(found, Found::Ask) {
                            self.ask(question);
                        }
                        return;
                    }
                }
            }
        };
        self.send_frame(way.link, mac, way.next_hop, packet);
    }

    /// Puts the Ethernet header in front of an IP packet, and sends it.
    pub(crate) fn send_frame(&mut self, link: u32, to: Mac, next_hop: IpAddr, packet: &mut Packet) {
        let Some(port) = self.port_mut(link) else {
            return;
        };
        let kind = match next_hop {
            IpAddr::V4(_) => ethernet::IPV4,
            IpAddr::V6(_) => ethernet::IPV6,
        };
        ethernet::write(packet, port.mac, to, kind);
        port.send(packet);
    }

    /// Asks for the hardware address of a neighbour.
    pub(crate) fn ask(&mut self, question: Question) {
        let Question { link, address } = question;
        let Some(mac) = self.port(link).map(|port| port.mac) else {
            return;
        };
        let from = self
            .topology
            .way(address, None, Some(link))
            .map(|way| way.source);
        match (address, from) {
            (IpAddr::V4(to), Ok(IpAddr::V4(from))) => {
                let question = Arp {
                    is_request: true,
                    from_mac: mac,
                    from,
                    to_mac: [0; 6],
                    to,
                };
                self.send_arp(link, ethernet::BROADCAST, &question);
            }
            (IpAddr::V6(to), Ok(from @ IpAddr::V6(_))) => {
                let group = IpAddr::V6(solicited_node(to));
                let mut packet = icmp::solicitation(from, group, to, mac);
                let head = Head {
                    hop_limit: 255,
                    ..Head::new(from, group, ip::ICMPV6)
                };
                ip::write(&mut packet, &head, 0, None);
                self.send_frame(link, ethernet::group_mac(group), group, &mut packet);
            }
            _ => {}
        }
    }

    /// Sends a message of ARP.
    pub(crate) fn send_arp(&mut self, link: u32, to: Mac, message: &Arp) {
        let mut packet = message.packet();
        if let Some(port) = self.port_mut(link) {
            ethernet::write(&mut packet, port.mac, to, ethernet::ARP);
            port.send(&mut packet);
        }
    }

    /// A neighbour told its hardware address: what waited for it goes.
    pub(crate) fn learn(&mut self, link: u32, address: IpAddr, mac: Mac, is_new_welcome: bool) {
        let waiting = self
            .neighbours
            .learn(link, address, mac, self.now, is_new_welcome);
        for mut packet in waiting {
            self.send_frame(link, mac, address, &mut packet);
        }
    }

    /// Asks again, and gives up those that did not answer.
    pub(crate) fn run_neighbours(&mut self) {
        let (questions, lost) = self.neighbours.due(self.now);
        for question in questions {
            self.ask(question);
        }
        for packet in lost {
            let Some(parsed) = ip::parse(packet.bytes()) else {
                continue;
            };
            let link = ip::is_link_local(parsed.head.to)
                .then(|| self.topology.way(parsed.head.to, None, None).ok())
                .flatten();
            let report = Report::of_neighbour(&parsed.head, link.map_or(0, |way| way.link));
            self.unreachable(packet.bytes(), &report);
        }
    }
}

/// The group that a neighbour listens to for questions after its address.
pub(crate) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(a),
        u16::from_be_bytes([b, c]),
    )
}
