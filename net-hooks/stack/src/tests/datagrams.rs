//! UDP and echoes: who hears what, and what errors tell.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use muslin_abi::Errno;
use muslin_abi::flags::{POLLERR, POLLIN, POLLOUT};

use super::world::{A, B, SECOND, World, byte_at, receive, receive_all, send};
use crate::ip;
use crate::options::Setting;
use crate::smol::SmolStack;
use crate::stack::{Family, Kind, ReceiveHow, SendTo, SocketId, Stack};

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn socket(stack: &mut SmolStack, address: IpAddr, port: u16) -> SocketId {
    let family = if address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    let id = stack.socket(family, Kind::Datagram).unwrap();
    stack.bind(id, SocketAddr::new(address, port)).unwrap();
    id
}

fn to(address: IpAddr, port: u16) -> SendTo {
    SendTo {
        to: Some(SocketAddr::new(address, port)),
        ..SendTo::default()
    }
}

#[test]
fn datagrams_of_all_sizes_and_where_they_came_from() {
    let mut world = World::new(1);
    let there = socket(&mut world.hosts[1], ANY, 53);
    let here = socket(&mut world.hosts[0], A, 1000);
    for len in [0, 1, 1472, 1473, 9000, 65_507] {
        let bytes: Vec<u8> = (0..len).map(|place| place as u8).collect();
        let how = SendTo {
            hop_limit: Some(9),
            traffic_class: Some(0x28),
            ..to(B, 53)
        };
        assert_eq!(world.hosts[0].send(here, &[&bytes], &how, false), Ok(len));
        world.run(SECOND);
        let (got, received) = receive_all(&mut world.hosts[1], there).unwrap();
        assert!(got == bytes, "{len}");
        assert_eq!(received.from, SocketAddr::new(A, 1000));
        assert_eq!((received.to, received.link), (B, 2));
        assert_eq!((received.hop_limit, received.traffic_class), (9, 0x28));
    }
    let much = vec![0; 65_508];
    assert_eq!(
        world.hosts[0].send(here, &[&much], &to(B, 53), false),
        Err(Errno::EMSGSIZE)
    );
    assert_eq!(
        send(&mut world.hosts[0], here, b"x"),
        Err(Errno::EDESTADDRREQ)
    );
    // In pieces, and cut.
    let how = to(B, 53);
    world.hosts[0]
        .send(here, &[b"abc", b"", b"defg"], &how, false)
        .unwrap();
    world.run(SECOND);
    let (mut one, mut two) = ([0; 2], [0; 3]);
    let peek = ReceiveHow { peek: true };
    for how in [peek, ReceiveHow::default()] {
        let received = world.hosts[1]
            .receive(there, &mut [&mut one, &mut two], how)
            .unwrap();
        assert_eq!((received.bytes, received.full_length), (5, 7));
        assert_eq!((&one, &two), (b"ab", b"cde"));
    }
    assert_eq!(receive(&mut world.hosts[1], there), Err(Errno::EAGAIN));
}

#[test]
fn parts_that_are_late_or_lost() {
    let mut world = World::new(2);
    let there = socket(&mut world.hosts[1], B, 53);
    let here = socket(&mut world.hosts[0], A, 1000);
    world.cable.lock().unwrap().faults.reordered = 500;
    for round in 0..20u8 {
        world.hosts[0]
            .send(here, &[&[round; 8000]], &to(B, 53), false)
            .unwrap();
        world.run(SECOND);
        let bytes = receive(&mut world.hosts[1], there).unwrap();
        assert!(bytes == [round; 8000]);
    }
    world.cable.lock().unwrap().faults.lost = 300;
    for round in 0..40u8 {
        world.hosts[0]
            .send(here, &[&[round; 8000]], &to(B, 53), false)
            .unwrap();
        world.run(SECOND);
        while let Ok(bytes) = receive(&mut world.hosts[1], there) {
            assert!(bytes == [bytes[0]; 8000]);
        }
    }
}

#[test]
fn who_sends_too_much_for_a_link_is_told_when_it_takes_more() {
    let mut world = World::new(9);
    world.greet();
    let there = socket(&mut world.hosts[1], ANY, 53);
    let here = socket(&mut world.hosts[0], A, 1000);
    world.hosts[0].take_changed();
    world.cable.lock().unwrap().room = 4;
    let mut heard = 0;
    for round in 0..20 {
        let mut sent = 0;
        while world.hosts[0]
            .send(here, &[b"bytes"], &to(B, 53), false)
            .is_ok()
        {
            sent += 1;
        }
        assert!(sent > 0, "round {round}");
        assert_eq!(world.hosts[0].readiness(here) & POLLOUT, 0);
        // Nobody may say that it can be written before it can.
        while world.hosts[0].take_changed() != Some(here) {
            world.step(world.now + SECOND);
            while let Ok(bytes) = receive(&mut world.hosts[1], there) {
                assert_eq!(bytes, b"bytes");
                heard += 1;
            }
        }
        assert_ne!(world.hosts[0].readiness(here) & POLLOUT, 0);
    }
    assert!(heard > 64, "{heard}");
    // One that is closed while it waits is nobody's any more.
    while world.hosts[0]
        .send(here, &[b"bytes"], &to(B, 53), false)
        .is_ok()
    {}
    world.hosts[0].close(here);
    world.run(SECOND);
    assert_eq!(world.hosts[0].take_changed(), None);
}

#[test]
fn a_queue_has_a_bound() {
    let mut world = World::new(3);
    let there = socket(&mut world.hosts[1], B, 53);
    world.hosts[1]
        .set(there, Setting::ReceiveBuffer(10_000))
        .unwrap();
    let here = socket(&mut world.hosts[0], A, 1000);
    for _ in 0..50 {
        world.hosts[0]
            .send(here, &[&[1; 1000]], &to(B, 53), false)
            .unwrap();
        world.run(SECOND / 100);
    }
    let mut count = 0;
    while receive(&mut world.hosts[1], there).is_ok() {
        count += 1;
    }
    assert_eq!(count, 7);
    assert_eq!(world.hosts[1].links()[1].traffic.received_drops, 43);
}

#[test]
fn who_is_connected_hears_one_peer_and_its_errors() {
    let mut world = World::new(4);
    let there = socket(&mut world.hosts[1], B, 53);
    let other = socket(&mut world.hosts[1], B, 54);
    let here = world.hosts[0].socket(Family::V4, Kind::Datagram).unwrap();
    world.hosts[0]
        .connect(here, SocketAddr::new(B, 53))
        .unwrap();
    let local = world.hosts[0].local(here).unwrap();
    assert_eq!(local.ip(), A);
    world.hosts[1]
        .send(other, &[b"no"], &to(A, local.port()), false)
        .unwrap();
    world.hosts[1]
        .send(there, &[b"yes"], &to(A, local.port()), false)
        .unwrap();
    world.run(SECOND);
    assert_eq!(receive(&mut world.hosts[0], here), Ok(b"yes".into()));
    assert_eq!(receive(&mut world.hosts[0], here), Err(Errno::EAGAIN));
    world.hosts[1].close(there);
    send(&mut world.hosts[0], here, b"x").unwrap();
    world.run(SECOND);
    assert_eq!(
        world.hosts[0].readiness(here) & (POLLERR | POLLIN | POLLOUT),
        POLLERR | POLLOUT
    );
    assert_eq!(receive(&mut world.hosts[0], here), Err(Errno::ECONNREFUSED));
    assert_eq!(receive(&mut world.hosts[0], here), Err(Errno::EAGAIN));
    // Who is not connected cannot know whom it means.
    let free = socket(&mut world.hosts[0], A, 2000);
    world.hosts[0]
        .send(free, &[b"x"], &to(B, 99), false)
        .unwrap();
    world.run(SECOND);
    assert_eq!(world.hosts[0].take_error(free), Ok(None));
    world.hosts[0].disconnect(here).unwrap();
    assert_eq!(world.hosts[0].peer(here), Err(Errno::ENOTCONN));
}

#[test]
fn broadcasts_are_allowed_and_reach_all() {
    let mut world = World::new(5);
    let all = IpAddr::V4(Ipv4Addr::new(10, 7, 0, 255));
    let ids = [1, 2].map(|_| {
        let id = world.hosts[1].socket(Family::V4, Kind::Datagram).unwrap();
        world.hosts[1].set(id, Setting::ReuseAddress(true)).unwrap();
        world.hosts[1].bind(id, SocketAddr::new(ANY, 67)).unwrap();
        id
    });
    let one = socket(&mut world.hosts[1], B, 68);
    let here = socket(&mut world.hosts[0], A, 1000);
    assert_eq!(
        world.hosts[0].send(here, &[b"x"], &to(all, 67), false),
        Err(Errno::EACCES)
    );
    world.hosts[0].set(here, Setting::Broadcast(true)).unwrap();
    for address in [all, IpAddr::V4(Ipv4Addr::BROADCAST)] {
        for port in [67, 68] {
            world.hosts[0]
                .send(here, &[b"all"], &to(address, port), false)
                .unwrap();
        }
        world.run(SECOND);
        for id in ids {
            assert_eq!(receive(&mut world.hosts[1], id), Ok(b"all".into()));
        }
        assert_eq!(receive(&mut world.hosts[1], one), Err(Errno::EAGAIN));
    }
}

#[test]
fn groups_are_joined_and_left() {
    let mut world = World::new(6);
    let groups: [IpAddr; 2] = [
        Ipv4Addr::new(239, 1, 2, 3).into(),
        Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3).into(),
    ];
    for group in groups {
        let any = match group {
            IpAddr::V4(_) => ANY,
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let ids = [1, 2].map(|_| {
            let family = if group.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            };
            let id = world.hosts[1].socket(family, Kind::Datagram).unwrap();
            world.hosts[1].set(id, Setting::ReuseAddress(true)).unwrap();
            world.hosts[1].bind(id, SocketAddr::new(any, 5353)).unwrap();
            id
        });
        let here = socket(&mut world.hosts[0], any, 0);
        let join = Setting::Join { group, link: 2 };
        world.hosts[0]
            .send(here, &[b"early"], &to(group, 5353), false)
            .unwrap();
        world.run(SECOND);
        for id in ids {
            assert_eq!(receive(&mut world.hosts[1], id), Err(Errno::EAGAIN));
            world.hosts[1].set(id, join).unwrap();
        }
        assert_eq!(world.hosts[1].set(ids[0], join), Err(Errno::EADDRINUSE));
        world.hosts[0]
            .send(here, &[b"group"], &to(group, 5353), false)
            .unwrap();
        world.run(SECOND);
        for id in ids {
            let (bytes, received) = receive_all(&mut world.hosts[1], id).unwrap();
            assert_eq!((bytes, ip::plain(received.to)), (b"group".into(), group));
            assert_eq!(received.hop_limit, 1);
        }
        // Who sends hears it too, if it listens.
        world.hosts[1]
            .send(ids[0], &[b"own"], &to(group, 5353), false)
            .unwrap();
        assert_eq!(receive(&mut world.hosts[1], ids[1]), Ok(b"own".into()));
        for id in ids {
            world.hosts[1]
                .set(id, Setting::Leave { group, link: 2 })
                .unwrap();
        }
        assert_eq!(
            world.hosts[1].set(ids[0], Setting::Leave { group, link: 2 }),
            Err(Errno::EADDRNOTAVAIL)
        );
        assert!(world.hosts[1].groups.is_empty());
        world.hosts[1].close(ids[0]);
        world.hosts[1].close(ids[1]);
    }
}

#[test]
fn without_a_device_the_loopback_has_groups_if_it_is_named() {
    let groups: [(IpAddr, Errno); 2] = [
        (Ipv4Addr::new(239, 1, 2, 3).into(), Errno::ENODEV),
        (
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 3).into(),
            Errno::EADDRNOTAVAIL,
        ),
    ];
    for (group, on_leaving) in groups {
        let mut stack = SmolStack::new([1; 16]);
        let any = match group {
            IpAddr::V4(_) => ANY,
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let id = socket(&mut stack, any, 0);
        for link in [0, 9] {
            let join = Setting::Join { group, link };
            assert_eq!(stack.set(id, join), Err(Errno::ENODEV));
        }
        let leave = |link| Setting::Leave { group, link };
        assert_eq!(stack.set(id, leave(0)), Err(on_leaving));
        assert_eq!(stack.set(id, leave(1)), Err(Errno::EADDRNOTAVAIL));
        assert_eq!(stack.set(id, Setting::Join { group, link: 1 }), Ok(()));
        assert_eq!(stack.set(id, leave(1)), Ok(()));
    }
}

#[test]
fn echoes_are_answered_and_asked_for() {
    let mut world = World::new(7);
    let id = world.hosts[0].socket(Family::V4, Kind::Echo).unwrap();
    let mut request = vec![8, 0, 0, 0, 0x55, 0x55, 0, 7];
    request.extend_from_slice(b"payload");
    let how = to(B, 0);
    assert_eq!(
        world.hosts[0].send(id, &[&request], &how, false),
        Ok(request.len())
    );
    world.run(SECOND);
    let (answer, received) = receive_all(&mut world.hosts[0], id).unwrap();
    let own = world.hosts[0].local(id).unwrap().port();
    assert_eq!((answer[0], answer[1]), (0, 0));
    assert_eq!(answer[4..6], own.to_be_bytes());
    assert_eq!(&answer[6..], b"\0\x07payload");
    assert_eq!((received.from.ip(), received.hop_limit), (B, 64));
    // Nothing but echoes.
    request[0] = 5;
    assert_eq!(
        world.hosts[0].send(id, &[&request], &how, false),
        Err(Errno::EINVAL)
    );
    // And in IPv6, over addresses that mean something only on their link.
    let peer = world.hosts[1]
        .addresses()
        .into_iter()
        .find(|own| own.link == 2 && own.address.is_ipv6());
    let id = world.hosts[0].socket(Family::V6, Kind::Echo).unwrap();
    let how = SendTo {
        link: 2,
        ..to(peer.unwrap().address, 0)
    };
    request[0] = 128;
    world.hosts[0].send(id, &[&request], &how, false).unwrap();
    world.run(SECOND);
    let (answer, received) = receive_all(&mut world.hosts[0], id).unwrap();
    assert_eq!(
        (answer[0], received.from.ip()),
        (129, peer.unwrap().address)
    );
}

#[test]
fn ports_are_shared_as_linux_shares_them() {
    let mut stack = SmolStack::new([1; 16]);
    let mut bind = |family, kind, address: IpAddr, settings: &[Setting]| {
        let id = stack.socket(family, kind).unwrap();
        for &setting in settings {
            stack.set(id, setting).unwrap();
        }
        stack.bind(id, SocketAddr::new(address, 99)).map(|()| {
            if kind == Kind::Stream {
                stack.listen(id, 5).unwrap();
            }
        })
    };
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let any6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let reuse = [Setting::ReuseAddress(true)];
    let share = [Setting::ReusePort(true)];
    let taken = Err(Errno::EADDRINUSE);
    // A listener does not share with REUSEADDR; sockets of datagrams do.
    assert_eq!(bind(Family::V4, Kind::Stream, local, &reuse), Ok(()));
    assert_eq!(bind(Family::V4, Kind::Stream, local, &reuse), taken);
    assert_eq!(bind(Family::V4, Kind::Stream, ANY, &[]), taken);
    assert_eq!(bind(Family::V6, Kind::Stream, any6, &[]), taken);
    assert_eq!(
        bind(Family::V6, Kind::Stream, any6, &[Setting::V6Only(true)]),
        Ok(())
    );
    assert_eq!(bind(Family::V4, Kind::Datagram, ANY, &reuse), Ok(()));
    assert_eq!(bind(Family::V4, Kind::Datagram, local, &reuse), Ok(()));
    assert_eq!(bind(Family::V4, Kind::Datagram, local, &[]), taken);
    assert_eq!(bind(Family::V4, Kind::Datagram, local, &share), taken);
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(
        bind(Family::V4, Kind::Stream, elsewhere, &[]),
        Err(Errno::EADDRNOTAVAIL)
    );
    assert_eq!(
        bind(Family::V4, Kind::Stream, any6, &[]),
        Err(Errno::EAFNOSUPPORT)
    );
}

#[test]
fn listeners_of_one_port_take_turns_by_flow() {
    let mut stack = SmolStack::new([1; 16]);
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 99);
    let listeners = [1, 2, 3].map(|_| {
        let id = stack.socket(Family::V4, Kind::Stream).unwrap();
        stack.set(id, Setting::ReusePort(true)).unwrap();
        stack.bind(id, address).unwrap();
        stack.listen(id, 200).unwrap();
        id
    });
    for _ in 0..90 {
        let client = stack.socket(Family::V4, Kind::Stream).unwrap();
        assert_eq!(stack.connect(client, address), Err(Errno::EINPROGRESS));
    }
    for listener in listeners {
        let count = stack.info(listener).unwrap().receive_queue;
        assert!((10..60).contains(&count), "{count}");
    }
}

#[test]
fn one_call_sends_many_datagrams() {
    let mut world = World::new(1);
    world.greet();
    let taker = world.hosts[1].socket(Family::V4, Kind::Datagram).unwrap();
    world.hosts[1].bind(taker, SocketAddr::new(B, 7)).unwrap();
    let giver = world.hosts[0].socket(Family::V4, Kind::Datagram).unwrap();
    let give = |world: &mut World, pieces: &[&[u8]], segment: u16| {
        let how = SendTo {
            to: Some(SocketAddr::new(B, 7)),
            segment_bytes: Some(segment),
            ..SendTo::default()
        };
        world.hosts[0].send(giver, pieces, &how, false)
    };
    let bytes: Vec<u8> = (0..5000).map(|place| byte_at(1, place)).collect();
    let pieces = [&bytes[..999], &[], &bytes[999..2000], &bytes[2000..]];
    assert_eq!(give(&mut world, &pieces, 1472), Ok(5000));
    world.run(SECOND);
    let mut got = Vec::new();
    for len in [1472, 1472, 1472, 584] {
        let datagram = receive(&mut world.hosts[1], taker).unwrap();
        assert_eq!(datagram.len(), len);
        got.extend(datagram);
    }
    assert_eq!(got, bytes);
    // None is taken apart again: of those that need not be cut either.
    assert_eq!(give(&mut world, &pieces, 1473), Err(Errno::EMSGSIZE));
    assert_eq!(give(&mut world, &[&bytes[..1400]], 9000), Ok(1400));
    assert_eq!(
        give(&mut world, &[&bytes[..1500]], 9000),
        Err(Errno::EMSGSIZE)
    );
    assert_eq!(give(&mut world, &[&bytes[..129]], 1), Err(Errno::EINVAL));
    assert_eq!(give(&mut world, &[], 10), Ok(0));
    assert_eq!(give(&mut world, &[&bytes], 0), Ok(5000));
    world.run(SECOND);
    for len in [1400, 0, 5000] {
        assert_eq!(receive(&mut world.hosts[1], taker).unwrap().len(), len);
    }
    assert_eq!(receive(&mut world.hosts[1], taker), Err(Errno::EAGAIN));
}
