//! A cable between two links, in memory.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use std::sync::Mutex;

use muslin_abi::Errno;

use crate::ethernet;
use crate::icmp;
use crate::ip::{self, Head};
use crate::link::Link;

/// What happens to frames, in thousandths.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    pub lost: u64,
    pub repeated: u64,
    pub reordered: u64,
}

/// Numbers from a seed (xorshift64*).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

pub(crate) struct Cable {
    pub now_ns: u64,
    pub latency_ns: u64,
    pub faults: Faults,
    pub numbers: Numbers,
    /// What is on its way to each end, and when it is there.
    pub frames: [Vec<(u64, Vec<u8>)>; 2],
    /// Copies of all frames, if somebody wants them.
    pub record: Option<Vec<Vec<u8>>>,
    /// A router in the middle takes no longer packets, and says so; how often it did.
    pub narrow: Option<usize>,
    pub too_big: usize,
    /// How many frames may be on their way to each end before the device is full.
    pub room: usize,
    /// The device of this end is gone.
    pub gone: Option<usize>,
}

impl Cable {
    pub fn new(seed: u64) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            now_ns: 0,
            latency_ns: 50_000,
            faults: Faults::default(),
            numbers: Numbers::new(seed),
            frames: [Vec::new(), Vec::new()],
            record: None,
            narrow: None,
            too_big: 0,
            room: usize::MAX,
            gone: None,
        }))
    }

    /// When the next frame arrives.
    pub fn next_ns(&self) -> u64 {
        let times = self.frames.iter().flatten().map(|frame| frame.0);
        times.min().unwrap_or(u64::MAX)
    }

    fn send(&mut self, end: usize, frame: &[u8]) -> Result<(), Errno> {
        if self.gone == Some(end) {
            return Err(Errno::ENODEV);
        }
        if self.frames[1 - end].len() >= self.room {
            return Err(Errno::EAGAIN);
        }
        if let Some(record) = &mut self.record {
            record.push(frame.into());
        }
        if let Some(mtu) = self.narrow
            && frame.len() > mtu + ethernet::HEADER_BYTES
        {
            self.too_big += 1;
            let answer = too_big(frame, mtu);
            let at_ns = self.now_ns + self.latency_ns;
            self.frames[end].push((at_ns, answer));
            return Ok(());
        }
        if self.numbers.below(1000) < self.faults.lost {
            return Ok(());
        }
        let is_repeated = self.numbers.below(1000) < self.faults.repeated;
        for _ in 0..=u32::from(is_repeated) {
            let is_late = self.numbers.below(1000) < self.faults.reordered;
            let late_ns = if is_late {
                self.numbers.below(3_000_000)
            } else {
                0
            };
            let at_ns = self.now_ns + self.latency_ns + late_ns;
            self.frames[1 - end].push((at_ns, frame.into()));
        }
        Ok(())
    }

    fn receive(&mut self, end: usize, frame: &mut [u8]) -> Result<usize, Errno> {
        if self.gone == Some(end) {
            return Err(Errno::ENODEV);
        }
        let queue = &mut self.frames[end];
        let (place, _) = queue
            .iter()
            .enumerate()
            .filter(|(_, waiting)| waiting.0 <= self.now_ns)
            .min_by_key(|&(place, waiting)| (waiting.0, place))
            .ok_or(Errno::EAGAIN)?;
        let (_, bytes) = queue.remove(place);
        let len = bytes.len().min(frame.len());
        frame[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }
}

/// What a router says of a frame that is too long.
fn too_big(frame: &[u8], mtu: usize) -> Vec<u8> {
    let quote = &frame[ethernet::HEADER_BYTES..];
    let Some(parsed) = ip::parse(quote) else {
        return Vec::new();
    };
    let (router, to): (IpAddr, IpAddr) = (parsed.head.to, parsed.head.from);
    let (protocol, kind, code) = match to {
        IpAddr::V4(_) => (ip::ICMP, 3, 4),
        IpAddr::V6(_) => (ip::ICMPV6, 2, 0),
    };
    let mtu = (mtu as u32).to_be_bytes();
    let mut packet = icmp::message(router, to, kind, code, &[&mtu, &quote[..200]]);
    ip::write(&mut packet, &Head::new(router, to, protocol), 0, None);
    let mut answer = frame[..ethernet::HEADER_BYTES].to_vec();
    answer[..6].copy_from_slice(&frame[6..12]);
    answer[6..12].copy_from_slice(&frame[..6]);
    answer.extend_from_slice(packet.bytes());
    answer
}

/// One end of a cable.
pub(crate) struct End {
    cable: Arc<Mutex<Cable>>,
    end: usize,
    mtu: u16,
    name: String,
}

impl End {
    pub fn new(cable: &Arc<Mutex<Cable>>, end: usize, mtu: u16) -> Box<Self> {
        Box::new(Self {
            cable: cable.clone(),
            end,
            mtu,
            name: "eth0".into(),
        })
    }
}

impl Link for End {
    fn name(&self) -> &str {
        &self.name
    }

    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.end as u8 + 1]
    }

    fn mtu_bytes(&self) -> u16 {
        self.mtu
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        self.cable.lock().unwrap().receive(self.end, frame)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        self.cable.lock().unwrap().send(self.end, frame)
    }
}
