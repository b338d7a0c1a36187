//! Ports of the host that stand for ports of a guest.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use muslin_net_stack::{Family, Kind, ReceiveHow, SendTo, Stack};
use muslin_usernet::{Gateway, Problem, Publish, Settings};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::guest::{Guest, HOST, take};

/// A port that was free just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn publish(word: &str) -> Publish {
    word.parse().unwrap()
}

#[test]
fn clients_of_the_host_reach_a_server_of_the_guest() {
    let port = free_port();
    let mut guest = Guest::with("", &[publish(&format!("{port}:80"))]);
    let listener = guest.stack.socket(Family::V4, Kind::Stream).unwrap();
    guest
        .stack
        .bind(listener, "0.0.0.0:80".parse().unwrap())
        .unwrap();
    guest.stack.listen(listener, 16).unwrap();
    let clients: Vec<_> = (0..8_u8)
        .map(|number| {
            thread::spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.write_all(&[number]).unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).unwrap();
                assert_eq!(answer, vec![number; 100_000]);
            })
        })
        .collect();
    for _ in 0..clients.len() {
        let mut accepted = None;
        guest.until("somebody comes", |stack| {
            accepted = stack.accept(listener).ok();
            accepted.is_some()
        });
        let (socket, peer) = accepted.unwrap();
        assert_eq!(peer.ip(), HOST);
        let number = guest.receive(socket).unwrap();
        let mut rest = vec![number[0]; 100_000];
        guest.until("all is sent", |stack| {
            if let Ok(sent) = stack.send(socket, &[&rest], &SendTo::default(), false) {
                rest.drain(..sent);
            }
            rest.is_empty()
        });
        guest.stack.close(socket);
    }
    guest.until("all have their answer", |_| {
        clients.iter().all(thread::JoinHandle::is_finished)
    });
    for client in clients {
        client.join().unwrap();
    }

    // Nobody listens any more: who comes hears it.
    guest.stack.close(listener);
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.read(&mut [0]).map_err(|error| error.kind())
    });
    guest.until("it is refused", |_| client.is_finished());
    assert_eq!(client.join().unwrap(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn messages_reach_a_server_of_the_guest_and_their_senders() {
    let port = free_port();
    let mut guest = Guest::with("", &[publish(&format!("{port}:53/udp"))]);
    let server = guest.stack.socket(Family::V4, Kind::Datagram).unwrap();
    guest
        .stack
        .bind(server, "0.0.0.0:53".parse().unwrap())
        .unwrap();
    let clients: Vec<UdpSocket> = (0..3)
        .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();
    for round in 0..2_u8 {
        for (client, number) in clients.iter().zip(0_u8..) {
            client
                .send_to(&[round, number], ("127.0.0.1", port))
                .unwrap();
        }
        for _ in &clients {
            let mut message = [0; 10];
            let mut got = None;
            guest.until("a message comes", |stack| {
                let how = ReceiveHow::default();
                got = stack.receive(server, &mut [&mut message], how).ok();
                got.is_some()
            });
            let to = SendTo {
                to: got.map(|got| got.from),
                ..SendTo::default()
            };
            guest
                .stack
                .send(server, &[&message[..2], b"!"], &to, false)
                .unwrap();
        }
        guest.until("the answers are on their way", |_| true);
        for (client, number) in clients.iter().zip(0_u8..) {
            let mut answer = [0; 10];
            assert_eq!(client.recv(&mut answer).unwrap(), 3);
            assert_eq!(answer[..3], [round, number, b'!']);
        }
    }
    assert!(take(&mut guest.stack, server).is_err());
}

#[test]
fn a_port_that_somebody_has_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = publish(&format!("{}:80", listener.local_addr().unwrap().port()));
    let flags = SocketFlags::NONBLOCK;
    let (_near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    let problem = Gateway::new(far, Settings::default(), &[taken]).err();
    assert_eq!(
        problem,
        Some(Problem::Publish(taken, rustix::io::Errno::ADDRINUSE))
    );
}
