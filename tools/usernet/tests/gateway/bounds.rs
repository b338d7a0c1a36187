//! What a guest may not have, and how much.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use muslin_abi::Errno;
use muslin_net_stack::{Kind, SendTo, Stack};

use crate::guest::{Guest, HOST};

#[test]
fn this_host_is_not_reached_unless_that_is_said() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut guest = Guest::with("", &[]);
    assert_eq!(
        guest.try_connect(SocketAddr::new(HOST, port)),
        Err(Errno::ECONNREFUSED)
    );
    for (there, errno) in [
        ("10.0.2.3", Errno::ECONNREFUSED),
        ("169.254.169.254", Errno::EHOSTUNREACH),
        ("240.0.0.1", Errno::EHOSTUNREACH),
    ] {
        let to = SocketAddr::new(there.parse().unwrap(), port);
        assert_eq!(guest.try_connect(to), Err(errno), "{there}");
    }
    let socket = guest.datagrams(SocketAddr::new(HOST, port));
    guest.send(socket, b"hello?").unwrap();
    assert_eq!(guest.receive(socket), Err(Errno::ECONNREFUSED));

    // By an address of this host that others know.
    let outside = UdpSocket::bind("0.0.0.0:0").unwrap();
    match outside
        .connect("192.0.2.1:9")
        .and_then(|()| outside.local_addr())
    {
        Ok(own) if !own.ip().is_loopback() => {
            let own = SocketAddr::new(own.ip(), port);
            assert_eq!(guest.try_connect(own), Err(Errno::EHOSTUNREACH));
            let mut other = Guest::new();
            other.connect(own);
        }
        _ => println!("SKIP (a part) this host has no address but the loopback's"),
    }
    listener.set_nonblocking(true).unwrap();
    let came = std::iter::from_fn(|| listener.accept().ok()).count();
    assert!(came <= 1, "only the one that may");
}

/// How many descriptors this process has.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn conversations_have_a_bound_and_the_oldest_gives_way() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = SendTo {
        to: Some(SocketAddr::new(HOST, server.local_addr().unwrap().port())),
        ..SendTo::default()
    };
    server.set_nonblocking(true).unwrap();
    let mut guest = Guest::new();
    let before = descriptors();
    let mut sockets = Vec::new();
    let mut last = None;
    for number in 0..600_u16 {
        let socket = guest.socket(Kind::Datagram, HOST);
        let message = number.to_be_bytes();
        guest.stack.send(socket, &[&message], &to, false).unwrap();
        sockets.push(socket);
        guest.until("it arrives", |_| {
            let mut message = [0; 2];
            last = server.recv_from(&mut message).ok().map(|(_, from)| from);
            last.is_some() && message == number.to_be_bytes()
        });
    }
    // Other tests have some, too.
    let more = descriptors().saturating_sub(before);
    assert!(more < 450, "{more} more descriptors");
    // The newest can talk.
    server.send_to(b"back", last.unwrap()).unwrap();
    assert_eq!(guest.receive(*sockets.last().unwrap()).unwrap(), b"back");
}
