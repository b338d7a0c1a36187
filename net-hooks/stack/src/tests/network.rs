//! Addresses, routes, neighbours, leases and routers.

use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use muslin_abi::Errno;

use super::cable::{Cable, End};
use super::world::{A, B, SECOND, World, receive, receive_all, send};
use crate::icmp;
use crate::ip::{self, Head};
use crate::link::Link;
use crate::network::{Address, AddressSource, Automatic, Route};
use crate::smol::SmolStack;
use crate::stack::{Family, Kind, SendTo, Stack};
use crate::topology::LO;

fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

fn address(link: u32, address: IpAddr, prefix_bits: u8) -> Address {
    Address {
        link,
        address,
        prefix_bits,
        source: AddressSource::Static,
    }
}

#[test]
fn the_longest_route_wins_and_the_source_fits() {
    let mut stack = SmolStack::new([1; 16]);
    let cable = Cable::new(1);
    for end in [0, 1] {
        stack.add_link(End::new(&cable, end, 1500));
    }
    stack.add_address(address(2, v4(10, 1, 0, 1), 24)).unwrap();
    stack.add_address(address(3, v4(10, 2, 0, 1), 24)).unwrap();
    stack.add_address(address(3, v4(10, 3, 0, 1), 24)).unwrap();
    let route = |destination, prefix_bits, gateway, link, metric| Route {
        destination,
        prefix_bits,
        gateway: Some(gateway),
        link,
        metric,
    };
    let default = route(v4(0, 0, 0, 0), 0, v4(10, 1, 0, 254), 2, 10);
    stack.add_route(default).unwrap();
    stack
        .add_route(route(v4(192, 168, 0, 0), 16, v4(10, 2, 0, 254), 3, 0))
        .unwrap();
    stack
        .add_route(route(v4(192, 168, 9, 0), 24, v4(10, 3, 0, 254), 3, 0))
        .unwrap();
    assert_eq!(stack.add_route(default), Err(Errno::EEXIST));
    let astray = route(v4(1, 0, 0, 0), 8, v4(10, 9, 0, 1), 3, 0);
    assert_eq!(stack.add_route(astray), Err(Errno::ENETUNREACH));
    let way = |stack: &SmolStack, to| {
        let way = stack.topology.way(to, None, None).unwrap();
        (way.link, way.next_hop, way.source)
    };
    assert_eq!(
        way(&stack, v4(8, 8, 8, 8)),
        (2, v4(10, 1, 0, 254), v4(10, 1, 0, 1))
    );
    assert_eq!(
        way(&stack, v4(192, 168, 1, 1)),
        (3, v4(10, 2, 0, 254), v4(10, 2, 0, 1))
    );
    assert_eq!(
        way(&stack, v4(192, 168, 9, 1)),
        (3, v4(10, 3, 0, 254), v4(10, 3, 0, 1))
    );
    assert_eq!(
        way(&stack, v4(10, 3, 0, 7)),
        (3, v4(10, 3, 0, 7), v4(10, 3, 0, 1))
    );
    assert_eq!(way(&stack, v4(10, 2, 0, 1)).0, LO);
    assert_eq!(
        way(&stack, v4(127, 5, 5, 5)),
        (LO, v4(127, 5, 5, 5), v4(127, 0, 0, 1))
    );
    // A better default, then none.
    stack
        .add_route(route(v4(0, 0, 0, 0), 0, v4(10, 2, 0, 254), 3, 1))
        .unwrap();
    assert_eq!(way(&stack, v4(8, 8, 8, 8)).1, v4(10, 2, 0, 254));
    stack.remove_route(default).unwrap();
    assert_eq!(stack.remove_route(default), Err(Errno::ESRCH));
    assert_eq!(stack.routes().len(), 2 + 5 + 3);
}

#[test]
fn an_address_that_goes_takes_its_connections_along() {
    let mut world = World::new(2);
    let listener = world.listen(80, 5);
    let (client, _) = world.connect(listener);
    world.hosts[0].remove_address(2, A).unwrap();
    assert_eq!(
        receive(&mut world.hosts[0], client),
        Err(Errno::ECONNABORTED)
    );
    assert_eq!(
        world.hosts[0].remove_address(2, A),
        Err(Errno::EADDRNOTAVAIL)
    );
    let id = world.socket(0);
    let answer = world.hosts[0].connect(id, SocketAddr::new(B, 80));
    assert_eq!(answer, Err(Errno::ENETUNREACH));
}

#[test]
fn a_device_that_goes_takes_its_addresses_and_connections_along() {
    let mut world = World::new(4);
    let listener = world.listen(80, 5);
    let (client, _) = world.connect(listener);
    let stack = &mut world.hosts[0];
    let bound = stack.socket(Family::V4, Kind::Datagram).unwrap();
    stack.bind(bound, SocketAddr::new(A, 9)).unwrap();
    let everywhere = Route {
        destination: v4(0, 0, 0, 0),
        prefix_bits: 0,
        gateway: Some(B),
        link: 2,
        metric: 0,
    };
    stack.add_route(everywhere).unwrap();
    let automatic = Automatic {
        dhcpv4: true,
        slaac: true,
    };
    stack.set_automatic(2, automatic).unwrap();
    world.cable.lock().unwrap().gone = Some(0);
    world.run(SECOND);
    let stack = &mut world.hosts[0];
    assert_eq!(receive(stack, client), Err(Errno::ECONNABORTED));
    let fresh = stack.socket(Family::V4, Kind::Datagram).unwrap();
    for far in [B, v4(8, 8, 8, 8)] {
        let to = |to| SendTo {
            to: Some(SocketAddr::new(to, 80)),
            ..SendTo::default()
        };
        let sent = stack.send(fresh, &[b"x"], &to(far), false);
        assert_eq!(sent, Err(Errno::ENETUNREACH));
        let stream = stack.socket(Family::V4, Kind::Stream).unwrap();
        let answer = stack.connect(stream, SocketAddr::new(far, 80));
        assert_eq!(answer, Err(Errno::ENETUNREACH));
        // As Linux, for a socket with an address that nobody has.
        let sent = stack.send(bound, &[b"x"], &to(far), false);
        assert_eq!(sent, Err(Errno::EINVAL));
    }
    assert!(stack.addresses().iter().all(|own| own.link == LO));
    assert_eq!(stack.links().len(), 1);
    assert_eq!(stack.set_automatic(2, automatic), Err(Errno::ENODEV));
    assert_eq!(stack.add_route(everywhere), Err(Errno::ENODEV));
    let address = address(2, A, 24);
    assert_eq!(stack.add_address(address), Err(Errno::ENODEV));
    // Nothing is due for ever.
    assert!(stack.deadline() > world.now);
}

#[test]
fn neighbours_are_learnt_and_found_again() {
    let mut world = World::new(3);
    let listener = world.listen(80, 5);
    world.connect(listener);
    let known = world.hosts[0].neighbours();
    assert_eq!((known[0].address, known[0].mac), (B, [2, 0, 0, 0, 0, 2]));
    // Long after, the question is asked once more, and the first packet is not lost.
    world.run(300 * SECOND);
    let there = world.hosts[1].socket(Family::V4, Kind::Datagram).unwrap();
    world.hosts[1].bind(there, SocketAddr::new(B, 53)).unwrap();
    let here = world.hosts[0].socket(Family::V4, Kind::Datagram).unwrap();
    let how = SendTo {
        to: Some(SocketAddr::new(B, 53)),
        ..SendTo::default()
    };
    world.hosts[0].send(here, &[b"first"], &how, false).unwrap();
    world.run(SECOND);
    assert_eq!(receive(&mut world.hosts[1], there), Ok(b"first".into()));
}

#[test]
fn streams_over_addresses_of_a_link() {
    let mut world = World::new(4);
    let peer = world.hosts[1]
        .addresses()
        .into_iter()
        .find(|own| own.link == 2 && own.address.is_ipv6())
        .unwrap();
    let listener = world.hosts[1].socket(Family::V6, Kind::Stream).unwrap();
    let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 80);
    world.hosts[1].bind(listener, any).unwrap();
    world.hosts[1].listen(listener, 5).unwrap();
    let client = world.hosts[0].socket(Family::V6, Kind::Stream).unwrap();
    let IpAddr::V6(address) = peer.address else {
        panic!("{peer:?}");
    };
    let to = core::net::SocketAddrV6::new(address, 80, 0, 2);
    world.hosts[0].connect(client, to.into()).unwrap_err();
    world.run(2 * SECOND);
    let (server, from) = world.hosts[1].accept(listener).unwrap();
    let SocketAddr::V6(from) = from else {
        panic!("{from}");
    };
    assert!(from.ip().is_unicast_link_local());
    assert_eq!(from.scope_id(), 2);
    send(&mut world.hosts[0], client, &[6; 4000]).unwrap();
    world.run(SECOND);
    assert_eq!(receive(&mut world.hosts[1], server), Ok([6; 4000].into()));
    // And IPv4 at the same listener, in the clothes of IPv6.
    let client = world.socket(0);
    world.hosts[0]
        .connect(client, SocketAddr::new(B, 80))
        .unwrap_err();
    world.run(SECOND);
    let (_, from) = world.hosts[1].accept(listener).unwrap();
    assert_eq!(
        from.ip(),
        IpAddr::V6(Ipv4Addr::new(10, 7, 0, 1).to_ipv6_mapped())
    );
}

/// A server of DHCP on a socket of the stack itself.
fn serve(
    stack: &mut SmolStack,
    server: crate::SocketId,
    is_willing: bool,
    seconds: u32,
) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Ok((message, _)) = receive_all(stack, server) {
        let kind = message[242];
        kinds.push(kind);
        let mut answer: Vec<u8> = message[..240].into();
        answer[0] = 2;
        answer[16..20].copy_from_slice(&[10, 7, 0, 50]);
        let reply = match (kind, is_willing) {
            (1, _) => 2,
            (3, true) => 5,
            _ => 6,
        };
        answer.extend_from_slice(&[53, 1, reply, 54, 4, 10, 7, 0, 2, 1, 4, 255, 255, 255, 0]);
        answer.extend_from_slice(&[3, 4, 10, 7, 0, 2, 6, 8, 10, 7, 0, 2, 9, 9, 9, 9, 51, 4]);
        answer.extend_from_slice(&seconds.to_be_bytes());
        answer.push(255);
        let how = SendTo {
            to: Some(SocketAddr::new(v4(255, 255, 255, 255), 68)),
            ..SendTo::default()
        };
        stack.send(server, &[&answer], &how, false).unwrap();
    }
    kinds
}

#[test]
fn an_address_is_leased_renewed_and_lost() {
    let mut world = World::new(5);
    world.hosts[0].remove_address(2, A).unwrap();
    let server = world.hosts[1].socket(Family::V4, Kind::Datagram).unwrap();
    let any = SocketAddr::new(v4(0, 0, 0, 0), 67);
    world.hosts[1].bind(server, any).unwrap();
    world.hosts[1]
        .set(server, crate::Setting::Broadcast(true))
        .unwrap();
    let automatic = Automatic {
        dhcpv4: true,
        slaac: false,
    };
    world.hosts[0].set_automatic(2, automatic).unwrap();
    let mut kinds = Vec::new();
    let mut rounds = |world: &mut World, count: u64, is_willing| {
        for _ in 0..count {
            kinds.extend(serve(&mut world.hosts[1], server, is_willing, 600));
            world.run(SECOND);
        }
        core::mem::take(&mut kinds)
    };
    assert_eq!(rounds(&mut world, 5, true), [1, 3]);
    let leased = v4(10, 7, 0, 50);
    let has = |world: &World| {
        let addresses = world.hosts[0].addresses();
        addresses
            .iter()
            .any(|own| own.address == leased && own.source == AddressSource::Dhcp)
    };
    assert!(has(&world));
    assert_eq!(world.hosts[0].name_servers(), [B, v4(9, 9, 9, 9)]);
    let way = world.hosts[0]
        .topology
        .way(v4(8, 8, 8, 8), None, None)
        .unwrap();
    assert_eq!((way.next_hop, way.source), (B, leased));
    // It is usable at once.
    let listener = world.listen(80, 5);
    world.connect(listener);
    // Half the time later it is renewed.
    assert_eq!(rounds(&mut world, 400, true), [3]);
    assert!(has(&world));
    // Then the server changes its mind.
    let asked = rounds(&mut world, 400, false);
    assert_eq!(asked[..2], [3, 1]);
    assert!(!has(&world));
    assert_eq!(world.hosts[0].name_servers(), [] as [IpAddr; 0]);
    assert_eq!(rounds(&mut world, 200, true).last(), Some(&3));
    assert!(has(&world));
    // Nobody is there any more: at its end it is given up.
    rounds(&mut world, 1, true);
    world.hosts[1].close(server);
    world.run(700 * SECOND);
    assert!(!has(&world));
}

#[test]
fn routers_tell_of_prefixes_routes_and_name_servers() {
    let mut world = World::new(6);
    let automatic = Automatic {
        dhcpv4: false,
        slaac: true,
    };
    world.cable.lock().unwrap().record = Some(Vec::new());
    world.hosts[0].set_automatic(2, automatic).unwrap();
    world.run(30 * SECOND);
    let frames = world.cable.lock().unwrap().record.take().unwrap();
    let questions = frames.iter().filter(|frame| {
        frame[12..14] == [0x86, 0xdd] && frame.get(54) == Some(&icmp::V6_ROUTER_SOLICITATION)
    });
    assert_eq!(questions.count(), 3);
    let router = world.hosts[1].addresses()[2].address;
    let advertise = |world: &mut World, lifetime: u16, prefix_seconds: u32| {
        let to: IpAddr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into();
        let [high, low] = lifetime.to_be_bytes();
        let head = [64, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0).octets();
        let seconds = prefix_seconds.to_be_bytes();
        let server = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 53).octets();
        let rest: [&[u8]; 10] = [
            &head,
            &[1, 1, 2, 0, 0, 0, 0, 2],
            &[3, 4, 64, 0xc0],
            &seconds,
            &seconds,
            &[0; 4],
            &prefix,
            &[25, 3, 0, 0, 0, 0, 0, 100],
            &server,
            &[5, 1, 0, 0, 0, 0, 5, 0x78],
        ];
        let mut packet = icmp::message(router, to, 134, 0, &rest);
        let head = Head {
            hop_limit: 255,
            ..Head::new(router, to, ip::ICMPV6)
        };
        let way = world.hosts[1]
            .topology
            .way(to, Some(router), Some(2))
            .unwrap();
        world.hosts[1].output_by(&way, &head, &mut packet);
        world.run(SECOND);
    };
    advertise(&mut world, 200, 300);
    let own: IpAddr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0xff, 0xfe00, 1).into();
    let has = |world: &World| {
        world.hosts[0]
            .addresses()
            .iter()
            .any(|known| known.address == own)
    };
    assert!(has(&world));
    let far: IpAddr = Ipv6Addr::new(0x2001, 0xdb8, 9, 9, 0, 0, 0, 9).into();
    let way = world.hosts[0].topology.way(far, None, None).unwrap();
    assert_eq!((way.next_hop, way.source), (router, own));
    assert_eq!(world.hosts[0].name_servers().len(), 1);
    assert_eq!(world.hosts[0].links()[1].mtu_bytes, 1400);
    world.run(150 * SECOND);
    assert!(world.hosts[0].name_servers().is_empty());
    world.run(60 * SECOND);
    assert!(world.hosts[0].topology.way(far, None, None).is_err());
    assert!(has(&world));
    // Told again, it lives longer; told with zero, the route goes at once.
    advertise(&mut world, 200, 300);
    assert!(world.hosts[0].topology.way(far, None, None).is_ok());
    advertise(&mut world, 0, 300);
    assert!(world.hosts[0].topology.way(far, None, None).is_err());
    world.run(310 * SECOND);
    assert!(!has(&world));
}

#[test]
fn frames_that_are_not_for_us_are_counted() {
    let mut world = World::new(7);
    let before = world.hosts[0].links()[1].traffic;
    let mut frame = [0u8; 60];
    frame[0] = 2;
    frame[5] = 77;
    world.hosts[0].frame_input(2, &mut frame, false);
    // Cut within the header.
    world.hosts[0].frame_input(2, &mut frame[..9], false);
    let after = world.hosts[0].links()[1].traffic;
    assert_eq!(after.received_drops, before.received_drops + 1);
    assert_eq!(after.received_errors, before.received_errors + 1);
    assert_eq!(world.hosts[0].links()[0].name, "lo");
    assert_eq!(
        End::new(&world.cable, 0, 1500).name(),
        world.hosts[0].links()[1].name
    );
}

#[test]
fn a_narrow_way_is_found() {
    for version in [4, 6] {
        let mut world = World::new(9);
        let (local, peer) = match version {
            4 => (A, B),
            _ => {
                let mut hosts = [A, B];
                for (index, host) in hosts.iter_mut().enumerate() {
                    *host = format!("fd00::{}", index + 1).parse().unwrap();
                    let own = address(2, *host, 64);
                    world.hosts[index].add_address(own).unwrap();
                }
                (hosts[0], hosts[1])
            }
        };
        let family = if local.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let listener = world.hosts[1].socket(family, Kind::Stream).unwrap();
        let peer_socket = SocketAddr::new(peer, 80);
        world.hosts[1].bind(listener, peer_socket).unwrap();
        world.hosts[1].listen(listener, 5).unwrap();
        let client = world.hosts[0].socket(family, Kind::Stream).unwrap();
        let _ = world.hosts[0].connect(client, peer_socket);
        world.run(SECOND);
        let (server, _) = world.hosts[1].accept(listener).unwrap();
        world.cable.lock().unwrap().narrow = Some(1300);
        let bytes: Vec<u8> = (0..100_000u32).map(|place| (place % 251) as u8).collect();
        let (mut sent, mut got) = (0, Vec::new());
        let begin = world.now;
        world.until("all bytes", |hosts| {
            while let Ok(len) = send(&mut hosts[0], client, &bytes[sent..]) {
                sent += len;
                if sent == bytes.len() {
                    break;
                }
            }
            if let Ok(more) = receive(&mut hosts[1], server) {
                got.extend(more);
            }
            got.len() == bytes.len()
        });
        assert!(got == bytes);
        // Nothing waits for a timer, and what was on its way is all that was too long.
        assert!(world.now - begin < SECOND / 5, "{}", world.now - begin);
        let too_big = world.cable.lock().unwrap().too_big;
        assert!((1..=12).contains(&too_big), "{too_big} too long");
        assert!(world.hosts[0].info(client).unwrap().max_segment_bytes < 1300 - 40);
        // A datagram goes in parts that fit.
        let from = world.hosts[0].socket(family, Kind::Datagram).unwrap();
        let to = world.hosts[1].socket(family, Kind::Datagram).unwrap();
        world.hosts[1].bind(to, SocketAddr::new(peer, 53)).unwrap();
        let how = SendTo {
            to: Some(SocketAddr::new(peer, 53)),
            ..SendTo::default()
        };
        world.hosts[0]
            .send(from, &[&bytes[..5000]], &how, false)
            .unwrap();
        world.run(SECOND);
        assert_eq!(receive(&mut world.hosts[1], to).unwrap(), bytes[..5000]);
        assert_eq!(world.cable.lock().unwrap().too_big, too_big);
    }
}

#[test]
fn a_router_that_was_not_on_the_way_is_not_believed() {
    let mut world = World::new(10);
    let listener = world.listen(80, 5);
    let (client, _) = world.connect(listener);
    let flow = *world.hosts[0].tcp.flows.keys().next().unwrap();
    let before = world.hosts[0].info(client).unwrap().max_segment_bytes;
    // Nothing is on its way that could have been too long.
    let mut quoted = crate::packet::Packet::new(20);
    quoted.bytes_mut()[..2].copy_from_slice(&flow.local_port.to_be_bytes());
    quoted.bytes_mut()[2..4].copy_from_slice(&flow.peer_port.to_be_bytes());
    ip::write(&mut quoted, &Head::new(A, B, ip::TCP), 0, None);
    let mtu = 600u32.to_be_bytes();
    let mut packet = icmp::message(B, A, 3, 4, &[&mtu, quoted.bytes()]);
    ip::write(&mut packet, &Head::new(B, A, ip::ICMP), 0, None);
    let mac = [2, 0, 0, 0, 0, 1];
    crate::ethernet::write(&mut packet, mac, mac, crate::ethernet::IPV4);
    world.hosts[0].frame_input(2, &mut packet.bytes().to_vec(), false);
    assert_eq!(
        world.hosts[0].info(client).unwrap().max_segment_bytes,
        before
    );
    assert_eq!(world.hosts[0].path_mtu(2, B), 1500);
}

#[test]
fn an_address_of_somebody_else_is_given_back() {
    let mut world = World::new(11);
    let own: [IpAddr; 2] = ["fd00::1", "fd00::2"].map(|text| text.parse().unwrap());
    for (index, address_of) in own.into_iter().enumerate() {
        world.hosts[index]
            .add_address(address(2, address_of, 64))
            .unwrap();
    }
    world.run(5 * SECOND);
    // Nobody claimed these, nor the addresses of the links themselves.
    for (host, own) in world.hosts.iter().zip(own) {
        let addresses = host.addresses();
        let outside = addresses
            .iter()
            .filter(|it| it.link == 2 && it.address.is_ipv6());
        assert_eq!(outside.count(), 2);
        assert!(host.topology.is_local(own));
    }
    // One that the other has had for long.
    world.hosts[0].add_address(address(2, own[1], 64)).unwrap();
    world.run(SECOND);
    assert!(!world.hosts[0].topology.is_local(own[1]));
    assert!(world.hosts[1].topology.is_local(own[1]));
    // One that both want at once: nobody has it.
    let both = "fd00::7".parse().unwrap();
    for host in &mut world.hosts {
        host.add_address(address(2, both, 64)).unwrap();
    }
    world.run(SECOND);
    for host in &world.hosts {
        assert!(!host.topology.is_local(both));
    }
    // What is ours is defended, not given up.
    world.hosts[1].add_address(address(2, own[0], 64)).unwrap();
    world.run(SECOND);
    assert!(world.hosts[0].topology.is_local(own[0]));
    assert!(!world.hosts[1].topology.is_local(own[0]));
}
