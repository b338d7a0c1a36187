//! Multicast groups: who joined, and telling the network (IGMPv2, MLDv1).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use muslin_abi::Errno;

use crate::checksum;
use crate::icmp;
use crate::ip::{self, Head};
use crate::packet::Packet;
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::topology::LO;

/// How many groups a socket may join, as in Linux.
const GROUPS_MAX: usize = 20;

const V4_REPORT: u8 = 0x16;
const V4_LEAVE: u8 = 0x17;
const V6_REPORT: u8 = 131;
const V6_DONE: u8 = 132;

impl SmolStack {
    /// A socket joins a group.
    pub(crate) fn join(&mut self, name: Name, group: IpAddr, link: u32) -> Result<(), Errno> {
        if !group.is_multicast() {
            return Err(Errno::EINVAL);
        }
        let link = self.group_link(group, link)?;
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        if socket.groups.contains(&(group, link)) {
            return Err(Errno::EADDRINUSE);
        }
        if socket.groups.len() >= GROUPS_MAX {
            return Err(Errno::ENOBUFS);
        }
        socket.groups.push((group, link));
        let count = self.groups.entry((link, group)).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.report(link, group, true);
        }
        Ok(())
    }

    /// A socket leaves a group.
    pub(crate) fn leave(&mut self, name: Name, group: IpAddr, link: u32) -> Result<(), Errno> {
        if group.is_ipv4() && link == 0 {
            // Whatever was joined, as in Linux.
            self.group_link(group, link)?;
        }
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        let place = socket
            .groups
            .iter()
            .position(|&(joined, on)| joined == group && (link == 0 || on == link))
            .ok_or(Errno::EADDRNOTAVAIL)?;
        let (_, link) = socket.groups.swap_remove(place);
        self.leave_group(link, group);
        Ok(())
    }

    /// One socket fewer is in a group.
    pub(crate) fn leave_group(&mut self, link: u32, group: IpAddr) {
        let Some(count) = self.groups.get_mut(&(link, group)) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.groups.remove(&(link, group));
            self.report(link, group, false);
        }
    }

    fn group_link(&self, group: IpAddr, link: u32) -> Result<u32, Errno> {
        if link == 0 {
            let way = self.topology.way(group, None, None);
            return way.map(|way| way.link).map_err(|_| Errno::ENODEV);
        }
        let exists = link == LO || self.link_numbers().contains(&link);
        exists.then_some(link).ok_or(Errno::ENODEV)
    }

    /// Somebody asks who is in which group.
    pub(crate) fn membership_query(&mut self, link: u32) {
        let groups: Vec<IpAddr> = self
            .groups
            .range((link, IpAddr::V4(Ipv4Addr::UNSPECIFIED))..)
            .take_while(|&(&(on, _), _)| on == link)
            .map(|(&(_, group), _)| group)
            .collect();
        for group in groups {
            self.report(link, group, true);
        }
    }

    fn report(&mut self, link: u32, group: IpAddr, is_member: bool) {
        if link == LO {
            return;
        }
        let to = match (group, is_member) {
            (_, true) => group,
            (IpAddr::V4(_), false) => Ipv4Addr::new(224, 0, 0, 2).into(),
            (IpAddr::V6(_), false) => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2).into(),
        };
        let Ok(way) = self.topology.way(to, None, Some(link)) else {
            return;
        };
        let (mut packet, protocol) = match group {
            IpAddr::V4(group) => {
                let mut packet = Packet::new(8);
                let bytes = packet.bytes_mut();
                bytes[..4].copy_from_slice(&[
                    if is_member { V4_REPORT } else { V4_LEAVE },
                    0,
                    0,
                    0,
                ]);
                bytes[4..8].copy_from_slice(&group.octets());
                let sum = checksum::of(bytes);
                bytes[2..4].copy_from_slice(&sum.to_be_bytes());
                (packet, ip::IGMP)
            }
            IpAddr::V6(group) => {
                let kind = if is_member { V6_REPORT } else { V6_DONE };
                let rest: [&[u8]; 2] = [&[0; 4], &group.octets()];
                let mut packet = icmp::message(way.source, to, kind, 0, &rest);
                // The option that makes routers look, in a header of its own.
                packet
                    .prepend(8)
                    .copy_from_slice(&[ip::ICMPV6, 0, 5, 2, 0, 0, 1, 0]);
                (packet, 0)
            }
        };
        let head = Head {
            hop_limit: 1,
            ..Head::new(way.source, to, protocol)
        };
        self.output_by(&way, &head, &mut packet);
    }
}
