//! What losses cost: the time of transfers over a wire with a round trip of some milliseconds and a rate of
//! losses, from Linux to Linux, from the engine to Linux, and from Linux to the engine. A table, no verdict.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use muslin_abi::Errno;
use muslin_net_layers::{Delivery, Faults, Way};
use muslin_net_stack::{
    Family, Kind, Link, ReceiveHow, SendTo, Setting, SmolStack, SocketId, Stack,
};

use crate::runs;
use crate::wire::{self, PORTS};

/// What one transfer moves.
const TOTAL_BYTES: usize = 2 << 20;
/// Transfers of a row, all at once: each has its own losses.
const SEEDS: u16 = 15;
const LOSSES: [u16; 4] = [0, 10, 20, 50];
/// The round trips, half of which each frame takes.
const ROUND_TRIPS_NS: [u64; 2] = [2_000_000, 20_000_000];
/// What Linux is asked to use: what it has by default everywhere but where somebody chose another one.
const CONGESTION: &[u8] = b"cubic";
const TAP_OF_OTHER: &str = "tap1";
/// The other Linux, in a network of its own, with the addresses that the engine has else.
const OTHER: &str = "\
    ip tuntap add tap1 mode tap && ip link set tap1 up && ip address add 10.77.0.2/24 dev tap1";
/// Nothing that a connection learnt is kept for the next one.
const FORGET: &str = "/proc/sys/net/ipv4/tcp_no_metrics_save";

/// Who sends to whom.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pair {
    LinuxToLinux,
    EngineToLinux,
    LinuxToEngine,
}

/// Who is at an end of the wire.
enum End {
    Tap(i32),
    Engine(VecDeque<Vec<u8>>),
}

/// A wire that takes its time, and loses frames of TCP.
struct Line {
    now_ns: u64,
    late_ns: u64,
    ends: [End; 2],
    /// What is on its way to each end, and when it is there.
    late: [VecDeque<(u64, Vec<u8>)>; 2],
    /// The losses of each connection, by its port; of those of other rows nothing arrives.
    lanes: BTreeMap<u16, [Way; 2]>,
}

impl Line {
    fn new(ends: [End; 2], ports: Range<u16>, round_trip_ns: u64, loss: u16) -> Self {
        let lane = |number: u16| {
            let faults = Faults {
                seed: number.into(),
                loss,
                ..Faults::default()
            };
            let ways = [Way::new(faults, 0), Way::new(faults, 1)];
            (ports.start + number, ways)
        };
        Self {
            now_ns: 0,
            late_ns: round_trip_ns / 2,
            ends,
            late: Default::default(),
            lanes: (0..SEEDS).map(lane).collect(),
        }
    }

    fn enter(&mut self, from: usize, frame: &[u8]) {
        self.late[1 - from].push_back((self.now_ns + self.late_ns, frame.to_vec()));
    }

    /// Takes what was sent, and hands on what is due.
    fn turn(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        let mut frame = [0; wire::FRAME_BYTES_MAX];
        for from in 0..2 {
            while let End::Tap(fd) = self.ends[from]
                && let Ok(len) = wire::receive(fd, &mut frame)
            {
                self.enter(from, &frame[..len]);
            }
        }
        for to in 0..2 {
            while let Some((_, frame)) = self.late[to].pop_front_if(|(due_ns, _)| *due_ns <= now_ns)
            {
                let end = &mut self.ends[to];
                let mut hand = |frame: &[u8]| match end {
                    End::Tap(fd) => match wire::send(*fd, frame) {
                        Ok(()) => Delivery::Done,
                        Err(_) => Delivery::Lost,
                    },
                    End::Engine(incoming) => {
                        incoming.push_back(frame.to_vec());
                        Delivery::Done
                    }
                };
                match wire::port(&frame).and_then(|port| self.lanes.get_mut(&port)) {
                    Some(lane) => {
                        lane[to].push(&frame, now_ns);
                        lane[to].deliver(now_ns, hand);
                    }
                    None if wire::port(&frame).is_some() => {}
                    None => {
                        hand(&frame);
                    }
                }
            }
        }
    }

    fn next_ns(&self) -> u64 {
        let due = self.late.iter().filter_map(|queue| queue.front());
        due.map(|(due_ns, _)| *due_ns).min().unwrap_or(u64::MAX)
    }

    fn taps(&self) -> impl Iterator<Item = i32> {
        self.ends.iter().filter_map(|end| match end {
            End::Tap(fd) => Some(*fd),
            End::Engine(_) => None,
        })
    }
}

/// What the engine has of the wire: the second end.
struct Plug(Arc<Mutex<Line>>);

impl Link for Plug {
    fn name(&self) -> &str {
        "eth0"
    }

    fn mac(&self) -> [u8; 6] {
        wire::MAC
    }

    fn mtu_bytes(&self) -> u16 {
        1500
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        let mut line = self.0.lock().map_err(|_| Errno::EIO)?;
        let End::Engine(incoming) = &mut line.ends[1] else {
            return Err(Errno::EIO);
        };
        let arrived = incoming.pop_front().ok_or(Errno::EAGAIN)?;
        frame[..arrived.len()].copy_from_slice(&arrived);
        Ok(arrived.len())
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        let mut line = self.0.lock().map_err(|_| Errno::EIO)?;
        line.enter(1, frame);
        Ok(())
    }
}

/// Between the first and the last byte.
#[derive(Default)]
struct Watch {
    began: Option<Instant>,
    bytes: usize,
}

impl Watch {
    /// Bytes came. The nanoseconds it took, when all are there.
    fn see(&mut self, bytes: usize) -> Option<u64> {
        let began = *self.began.get_or_insert_with(Instant::now);
        self.bytes += bytes;
        (self.bytes == TOTAL_BYTES).then(|| began.elapsed().as_nanos() as u64)
    }
}

fn use_congestion(socket: &impl AsRawFd) {
    // SAFETY: the name is there for the call, and has the length that is told.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            CONGESTION.as_ptr().cast(),
            CONGESTION.len() as u32,
        )
    };
    if answer != 0 {
        println!("Linux has no CUBIC here: it sends as it is set up to");
    }
}

/// Linux takes a transfer.
fn linux_takes(port: u16, times: Sender<u64>) {
    let listener = TcpListener::bind(("10.77.0.1", port)).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut watch, mut place) = (Watch::default(), vec![0; 1 << 16]);
        loop {
            let len = stream.read(&mut place).unwrap();
            assert!(len > 0, "the end came early");
            if let Some(took_ns) = watch.see(len) {
                return times.send(took_ns).unwrap();
            }
        }
    });
}

/// Linux sends one.
fn linux_sends(to: &'static str, port: u16) {
    thread::spawn(move || {
        let mut stream = TcpStream::connect((to, port)).unwrap();
        use_congestion(&stream);
        stream.write_all(&vec![7; TOTAL_BYTES]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // The other side ends it.
        let _ = stream.read(&mut [0]);
    });
}

/// The other Linux: a thread in a network of its own, which opens a tap there, and sends to each port it is told.
fn other_linux() -> (i32, Sender<u16>) {
    let (ports, told): (Sender<u16>, Receiver<u16>) = channel();
    let (ready, opened) = channel();
    thread::spawn(move || {
        // SAFETY: it takes no memory.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
        let made = Command::new("sh").args(["-c", OTHER]).status().unwrap();
        assert!(made.success(), "no {TAP_OF_OTHER}");
        std::fs::write(FORGET, "1").unwrap();
        ready.send(wire::open(TAP_OF_OTHER)).unwrap();
        for port in told {
            linux_sends("10.77.0.1", port);
        }
    });
    (opened.recv().unwrap(), ports)
}

/// The engine's side of a transfer.
struct Side {
    id: SocketId,
    is_listener: bool,
    sent: usize,
    watch: Watch,
}

impl Side {
    fn begin(stack: &mut SmolStack, pair: Pair, port: u16) -> Self {
        let id = stack.socket(Family::V4, Kind::Stream).unwrap();
        let is_listener = pair == Pair::LinuxToEngine;
        if is_listener {
            let local = format!("10.77.0.2:{port}").parse().unwrap();
            stack.set(id, Setting::ReuseAddress(true)).unwrap();
            stack.bind(id, local).unwrap();
            stack.listen(id, 1).unwrap();
        } else {
            let peer = format!("10.77.0.1:{port}").parse().unwrap();
            assert_eq!(stack.connect(id, peer), Err(Errno::EINPROGRESS));
        }
        Self {
            id,
            is_listener,
            sent: 0,
            watch: Watch::default(),
        }
    }

    /// Does what can be done.
    fn step(&mut self, stack: &mut SmolStack, bytes: &[u8], times: &Sender<u64>) {
        if self.is_listener {
            if let Ok((id, _)) = stack.accept(self.id) {
                stack.close(self.id);
                self.id = id;
                self.is_listener = false;
            }
            return;
        }
        while self.sent < bytes.len()
            && let Ok(taken) =
                stack.send(self.id, &[&bytes[self.sent..]], &SendTo::default(), false)
        {
            self.sent += taken;
        }
        let mut place = [0; 1 << 16];
        while self.watch.bytes < TOTAL_BYTES
            && let Ok(received) = stack.receive(self.id, &mut [&mut place], ReceiveHow::default())
            && received.bytes > 0
        {
            if let Some(took_ns) = self.watch.see(received.bytes) {
                times.send(took_ns).unwrap();
            }
        }
    }
}

/// The milliseconds of all transfers of a row, in order.
fn row(
    tap: i32,
    other: &(i32, Sender<u16>),
    ports: Range<u16>,
    pair: Pair,
    round_trip_ns: u64,
    loss: u16,
) -> Vec<u64> {
    let began = Instant::now();
    let end = match pair {
        Pair::LinuxToLinux => End::Tap(other.0),
        _ => End::Engine(VecDeque::new()),
    };
    let line = Line::new([End::Tap(tap), end], ports.clone(), round_trip_ns, loss);
    let line = Arc::new(Mutex::new(line));
    let mut stack = runs::with_addresses(Plug(line.clone()));
    // Who was behind the address before is not who is now.
    let forget = Command::new("ip")
        .args(["neighbour", "flush", "all"])
        .status();
    assert!(forget.unwrap().success(), "no ip");
    let (sender, times) = channel();
    let mut sides = Vec::new();
    for port in ports {
        if pair != Pair::LinuxToEngine {
            linux_takes(port, sender.clone());
        }
        match pair {
            Pair::LinuxToLinux => other.1.send(port).unwrap(),
            Pair::EngineToLinux => sides.push(Side::begin(&mut stack, pair, port)),
            Pair::LinuxToEngine => {
                sides.push(Side::begin(&mut stack, pair, port));
                linux_sends("10.77.0.2", port);
            }
        }
    }
    let bytes = match pair {
        Pair::EngineToLinux => vec![7; TOTAL_BYTES],
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    while all.len() < SEEDS.into() {
        let now_ns = began.elapsed().as_nanos() as u64;
        assert!(now_ns < 600_000_000_000, "a transfer hangs");
        line.lock().unwrap().turn(now_ns);
        stack.poll(now_ns);
        for side in &mut sides {
            side.step(&mut stack, &bytes, &sender);
        }
        stack.poll(now_ns);
        while stack.take_changed().is_some() {}
        all.extend(times.try_iter().map(|took_ns| took_ns / 1_000_000));
        let line = line.lock().unwrap();
        let due_ns = line.next_ns().min(stack.deadline());
        wait(line.taps(), due_ns.saturating_sub(now_ns).min(5_000_000));
    }
    for side in sides {
        stack.close(side.id);
    }
    all.sort_unstable();
    all
}

/// Waits for frames.
fn wait(taps: impl Iterator<Item = i32>, timeout_ns: u64) {
    let mut fds: Vec<libc::pollfd> = taps
        .map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let timeout = libc::timespec {
        tv_sec: 0,
        tv_nsec: timeout_ns as i64,
    };
    // SAFETY: the descriptors and the time are alive.
    unsafe {
        libc::ppoll(
            fds.as_mut_ptr(),
            fds.len() as u64,
            &raw const timeout,
            std::ptr::null(),
        )
    };
}

/// Prints the table.
pub fn all(interface: &str) {
    std::fs::write(FORGET, "1").unwrap();
    let tap = wire::open(interface);
    let other = other_linux();
    println!(
        "runs: {SEEDS} transfers of {TOTAL_BYTES} bytes at once in each row; milliseconds: median, slowest; rate against Linux to Linux"
    );
    let mut first = PORTS.start;
    for round_trip_ns in ROUND_TRIPS_NS {
        for loss in LOSSES {
            let times =
                [Pair::LinuxToLinux, Pair::EngineToLinux, Pair::LinuxToEngine].map(|pair| {
                    let ports = first..first + SEEDS;
                    first = ports.end;
                    row(tap, &other, ports, pair, round_trip_ns, loss)
                });
            let median = |times: &[u64]| times[times.len() / 2];
            let [linux, to_linux, to_engine] = &times;
            let text = |name: &str, times: &[u64]| {
                let rate = median(linux) as f64 / median(times) as f64;
                let slowest = times[times.len() - 1];
                format!("{name} {} {slowest} ({rate:.2})", median(times))
            };
            println!(
                "round trip {} ms, loss {} %: Linux to Linux {} {}, {}, {}",
                round_trip_ns / 1_000_000,
                loss / 10,
                median(linux),
                linux[linux.len() - 1],
                text("engine to Linux", to_linux),
                text("Linux to engine", to_engine)
            );
        }
    }
}
