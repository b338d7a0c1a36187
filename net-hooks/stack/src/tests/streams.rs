//! Streams: what Linux promises, over a good cable and over bad ones.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use muslin_abi::Errno;
use muslin_abi::flags::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP};

use super::cable::{Faults, Numbers};
use super::world::{A, B, SECOND, World, byte_at, receive, send};
use crate::options::Setting;
use crate::smol::SmolStack;
use crate::stack::{Family, Kind, ReceiveHow, Shutdown, SocketId, Stack, State};

/// One direction of a transfer.
struct Direction {
    from: usize,
    sender: SocketId,
    receiver: SocketId,
    salt: u8,
    total: usize,
    sent: usize,
    received: usize,
    is_shut: bool,
    is_over: bool,
}

impl Direction {
    fn new(from: usize, sender: SocketId, receiver: SocketId, salt: u8, total: usize) -> Self {
        Self {
            from,
            sender,
            receiver,
            salt,
            total,
            sent: 0,
            received: 0,
            is_shut: false,
            is_over: false,
        }
    }

    /// Writes what there is room for, reads what is there; compares each byte.
    fn go(&mut self, hosts: &mut [SmolStack; 2]) {
        let sender = &mut hosts[self.from];
        while self.sent < self.total {
            let end = self.total.min(self.sent + 3000);
            let bytes: Vec<u8> = (self.sent..end)
                .map(|place| byte_at(self.salt, place))
                .collect();
            match send(sender, self.sender, &bytes) {
                Ok(len) => self.sent += len,
                Err(Errno::EAGAIN) => break,
                Err(errno) => panic!("send at {}: {errno}", self.sent),
            }
        }
        if self.sent == self.total && !self.is_shut {
            self.is_shut = true;
            sender.shutdown(self.sender, Shutdown::Write).unwrap();
        }
        let receiver = &mut hosts[1 - self.from];
        while !self.is_over {
            match receive(receiver, self.receiver) {
                Ok(bytes) if bytes.is_empty() => self.is_over = true,
                Ok(bytes) => {
                    for (step, &byte) in bytes.iter().enumerate() {
                        assert_eq!(byte, byte_at(self.salt, self.received + step));
                    }
                    self.received += bytes.len();
                }
                Err(Errno::EAGAIN) => break,
                Err(errno) => panic!("receive at {}: {errno}", self.received),
            }
        }
    }
}

/// Bytes both ways at once, each direction shut when it is done.
fn transfer(world: &mut World, there: usize, back: usize) {
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let mut directions = [
        Direction::new(0, client, server, 1, there),
        Direction::new(1, server, client, 2, back),
    ];
    world.until("all bytes", |hosts| {
        for direction in &mut directions {
            direction.go(hosts);
        }
        directions.iter().all(|direction| direction.is_over)
    });
    assert_eq!(directions[0].received, there);
    assert_eq!(directions[1].received, back);
    world.hosts[0].close(client);
    world.hosts[1].close(server);
    world.hosts[1].close(listener);
    world.run(200 * SECOND);
    for host in &world.hosts {
        assert_eq!(host.sockets.len(), 0);
        assert_eq!(host.tcp.flows.len(), 0);
        assert_eq!(host.ports.len(), (0, 0));
    }
}

#[test]
fn a_transfer_both_ways() {
    let mut world = World::new(1);
    let begin = world.now;
    transfer(&mut world, 3_000_000, 2_000_000);
    // On a good cable nothing waits for a timer (after it the test waits 200 s itself).
    assert!(world.now - begin < 202 * SECOND, "{}", world.now - begin);
}

#[test]
fn transfers_over_bad_cables() {
    for seed in 0..1000 {
        let mut world = World::new(seed);
        // Three questions after a neighbour that are lost end an attempt, in Linux too.
        world.greet();
        world.cable.lock().unwrap().faults = Faults {
            lost: seed % 6 * 10,
            repeated: seed % 3 * 10,
            reordered: seed % 5 * 20,
        };
        let size = |factor: u64| (seed * factor % 60_000) as usize;
        transfer(&mut world, size(7919), size(104_729));
    }
}

/// The longest time in which no byte arrives, and the time until all have, over a cable that loses
/// ten of a hundred frames each way,
/// and reorders five.
fn recovery(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    world.cable.lock().unwrap().faults = Faults {
        lost: 100,
        repeated: 0,
        reordered: 50,
    };
    let mut direction = Direction::new(0, client, server, 1, 300_000);
    let (begin, mut longest) = (world.now, 0);
    direction.go(&mut world.hosts);
    while direction.received < direction.total {
        let (before, since) = (direction.received, world.now);
        while direction.received == before {
            world.step(world.now + SECOND);
            direction.go(&mut world.hosts);
        }
        longest = longest.max(world.now - since);
    }
    (longest, world.now - begin)
}

#[test]
fn what_is_lost_is_sent_again_soon() {
    let mut runs: Vec<(u64, u64)> = (0..1000).map(recovery).collect();
    runs.sort_unstable();
    let at = |place: usize| runs[place].0;
    // A timeout is 200 ms, and doubles. Few wait for it: what is lost is seen by what arrives, and else by probes.
    assert!(
        at(500) < SECOND / 20 && at(900) < SECOND / 20 && at(999) < SECOND,
        "{:?}",
        [runs[500], runs[900], runs[999]]
    );
    assert!(runs.iter().all(|&(_, all)| all < SECOND), "{runs:?}");
}

#[test]
fn who_reads_at_once_gets_a_window_that_fits_a_long_way() {
    let mut world = World::new(9);
    let listener = world.listen(80, 5);
    world.cable.lock().unwrap().latency_ns = SECOND / 100;
    let (client, server) = world.connect(listener);
    let mut direction = Direction::new(0, client, server, 1, 8_000_000);
    let begin = world.now;
    while direction.received < direction.total {
        direction.go(&mut world.hosts);
        world.step(world.now + SECOND);
    }
    // A round trip is 20 ms, and the window 2 MiB in the end.
    let took = world.now - begin;
    assert!(took < SECOND * 6 / 10, "{took}");
}

#[test]
fn transfers_with_other_frame_sizes() {
    for mtu in [576, 1280, 9000, 65_535] {
        transfer(&mut World::with_mtu(7, mtu), 300_000, 300_000);
    }
}

#[test]
fn a_device_that_is_full_loses_nothing() {
    let mut world = World::new(3);
    world.cable.lock().unwrap().room = 2;
    transfer(&mut world, 400_000, 400_000);
}

#[test]
fn either_side_may_end_first() {
    for first in [0, 1] {
        let mut world = World::new(4);
        let listener = world.listen(80, 5);
        let ends: [SocketId; 2] = world.connect(listener).into();
        let second = 1 - first;
        world.hosts[first]
            .shutdown(ends[first], Shutdown::Write)
            .unwrap();
        world.run(SECOND);
        assert_eq!(
            receive(&mut world.hosts[second], ends[second]),
            Ok(Vec::new())
        );
        let readiness = world.hosts[second].readiness(ends[second]);
        assert_eq!(
            readiness & (POLLIN | POLLRDHUP | POLLHUP),
            POLLIN | POLLRDHUP
        );
        // The other direction still works.
        assert_eq!(send(&mut world.hosts[second], ends[second], b"late"), Ok(4));
        world.run(SECOND);
        assert_eq!(
            receive(&mut world.hosts[first], ends[first]),
            Ok(b"late".into())
        );
        assert_eq!(
            send(&mut world.hosts[first], ends[first], b"x"),
            Err(Errno::EPIPE)
        );
        world.hosts[second].close(ends[second]);
        world.run(SECOND);
        assert_eq!(
            receive(&mut world.hosts[first], ends[first]),
            Ok(Vec::new())
        );
        let readiness = world.hosts[first].readiness(ends[first]);
        assert_ne!(readiness & POLLHUP, 0);
        world.hosts[first].close(ends[first]);
        // Who ended first remembers, for a minute.
        assert_eq!(world.hosts[first].tcp.flows.len(), 1);
        assert_eq!(world.hosts[second].tcp.flows.len(), 0);
        world.run(61 * SECOND);
        assert_eq!(world.hosts[first].tcp.flows.len(), 0);
    }
}

#[test]
fn both_sides_end_at_once() {
    let mut world = World::new(5);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    world.hosts[0].close(client);
    world.hosts[1].close(server);
    world.run(SECOND);
    for host in &world.hosts {
        assert_eq!(host.tcp.time_waits.len(), 1);
    }
    world.run(61 * SECOND);
    for host in &world.hosts {
        assert_eq!(host.tcp.flows.len(), 0);
    }
}

#[test]
fn both_sides_begin_at_once() {
    let mut world = World::new(6);
    let ends = [world.socket(0), world.socket(1)];
    for (host, (own, peer)) in [(A, B), (B, A)].into_iter().enumerate() {
        let stack = &mut world.hosts[host];
        stack.bind(ends[host], SocketAddr::new(own, 700)).unwrap();
        let answer = stack.connect(ends[host], SocketAddr::new(peer, 700));
        assert_eq!(answer, Err(Errno::EINPROGRESS));
    }
    world.run(3 * SECOND);
    assert_eq!(send(&mut world.hosts[0], ends[0], b"hello"), Ok(5));
    world.run(SECOND);
    assert_eq!(receive(&mut world.hosts[1], ends[1]), Ok(b"hello".into()));
}

#[test]
fn a_port_without_a_listener_refuses() {
    let mut world = World::new(8);
    let client = world.socket(0);
    let to = SocketAddr::new(B, 9);
    assert_eq!(world.hosts[0].connect(client, to), Err(Errno::EINPROGRESS));
    assert_eq!(world.hosts[0].connect(client, to), Err(Errno::EALREADY));
    world.run(SECOND);
    let readiness = world.hosts[0].readiness(client);
    assert_eq!(
        readiness & (POLLERR | POLLHUP | POLLOUT),
        POLLERR | POLLHUP | POLLOUT
    );
    assert_eq!(
        world.hosts[0].take_error(client),
        Ok(Some(Errno::ECONNREFUSED))
    );
    assert_eq!(world.hosts[0].take_error(client), Ok(None));
    assert_eq!(world.hosts[0].connect(client, to), Err(Errno::ECONNABORTED));
}

#[test]
fn nobody_answers() {
    let mut world = World::new(9);
    let client = world.socket(0);
    let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 7, 0, 77)), 9);
    world.hosts[0].connect(client, to).unwrap_err();
    world.run(5 * SECOND);
    // Its hardware address was asked for three times.
    assert_eq!(
        world.hosts[0].take_error(client),
        Ok(Some(Errno::EHOSTUNREACH))
    );
    let far = world.socket(0);
    let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
    assert_eq!(world.hosts[0].connect(far, to), Err(Errno::ENETUNREACH));
    // All is lost: in the end, time is over.
    let listener = world.listen(80, 1);
    let (known, _) = world.connect(listener);
    world.hosts[0].close(known);
    world.cable.lock().unwrap().faults.lost = 1000;
    let client = world.socket(0);
    world.hosts[0]
        .connect(client, SocketAddr::new(B, 80))
        .unwrap_err();
    world.run(20 * SECOND);
    assert_eq!(world.hosts[0].take_error(client), Ok(None));
    world.run(120 * SECOND);
    let error = world.hosts[0].take_error(client).unwrap();
    assert!(
        matches!(error, Some(Errno::ETIMEDOUT | Errno::EHOSTUNREACH)),
        "{error:?}"
    );
}

#[test]
fn what_is_left_unread_resets() {
    let mut world = World::new(10);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    send(&mut world.hosts[0], client, b"never read").unwrap();
    world.run(SECOND);
    world.hosts[1].close(server);
    world.run(SECOND);
    assert_ne!(world.hosts[0].readiness(client) & POLLERR, 0);
    assert_eq!(receive(&mut world.hosts[0], client), Err(Errno::ECONNRESET));
    assert_eq!(receive(&mut world.hosts[0], client), Ok(Vec::new()));
    assert_eq!(send(&mut world.hosts[0], client, b"x"), Err(Errno::EPIPE));
    assert_eq!(world.hosts[1].tcp.flows.len(), 0);
}

#[test]
fn linger_zero_resets() {
    let mut world = World::new(11);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    world.hosts[1]
        .set(server, Setting::Linger(Some(0)))
        .unwrap();
    send(&mut world.hosts[1], server, b"before").unwrap();
    world.run(SECOND);
    world.hosts[1].close(server);
    world.run(SECOND);
    // What arrived before can be read.
    assert_eq!(receive(&mut world.hosts[0], client), Ok(b"before".into()));
    assert_eq!(receive(&mut world.hosts[0], client), Err(Errno::ECONNRESET));
}

#[test]
fn an_orphan_does_not_take_data() {
    let mut world = World::new(12);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    world.hosts[1].close(server);
    world.run(SECOND);
    assert_eq!(world.hosts[1].info(server).unwrap_err(), Errno::EBADF);
    assert_eq!(send(&mut world.hosts[0], client, b"to nobody"), Ok(9));
    world.run(SECOND);
    // The end came before: so it is a broken pipe.
    assert_eq!(world.hosts[0].take_error(client), Ok(Some(Errno::EPIPE)));
    assert_eq!(world.hosts[1].sockets.len(), 1);
}

#[test]
fn a_window_that_closes_opens_again() {
    let mut world = World::new(13);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let mut direction = Direction::new(0, client, server, 9, 400_000);
    // Nobody reads, for long; answers are lost meanwhile.
    for _ in 0..20 {
        while direction.sent < direction.total {
            let bytes: Vec<u8> = (direction.sent..direction.total.min(direction.sent + 999))
                .map(|place| byte_at(9, place))
                .collect();
            match send(&mut world.hosts[0], client, &bytes) {
                Ok(len) => direction.sent += len,
                Err(_) => break,
            }
        }
        world.run(SECOND);
    }
    assert!(direction.sent < 400_000);
    assert_eq!(world.hosts[0].readiness(client) & POLLOUT, 0);
    world.cable.lock().unwrap().faults.lost = 300;
    world.until("all bytes", |hosts| {
        direction.go(hosts);
        direction.is_over
    });
    assert_eq!(direction.received, 400_000);
}

#[test]
fn buffers_grow_with_need_and_have_a_bound() {
    let mut world = World::new(14);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let size = |stack: &mut SmolStack, id: SocketId| {
        let connection = stack
            .sockets
            .get_mut(id.into())
            .unwrap()
            .connection()
            .unwrap();
        (
            connection.transfer.receive_bytes(),
            connection.transfer.send_bytes(),
        )
    };
    world.hosts[0]
        .set(client, Setting::SendBuffer(40_000))
        .unwrap();
    let before = size(&mut world.hosts[1], server).0;
    let mut direction = Direction::new(0, client, server, 9, 2_000_000);
    world.until("all bytes", |hosts| {
        direction.go(hosts);
        direction.received == direction.total
    });
    assert!(size(&mut world.hosts[1], server).0 > before);
    assert_eq!(size(&mut world.hosts[0], client).1, 40_000);
}

#[test]
fn who_waits_is_told() {
    let mut world = World::new(15);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    world.run(SECOND);
    for host in &mut world.hosts {
        while host.take_changed().is_some() {}
    }
    let changed =
        |stack: &mut SmolStack| core::iter::from_fn(|| stack.take_changed()).collect::<Vec<_>>();
    while send(&mut world.hosts[0], client, &[7; 5000]).is_ok() {}
    world.run(SECOND);
    assert!(changed(&mut world.hosts[1]).contains(&server));
    changed(&mut world.hosts[0]);
    // Until the peer's buffer is full, and this one.
    for _ in 0..5 {
        while send(&mut world.hosts[0], client, &[7; 5000]).is_ok() {}
        world.run(SECOND);
    }
    changed(&mut world.hosts[0]);
    assert_eq!(world.hosts[0].readiness(client) & POLLOUT, 0);
    for _ in 0..5 {
        while receive(&mut world.hosts[1], server).is_ok() {}
        world.run(SECOND);
    }
    assert!(changed(&mut world.hosts[0]).contains(&client));
    assert_ne!(world.hosts[0].readiness(client) & POLLOUT, 0);
}

#[test]
fn a_full_backlog_waits_and_loses_nobody() {
    let mut world = World::new(16);
    let listener = world.listen(80, 2);
    let clients: Vec<SocketId> = (0..12).map(|_| world.socket(0)).collect();
    for &client in &clients {
        world.hosts[0]
            .connect(client, SocketAddr::new(B, 80))
            .unwrap_err();
    }
    world.run(2 * SECOND);
    // As in Linux: one more than the backlog.
    assert_eq!(world.hosts[1].info(listener).unwrap().receive_queue, 3);
    let mut accepted = 0;
    world.until("all accepted", |hosts| {
        while hosts[1].accept(listener).is_ok() {
            accepted += 1;
        }
        accepted == 12
    });
    for &client in &clients {
        assert_eq!(world.hosts[0].take_error(client), Ok(None));
        assert!(world.hosts[0].peer(client).is_ok());
    }
}

#[test]
fn keepalive_finds_a_dead_peer() {
    let mut world = World::new(17);
    let listener = world.listen(80, 5);
    let (client, _server) = world.connect(listener);
    for setting in [
        Setting::KeepIdleSeconds(10),
        Setting::KeepIntervalSeconds(5),
        Setting::KeepCount(3),
        Setting::KeepAlive(true),
    ] {
        world.hosts[0].set(client, setting).unwrap();
    }
    world.run(100 * SECOND);
    assert_eq!(world.hosts[0].take_error(client), Ok(None));
    assert!(world.hosts[0].peer(client).is_ok());
    world.cable.lock().unwrap().faults.lost = 1000;
    world.run(40 * SECOND);
    assert_eq!(
        world.hosts[0].take_error(client),
        Ok(Some(Errno::ETIMEDOUT))
    );
}

#[test]
fn a_user_timeout_ends_it() {
    let mut world = World::new(18);
    let listener = world.listen(80, 5);
    let (client, _server) = world.connect(listener);
    world.hosts[0]
        .set(client, Setting::UserTimeoutMilliseconds(5000))
        .unwrap();
    world.run(20 * SECOND);
    world.cable.lock().unwrap().faults.lost = 1000;
    send(&mut world.hosts[0], client, b"lost").unwrap();
    world.run(4 * SECOND);
    assert_eq!(world.hosts[0].take_error(client), Ok(None));
    world.run(4 * SECOND);
    assert_eq!(
        world.hosts[0].take_error(client),
        Ok(Some(Errno::ETIMEDOUT))
    );
}

#[test]
fn a_peer_that_reads_nothing_bounds_what_is_written() {
    let mut stack = SmolStack::new([1; 16]);
    let listener = stack.socket(Family::V4, Kind::Stream).unwrap();
    stack.listen(listener, 5).unwrap();
    let port = stack.local(listener).unwrap().port();
    let client = stack.socket(Family::V4, Kind::Stream).unwrap();
    let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    assert_eq!(stack.connect(client, to), Err(Errno::EINPROGRESS));
    let mut written = 0;
    for now in 1..10_000 {
        stack.poll(now * 1_000_000);
        while let Ok(len) = send(&mut stack, client, &[1; 1000]) {
            written += len;
        }
    }
    assert!((135 * 1024..=136 * 1024).contains(&written), "{written}");
}

#[test]
fn the_loopback_and_both_families() {
    let mut stack = SmolStack::new([1; 16]);
    for (family, bound, to) in [
        (
            Family::V4,
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        ),
        (
            Family::V6,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ),
        (
            Family::V6,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
        ),
    ] {
        let listener = stack.socket(family, Kind::Stream).unwrap();
        stack.bind(listener, SocketAddr::new(bound, 0)).unwrap();
        stack.listen(listener, 5).unwrap();
        let port = stack.local(listener).unwrap().port();
        assert!((32_768..61_000).contains(&port));
        let client = stack.socket(family, Kind::Stream).unwrap();
        // All happens within the call, which does not tell.
        let to_listener = SocketAddr::new(to, port);
        let begun = stack.connect(client, to_listener);
        assert_eq!(begun, Err(Errno::EINPROGRESS));
        assert_eq!(
            stack.connect(client, to_listener),
            Err(Errno::EISCONN),
            "it is there"
        );
        let (server, peer) = stack.accept(listener).unwrap();
        // There was no descriptor for it.
        assert_eq!(stack.accept(listener), Err(Errno::EAGAIN));
        stack.put_back(listener, server);
        assert_eq!(stack.accept(listener), Ok((server, peer)));
        assert_eq!(peer, stack.local(client).unwrap());
        assert_eq!(stack.local(server).unwrap(), SocketAddr::new(to, port));
        assert_eq!(send(&mut stack, client, b"within"), Ok(6));
        assert_eq!(receive(&mut stack, server), Ok(b"within".into()));
        // And large amounts, without any time passing.
        let mut direction = Direction::new(0, client, server, 3, 300_000);
        while !direction.is_over {
            let before = direction.received;
            let bytes: Vec<u8> = (direction.sent..direction.total.min(direction.sent + 50_000))
                .map(|place| byte_at(3, place))
                .collect();
            if let Ok(len) = send(&mut stack, client, &bytes) {
                direction.sent += len;
            }
            if let Ok(bytes) = receive(&mut stack, server) {
                for (step, &byte) in bytes.iter().enumerate() {
                    assert_eq!(byte, byte_at(3, direction.received + step));
                }
                direction.received += bytes.len();
            }
            direction.is_over = direction.received == direction.total;
            assert!(direction.received > before, "stuck at {before}");
        }
        stack.close(client);
        assert_eq!(receive(&mut stack, server), Ok(Vec::new()));
        stack.close(listener);
        // Nobody can ask for it any more.
        stack.put_back(listener, server);
        assert_eq!(stack.local(server), Err(Errno::EBADF));
    }
    let refused = stack.socket(Family::V4, Kind::Stream).unwrap();
    let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);
    assert_eq!(stack.connect(refused, nobody), Err(Errno::EINPROGRESS));
    assert_eq!(stack.connect(refused, nobody), Err(Errno::ECONNREFUSED));
}

#[test]
fn states_are_told() {
    let mut world = World::new(20);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let states = |world: &World| {
        [
            world.hosts[0].info(client).unwrap().state,
            world.hosts[1].info(server).unwrap().state,
        ]
    };
    assert_eq!(world.hosts[1].info(listener).unwrap().state, State::Listen);
    assert_eq!(states(&world), [State::Established, State::Established]);
    world.hosts[0].shutdown(client, Shutdown::Write).unwrap();
    assert_eq!(states(&world)[0], State::FinWait1);
    world.run(SECOND);
    assert_eq!(states(&world), [State::FinWait2, State::CloseWait]);
    world.hosts[1].shutdown(server, Shutdown::Write).unwrap();
    assert_eq!(states(&world)[1], State::LastAck);
    world.run(SECOND);
    assert_eq!(states(&world), [State::Close, State::Close]);
}

#[test]
fn peeking_takes_nothing() {
    let mut world = World::new(21);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    send(&mut world.hosts[0], client, b"abcdef").unwrap();
    world.run(SECOND);
    for _ in 0..2 {
        let (mut one, mut two) = ([0; 2], [0; 9]);
        let how = ReceiveHow { peek: true };
        let received = world.hosts[1]
            .receive(server, &mut [&mut one, &mut two], how)
            .unwrap();
        assert_eq!((received.bytes, &one, &two[..4]), (6, b"ab", &b"cdef"[..]));
    }
    assert_eq!(receive(&mut world.hosts[1], server), Ok(b"abcdef".into()));
    assert_eq!(receive(&mut world.hosts[1], server), Err(Errno::EAGAIN));
}

#[test]
fn bytes_wait_for_more_but_not_for_long() {
    let mut world = World::new(22);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let to = crate::SendTo::default();
    for part in [b"one", b"two"] {
        assert_eq!(world.hosts[0].send(client, &[part], &to, true), Ok(3));
        world.run(SECOND / 100);
        assert_eq!(receive(&mut world.hosts[1], server), Err(Errno::EAGAIN));
    }
    assert_eq!(world.hosts[0].send(client, &[b"end"], &to, false), Ok(3));
    world.run(SECOND / 100);
    assert_eq!(
        receive(&mut world.hosts[1], server),
        Ok(b"onetwoend".into())
    );
    world.hosts[0].send(client, &[b"alone"], &to, true).unwrap();
    world.run(SECOND / 4);
    assert_eq!(receive(&mut world.hosts[1], server), Ok(b"alone".into()));
}

#[test]
fn a_connection_that_is_still_gives_its_buffer_back() {
    let mut world = World::new(23);
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let size = |stack: &mut SmolStack| {
        let socket = stack.sockets.get_mut(server.into()).unwrap();
        socket.connection().unwrap().transfer.send_bytes()
    };
    let before = size(&mut world.hosts[1]);
    for _ in 0..3 {
        let mut direction = Direction::new(1, server, client, 4, 900_000);
        direction.is_shut = true;
        world.until("all bytes", |hosts| {
            direction.go(hosts);
            direction.received == direction.total
        });
        assert!(size(&mut world.hosts[1]) > before);
        world.run(5 * SECOND);
        assert_eq!(size(&mut world.hosts[1]), before);
    }
}

/// Writes and reads as the numbers say: a little, nothing, all. Whether both directions are over.
fn dawdle(
    directions: &mut [Direction; 2],
    hosts: &mut [SmolStack; 2],
    numbers: &mut Numbers,
) -> bool {
    for direction in directions.iter_mut() {
        let (sender, receiver) = (direction.from, 1 - direction.from);
        if numbers.below(3) == 0 && direction.sent < direction.total {
            let scale = [9, 2000, 70_000][numbers.below(3) as usize];
            let most = 1 + numbers.below(scale) as usize;
            let end = direction.total.min(direction.sent + most);
            let bytes: Vec<u8> = (direction.sent..end)
                .map(|place| byte_at(direction.salt, place))
                .collect();
            let to = crate::SendTo::default();
            let has_more = numbers.below(8) == 0;
            match hosts[sender].send(direction.sender, &[&bytes], &to, has_more) {
                Ok(len) => direction.sent += len,
                Err(errno) => assert_eq!(errno, Errno::EAGAIN),
            }
        }
        if direction.sent == direction.total && !direction.is_shut {
            direction.is_shut = true;
            hosts[sender]
                .shutdown(direction.sender, Shutdown::Write)
                .unwrap();
        }
        if numbers.below(4) == 0 && !direction.is_over {
            let mut bytes = alloc::vec![0; 1 + numbers.below(30_000) as usize];
            let how = ReceiveHow {
                peek: numbers.below(5) == 0,
            };
            match hosts[receiver].receive(direction.receiver, &mut [&mut bytes], how) {
                Ok(got) => {
                    for (step, &byte) in bytes[..got.bytes].iter().enumerate() {
                        assert_eq!(byte, byte_at(direction.salt, direction.received + step));
                    }
                    direction.is_over = got.bytes == 0;
                    if !how.peek {
                        direction.received += got.bytes;
                    }
                }
                Err(errno) => assert_eq!(errno, Errno::EAGAIN),
            }
        }
    }
    directions.iter().all(|direction| direction.is_over)
}

#[test]
fn programs_that_dawdle() {
    for seed in 0..150 {
        let mut numbers = Numbers::new(seed + 77);
        let mut world = World::with_mtu(seed, [1500, 1500, 600, 9000][seed as usize % 4]);
        world.greet();
        let listener = world.listen(80, 5);
        let (client, server) = world.connect(listener);
        world.cable.lock().unwrap().faults = Faults {
            lost: seed % 4 * 15,
            repeated: seed % 3 * 10,
            reordered: seed % 5 * 30,
        };
        for (host, id) in [(0, client), (1, server)] {
            let settings = [
                Setting::NoDelay(numbers.below(2) == 0),
                Setting::SendBuffer(2048 << numbers.below(9)),
                Setting::ReceiveBuffer(2048 << numbers.below(9)),
            ];
            for setting in settings {
                world.hosts[host].set(id, setting).unwrap();
            }
        }
        let mut total = || {
            let scale = [10, 5000, 200_000][numbers.below(3) as usize];
            numbers.below(scale) as usize
        };
        let mut directions = [
            Direction::new(0, client, server, 1, total()),
            Direction::new(1, server, client, 2, total()),
        ];
        let end = world.now + 4000 * SECOND;
        while !dawdle(&mut directions, &mut world.hosts, &mut numbers) {
            assert!(world.now < end, "seed {seed}");
            // The programs have something to do soon, whatever the network does.
            world.step(world.now + SECOND / 100);
        }
        for direction in &directions {
            assert_eq!(direction.received, direction.total, "seed {seed}");
        }
        world.hosts[0].close(client);
        world.hosts[1].close(server);
        world.run(200 * SECOND);
        for host in &world.hosts {
            assert_eq!(host.tcp.flows.len(), 0, "seed {seed}");
        }
    }
}

#[test]
fn connections_that_are_dropped_in_the_middle() {
    for seed in 0..150 {
        let mut numbers = Numbers::new(seed + 177);
        let mut world = World::new(seed);
        world.greet();
        let listener = world.listen(80, 5);
        let (client, server) = world.connect(listener);
        world.cable.lock().unwrap().faults.lost = seed % 4 * 15;
        for (host, id) in [(0, client), (1, server)] {
            // A reset may be lost, and who only reads hears nothing more.
            for setting in [Setting::KeepIdleSeconds(60), Setting::KeepAlive(true)] {
                world.hosts[host].set(id, setting).unwrap();
            }
        }
        let mut directions = [
            Direction::new(0, client, server, 1, 100_000),
            Direction::new(1, server, client, 2, 100_000),
        ];
        for _ in 0..numbers.below(300) {
            world.step(world.now + SECOND);
            dawdle(&mut directions, &mut world.hosts, &mut numbers);
        }
        let (first, id) = [(0, client), (1, server)][numbers.below(2) as usize];
        world.hosts[first].close(id);
        // The other one hears of it, sooner or later, and what it writes then is nobody's.
        let (other, id) = if first == 0 { (1, server) } else { (0, client) };
        world.until("an end", |hosts| {
            let _ = send(&mut hosts[other], id, &[1; 100]);
            while receive(&mut hosts[other], id).is_ok_and(|bytes| !bytes.is_empty()) {}
            hosts[other].readiness(id) & POLLHUP != 0
        });
        world.hosts[other].close(id);
        world.hosts[1].close(listener);
        world.run(200 * SECOND);
        for host in &world.hosts {
            assert_eq!(host.sockets.len(), 0, "seed {seed}");
            assert_eq!(host.tcp.flows.len(), 0, "seed {seed}");
        }
    }
}
