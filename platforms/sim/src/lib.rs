//! A deterministic platform in memory, for unit tests.
//!
//! Time moves by hand and by sleeping, entropy comes from a seed, the console is a list of bytes,
//! and the end is a panic that names the status. Nothing depends on the machine.

#![forbid(unsafe_code)]

mod disk;
mod paging;

use core::ops::Range;
use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use muslin_abi::Errno;
use muslin_platform::{
    BlockDevice, Clock, Console, Entropy, Memory, Paging, Platform, Power, Protection, Wait,
};

pub use disk::SimDisk;
pub use paging::SimPaging;

/// Size of a page in bytes.
pub const PAGE_BYTES: usize = 4096;

/// Pages of the stack.
const STACK_PAGES: usize = 16;

/// What a look at the clock takes, where time goes by itself.
const LOOK_NS: u64 = 200;

/// What the platform was once asked for.
type Protected = (Range<usize>, Protection);

/// The platform.
pub struct Sim {
    memory: Range<usize>,
    stack: Range<usize>,
    protected: Option<Mutex<Vec<Protected>>>,
    paging: Option<SimPaging>,
    disk: Option<SimDisk>,
    /// What the order of threads follows from.
    order: Option<Mutex<u64>>,
    monotonic_ns: AtomicU64,
    realtime_offset_ns: AtomicI64,
    entropy: Mutex<u64>,
    is_entropy_broken: AtomicBool,
    output: Mutex<Vec<u8>>,
    input: Mutex<VecDeque<u8>>,
}

impl Sim {
    /// A platform with `pages` pages of memory, whose entropy follows from `seed`. Its memory is
    /// never given back, so that it lives as long as a machine's.
    pub fn new(pages: usize, seed: u64) -> Self {
        // A page between memory and stack belongs to nobody; another one is lost to alignment.
        // Bytes of zeros cost the host nothing until they are touched.
        let arena = vec![0u8; (pages + STACK_PAGES + 2) * PAGE_BYTES].into_boxed_slice();
        let start = (Box::leak(arena).as_mut_ptr() as usize).next_multiple_of(PAGE_BYTES);
        let end = start + pages * PAGE_BYTES;
        let stack = end + PAGE_BYTES;
        Self {
            memory: start..end,
            stack: stack..stack + STACK_PAGES * PAGE_BYTES,
            protected: None,
            paging: None,
            disk: None,
            order: None,
            monotonic_ns: AtomicU64::new(1_000_000_000),
            realtime_offset_ns: AtomicI64::new(1_700_000_000_000_000_000),
            entropy: Mutex::new(seed),
            is_entropy_broken: AtomicBool::new(false),
            output: Mutex::new(Vec::new()),
            input: Mutex::new(VecDeque::new()),
        }
    }

    /// The same platform, but it can protect pages: what it was asked for is kept.
    #[must_use]
    pub fn with_protection(mut self) -> Self {
        self.protected = Some(Mutex::new(Vec::new()));
        self
    }

    /// The same platform, but it translates addresses.
    #[must_use]
    pub fn with_paging(mut self) -> Self {
        self.paging = Some(SimPaging::new());
        self
    }

    /// The same platform, but it has a block device, "storage", of zeros.
    #[must_use]
    pub fn with_disk(mut self, sectors: usize) -> Self {
        self.disk = Some(SimDisk::new(sectors));
        self
    }

    /// The same platform, but which thread runs next, which waits end without a reason and how long all
    /// that takes follow from a seed.
    #[must_use]
    pub fn with_order(mut self, seed: u64) -> Self {
        self.order = Some(Mutex::new(seed));
        self
    }

    /// The block device, if there is one.
    pub fn disk(&self) -> Option<&SimDisk> {
        self.disk.as_ref()
    }

    /// What the page at `address` was protected as at last, if it ever was.
    pub fn protection_of(&self, address: usize) -> Option<Protection> {
        let asked = locked(self.protected.as_ref()?);
        asked
            .iter()
            .rev()
            .find(|(pages, _)| pages.contains(&address))
            .map(|&(_, protection)| protection)
    }

    /// Moves both clocks.
    pub fn advance(&self, ns: u64) {
        self.monotonic_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Sets the wall clock.
    pub fn set_realtime_ns(&self, realtime_ns: i64) {
        let monotonic_ns = self.monotonic_ns.load(Ordering::Relaxed) as i64;
        self.realtime_offset_ns
            .store(realtime_ns - monotonic_ns, Ordering::Relaxed);
    }

    /// From now on there is no entropy.
    pub fn break_entropy(&self) {
        self.is_entropy_broken.store(true, Ordering::Relaxed);
    }

    /// What was written to the console so far; it is taken away.
    pub fn take_output(&self) -> Vec<u8> {
        core::mem::take(&mut *locked(&self.output))
    }

    /// Types at the console.
    pub fn type_in(&self, bytes: &[u8]) {
        locked(&self.input).extend(bytes);
    }
}

impl Platform for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }

    muslin_platform::own_parts!(memory: Memory, clock: Clock, wait: Wait, entropy: Entropy, console: Console, power: Power);
    fn block(&self, index: usize) -> Option<(&str, &dyn BlockDevice)> {
        let disk = self.disk.as_ref().filter(|_| index == 0)?;
        Some((disk::NAME, disk))
    }
    fn choose(&self, count: usize) -> usize {
        let Some(order) = &self.order else {
            return 0;
        };
        let word = next_word(&mut locked(order));
        // A turn takes up to 16 us.
        self.advance(word >> 50);
        word as usize % count
    }
    fn is_spurious(&self) -> bool {
        const ONE_IN: u64 = 16;
        let order = self.order.as_ref();
        order.is_some_and(|order| next_word(&mut locked(order)).is_multiple_of(ONE_IN))
    }
}

/// The next word of SplitMix64: good enough to be told apart, and the same for the same state.
fn next_word(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Memory for Sim {
    fn range(&self) -> Range<usize> {
        self.memory.clone()
    }

    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }

    fn protect(&self, pages: Range<usize>, protection: Protection) -> Result<(), Errno> {
        let asked = self.protected.as_ref().ok_or(Errno::ENOSYS)?;
        locked(asked).push((pages, protection));
        Ok(())
    }

    fn stack(&self) -> Range<usize> {
        self.stack.clone()
    }

    fn paging(&self) -> Option<&dyn Paging> {
        self.paging.as_ref().map(|paging| paging as &dyn Paging)
    }
}

impl Clock for Sim {
    fn monotonic_ns(&self) -> u64 {
        // Where time goes by itself, nobody can wait for it in vain by looking again and again.
        let look_ns = if self.order.is_some() { LOOK_NS } else { 0 };
        self.monotonic_ns.fetch_add(look_ns, Ordering::Relaxed) + look_ns
    }

    fn realtime_ns(&self) -> i64 {
        self.monotonic_ns() as i64 + self.realtime_offset_ns.load(Ordering::Relaxed)
    }
}

impl Wait for Sim {
    /// Time jumps to the deadline.
    fn wait_until(&self, deadline_ns: Option<u64>) {
        let Some(deadline_ns) = deadline_ns else {
            panic!("sleeps for ever: no deadline, and nothing else can happen");
        };
        self.monotonic_ns.fetch_max(deadline_ns, Ordering::Relaxed);
    }
}

impl Entropy for Sim {
    /// The same for the same seed.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        if self.is_entropy_broken.load(Ordering::Relaxed) {
            return Err(Errno::EIO);
        }
        let mut state = locked(&self.entropy);
        for chunk in bytes.chunks_mut(8) {
            let word = next_word(&mut state);
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl Console for Sim {
    fn write(&self, bytes: &[u8]) -> usize {
        locked(&self.output).extend_from_slice(bytes);
        bytes.len()
    }

    fn read(&self, bytes: &mut [u8]) -> usize {
        let mut input = locked(&self.input);
        let len_bytes = input.len().min(bytes.len());
        for (place, byte) in bytes.iter_mut().zip(input.drain(..len_bytes)) {
            *place = byte;
        }
        len_bytes
    }
}

impl Power for Sim {
    fn exit(&self, status: i32) -> ! {
        panic!("exit {status}")
    }
}

/// A test that panics on purpose leaves nothing half done here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
