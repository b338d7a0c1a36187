//! What is sent again, and when.

use alloc::vec::Vec;

use super::hostile::mend;
use super::world::{A, B, SECOND, World, receive, send};
use crate::ethernet;
use crate::ip::{self, Head};
use crate::options::Setting;
use crate::packet::Packet;
use crate::stack::{Shutdown, SocketId, Stack};

/// The data of a segment beside an Ethernet header and one of IPv4: its number, and its length.
fn data(frame: &[u8]) -> Option<(u32, usize)> {
    if frame[12..14] != [8, 0] || frame[23] != ip::TCP {
        return None;
    }
    let at = 34 + usize::from(frame[46] >> 4) * 4;
    let seq = u32::from_be_bytes(*frame[38..].first_chunk()?);
    (frame.len() > at).then(|| (seq, frame.len() - at))
}

/// The data that the first host sent, in the order in which it did.
fn sent(world: &World) -> Vec<(u32, usize)> {
    let cable = world.cable.lock().unwrap();
    let frames = cable.record.iter().flatten();
    let from_a = frames.filter(|frame| frame[6..12] == [2, 0, 0, 0, 0, 1]);
    from_a.filter_map(|frame| data(frame)).collect()
}

/// A connection that knows how long answers take.
fn connected(seed: u64) -> (World, SocketId, SocketId) {
    let mut world = World::new(seed);
    world.greet();
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let no_delay = Setting::NoDelay(true);
    world.hosts[0].set(client, no_delay).unwrap();
    for _ in 0..20 {
        send(&mut world.hosts[0], client, b"how long").unwrap();
        world.run(SECOND / 50);
        receive(&mut world.hosts[1], server).unwrap();
    }
    world.run(SECOND);
    world.cable.lock().unwrap().record = Some(Vec::new());
    (world, client, server)
}

/// Takes frames off the cable, by their places, before they arrive.
fn lose(world: &mut World, places: &[usize]) {
    let mut cable = world.cable.lock().unwrap();
    for &place in places.iter().rev() {
        cable.frames[1].remove(place);
    }
}

/// Runs until all bytes are there, and tells how long that took.
fn until_there(world: &mut World, server: SocketId, count: usize) -> u64 {
    let (begin, mut got) = (world.now, 0);
    world.until("all bytes", |hosts| {
        got += receive(&mut hosts[1], server).map_or(0, |bytes| bytes.len());
        got == count
    });
    world.now - begin
}

#[test]
fn a_lost_tail_is_probed_before_its_time_is_over() {
    for count in [1000, 4000] {
        let (mut world, client, server) = connected(1);
        send(&mut world.hosts[0], client, &alloc::vec![1; count]).unwrap();
        let frames = world.cable.lock().unwrap().frames[1].len();
        assert_eq!(frames, count.div_ceil(1448));
        lose(&mut world, &[frames - 1]);
        let took = until_there(&mut world, server, count);
        assert!(took < SECOND / 10, "{count} bytes: {took}");
        assert_eq!(sent(&world).len(), frames + 1);
    }
}

#[test]
fn only_what_is_lost_is_sent_again() {
    let (mut world, client, server) = connected(2);
    send(&mut world.hosts[0], client, &[2; 8000]).unwrap();
    // Two holes: with ranges they are filled at once.
    lose(&mut world, &[0, 2]);
    let took = until_there(&mut world, server, 8000);
    let mut numbers = sent(&world);
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(all - numbers.len(), 2, "{numbers:?}");
    assert!(took < SECOND / 100, "{took}");
}

#[test]
fn a_repetition_that_is_lost_is_missed_soon() {
    let (mut world, client, server) = connected(3);
    send(&mut world.hosts[0], client, &[3; 3000]).unwrap();
    lose(&mut world, &[0]);
    // What follows after the first repetition tells that it was lost, too.
    let mut is_lost = false;
    let cable = world.cable.clone();
    let (begin, mut got, mut written) = (world.now, 0, 3000);
    world.until("all bytes", |hosts| {
        if written < 40_000 {
            written += send(&mut hosts[0], client, &[3; 1000]).unwrap_or(0);
        }
        got += receive(&mut hosts[1], server).map_or(0, |bytes| bytes.len());
        let mut cable = cable.lock().unwrap();
        let first = cable.record.iter().flatten().find_map(|frame| data(frame));
        let frames = &mut cable.frames[1];
        let again = frames.iter().position(|(_, frame)| data(frame) == first);
        if let (Some(place), false) = (again, is_lost) {
            frames.remove(place);
            is_lost = true;
        }
        written >= 40_000 && got == written
    });
    assert!(
        is_lost && world.now - begin < SECOND / 10,
        "{}",
        world.now - begin
    );
}

#[test]
fn a_repetition_that_is_lost_behind_all_others_is_missed_before_its_time_is_over() {
    let (mut world, client, server) = connected(5);
    send(&mut world.hosts[0], client, &[5; 8000]).unwrap();
    lose(&mut world, &[0]);
    // Nothing follows that could tell of the first repetition; the second one is lost, too.
    let first = sent(&world)[0];
    let (begin, mut got, mut lost) = (world.now, 0, 0);
    let cable = world.cable.clone();
    world.until("all bytes", |hosts| {
        got += receive(&mut hosts[1], server).map_or(0, |bytes| bytes.len());
        let frames = &mut cable.lock().unwrap().frames[1];
        let again = frames
            .iter()
            .position(|(_, frame)| data(frame) == Some(first));
        if let (Some(place), 0 | 1) = (again, lost) {
            frames.remove(place);
            lost += 1;
        }
        got == 8000
    });
    let took = world.now - begin;
    assert!(lost == 2 && took < SECOND / 10, "{lost} {took}");
    assert_eq!(sent(&world).len(), 6 + 3);
}

#[test]
fn an_end_behind_a_hole_is_answered() {
    let (mut world, client, server) = connected(6);
    send(&mut world.hosts[0], client, &[6; 1000]).unwrap();
    lose(&mut world, &[0]);
    // The data does not come again for a while.
    let cable = world.cable.clone();
    let begin = world.now;
    world.hosts[0].shutdown(client, Shutdown::Write).unwrap();
    assert_eq!(cable.lock().unwrap().frames[1].len(), 1);
    world.until("an answer", |_| !cable.lock().unwrap().frames[0].is_empty());
    assert!(world.now - begin < SECOND / 1000, "{}", world.now - begin);
    let took = until_there(&mut world, server, 1000);
    assert!(took < SECOND / 5, "{took}");
}

#[test]
fn one_segment_at_a_time_goes_into_a_window_that_closed() {
    let (mut world, client, _) = connected(4);
    let flow = *world.hosts[0].tcp.flows.keys().next().unwrap();
    send(&mut world.hosts[0], client, &[4; 8000]).unwrap();
    let first = sent(&world);
    assert_eq!(first.len(), 6);
    lose(&mut world, &[0, 1, 2, 3, 4, 5]);
    let socket = world.hosts[0].sockets.get_mut(client.into()).unwrap();
    let expected = socket.connection().unwrap().receive_next();
    // Nothing more is taken, says the peer.
    let mut packet = Packet::new(20);
    let bytes = packet.bytes_mut();
    bytes[..2].copy_from_slice(&flow.peer_port.to_be_bytes());
    bytes[2..4].copy_from_slice(&flow.local_port.to_be_bytes());
    bytes[4..8].copy_from_slice(&expected.to_be_bytes());
    bytes[8..12].copy_from_slice(&first[0].0.to_be_bytes());
    bytes[12..16].copy_from_slice(&[0x50, 16, 0, 0]);
    ip::write(&mut packet, &Head::new(B, A, ip::TCP), 0, None);
    let mac = [2, 0, 0, 0, 0, 1];
    ethernet::write(&mut packet, mac, mac, ethernet::IPV4);
    let mut frame = packet.bytes().to_vec();
    mend(&mut frame);
    world.hosts[0].frame_input(2, &mut frame, false);
    world.cable.lock().unwrap().faults.lost = 1000;
    world.run(7 * SECOND);
    // The tail's three probes, and what timeouts send: 200, 400, 800 ms, …
    let again = &sent(&world)[6..];
    assert!((4..=9).contains(&again.len()), "{again:?}");
    let others = again.iter().filter(|it| **it != first[0]);
    assert!(others.count() <= 3, "{again:?}");
}
