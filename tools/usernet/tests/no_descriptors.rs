//! A gateway whose process has no more descriptors. It is alone here: the limit is the process's.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use muslin_usernet::{Gateway, Publish, Settings};
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, socketpair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const LIMIT: u64 = 128;
/// Something is wrong if it takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port that is free.
fn free_port() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

#[test]
fn who_comes_to_a_published_port_is_turned_away() {
    // A gateway takes what the process may have.
    let limit = Rlimit {
        current: Some(LIMIT / 2),
        maximum: Some(LIMIT),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (_guest, far) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    let host = free_port();
    let publish = Publish {
        host,
        guest_port: 80,
        is_udp: false,
    };
    let mut gateway = Gateway::new(far, Settings::default(), &[publish]).unwrap();
    let end = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let client = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| gateway.run(end.as_fd()));
        let give_up = Instant::now() + PATIENCE;
        while getrlimit(Resource::Nofile).current != Some(LIMIT) {
            assert!(Instant::now() < give_up, "the limit was left as it was");
            thread::yield_now();
        }
        let all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!((LIMIT / 2..LIMIT).contains(&(all.len() as u64)));
        let mut client = std::net::TcpStream::from(client);
        client.set_nonblocking(false).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        connect(&client, &host).unwrap();
        let heard = client.read(&mut [0]);
        rustix::io::write(&end, &1_u64.to_ne_bytes()).unwrap();
        running.join().unwrap().unwrap();
        match heard {
            Ok(len) => assert_eq!(len, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    });
}
