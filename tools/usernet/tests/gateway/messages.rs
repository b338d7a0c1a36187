//! Messages of a guest: UDP, names, echoes.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use muslin_abi::Errno;
use muslin_net_stack::{Kind, SendTo, Stack};

use crate::guest::{Guest, HOST, bytes_at, take};

const NAMES: &str = "10.0.2.3:53";

/// Answers so many messages: each backwards.
fn backwards(count: usize) -> (SocketAddr, thread::JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut message = vec![0; 65_536];
        for _ in 0..count {
            let (len, from) = socket.recv_from(&mut message).unwrap();
            message[..len].reverse();
            socket.send_to(&message[..len], from).unwrap();
        }
    });
    (address, server)
}

#[test]
fn messages_of_any_length_go_there_and_back() {
    let lengths = [0, 1, 500, 1472, 1473, 9000, 60_000];
    let (address, server) = backwards(lengths.len());
    let mut guest = Guest::new();
    let socket = guest.datagrams(SocketAddr::new(HOST, address.port()));
    for len in lengths {
        let message = bytes_at(len, len);
        assert_eq!(guest.send(socket, &message), Ok(len));
        let mut back = guest.receive(socket).unwrap();
        back.reverse();
        assert!(back == message, "{len}");
    }
    server.join().unwrap();
}

#[test]
fn a_port_that_nobody_has_is_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let mut guest = Guest::new();
    let socket = guest.datagrams(SocketAddr::new(HOST, port));
    guest.send(socket, b"anybody?").unwrap();
    assert_eq!(guest.receive(socket), Err(Errno::ECONNREFUSED));
}

#[test]
fn the_name_server_stands_for_those_of_the_host() {
    // The first does not answer: the second does, when it is asked again.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let first = silent.local_addr().unwrap();
    let (second, server) = backwards(2);
    let mut guest = Guest::with(&format!("dns={first},dns={second}"), &[]);
    let socket = guest.datagrams(NAMES.parse().unwrap());
    guest.send(socket, b"question").unwrap();
    guest.run(Duration::from_millis(50));
    assert_eq!(take(&mut guest.stack, socket), Err(Errno::EAGAIN));
    guest.send(socket, b"question").unwrap();
    assert_eq!(guest.receive(socket).unwrap(), b"noitseuq");

    // An answer of somebody else's is none.
    let mut question = [0; 100];
    let (_, gateway) = silent.recv_from(&mut question).unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(b"lie", gateway).unwrap();
    guest.run(Duration::from_millis(50));
    assert_eq!(take(&mut guest.stack, socket), Err(Errno::EAGAIN));
    guest.send(socket, b"question").unwrap();
    guest.send(socket, b"again").unwrap();
    assert_eq!(guest.receive(socket).unwrap(), b"niaga");
    server.join().unwrap();
}

#[test]
fn names_are_asked_for_by_streams_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = [0; 8];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(&question).unwrap();
    });
    let mut guest = Guest::with(&format!("dns={address}"), &[]);
    let socket = guest.connect(NAMES.parse().unwrap());
    guest.send(socket, b"question").unwrap();
    assert_eq!(guest.receive(socket).unwrap(), b"question");
    server.join().unwrap();
}

#[test]
fn echoes_go_as_far_as_the_user_may_ask() {
    let mut guest = Guest::new();
    let request = [8, 0, 0, 0, 0, 0, 0, 1, b'h', b'i'];
    // The gateway answers for itself, in the name of the name server too.
    for near in [HOST, "10.0.2.3".parse().unwrap()] {
        assert_eq!(ask(&mut guest, near, &request).unwrap()[8..], *b"hi");
    }
    let nobody: IpAddr = "10.0.2.77".parse().unwrap();
    let socket = guest.socket(Kind::Echo, nobody);
    let to = SendTo {
        to: Some(SocketAddr::new(nobody, 0)),
        ..SendTo::default()
    };
    guest.stack.send(socket, &[&request], &to, false).unwrap();
    guest.run(Duration::from_millis(50));
    assert_eq!(take(&mut guest.stack, socket), Err(Errno::EAGAIN));
}

fn ask(guest: &mut Guest, whom: IpAddr, request: &[u8]) -> Result<Vec<u8>, Errno> {
    let socket = guest.socket(Kind::Echo, whom);
    let to = SendTo {
        to: Some(SocketAddr::new(whom, 0)),
        ..SendTo::default()
    };
    guest.stack.send(socket, &[request], &to, false)?;
    guest.receive(socket)
}
