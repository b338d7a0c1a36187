//! Every decoder of the packet path meets what it takes, and then that with bytes changed: messages
//! of ARP, ICMP, IGMP, MLD, neighbours, routers and leases, parts of datagrams, options of TCP.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::cable::Numbers;
use super::hostile::{mend, mutate};
use super::world::{A, B, SECOND, World, receive, send};
use crate::ethernet::{self, Arp};
use crate::icmp;
use crate::ip::{self, Head, Part};
use crate::network::Automatic;
use crate::packet::Packet;
use crate::smol::SmolStack;
use crate::stack::{Family, Kind, SocketId, Stack};

const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

fn v6(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A packet of the second host to the first one.
fn frame(mut packet: Packet, head: Head, part: Option<Part>) -> Vec<u8> {
    let kind = if head.to.is_ipv4() {
        ethernet::IPV4
    } else {
        ethernet::IPV6
    };
    ip::write(&mut packet, &head, 77, part);
    ethernet::write(&mut packet, MACS[1], MACS[0], kind);
    let mut frame = packet.bytes().to_vec();
    mend(&mut frame);
    frame
}

fn message(from: IpAddr, to: IpAddr, kind: u8, code: u8, rest: &[&[u8]]) -> Vec<u8> {
    let protocol = if to.is_ipv4() { ip::ICMP } else { ip::ICMPV6 };
    let packet = icmp::message(from, to, kind, code, rest);
    let head = Head {
        hop_limit: 255,
        ..Head::new(from, to, protocol)
    };
    frame(packet, head, None)
}

/// The beginning of a packet of the first host's, as an error quotes it.
fn quote(from: IpAddr, to: IpAddr, protocol: u8, ports: (u16, u16), seq: u32) -> Vec<u8> {
    let mut packet = Packet::new(20);
    let bytes = packet.bytes_mut();
    bytes.fill(0);
    bytes[..2].copy_from_slice(&ports.0.to_be_bytes());
    bytes[2..4].copy_from_slice(&ports.1.to_be_bytes());
    bytes[4..8].copy_from_slice(&seq.to_be_bytes());
    ip::write(&mut packet, &Head::new(from, to, protocol), 0, None);
    packet.bytes().into()
}

/// What a server of leases says to the question it was asked last.
fn lease(question: &[u8], kind: u8) -> Vec<u8> {
    let mut bytes = alloc::vec![0; 8];
    bytes[..4].copy_from_slice(&[0, 67, 0, 68]);
    bytes.extend_from_slice(&question[42..42 + 240]);
    bytes[8] = 2;
    bytes[24..28].copy_from_slice(&[10, 7, 0, 50]);
    bytes.extend_from_slice(&[53, 1, kind, 54, 4, 10, 7, 0, 2, 1, 4, 255, 255, 255, 0]);
    bytes.extend_from_slice(&[3, 4, 10, 7, 0, 2, 6, 4, 9, 9, 9, 9, 51, 4, 0, 0, 2, 0]);
    bytes.extend_from_slice(&[121, 8, 24, 10, 9, 0, 10, 7, 0, 2, 255]);
    let len = bytes.len() as u16;
    bytes[4..6].copy_from_slice(&len.to_be_bytes());
    let to = core::net::Ipv4Addr::BROADCAST.into();
    frame(Packet::with(&bytes), Head::new(B, to, ip::UDP), None)
}

/// The last question after a lease.
fn question(world: &World) -> Option<Vec<u8>> {
    let cable = world.cable.lock().unwrap();
    let mut frames = cable.record.iter().flatten();
    frames
        .rfind(|frame| frame.get(34..38) == Some(&[0, 68, 0, 67]))
        .cloned()
}

/// What each decoder takes.
fn corpus(world: &mut World, server: SocketAddr) -> Vec<Vec<u8>> {
    let (near, far) = (v6("fe80::ff:fe00:2"), v6("fd00::2"));
    let own = v6("fd00::1");
    let all = v6("ff02::1");
    let flow = *world.hosts[0].tcp.flows.keys().next().unwrap();
    let host = &mut world.hosts[0];
    let sent = host
        .sockets
        .iter()
        .find(|socket| matches!(&socket.body, crate::socket::Body::Connected(_)));
    let name = sent.unwrap().name;
    let seq = host.sockets.connection(name).unwrap().flight.oldest();
    let ports = (flow.local_port, flow.peer_port);
    let target = |address: IpAddr| match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
    };
    let prefix = target(v6("2001:db8:0:1::"));
    let name_server = target(v6("2001:db8::53"));
    let mut frames = Vec::new();
    for (is_request, from) in [(true, [10, 7, 0, 9]), (false, [10, 7, 0, 2])] {
        let message = Arp {
            is_request,
            from_mac: MACS[1],
            from: from.into(),
            to_mac: MACS[0],
            to: [10, 7, 0, 1].into(),
        };
        let mut packet = message.packet();
        ethernet::write(&mut packet, MACS[1], MACS[0], ethernet::ARP);
        frames.push(packet.bytes().to_vec());
    }
    // Neighbours, routers, listeners.
    frames.push(message(
        far,
        own,
        135,
        0,
        &[&[0; 4], &target(own), &[1, 1], &MACS[1]],
    ));
    frames.push(message(
        far,
        own,
        136,
        0,
        &[&[0x60, 0, 0, 0], &target(far), &[2, 1], &MACS[1]],
    ));
    let router: [&[u8]; 8] = [
        &[64, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2],
        &[3, 4, 64, 0xc0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0],
        &prefix,
        &[25, 3, 0, 0, 0, 0, 0, 100],
        &name_server,
        &[5, 1, 0, 0, 0, 0, 5, 0x78],
        &[24, 1, 0, 0, 0, 0, 9, 0],
        &[],
    ];
    frames.push(message(near, all, 134, 0, &router));
    frames.push(message(near, all, 130, 0, &[&[0; 4], &target(v6("::"))]));
    let mut query = Packet::with(&[0x11, 10, 0, 0, 0, 0, 0, 0]);
    let sum = crate::checksum::of(query.bytes());
    query.bytes_mut()[2..4].copy_from_slice(&sum.to_be_bytes());
    let group = [224, 0, 0, 1].into();
    frames.push(frame(query, Head::new(B, group, ip::IGMP), None));
    // Errors, of each kind, for each protocol.
    let mtu = 1290u32.to_be_bytes();
    for (from, to) in [(A, B), (own, far)] {
        for protocol in [ip::TCP, ip::UDP, ip::ICMP, ip::ICMPV6] {
            let quoted = quote(from, to, protocol, ports, seq);
            let codes: &[(u8, u8)] = if to.is_ipv4() {
                &[(3, 0), (3, 1), (3, 3), (3, 4), (11, 0), (12, 0)]
            } else {
                &[(1, 0), (1, 4), (2, 0), (3, 0), (4, 1)]
            };
            for &(kind, code) in codes {
                // A port that is refused would end what follows.
                if (protocol, kind, code) != (ip::TCP, 3, 3) {
                    frames.push(message(to, from, kind, code, &[&mtu, &quoted]));
                }
            }
        }
        let (echo, answer) = if to.is_ipv4() { (8, 0) } else { (128, 129) };
        frames.push(message(to, from, echo, 0, &[&[0, 1, 0, 1], b"echo"]));
        frames.push(message(to, from, answer, 0, &[&[0, 1, 0, 1], b"echo"]));
        // A datagram, its parts, and one that fits none.
        let mut datagram = Packet::new(128);
        datagram.bytes_mut().fill(0);
        datagram.bytes_mut()[..6].copy_from_slice(&[0, 53, 0, 99, 0, 128]);
        let head = Head::new(to, from, ip::UDP);
        let whole = frame(datagram, head, None);
        let bytes = whole[whole.len() - 128..].to_vec();
        for (offset, is_last) in [(0, false), (64, true), (8, false)] {
            let part = Part {
                id: 77,
                offset,
                is_last,
            };
            let packet = Packet::with(&bytes[offset..offset + 64]);
            frames.push(frame(packet, head, Some(part)));
        }
        frames.push(whole);
    }
    // Options of TCP: all there are, in a SYN and in an acknowledgement.
    let options = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0, 1, 3, 3, 9, 5, 10, 0, 0, 0, 9, 0, 0, 1,
        0, 1, 1, 0, 0, 0, 0,
    ];
    for (number, flags) in [(1, 2), (2, 16), (3, 18), (4, 17), (5, 20)] {
        let mut segment = Packet::new(20 + options.len());
        let bytes = segment.bytes_mut();
        bytes.fill(0);
        let to = if flags == 2 {
            server.port()
        } else {
            flow.local_port
        };
        let from = if flags == 2 {
            4000 + number
        } else {
            flow.peer_port
        };
        bytes[..2].copy_from_slice(&from.to_be_bytes());
        bytes[2..4].copy_from_slice(&to.to_be_bytes());
        bytes[8..12].copy_from_slice(&seq.to_be_bytes());
        bytes[12..16].copy_from_slice(&[(14 << 4), flags, 0x20, 0]);
        bytes[20..].copy_from_slice(&options);
        frames.push(frame(segment, Head::new(B, A, ip::TCP), None));
    }
    frames
}

/// A host that has all that frames can be for.
fn world(seed: u64) -> (World, SocketAddr, SocketId) {
    let mut world = World::new(seed);
    for (host, own) in world.hosts.iter_mut().zip(["fd00::1", "fd00::2"]) {
        let own = crate::network::Address {
            link: 2,
            address: v6(own),
            prefix_bits: 64,
            source: crate::network::AddressSource::Static,
        };
        host.add_address(own).unwrap();
    }
    world.run(2 * SECOND);
    let listener = world.listen(80, 5);
    let (client, _) = world.connect(listener);
    let host = &mut world.hosts[0];
    let server = SocketAddr::new(A, 99);
    let tcp = host.socket(Family::V4, Kind::Stream).unwrap();
    host.bind(tcp, server).unwrap();
    host.listen(tcp, 5).unwrap();
    let udp = host.socket(Family::V6, Kind::Datagram).unwrap();
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 99);
    host.bind(udp, any).unwrap();
    world.cable.lock().unwrap().record = Some(Vec::new());
    let automatic = Automatic {
        dhcpv4: true,
        slaac: true,
    };
    world.hosts[0].set_automatic(2, automatic).unwrap();
    world.hosts[0].poll(world.now);
    send(&mut world.hosts[0], client, &[3; 3000]).unwrap();
    (world, server, udp)
}

fn take(stack: &mut SmolStack, frame: &[u8]) {
    stack.frame_input(2, &mut frame.to_vec(), false);
    stack.settle();
}

#[test]
fn each_decoder_takes_what_it_is_for() {
    let (mut world, server, udp) = world(1);
    let frames = corpus(&mut world, server);
    for kind in [2, 5] {
        let question = question(&world).unwrap();
        let answer = lease(&question, kind);
        take(&mut world.hosts[0], &answer);
        let now = world.now + SECOND / 1000;
        world.hosts[0].poll(now);
    }
    let errors = world.hosts[0].links()[1].traffic.received_errors;
    for frame in &frames {
        take(&mut world.hosts[0], frame);
        let now = world.hosts[0].links()[1].traffic.received_errors;
        assert_eq!(now, errors, "{frame:02x?}");
    }
    let mut datagrams = 0;
    while let Ok(bytes) = receive(&mut world.hosts[0], udp) {
        assert_eq!(bytes.len(), 120);
        datagrams += 1;
    }
    assert_eq!(datagrams, 4, "whole ones and those in parts");
    let host = &world.hosts[0];
    let servers = host.name_servers();
    assert!(
        servers.contains(&[9, 9, 9, 9].into()),
        "a lease: {servers:?}"
    );
    assert!(
        servers.contains(&v6("2001:db8::53")),
        "a router: {servers:?}"
    );
    for own in ["2001:db8:0:1:0:ff:fe00:1", "10.7.0.50"] {
        assert!(host.topology.is_local(own.parse().unwrap()), "{own}");
    }
    let routes = host.routes();
    assert!(
        routes.iter().any(
            |route| route.prefix_bits == 24 && route.destination == IpAddr::from([10, 9, 0, 0])
        )
    );
    for known in [IpAddr::from([10, 7, 0, 9]), v6("fd00::2")] {
        let neighbours = host.neighbours();
        assert!(neighbours.iter().any(|it| it.address == known), "{known}");
    }
    for to in [B, v6("fd00::2")] {
        assert_eq!(host.path_mtu(2, to), 1290, "{to}");
    }
    let half_open = host.sockets.iter().filter_map(|socket| match &socket.body {
        crate::socket::Body::Listening(listener) => Some(listener.half_open),
        _ => None,
    });
    assert_eq!(half_open.max(), Some(1), "a SYN with all options");
}

#[test]
fn no_decoder_panics_or_keeps_too_much() {
    for seed in 0..150 {
        let mut numbers = Numbers::new(seed);
        let (mut world, server, _) = world(seed);
        let mut frames = corpus(&mut world, server);
        let fixed = frames.len();
        for round in 0..3000 {
            if round % 100 == 0 {
                frames.truncate(fixed);
                if let Some(question) = question(&world) {
                    frames.extend([2, 5, 6].map(|kind| lease(&question, kind)));
                }
                world.cable.lock().unwrap().record = Some(Vec::new());
                world.run(SECOND / 3);
            }
            let mut frame = frames[numbers.below(frames.len() as u64) as usize].clone();
            mutate(&mut frame, &mut numbers);
            if numbers.below(8) != 0 {
                mend(&mut frame);
            }
            take(&mut world.hosts[0], &frame);
        }
        let host = &world.hosts[0];
        let counts = [
            host.addresses().len(),
            host.routes().len(),
            host.name_servers().len(),
            host.neighbours().len() / 20,
            host.tcp.flows.len(),
        ];
        assert!(
            counts.iter().all(|&count| count < 60),
            "seed {seed}: {counts:?}"
        );
    }
}
