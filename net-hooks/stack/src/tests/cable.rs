//! A cable between two links, in memory.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::Mutex;

use muslin_abi::Errno;

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
    /// How many frames may be on their way to each end before the device is full.
    pub room: usize,
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
            room: usize::MAX,
        }))
    }

    /// When the next frame arrives.
    pub fn next_ns(&self) -> u64 {
        let times = self.frames.iter().flatten().map(|frame| frame.0);
        times.min().unwrap_or(u64::MAX)
    }

    fn send(&mut self, end: usize, frame: &[u8]) -> Result<(), Errno> {
        if self.frames[1 - end].len() >= self.room {
            return Err(Errno::EAGAIN);
        }
        if let Some(record) = &mut self.record {
            record.push(frame.into());
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
