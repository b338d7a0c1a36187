//! Datagrams that are longer than frames: Linux takes them apart and puts the engine's together, and the
//! other way round. And what Linux says of addresses that the engine has.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::mpsc::{TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use muslin_net_stack::{Family, Kind, ReceiveHow, SendTo, SmolStack, SocketId, Stack};

use crate::plan::Bytes;
use crate::runs::with_addresses;
use crate::wire::{Plug, Wire};

const PORT: u16 = 7;
/// Around the length of one frame, of several, and the longest one of IPv4.
const SIZES: [usize; 9] = [0, 1, 1452, 1472, 1473, 4000, 8192, 30_001, 65_507];

/// Sends each size from Linux, and hears it back.
fn ask(engine: SocketAddr) -> Result<(), String> {
    let text = |what: &str, error: std::io::Error| format!("Linux: {engine}: {what}: {error}");
    let any: IpAddr = match engine {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let socket = UdpSocket::bind((any, 0)).map_err(|error| text("bind", error))?;
    let patience = Some(Duration::from_secs(20));
    let told = socket.set_read_timeout(patience);
    told.map_err(|error| text("a time", error))?;
    let bytes = Bytes::new(5);
    for (number, size) in SIZES.into_iter().enumerate() {
        let sent = bytes.at(number, size);
        let taken = socket.send_to(sent, engine);
        taken.map_err(|error| text(&format!("sending {size} bytes"), error))?;
        let mut place = vec![0; 66_000];
        let got = socket.recv(&mut place);
        let got = got.map_err(|error| text(&format!("the answer of {size} bytes"), error))?;
        if place[..got] != *sent {
            return Err(format!("Linux: {got} other bytes than {size} came back"));
        }
    }
    Ok(())
}

/// Sends back what came.
fn echo(stack: &mut SmolStack, socket: SocketId) {
    let mut place = vec![0; 66_000];
    while let Ok(got) = stack.receive(socket, &mut [&mut place], ReceiveHow::default()) {
        let to = SendTo {
            to: Some(got.from),
            ..SendTo::default()
        };
        let sent = stack.send(socket, &[&place[..got.bytes]], &to, false);
        assert_eq!(sent, Ok(got.bytes));
    }
}

/// What Linux finds out of an address that the engine has.
fn take_address_of_engine() -> Result<(), String> {
    let ip = |words: &[&str]| {
        let output = Command::new("ip").args(words).output();
        let output = output.map_err(|error| format!("ip: {error}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Before, the engine is not sure of it either.
    thread::sleep(Duration::from_millis(1100));
    ip(&["address", "add", "fd77::2/64", "dev", "tap0"])?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if ip(&["address", "show", "dev", "tap0"])?.contains("dadfailed") {
            ip(&["address", "del", "fd77::2/64", "dev", "tap0"])?;
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err("Linux: it took an address that the engine has".to_owned())
}

pub fn all(interface: &str) {
    let wire = Arc::new(Mutex::new(Wire::open(interface)));
    let mut stack = with_addresses(Plug(wire.clone()));
    let sockets = [(Family::V4, "10.77.0.2"), (Family::V6, "fd77::2")].map(|(family, own)| {
        let socket = stack.socket(family, Kind::Datagram).unwrap();
        let own = SocketAddr::new(own.parse().unwrap(), PORT);
        stack.bind(socket, own).unwrap();
        (socket, own)
    });
    let (sender, linux) = channel();
    thread::spawn(move || {
        let asked = sockets.iter().try_for_each(|&(_, own)| ask(own));
        // Nobody listens any more if the engine failed.
        let _ = sender.send(asked.and_then(|()| take_address_of_engine()));
    });
    let began = Instant::now();
    loop {
        let now_ns = began.elapsed().as_nanos() as u64;
        let is_busy = wire.lock().unwrap().move_frames(now_ns);
        stack.poll(now_ns);
        for (socket, _) in sockets {
            echo(&mut stack, socket);
        }
        match linux.try_recv() {
            Ok(Ok(())) => break,
            Ok(Err(error)) => panic!("{error}"),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => panic!("Linux: its thread ended"),
        }
        if !is_busy {
            thread::sleep(Duration::from_micros(200));
        }
    }
    println!("runs: {} datagrams each way", 2 * SIZES.len());
}
