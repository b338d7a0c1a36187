//! What is to happen in a run, as its seed decides.

use muslin_net_layers::Faults;

/// How the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Each shuts its direction as soon as its bytes are sent.
    Halves,
    /// Linux shuts its direction when it has read the engine's end.
    EngineFirst,
    /// The engine shuts its direction when it has read Linux's end.
    LinuxFirst,
    /// Both close when both have all bytes; what they say of it crosses.
    Together,
    /// The engine takes some bytes and resets.
    EngineResets,
    /// Linux takes some bytes and resets.
    LinuxResets,
    /// Nobody listens.
    Refused,
}

pub const ENDINGS: [Ending; 7] = [
    Ending::Halves,
    Ending::EngineFirst,
    Ending::LinuxFirst,
    Ending::Together,
    Ending::EngineResets,
    Ending::LinuxResets,
    Ending::Refused,
];

/// How one side receives.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// `SO_RCVBUF`, if it is small.
    pub buffer_bytes: Option<usize>,
    /// How much it takes at once.
    pub chunk_bytes: usize,
    /// How often it rests before it takes more.
    pub rests: u32,
    /// For how long.
    pub rest_ms: u64,
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub faults: Faults,
    pub is_v6: bool,
    pub does_linux_connect: bool,
    /// Bytes from the engine to Linux.
    pub to_linux: usize,
    /// Bytes from Linux to the engine.
    pub to_engine: usize,
    pub ending: Ending,
    pub engine: Reader,
    pub linux: Reader,
}

/// Numbers from a seed (splitmix64).
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// 0, few, or up to 2 MB: as many sizes of each order of magnitude.
    fn size(&mut self) -> usize {
        if self.one_in(6) {
            return 0;
        }
        let bits = 1 + self.below(21);
        (1 + self.below(1 << bits)) as usize
    }

    fn reader(&mut self) -> Reader {
        let is_small = self.one_in(3);
        let does_rest = is_small || self.one_in(4);
        Reader {
            buffer_bytes: is_small.then(|| 1152 << self.below(4)),
            chunk_bytes: 1 + self.below(if is_small { 2000 } else { 64 * 1024 }) as usize,
            rests: if does_rest {
                1 + self.below(3) as u32
            } else {
                0
            },
            rest_ms: 1 + self.below(900),
        }
    }
}

impl Reader {
    /// What it takes before the run is long.
    fn bytes_max(&self) -> usize {
        let by_buffer = self.buffer_bytes.map_or(usize::MAX, |bytes| bytes * 12);
        by_buffer.min(self.chunk_bytes.saturating_mul(2000))
    }
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let ending = ENDINGS[numbers.below(ENDINGS.len() as u64) as usize];
        let (engine, linux) = (numbers.reader(), numbers.reader());
        let mut rate = |thousandths: u64| numbers.below(thousandths + 1) as u16;
        let mut faults = Faults {
            seed,
            loss: rate(50),
            reorder: rate(50),
            duplicate: rate(20),
            corrupt: rate(4),
            delay: rate(20),
        };
        if numbers.one_in(8) {
            // A wire that is hardly one.
            (faults.loss, faults.reorder, faults.corrupt) = (50, 50, 50);
        }
        Self {
            seed,
            faults,
            is_v6: numbers.one_in(3),
            does_linux_connect: numbers.one_in(2),
            to_linux: numbers.size().min(linux.bytes_max()),
            to_engine: numbers.size().min(engine.bytes_max()),
            ending,
            engine,
            linux,
        }
    }
}

/// The bytes that go one way: anything but periodic for a window's length.
pub struct Bytes {
    table: Vec<u8>,
    first: usize,
}

/// Not a multiple of what segments and buffers have.
const PERIOD_BYTES: usize = 65_521;
/// The most that is looked at, or sent, at once.
pub const PIECE_BYTES: usize = 64 * 1024;

impl Bytes {
    pub fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let first = numbers.below(PERIOD_BYTES as u64) as usize;
        let mut table: Vec<u8> = (0..PERIOD_BYTES).map(|_| numbers.next() as u8).collect();
        table.extend_from_within(..);
        table.extend_from_within(..PIECE_BYTES);
        Self { table, first }
    }

    /// What comes behind so many bytes.
    pub fn at(&self, offset: usize, len: usize) -> &[u8] {
        let start = (self.first + offset) % PERIOD_BYTES;
        &self.table[start..start + len.min(PIECE_BYTES)]
    }

    /// Looks whether these are the bytes behind so many.
    pub fn check(&self, offset: usize, bytes: &[u8]) -> Result<(), String> {
        let expected = self.at(offset, bytes.len());
        if bytes == expected {
            return Ok(());
        }
        let same = bytes.iter().zip(expected).take_while(|(a, b)| a == b);
        Err(format!("byte {} is another one", offset + same.count()))
    }
}
