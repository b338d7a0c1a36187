//! What a watchdog outside of the guest sees: which thread has the processor, whether it gives it away,
//! and whether others wait for it.

use core::sync::atomic::{AtomicU64, Ordering};

use muslin_abi::pulse::{MAGIC, THREAD, TURNS, WORDS};

use crate::process::PID;

/// Words that somebody else reads while the guest runs.
#[repr(C)]
pub struct Pulse {
    magic: [u64; 2],
    words: [AtomicU64; WORDS],
}

impl Pulse {
    /// The first thread runs, and nothing else has happened.
    pub const fn new() -> Self {
        Self {
            magic: MAGIC,
            words: first_words(),
        }
    }

    /// Shows a number.
    #[inline]
    pub fn show(&self, word: usize, number: u64) {
        self.words[word].store(number, Ordering::Relaxed);
    }

    /// A turn begins.
    #[inline]
    pub fn count_turn(&self) {
        let turns = self.words[TURNS].load(Ordering::Relaxed);
        self.show(TURNS, turns.wrapping_add(1));
    }
}

const fn first_words() -> [AtomicU64; WORDS] {
    let mut words = [const { AtomicU64::new(0) }; WORDS];
    words[THREAD] = AtomicU64::new(PID as u64);
    words
}
