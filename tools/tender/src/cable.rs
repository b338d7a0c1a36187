//! Cables: where frames are captured, counted or spoiled between a guest and its interface, or come
//! from a link, the guest holds one end of a pair of sockets, and a thread of the tender carries
//! frames between the other end and the wire.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use libc::pid_t;
use muslin_net_layers::{Counters, Delivery, Faults, Way, pcap};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::refusal::words;
use crate::signals::Signals;
use crate::wire::{self, Received, Wire};

/// Bytes of an Ethernet header.
const HEADER_BYTES: usize = 14;
/// Room for any frame, and one byte more by which a longer one shows.
const FRAME_BYTES_MAX: usize = HEADER_BYTES + u16::MAX as usize + 1;
/// So many frames are carried one way before the other has its turn.
const TURN_FRAMES: usize = 64;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// What went over a network device of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The name in the image's manifest.
    pub name: String,
    /// Frames to the guest.
    pub received: Counters,
    /// Frames of the guest.
    pub sent: Counters,
    /// Why the capture is not whole.
    pub problem: Option<String>,
}

/// A cable.
#[derive(Debug)]
pub(crate) struct Cable {
    name: String,
    frame_bytes_max: usize,
    /// The guest has the other end.
    near: OwnedFd,
    far: Wire,
    sent: Direction,
    received: Direction,
    capture: Capture,
}

#[derive(Debug)]
struct Direction {
    way: Way,
    /// The next frame is not taken yet.
    is_stuck: bool,
}

impl Direction {
    fn new(faults: Faults, number: u64) -> Self {
        Self {
            way: Way::new(faults, number),
            is_stuck: false,
        }
    }
}

/// Where frames are written down, as the guest sees them.
#[derive(Debug)]
struct Capture {
    file: Option<File>,
    problem: Option<String>,
}

impl Capture {
    fn write(&mut self, frame: &[u8]) {
        let Some(file) = &mut self.file else {
            return;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let time_ns = now.map_or(0, |now| now.as_nanos() as u64);
        let mut bytes = pcap::record(time_ns, frame.len() as u32).to_vec();
        bytes.extend_from_slice(frame);
        // In one piece: who reads the file meanwhile sees whole frames.
        if let Err(error) = file.write_all(&bytes) {
            self.file = None;
            self.problem = Some(words(&error));
        }
    }
}

impl Cable {
    /// Lays a cable: it, and the guest's end. `number` tells it from others of the same seed.
    pub(crate) fn new(
        name: &str,
        far: Wire,
        mtu_bytes: u16,
        faults: Faults,
        capture: Option<File>,
        number: u64,
    ) -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (near, guests) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let cable = Self {
            name: name.to_owned(),
            frame_bytes_max: HEADER_BYTES + usize::from(mtu_bytes),
            near,
            far,
            sent: Direction::new(faults, 2 * number),
            received: Direction::new(faults, 2 * number + 1),
            capture: Capture {
                file: capture,
                problem: None,
            },
        };
        Ok((cable, guests))
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            name: self.name.clone(),
            received: self.received.way.counters(),
            sent: self.sent.way.counters(),
            problem: self.capture.problem.clone(),
        }
    }

    /// Carries what can be carried now.
    fn carry(&mut self, now_ns: u64, buffer: &mut [u8]) {
        for _ in 0..TURN_FRAMES {
            if self.sent.is_stuck {
                break;
            }
            let Received::Frame(len) = wire::receive(self.near.as_fd(), buffer) else {
                break;
            };
            let frame = buffer.get(..len).unwrap_or_default();
            self.capture.write(frame);
            self.sent.way.push(frame, now_ns);
        }
        let far = &mut self.far;
        self.sent.is_stuck = self.sent.way.deliver(now_ns, |frame| far.send(frame));

        for _ in 0..TURN_FRAMES {
            if self.received.is_stuck {
                break;
            }
            let Received::Frame(len) = self.far.receive(buffer) else {
                break;
            };
            if !(HEADER_BYTES..=self.frame_bytes_max).contains(&len) {
                self.received.way.count_lost();
                continue;
            }
            let frame = buffer.get(..len).unwrap_or_default();
            self.received.way.push(frame, now_ns);
        }
        let (near, capture) = (self.near.as_fd(), &mut self.capture);
        self.received.is_stuck = self.received.way.deliver(now_ns, |frame| {
            let done = wire::send(near, frame);
            if done == Delivery::Done {
                capture.write(frame);
            }
            done
        });
    }

    /// What there is to wait for.
    fn waits(&self) -> impl Iterator<Item = PollFd<'_>> {
        let flags = |reads: &Direction, writes: &Direction| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !reads.is_stuck);
            flags.set(PollFlags::OUT, writes.is_stuck);
            flags
        };
        let near = flags(&self.sent, &self.received);
        let far = flags(&self.received, &self.sent);
        [
            Some((self.near.as_fd(), near)),
            self.far.fd().map(|fd| (fd, far)),
        ]
        .into_iter()
        .flatten()
        // One of which nothing is wanted would tell of its end, again and again.
        .filter(|(_, flags)| !flags.is_empty())
        .map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags))
    }

    /// When there is something to carry, whoever comes.
    fn next_ns(&self) -> Option<u64> {
        let directions = [&self.sent, &self.received].into_iter();
        let waiting = directions.filter(|direction| !direction.is_stuck);
        waiting.filter_map(|it| it.way.next_ns()).min()
    }
}

/// Carries frames until the end; signals that would end this process go to the guest meanwhile.
pub(crate) fn carry_all(cables: &mut [Cable], guest: pid_t, signals: &Signals, end: &OwnedFd) {
    let start = Instant::now();
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    let mut is_over = false;
    loop {
        let now_ns = start.elapsed().as_nanos() as u64;
        for cable in &mut *cables {
            cable.carry(now_ns, &mut buffer);
        }
        // What the guest sent last is carried, too.
        if is_over {
            return;
        }
        let next_ns = cables.iter().filter_map(Cable::next_ns).min();
        let timeout = next_ns.map(|next_ns| {
            let rest_ns = next_ns.saturating_sub(start.elapsed().as_nanos() as u64);
            Timespec {
                tv_sec: (rest_ns / NS_PER_SECOND) as i64,
                tv_nsec: (rest_ns % NS_PER_SECOND) as i64,
            }
        });
        let mut waits = vec![
            PollFd::new(end, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        waits.extend(cables.iter().flat_map(Cable::waits));
        if poll(&mut waits, timeout.as_ref()).is_ok() {
            is_over = waits.first().is_some_and(|end| !end.revents().is_empty());
            signals.send_on(guest);
        }
    }
}
