//! Raw sockets: those that hear all packets of a protocol of IP, and send such.

use core::net::IpAddr;

use muslin_abi::Errno;

use crate::checksum;
use crate::datagram::{Datagram, gather};
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::packet::Packet;
use crate::ports::Protocol;
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Endpoint, Socket};
use crate::stack::Family;

/// Where the checksum is in a message of ICMP for IPv6: there the sender does not know it.
const SUM_AT: usize = 2;

impl SmolStack {
    /// Has a new socket hear a protocol.
    pub(crate) fn raw_begin(&mut self, name: Name, number: u8) -> Result<(), Errno> {
        let socket = self.sockets.get(name).ok_or(Errno::EBADF)?;
        self.bind_to(name, (socket.unspecified(), number.into()))
    }

    /// Gives a raw socket an address: it has no port to choose.
    pub(crate) fn raw_bind(&mut self, name: Name, (address, _): Endpoint) -> Result<(), Errno> {
        let is_for_many = address.is_multicast() || self.topology.is_broadcast(None, address);
        if !address.is_unspecified() && !is_for_many && !self.topology.is_local(address) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let socket = self.sockets.get_mut(name).ok_or(Errno::EBADF)?;
        socket.local.0 = address;
        Ok(())
    }

    /// Gives a packet to all raw sockets that it is for. Whether there was one.
    pub(crate) fn raw_input(&mut self, arrived: &Arrived, frame: &[u8]) -> bool {
        let Head {
            from, to, protocol, ..
        } = arrived.head;
        let table = match to {
            IpAddr::V4(_) => Protocol::RawV4,
            IpAddr::V6(_) => Protocol::RawV6,
        };
        let number = u16::from(protocol);
        if self.ports.at(table, number).is_empty() {
            return false;
        }
        let bytes = &frame[arrived.at..arrived.end];
        if protocol == ip::ICMPV6 && !checksum::is_transport_right(from, to, protocol, bytes) {
            return false;
        }
        let (mut at, mut is_heard) = (0, false);
        while let Some(&name) = self.ports.at(table, number).get(at) {
            at += 1;
            let takes = |socket: &Socket| takes(socket, arrived, bytes.first());
            if !self.sockets.get(name).is_some_and(takes) {
                continue;
            }
            is_heard = true;
            let at_ns = self.now;
            match content(&arrived.head, bytes) {
                Some(content) => self.push_message(name, Datagram::of(arrived, at_ns, content)),
                None => self.count_drop(arrived.link),
            }
        }
        is_heard
    }
}

/// Whether a packet is for a socket of its protocol.
fn takes(socket: &Socket, arrived: &Arrived, kind: Option<&u8>) -> bool {
    let Body::Datagrams(datagrams) = &socket.body else {
        return false;
    };
    let is_ours = socket.local.0.is_unspecified() || socket.local.0 == arrived.head.to;
    let is_peers = datagrams
        .peer
        .is_none_or(|(peer, _)| peer == arrived.head.from);
    let is_blocked = kind.is_some_and(|&kind| {
        let is_icmp = matches!(arrived.head.protocol, ip::ICMP | ip::ICMPV6);
        is_icmp && datagrams.blocked[usize::from(kind / 32)] & 1 << (kind % 32) != 0
    });
    is_ours && is_peers && !is_blocked && socket.link().is_none_or(|link| link == arrived.link)
}

/// What a raw socket gets of a packet: of IPv4 with its header, which is made anew, as the packet may have been put together of
/// parts. `None`: there is no memory.
fn content(head: &Head, bytes: &[u8]) -> Option<alloc::vec::Vec<u8>> {
    if head.to.is_ipv6() {
        return crate::datagram::copy(bytes);
    }
    let mut packet = Packet::try_new(bytes.len())?;
    packet.bytes_mut().copy_from_slice(bytes);
    ip::write(&mut packet, head, 0, None);
    crate::datagram::copy(packet.bytes())
}

/// A packet with what a program sends.
pub(crate) fn packet(
    pieces: &[&[u8]],
    total: usize,
    protocol: u8,
    (from, to): (IpAddr, IpAddr),
) -> Result<Packet, Errno> {
    let mut packet = Packet::try_new(total).ok_or(Errno::ENOBUFS)?;
    let bytes = packet.bytes_mut();
    gather(bytes, pieces);
    if protocol == ip::ICMPV6 {
        let Some(place) = bytes.get_mut(SUM_AT..SUM_AT + 2) else {
            return Err(Errno::EINVAL);
        };
        place.fill(0);
        let sum = checksum::of_transport(from, to, protocol, bytes);
        bytes[SUM_AT..SUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    }
    Ok(packet)
}

/// Raw sockets of IPv6 speak IPv6 alone.
pub(crate) fn is_foreign(family: Family, to: IpAddr) -> bool {
    family == Family::V6 && to.is_ipv4()
}
