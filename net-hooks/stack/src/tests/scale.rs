//! Many connections, many in sequence, and floods: what grows, and what does not.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use muslin_abi::Errno;

use super::cable::Numbers;
use super::world::{A, B, SECOND, World, receive, send};
use crate::checksum;
use crate::ethernet;
use crate::ip::{self, Head};
use crate::packet::Packet;
use crate::stack::{Family, Kind, SocketId, Stack};

#[test]
fn ten_thousand_connections_at_once() {
    let mut world = World::new(1);
    let listener = world.listen(80, 4096);
    let mut ends: Vec<(SocketId, Option<SocketId>)> = Vec::new();
    for _ in 0..10 {
        for _ in 0..1000 {
            let client = world.socket(0);
            let answer = world.hosts[0].connect(client, SocketAddr::new(B, 80));
            assert_eq!(answer, Err(Errno::EINPROGRESS));
            ends.push((client, None));
        }
        world.run(2 * SECOND);
        while let Ok((server, peer)) = world.hosts[1].accept(listener) {
            let place = ends
                .iter()
                .rposition(|&(client, _)| world.hosts[0].local(client) == Ok(peer));
            ends[place.unwrap()].1 = Some(server);
        }
    }
    assert_eq!(world.hosts[1].tcp.flows.len(), 10_000);
    // Each has its own bytes.
    for (number, &(client, _)) in ends.iter().enumerate() {
        let bytes = (number as u32).to_be_bytes();
        assert_eq!(send(&mut world.hosts[0], client, &bytes), Ok(4));
        if number % 100 == 0 {
            world.run(SECOND / 100);
        }
    }
    world.run(SECOND);
    for (number, &(_, server)) in ends.iter().enumerate() {
        let bytes = receive(&mut world.hosts[1], server.unwrap()).unwrap();
        assert_eq!(bytes, (number as u32).to_be_bytes());
    }
    for &(client, server) in &ends {
        world.hosts[1].close(server.unwrap());
        world.hosts[0].close(client);
        if client.index % 100 == 0 {
            world.run(SECOND / 100);
        }
    }
    world.run(70 * SECOND);
    assert_eq!(world.hosts[0].sockets.len(), 0);
    assert_eq!(world.hosts[0].tcp.flows.len(), 0);
    assert_eq!(world.hosts[1].sockets.len(), 1);
    assert_eq!(world.hosts[1].tcp.flows.len(), 0);
}

#[test]
fn a_hundred_thousand_connections_in_sequence() {
    let mut world = World::new(2);
    let listener = world.listen(80, 64);
    let mut places = [0; 2];
    for round in 0..100_000 / 20 {
        let clients: Vec<SocketId> = (0..20)
            .map(|_| {
                let client = world.socket(0);
                let answer = world.hosts[0].connect(client, SocketAddr::new(B, 80));
                assert_eq!(answer, Err(Errno::EINPROGRESS));
                client
            })
            .collect();
        world.run(SECOND / 100);
        for &client in &clients {
            let (server, _) = world.hosts[1].accept(listener).unwrap();
            // One side or the other ends first.
            if round % 2 == 0 {
                world.hosts[0].close(client);
                world.hosts[1].close(server);
            } else {
                world.hosts[1].close(server);
                world.hosts[0].close(client);
            }
        }
        world.run(SECOND / 10);
        if round == 1000 {
            places = world.hosts.each_ref().map(|host| host.sockets.places());
        }
    }
    for (host, places) in world.hosts.iter().zip(places) {
        assert_eq!(host.sockets.places(), places);
        assert!(host.tcp.flows.len() <= 16_384 + 40);
        assert!(host.tcp.time_waits.len() <= 16_384);
        assert!(host.tcp.handshakes.places() <= 64);
    }
    world.run(70 * SECOND);
    for host in &world.hosts {
        assert_eq!(host.tcp.flows.len(), 0);
        assert!(host.timers.first() == u64::MAX);
    }
}

/// A frame with a bare segment from anywhere to `B`.
fn segment(from: IpAddr, ports: (u16, u16), seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let mut packet = Packet::new(20);
    let bytes = packet.bytes_mut();
    bytes[..2].copy_from_slice(&ports.0.to_be_bytes());
    bytes[2..4].copy_from_slice(&ports.1.to_be_bytes());
    bytes[4..8].copy_from_slice(&seq.to_be_bytes());
    bytes[8..12].copy_from_slice(&ack.to_be_bytes());
    bytes[12..16].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
    let sum = checksum::of_transport(from, B, ip::TCP, bytes);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    ip::write(&mut packet, &Head::new(from, B, ip::TCP), 0, None);
    ethernet::write(
        &mut packet,
        [2, 0, 0, 0, 0, 1],
        [2, 0, 0, 0, 0, 2],
        ethernet::IPV4,
    );
    packet.bytes().into()
}

const SYN: u8 = 2;
const ACK: u8 = 16;

#[test]
fn a_flood_of_a_million_syns_leaves_service_alive() {
    let mut world = World::new(3);
    let listener = world.listen(80, 128);
    let mut numbers = Numbers::new(3);
    // A neighbour that answers, so that answers to the flood go somewhere.
    for number in 0..1_000_000u32 {
        let from = Ipv4Addr::new(10, 7, 0, 3 + (numbers.below(200)) as u8);
        let ports = (1 + numbers.below(65_535) as u16, 80);
        let mut frame = segment(from.into(), ports, numbers.next() as u32, 0, SYN);
        world.hosts[1].frame_input(2, &mut frame, false);
        if number % 10_000 == 0 {
            world.run(SECOND / 100);
            world.cable.lock().unwrap().frames = [Vec::new(), Vec::new()];
        }
    }
    let stack = &world.hosts[1];
    assert!(stack.tcp.handshakes.len() <= 128);
    assert!(stack.tcp.handshakes.places() <= 129);
    assert_eq!(stack.sockets.len(), 1);
    // While the flood holds all there is: with cookies.
    for _ in 0..20 {
        let (client, server) = world.connect(listener);
        assert_eq!(send(&mut world.hosts[0], client, b"still"), Ok(5));
        world.run(SECOND / 10);
        assert_eq!(receive(&mut world.hosts[1], server), Ok(b"still".into()));
        world.hosts[0].close(client);
        world.hosts[1].close(server);
    }
    // And it passes.
    world.run(130 * SECOND);
    assert_eq!(world.hosts[1].tcp.handshakes.len(), 0);
    assert_eq!(world.hosts[1].tcp.flows.len(), 0);
}

#[test]
fn who_comes_when_all_places_are_taken_waits_and_is_not_turned_away() {
    let mut world = World::new(12);
    let listener = world.listen(80, 128);
    // More than a listener holds in any state: some are answered with cookies, and find no room afterwards.
    let clients: Vec<SocketId> = (0..1000)
        .map(|_| {
            let client = world.socket(0);
            let answer = world.hosts[0].connect(client, SocketAddr::new(B, 80));
            assert_eq!(answer, Err(Errno::EINPROGRESS));
            client
        })
        .collect();
    let mut waiting: Vec<(u32, SocketId)> = (0..).zip(clients.iter().copied()).collect();
    let mut heard = Vec::new();
    for _ in 0..100 {
        world.run(SECOND);
        waiting.retain(|&(number, client)| {
            match send(&mut world.hosts[0], client, &number.to_be_bytes()) {
                Err(Errno::EAGAIN) => true,
                done => {
                    assert_eq!(done, Ok(4));
                    false
                }
            }
        });
        world.run(SECOND / 10);
        while let Ok((server, _)) = world.hosts[1].accept(listener) {
            heard.push(server);
        }
    }
    world.run(10 * SECOND);
    let mut numbers: Vec<Vec<u8>> = heard
        .iter()
        .map(|&server| receive(&mut world.hosts[1], server).unwrap())
        .collect();
    numbers.sort();
    let all: Vec<Vec<u8>> = (0..1000u32).map(|n| n.to_be_bytes().into()).collect();
    assert_eq!(numbers, all);
}

#[test]
fn nobody_guesses_a_cookie() {
    let mut world = World::new(4);
    let listener = world.listen(80, 1);
    for port in 1..2000 {
        let mut frame = segment(A, (port, 80), 7, 0, SYN);
        world.hosts[1].frame_input(2, &mut frame, false);
    }
    let mut numbers = Numbers::new(9);
    for _ in 0..200_000 {
        let ports = (2000 + numbers.below(60_000) as u16, 80);
        let (seq, ack) = (numbers.next() as u32, numbers.next() as u32);
        let mut frame = segment(A, ports, seq, ack, ACK);
        world.hosts[1].frame_input(2, &mut frame, false);
        world.cable.lock().unwrap().frames = [Vec::new(), Vec::new()];
    }
    assert_eq!(world.hosts[1].accept(listener), Err(Errno::EAGAIN));
}

#[test]
fn sequence_numbers_and_ports_are_not_to_be_foreseen() {
    let mut world = World::new(5);
    world.cable.lock().unwrap().record = Some(Vec::new());
    let mut ports = Vec::new();
    for _ in 0..4000 {
        let client = world.socket(0);
        let _ = world.hosts[0].connect(client, SocketAddr::new(B, 80));
        ports.push(world.hosts[0].local(client).unwrap().port());
        world.run(SECOND / 1000);
        world.hosts[0].close(client);
    }
    let record = world.cable.lock().unwrap().record.take().unwrap();
    let sequences: Vec<u32> = record
        .iter()
        .filter(|frame| frame[12..14] == [8, 0] && frame[23] == 6 && frame[47] == SYN)
        .map(|frame| u32::from_be_bytes([frame[38], frame[39], frame[40], frame[41]]))
        .collect();
    assert!(sequences.len() >= 4000);
    // Steps from one to the next fall evenly into sixteen parts: about 250 each.
    let even = |steps: Vec<u64>, what: &str| {
        let mut parts = [0; 16];
        steps.iter().for_each(|&step| parts[step as usize] += 1);
        assert!(
            parts.iter().all(|&part| (170..340).contains(&part)),
            "{what}: {parts:?}"
        );
    };
    let steps = sequences.windows(2).take(3999);
    even(
        steps
            .map(|pair| u64::from(pair[1].wrapping_sub(pair[0]) >> 28))
            .collect(),
        "sequences",
    );
    let steps = ports.windows(2).map(|pair| {
        let step = (i32::from(pair[1]) - i32::from(pair[0])).rem_euclid(28_232) as u64;
        step * 16 / 28_232
    });
    even(steps.collect(), "ports");
}

#[test]
fn ports_run_out_and_come_back() {
    let mut world = World::new(6);
    let sockets: Vec<SocketId> = (0..28_232)
        .map(|_| {
            let id = world.hosts[0].socket(Family::V4, Kind::Datagram).unwrap();
            let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
            world.hosts[0].bind(id, any).unwrap();
            id
        })
        .collect();
    let one_more = world.hosts[0].socket(Family::V4, Kind::Datagram).unwrap();
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    assert_eq!(world.hosts[0].bind(one_more, any), Err(Errno::EADDRINUSE));
    let port = world.hosts[0].local(sockets[77]).unwrap().port();
    world.hosts[0].close(sockets[77]);
    world.hosts[0].bind(one_more, any).unwrap();
    assert_eq!(world.hosts[0].local(one_more).unwrap().port(), port);
}
