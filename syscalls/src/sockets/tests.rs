//! What the conformance programs cannot see: that nothing is left of sockets, messages and names.

#![allow(clippy::unwrap_used, reason = "tests")]

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::{Errno, Sysno};

use super::domain::Key;
use super::endpoint::{Endpoint, Kind};
use super::message::Cargo;
use super::pieces::Pieces;
use super::send::Sending;
use super::wait::Patience;
use super::*;
use crate::files::file::File;
use crate::files::sys_close;
use crate::testing::World;

const STREAM: usize = 1;
const DATAGRAM: usize = 2;

/// A world, and room in it.
struct Place {
    world: World,
    room: usize,
}

fn place() -> Place {
    let world = World::new();
    let room = world.room(8);
    Place { world, room }
}

fn pair(&Place { ref world, room }: &Place, kind: usize) -> [usize; 2] {
    assert_eq!(world.call(sys_socketpair, [1, kind, 0, room]), Ok(0));
    world.get_value::<[u32; 2]>(room).map(|fd| fd as usize)
}

fn file(world: &World, fd: usize) -> Arc<File> {
    world.process.files.any(fd as i32).unwrap()
}

fn end(world: &World, fd: usize) -> Arc<Endpoint> {
    socket::end_of(&file(world, fd)).unwrap().clone()
}

fn close(world: &World, fd: usize) {
    assert_eq!(world.call(sys_close, [fd]), Ok(0));
}

/// Sends one byte with files.
fn send(&Place { ref world, room }: &Place, fd: usize, files: &[usize]) {
    let end = end(world, fd);
    let sending = Sending {
        end: &end,
        source: &Pieces(&[(room, 1)]),
        to: None,
        files: files.iter().map(|&fd| file(world, fd)).collect(),
        credentials: None,
        flags: 0,
        patience: Patience::None,
        call: Sysno::sendmsg,
    };
    assert_eq!(sending.send(&world.context()), Ok(1));
}

#[test]
fn sockets_in_each_other_are_collected_and_those_that_can_be_received_are_not() {
    let place = place();
    let world = &place.world;
    let [a, to_a] = pair(&place, DATAGRAM);
    let [b, to_b] = pair(&place, DATAGRAM);
    let [c, to_c] = pair(&place, STREAM);
    send(&place, to_a, &[b, a]);
    send(&place, to_b, &[a, c]);
    send(&place, to_c, &[b]);
    let held = [a, b, c].map(|fd| Arc::downgrade(&file(world, fd)));
    for fd in [a, b, to_a, to_b, to_c] {
        close(world, fd);
    }
    // c is still open, and b is in it.
    assert!(held.iter().all(|file| file.strong_count() > 0));
    close(world, c);
    // Whoever closes others has them looked for.
    for _ in 0..3 {
        for fd in pair(&place, STREAM) {
            close(world, fd);
        }
    }
    assert!(held.iter().all(|file| file.strong_count() == 0));
    assert!(world.process.sockets.domain().has_no_travellers());
}

#[test]
fn sockets_within_sockets_are_closed_however_deep() {
    let place = place();
    let world = &place.world;
    let [mut last, other] = pair(&place, STREAM);
    close(world, other);
    let bottom = Arc::downgrade(&file(world, last));
    for _ in 0..20_000 {
        let [next, to_next] = pair(&place, STREAM);
        send(&place, to_next, &[last]);
        close(world, last);
        close(world, to_next);
        last = next;
    }
    assert!(bottom.strong_count() > 0);
    close(world, last);
    assert_eq!(bottom.strong_count(), 0);
}

#[test]
fn closed_ends_leave_nothing() {
    let place = place();
    let world = &place.world;
    let [one, other] = pair(&place, STREAM);
    let ends: Vec<_> = [one, other]
        .map(|fd| Arc::downgrade(&end(world, fd)))
        .into();
    send(&place, one, &[]);
    send(&place, other, &[]);
    close(world, one);
    close(world, other);
    assert!(ends.iter().all(|end| end.strong_count() == 0));

    let address = world.bytes(b"\x01\0\0name");
    let key = Key::Abstract(Kind::Stream, b"\0name".to_vec());
    let listener = world.call(sys_socket, [1, STREAM, 0]).unwrap();
    let client = world.call(sys_socket, [1, STREAM, 0]).unwrap();
    assert_eq!(world.call(sys_bind, [listener, address, 7]), Ok(0));
    assert_eq!(world.call(sys_listen, [listener, 1]), Ok(0));
    assert_eq!(world.call(sys_connect, [client, address, 7]), Ok(0));
    let arrival = Arc::downgrade(&end(world, client).peer().unwrap());
    let domain = world.process.sockets.domain();
    assert!(domain.find(&key).is_some());
    close(world, listener);
    assert!(domain.find(&key).is_none());
    close(world, client);
    assert_eq!(arrival.strong_count(), 0);
}

#[test]
fn a_message_that_is_not_sent_closes_its_files() {
    let place = place();
    let world = &place.world;
    let [one, other] = pair(&place, DATAGRAM);
    let context = world.context();
    let domain = context.process.sockets.domain();
    let cargo = Cargo::new(domain, [file(world, one)].into());
    assert!(!domain.has_no_travellers());
    drop(cargo);
    assert!(domain.has_no_travellers());
    close(world, one);
    // The errno says that the end is gone, not only its number.
    let byte = world.value(&1u8);
    let sent = world.call(sys_sendto, [other, byte, 1, 0, 0, 0]);
    assert_eq!(sent, Err(Errno::ECONNREFUSED));
}

#[test]
fn what_linux_has_and_this_does_not_is_reported() {
    let world = World::new();
    let socket = world.call(sys_socket, [1, STREAM, 0]).unwrap();
    let on = world.value(&1_i32);
    let stamps = world.call(sys_setsockopt, [socket, 1, 29, on, 4]);
    assert_eq!(stamps, Err(Errno::ENOPROTOOPT));
    let network = world.call(sys_socket, [2, STREAM, 0]);
    assert_eq!(network, Err(Errno::EAFNOSUPPORT));
    // What Linux refuses as well is not.
    let none = world.call(sys_socket, [99, STREAM, 0]);
    assert_eq!(none, Err(Errno::EAFNOSUPPORT));
    let output = alloc::string::String::from_utf8(world.sim.take_output()).unwrap();
    let expected = "setsockopt for times of messages, which this platform does not have: ENOPROTOOPT\n\
        socket for a family of sockets other than AF_UNIX, which this platform does not have: EAFNOSUPPORT\n";
    assert_eq!(output, expected);
}
