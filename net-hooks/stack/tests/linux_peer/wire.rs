//! The tap interface as a link of the engine, and what happens to frames on their way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use muslin_abi::{Errno, Sysno};
use muslin_net_layers::{Delivery, Faults, Way};
use muslin_net_stack::Link;

/// Ports of runs: each has one, and its own faults.
pub const PORTS: std::ops::Range<u16> = 20_000..30_000;

pub const FRAME_BYTES_MAX: usize = 2048;
pub const MAC: [u8; 6] = [0x02, 0x77, 0, 0, 0, 2];

/// The frames of one run.
struct Lane {
    to_engine: Way,
    to_linux: Way,
    /// Nothing arrives before.
    held_until_ns: u64,
    /// When a segment was sent last, and the longest time without one.
    heard_ns: u64,
    silence_ns: u64,
}

pub struct Wire {
    fd: i32,
    now_ns: u64,
    lanes: BTreeMap<u16, Lane>,
    incoming: VecDeque<Vec<u8>>,
    lost_frames: u64,
}

/// Makes a system call as the kernel answers it.
///
/// # Safety
/// As the call.
unsafe fn call(number: Sysno, words: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = words;
    // SAFETY: the caller's.
    let answer = unsafe { libc::syscall(i64::from(number.0), a, b, c, d, e, f) };
    if answer < 0 {
        let error = std::io::Error::last_os_error().raw_os_error();
        return -(error.unwrap_or(libc::EIO) as isize);
    }
    answer as isize
}

/// Opens a tap interface.
pub fn open(interface: &str) -> i32 {
    let tap = muslin_tap::open(call, interface.as_bytes());
    let tap = tap.unwrap_or_else(|problem| panic!("{interface}: {}", problem.text()));
    tap.fd
}

/// Takes a frame that Linux sent.
pub fn receive(fd: i32, frame: &mut [u8]) -> Result<usize, Errno> {
    muslin_tap::receive_bare(call, fd, frame)
}

impl Wire {
    pub fn open(interface: &str) -> Self {
        Self {
            fd: open(interface),
            now_ns: 0,
            lanes: BTreeMap::new(),
            incoming: VecDeque::new(),
            lost_frames: 0,
        }
    }

    pub fn fd(&self) -> i32 {
        self.fd
    }

    pub fn add_lane(&mut self, port: u16, faults: Faults) {
        let lane = Lane {
            to_engine: Way::new(faults, 0),
            to_linux: Way::new(faults, 1),
            held_until_ns: 0,
            heard_ns: self.now_ns,
            silence_ns: 0,
        };
        self.lanes.insert(port, lane);
    }

    pub fn remove_lane(&mut self, port: u16) {
        if let Some(lane) = self.lanes.remove(&port) {
            self.lost_frames += lane.lost_frames();
        }
    }

    /// Lets nothing of a run arrive for a time.
    pub fn hold(&mut self, port: u16, until_ns: u64) {
        if let Some(lane) = self.lanes.get_mut(&port) {
            lane.held_until_ns = until_ns;
        }
    }

    /// The longest time of a run until now in which neither side said anything.
    pub fn silence_ns(&self, port: u16) -> u64 {
        self.lanes.get(&port).map_or(0, |lane| lane.silence_ns)
    }

    pub fn lost_frames(&self) -> u64 {
        let now: u64 = self.lanes.values().map(Lane::lost_frames).sum();
        self.lost_frames + now
    }

    /// Takes what Linux sent, and hands on what is due. Whether there was something.
    pub fn move_frames(&mut self, now_ns: u64) -> bool {
        self.now_ns = now_ns;
        let mut frame = [0; FRAME_BYTES_MAX];
        let mut has_moved = false;
        for _ in 0..256 {
            let Ok(len) = receive(self.fd, &mut frame) else {
                break;
            };
            has_moved = true;
            let frame = &frame[..len];
            match port(frame).and_then(|port| self.lanes.get_mut(&port)) {
                Some(lane) => {
                    lane.hear(now_ns);
                    lane.to_engine.push(frame, now_ns);
                }
                None => self.incoming.push_back(frame.to_vec()),
            }
        }
        for lane in self.lanes.values_mut() {
            if lane.held_until_ns > now_ns {
                continue;
            }
            lane.to_engine.deliver(now_ns, |frame| {
                self.incoming.push_back(frame.to_vec());
                Delivery::Done
            });
            lane.to_linux
                .deliver(now_ns, |frame| match send(self.fd, frame) {
                    Ok(()) => Delivery::Done,
                    Err(Errno::EAGAIN) => Delivery::Later,
                    Err(_) => Delivery::Lost,
                });
        }
        has_moved || !self.incoming.is_empty()
    }

    /// When a frame is due.
    pub fn next_ns(&self) -> u64 {
        let lanes = self.lanes.values().filter_map(Lane::next_ns);
        lanes.min().unwrap_or(u64::MAX)
    }
}

impl Lane {
    fn hear(&mut self, now_ns: u64) {
        self.silence_ns = self.silence_ns.max(now_ns - self.heard_ns);
        self.heard_ns = now_ns;
    }

    fn next_ns(&self) -> Option<u64> {
        let ways = [self.to_engine.next_ns(), self.to_linux.next_ns()];
        let next_ns = ways.into_iter().flatten().min()?;
        Some(next_ns.max(self.held_until_ns))
    }

    fn lost_frames(&self) -> u64 {
        self.to_engine.counters().dropped + self.to_linux.counters().dropped
    }
}

pub fn send(fd: i32, frame: &[u8]) -> Result<(), Errno> {
    muslin_tap::send_bare(call, fd, frame)
}

/// The port of the run that a segment of TCP is of. All else arrives as it is.
pub fn port(frame: &[u8]) -> Option<u16> {
    let packet = frame.get(14..)?;
    let tcp = match *frame.get(12..14)? {
        [0x08, 0x00] if *packet.get(9)? == 6 => {
            packet.get(usize::from(*packet.first()? & 15) * 4..)?
        }
        [0x86, 0xdd] if *packet.get(6)? == 6 => packet.get(40..)?,
        _ => return None,
    };
    let ports = tcp.first_chunk::<4>()?;
    let ports = [[ports[0], ports[1]], [ports[2], ports[3]]].map(u16::from_be_bytes);
    ports.into_iter().find(|port| PORTS.contains(port))
}

/// What the engine has of the wire.
pub struct Plug(pub Arc<Mutex<Wire>>);

impl Plug {
    fn wire(&self) -> Result<MutexGuard<'_, Wire>, Errno> {
        self.0.lock().map_err(|_| Errno::EIO)
    }
}

impl Link for Plug {
    fn name(&self) -> &str {
        "eth0"
    }

    fn mac(&self) -> [u8; 6] {
        MAC
    }

    fn mtu_bytes(&self) -> u16 {
        1500
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        let arrived = self.wire()?.incoming.pop_front().ok_or(Errno::EAGAIN)?;
        let len = arrived.len().min(frame.len());
        frame[..len].copy_from_slice(&arrived[..len]);
        Ok(len)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        let mut wire = self.wire()?;
        let (fd, now_ns) = (wire.fd, wire.now_ns);
        match port(frame).and_then(|port| wire.lanes.get_mut(&port)) {
            Some(lane) => {
                lane.hear(now_ns);
                lane.to_linux.push(frame, now_ns);
            }
            None => return send(fd, frame),
        }
        Ok(())
    }
}
