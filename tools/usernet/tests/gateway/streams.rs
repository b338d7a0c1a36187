//! Streams of a guest.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown as HostShutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use muslin_abi::Errno;
use muslin_net_stack::{Setting, Shutdown, SocketId, Stack};
use rustix::net::sockopt;

use crate::guest::{Guest, HOST, bytes_at, take};

/// A server of the host that does something with the first that comes, and where guests find it.
fn serve<T: Send + 'static>(
    with: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, thread::JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || with(listener.accept().unwrap().0));
    (SocketAddr::new(HOST, port), server)
}

#[test]
fn a_guest_has_what_others_lease() {
    let guest = Guest::new();
    let servers = guest.stack.name_servers();
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.2.3", "fd00::3"]);
    let routes = guest.stack.routes();
    let gateways: Vec<IpAddr> = routes.iter().filter_map(|it| it.gateway).collect();
    assert!(gateways.contains(&HOST), "{gateways:?}");
    assert!(gateways.iter().any(IpAddr::is_ipv6), "{gateways:?}");
}

/// Sends all of the bytes, as there is room.
fn give_all(guest: &mut Guest, socket: SocketId, bytes: &[u8]) {
    let mut sent = 0;
    guest.until("all is sent", |stack| {
        let rest = &bytes[sent..];
        if let Ok(len) = stack.send(socket, &[rest], &Default::default(), false) {
            sent += len;
        }
        sent == bytes.len()
    });
}

#[test]
fn much_goes_both_ways_and_each_way_ends_for_itself() {
    const BYTES: usize = 12 << 20;
    let (to, server) = serve(|mut stream| {
        let mut up = vec![0; BYTES];
        stream.read_exact(&mut up).unwrap();
        assert!(up == bytes_at(1, BYTES));
        // The guest has ended its way, and hears this all the same.
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        stream.write_all(&bytes_at(2, BYTES)).unwrap();
    });
    let mut guest = Guest::new();
    let socket = guest.connect(to);
    give_all(&mut guest, socket, &bytes_at(1, BYTES));
    guest.stack.shutdown(socket, Shutdown::Write).unwrap();
    let mut down = Vec::new();
    guest.until("all is received", |stack| match take(stack, socket) {
        Ok(bytes) if bytes.is_empty() => true,
        Ok(bytes) => {
            down.extend(bytes);
            false
        }
        Err(errno) => {
            assert_eq!(errno, Errno::EAGAIN);
            false
        }
    });
    assert!(down == bytes_at(2, BYTES), "{} bytes", down.len());
    server.join().unwrap();
}

#[test]
fn the_other_side_may_end_first() {
    let (to, server) = serve(|mut stream| {
        stream.write_all(b"that is all").unwrap();
        stream.shutdown(HostShutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    });
    let mut guest = Guest::new();
    let socket = guest.connect(to);
    assert_eq!(guest.receive(socket).unwrap(), b"that is all");
    assert_eq!(guest.receive(socket).unwrap(), b"");
    guest.send(socket, b"thanks").unwrap();
    guest.stack.close(socket);
    guest.until("the end arrives", |_| server.is_finished());
    assert_eq!(server.join().unwrap(), "thanks");
}

#[test]
fn both_sides_hear_of_resets() {
    let (to, server) = serve(|mut stream| {
        // Once the guest knows that it is connected.
        stream.read_exact(&mut [0]).unwrap();
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    });
    let mut guest = Guest::new();
    let socket = guest.connect(to);
    guest.send(socket, b"x").unwrap();
    assert_eq!(guest.receive(socket), Err(Errno::ECONNRESET));
    server.join().unwrap();

    let (to, server) = serve(|mut stream| stream.read(&mut [0]).map_err(|it| it.kind()));
    let socket = guest.connect(to);
    guest.stack.set(socket, Setting::Linger(Some(0))).unwrap();
    guest.stack.close(socket);
    guest.until("the reset arrives", |_| server.is_finished());
    assert_eq!(server.join().unwrap(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn where_nobody_is_nobody_answers() {
    let mut guest = Guest::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = SocketAddr::new(HOST, listener.local_addr().unwrap().port());
    drop(listener);
    assert_eq!(guest.try_connect(to), Err(Errno::ECONNREFUSED));
    let nobody = SocketAddr::from(([10, 0, 2, 77], 80));
    assert_eq!(guest.try_connect(nobody), Err(Errno::EHOSTUNREACH));
}

#[test]
fn a_guest_reaches_by_ipv6_too() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        println!("SKIP a_guest_reaches_by_ipv6_too: this host has no IPv6");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || listener.accept().unwrap().0.write_all(b"six").unwrap());
    let mut guest = Guest::new();
    let there = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
    let socket = guest.connect(SocketAddr::new(there.into(), port));
    assert_eq!(guest.receive(socket).unwrap(), b"six");
    server.join().unwrap();
}

#[test]
fn who_is_not_read_is_not_written() {
    let (go, wait) = std::sync::mpsc::channel();
    let (to, server) = serve(move |mut stream| {
        let () = wait.recv().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    });
    let mut guest = Guest::new();
    let socket = guest.connect(to);
    // Until nothing is taken for a while: what there is room for on the way.
    let mut sent = 0;
    loop {
        let before = sent;
        let end = std::time::Instant::now() + Duration::from_millis(500);
        guest.until("half a second", |stack| {
            let piece = bytes_at(sent, 50_000);
            if let Ok(len) = stack.send(socket, &[&piece], &Default::default(), false) {
                sent += len;
            }
            std::time::Instant::now() >= end
        });
        if sent == before {
            break;
        }
        assert!(sent < 64 << 20, "nothing ends it");
    }
    go.send(()).unwrap();
    guest.stack.shutdown(socket, Shutdown::Write).unwrap();
    guest.until("all arrives", |_| server.is_finished());
    assert!(server.join().unwrap() == bytes_at(0, sent));
}

#[test]
fn what_a_guest_has_sent_arrives_though_it_ends() {
    const BYTES: usize = 200_000;
    let (to, server) = serve(|mut stream| {
        thread::sleep(Duration::from_millis(100));
        let mut all = Vec::new();
        stream.read_to_end(&mut all).map(|_| all)
    });
    let mut guest = Guest::new();
    let socket = guest.connect(to);
    let all = bytes_at(0, BYTES);
    give_all(&mut guest, socket, &all);
    guest.stack.close(socket);
    guest.until("all is acknowledged", |stack| stack.unfinished() == 0);
    guest.end();
    assert!(server.join().unwrap().unwrap() == all);
}

#[test]
fn what_a_guest_has_sent_arrives_though_it_did_not_read() {
    const BYTES: usize = 200_000;
    let (tell, told) = std::sync::mpsc::channel();
    let (to, server) = serve(move |mut stream| {
        // More than the gateway takes of it while the guest does not read.
        stream.write_all(&bytes_at(0, 1 << 20)).unwrap();
        tell.send(()).unwrap();
        let mut all = vec![0; BYTES / 2];
        stream.read_exact(&mut all).unwrap();
        // Of the rest more than there is room for on this side is on its way when the guest ends.
        thread::sleep(Duration::from_millis(100));
        stream.read_to_end(&mut all).map(|_| all)
    });
    let mut guest = Guest::new();
    let socket = guest.connect(to);
    let all = bytes_at(0, BYTES);
    give_all(&mut guest, socket, &all);
    guest.until("all is acknowledged", |stack| {
        stack.info(socket).unwrap().send_queue == 0
    });
    guest.until("its peer has written", |_| told.try_recv().is_ok());
    guest.end();
    assert!(server.join().unwrap().unwrap() == all);
}
