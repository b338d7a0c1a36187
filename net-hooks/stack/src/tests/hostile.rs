//! Frames that nobody honest sends: nothing panics, nothing grows, service goes on.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::cable::Numbers;
use super::world::{A, B, SECOND, World, receive, send};
use crate::checksum;
use crate::ip;
use crate::network::Automatic;
use crate::options::Setting;
use crate::stack::{Family, Kind, SendTo, SocketId, Stack};
use crate::tcp::Flow;

/// Frames of all kinds between two hosts.
fn real_frames() -> Vec<Vec<u8>> {
    let mut world = World::new(1);
    world.cable.lock().unwrap().record = Some(Vec::new());
    for host in &mut world.hosts {
        let automatic = Automatic {
            dhcpv4: true,
            slaac: true,
        };
        host.set_automatic(2, automatic).unwrap();
    }
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    send(&mut world.hosts[0], client, &[1; 5000]).unwrap();
    world.run(SECOND);
    receive(&mut world.hosts[1], server).unwrap();
    let udp = world.hosts[0].socket(Family::V4, Kind::Datagram).unwrap();
    for len in [10, 4000] {
        let to = SendTo {
            to: Some(SocketAddr::new(B, 53)),
            ..SendTo::default()
        };
        let bytes = alloc::vec![2; len];
        world.hosts[0].send(udp, &[&bytes], &to, false).unwrap();
    }
    let group = core::net::Ipv4Addr::new(239, 1, 2, 3).into();
    let join = Setting::Join { group, link: 0 };
    world.hosts[0].set(udp, join).unwrap();
    world.run(SECOND);
    world.hosts[0].close(client);
    world.hosts[1].close(server);
    world.run(20 * SECOND);
    world.cable.lock().unwrap().record.take().unwrap()
}

/// Makes the checksums right again, so that what was changed is looked at.
pub(super) fn mend(frame: &mut [u8]) {
    if frame.len() < 34 {
        return;
    }
    let is_v4 = frame[12..14] == [8, 0];
    if is_v4 {
        let at = 14 + usize::from(frame[14] & 15) * 4;
        if at > frame.len() || at < 34 {
            return;
        }
        frame[24..26].fill(0);
        let sum = checksum::of(&frame[14..at]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    } else if frame[12..14] != [0x86, 0xdd] {
        return;
    }
    let Some(parsed) = ip::parse(&frame[14..]) else {
        return;
    };
    let (field, head) = (14 + parsed.at, parsed.head);
    let end = 14 + parsed.end;
    let place = match head.protocol {
        ip::TCP => field + 16,
        ip::UDP => field + 6,
        ip::ICMP | ip::ICMPV6 | ip::IGMP => field + 2,
        _ => return,
    };
    if place + 2 > end || parsed.part.is_some() {
        return;
    }
    frame[place..place + 2].fill(0);
    let sum = match head.protocol {
        ip::ICMP | ip::IGMP => checksum::of(&frame[field..end]),
        protocol => checksum::of_transport(head.from, head.to, protocol, &frame[field..end]),
    };
    frame[place..place + 2].copy_from_slice(&sum.to_be_bytes());
}

pub(super) fn mutate(frame: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        if frame.is_empty() {
            return;
        }
        let place = numbers.below(frame.len() as u64) as usize;
        match numbers.below(6) {
            0 => frame[place] ^= 1 << numbers.below(8),
            1 => frame[place] = numbers.next() as u8,
            2 => frame[place] = [0, 0xff, 0x7f, 0x80][numbers.below(4) as usize],
            3 => frame.truncate(place),
            // The headers are where it matters.
            4 if place % 60 < frame.len() => frame[place % 60] = numbers.next() as u8,
            _ => frame.extend((0..numbers.below(40)).map(|byte| byte as u8)),
        }
    }
}

#[test]
fn mutated_frames_never_panic() {
    let frames = real_frames();
    assert!(frames.len() > 30);
    for seed in 0..30 {
        let mut numbers = Numbers::new(seed);
        let mut world = World::new(seed);
        for host in &mut world.hosts {
            let automatic = Automatic {
                dhcpv4: seed % 2 == 0,
                slaac: true,
            };
            host.set_automatic(2, automatic).unwrap();
        }
        let listener = world.listen(80, 5);
        let (client, server) = world.connect(listener);
        world.cable.lock().unwrap().record = Some(Vec::new());
        for round in 0..4000 {
            // Frames of other worlds, and of this one.
            let own = world
                .cable
                .lock()
                .unwrap()
                .record
                .clone()
                .unwrap_or_default();
            let source = if round % 2 == 0 || own.is_empty() {
                &frames
            } else {
                &own
            };
            let mut frame = source[numbers.below(source.len() as u64) as usize].clone();
            mutate(&mut frame, &mut numbers);
            if numbers.below(4) != 0 {
                mend(&mut frame);
            }
            let host = numbers.below(2) as usize;
            world.hosts[host].frame_input(2, &mut frame, false);
            world.hosts[host].settle();
            if round % 50 == 0 {
                let _ = send(&mut world.hosts[0], client, &[7; 3000]);
                let _ = receive(&mut world.hosts[1], server);
                world.cable.lock().unwrap().record = Some(Vec::new());
                world.run(SECOND / 50);
            }
        }
        for host in &world.hosts {
            assert!(host.sockets.len() < 300);
            assert!(host.tcp.flows.len() < 1000);
        }
    }
}

#[test]
fn noise_never_panics() {
    let mut world = World::new(2);
    let mut numbers = Numbers::new(2);
    for _ in 0..100_000 {
        let len = numbers.below(120) as usize;
        let mut frame: Vec<u8> = (0..len).map(|_| numbers.next() as u8).collect();
        if len > 40 {
            // As far as the layers above Ethernet.
            frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
            let kinds = [[8, 0], [8, 6], [0x86, 0xdd]];
            frame[12..14].copy_from_slice(&kinds[numbers.below(3) as usize]);
            if frame[12] == 8 && frame[13] == 0 {
                frame[14] = 0x45;
                frame[23] = [1, 2, 6, 17][numbers.below(4) as usize];
                frame[30..34].copy_from_slice(&[10, 7, 0, 1]);
                let len = (frame.len() - 14) as u16;
                frame[16..18].copy_from_slice(&len.to_be_bytes());
            } else if frame[12] == 0x86 {
                frame[14] = 0x60;
                let len = frame.len().saturating_sub(54) as u16;
                frame[18..20].copy_from_slice(&len.to_be_bytes());
                frame[20] = [0, 43, 44, 58, 60, 6][numbers.below(6) as usize];
            }
            mend(&mut frame);
        }
        world.hosts[0].frame_input(2, &mut frame, false);
    }
    world.run(100 * SECOND);
    assert_eq!(world.hosts[0].sockets.len(), 0);
}

/// Has the first host receive a reset of this number, from the other end of its only flow.
fn reset(world: &mut World, flow: Flow, seq: u32) {
    let mut packet = crate::packet::Packet::new(20);
    let bytes = packet.bytes_mut();
    bytes[..2].copy_from_slice(&flow.peer_port.to_be_bytes());
    bytes[2..4].copy_from_slice(&flow.local_port.to_be_bytes());
    bytes[4..8].copy_from_slice(&seq.to_be_bytes());
    bytes[12..14].copy_from_slice(&[0x50, 4]);
    ip::write(&mut packet, &ip::Head::new(B, A, ip::TCP), 0, None);
    let mac = [2, 0, 0, 0, 0, 1];
    crate::ethernet::write(&mut packet, mac, mac, crate::ethernet::IPV4);
    let mut frame = packet.bytes().to_vec();
    mend(&mut frame);
    world.hosts[0].frame_input(2, &mut frame, false);
}

/// The number of the next byte that the first host's connection expects.
fn expected(world: &mut World, client: SocketId) -> u32 {
    let socket = world.hosts[0].sockets.get_mut(client.into()).unwrap();
    socket.connection().unwrap().receive_next()
}

#[test]
fn a_reset_has_to_hit_the_mark() {
    let mut world = World::new(3);
    let listener = world.listen(80, 5);
    let (client, _) = world.connect(listener);
    let flow = *world.hosts[0].tcp.flows.keys().next().unwrap();
    let expected = expected(&mut world, client);
    for (seq, is_over) in [
        (expected.wrapping_sub(1), false),
        (expected.wrapping_add(1), false),
        (expected.wrapping_add(5000), false),
        (expected, true),
    ] {
        reset(&mut world, flow, seq);
        assert_eq!(world.hosts[0].peer(client).is_err(), is_over, "{seq}");
    }
}

#[test]
fn a_reset_that_hits_the_mark_ends_what_is_remembered() {
    let mut world = World::new(3);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let flow = *world.hosts[0].tcp.flows.keys().next().unwrap();
    let behind_the_end = expected(&mut world, client).wrapping_add(1);
    world.hosts[0].close(client);
    world.run(SECOND);
    world.hosts[1].close(server);
    world.run(SECOND);
    assert_eq!(world.hosts[0].tcp.time_waits.len(), 1);
    for (seq, is_over) in [
        (behind_the_end.wrapping_sub(1), false),
        (behind_the_end.wrapping_add(1), false),
        (behind_the_end, true),
    ] {
        reset(&mut world, flow, seq);
        assert_eq!(world.hosts[0].tcp.flows.is_empty(), is_over, "{seq}");
    }
    world.run(61 * SECOND);
    assert_eq!(world.hosts[0].tcp.time_waits.len(), 0);
}

#[test]
fn who_shrank_its_window_is_acknowledged_within_it() {
    let mut world = World::new(3);
    let listener = world.listen(80, 5);
    let (client, _) = world.connect(listener);
    let flow = *world.hosts[0].tcp.flows.keys().next().unwrap();
    let socket = world.hosts[0].sockets.get_mut(client.into()).unwrap();
    let connection = socket.connection().unwrap();
    let (first, expected) = (connection.flight.next(), connection.receive_next());
    send(&mut world.hosts[0], client, &[7; 2000]).unwrap();
    world.cable.lock().unwrap().record = Some(Vec::new());
    // One byte, and a window of nothing: what is on its way will not be taken.
    let mut packet = crate::packet::Packet::new(21);
    let bytes = packet.bytes_mut();
    bytes[..2].copy_from_slice(&flow.peer_port.to_be_bytes());
    bytes[2..4].copy_from_slice(&flow.local_port.to_be_bytes());
    bytes[4..8].copy_from_slice(&expected.to_be_bytes());
    bytes[8..12].copy_from_slice(&first.to_be_bytes());
    bytes[12..14].copy_from_slice(&[0x50, 16]);
    ip::write(&mut packet, &ip::Head::new(B, A, ip::TCP), 0, None);
    let mac = [2, 0, 0, 0, 0, 1];
    crate::ethernet::write(&mut packet, mac, mac, crate::ethernet::IPV4);
    let mut frame = packet.bytes().to_vec();
    mend(&mut frame);
    let host = &mut world.hosts[0];
    host.frame_input(2, &mut frame, false);
    host.poll(world.now + 50_000_000);
    let frames = world.cable.lock().unwrap().record.take().unwrap();
    let answer = frames.iter().rfind(|frame| frame.len() == 66).unwrap();
    let number = |at: usize| u32::from_be_bytes(*answer[at..].first_chunk().unwrap());
    assert_eq!((number(38), number(42)), (first, expected.wrapping_add(1)));
}

#[test]
fn a_number_that_came_round_again_is_told_by_its_timestamp() {
    let mut world = World::new(4);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    world.cable.lock().unwrap().record = Some(Vec::new());
    world.run(SECOND);
    send(&mut world.hosts[0], client, b"first").unwrap();
    world.run(SECOND);
    assert_eq!(receive(&mut world.hosts[1], server), Ok(b"first".into()));
    let frames = world.cable.lock().unwrap().record.take().unwrap();
    let data = frames.iter().find(|frame| frame.ends_with(b"first"));
    let mut frame = data.unwrap().clone();
    // Both sides' clocks, in milliseconds: two sequence numbers, a header, and the option.
    assert_eq!(frame[54..58], [1, 1, 8, 10]);
    let number = |at: usize| u32::from_be_bytes(*frame[at..].first_chunk().unwrap());
    let (seq, stamp) = (number(38), number(58));
    for (stamp, is_taken) in [(stamp - 1, false), (stamp, true)] {
        frame[38..42].copy_from_slice(&(seq + 5).to_be_bytes());
        frame[58..62].copy_from_slice(&stamp.to_be_bytes());
        mend(&mut frame);
        world.hosts[1].frame_input(2, &mut frame.clone(), false);
        let got = receive(&mut world.hosts[1], server);
        assert_eq!(got.is_ok(), is_taken, "{stamp}: {got:?}");
    }
}
