//! Random bytes of the processor, for seeds: its own generator, each word mixed with what the
//! counter of ticks says about how long that took.
//!
//! The generator alone is what keys stand on, so where there is none, or where it does not look like
//! one, there are no bytes. The ticks only add to it: exclusive or with a word that is random leaves
//! it random, whatever the other word is.
//!
//! Source: Intel, "Digital Random Number Generator Software Implementation Guide", sections 5.2 and
//! 5.3; NIST SP 800-90B, 4.4.1 (the repetition count test).

use core::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step, _rdtsc};

use muslin_abi::Errno;
use muslin_platform::Console;

/// Bit of cpuid leaf 1, ecx: the processor has `rdrand`.
const HAS_RDRAND: u32 = 1 << 30;
/// Bit of cpuid leaf 7, ebx: the processor has `rdseed`.
const HAS_RDSEED: u32 = 1 << 18;
/// How often a word is asked for before the generator counts as empty.
const RDRAND_TRIES: usize = 10;
/// `rdseed` gives less, and may have to collect.
const RDSEED_TRIES: usize = 1000;
/// Readings of the counter that go into a word.
const READINGS: usize = 4;
/// An odd number with its bits well spread: the golden ratio's.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What random words are made from.
trait Source {
    /// A word of the processor's generator, if it has one and gives one.
    fn word(&mut self) -> Option<u64>;
    /// The counter of ticks.
    fn ticks(&mut self) -> u64;
}

/// Why there are no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// There is no generator, or it gives nothing.
    NoWord,
    /// The generator gives what no generator gives: the same again, nothing or everything.
    NotRandom,
}

impl Refusal {
    const fn line(self) -> &'static [u8] {
        match self {
            Self::NoWord => b"muslin: no random bytes: the processor's rdrand and rdseed are missing or give none\n",
            Self::NotRandom => b"muslin: no random bytes: the processor's generator is broken, it repeats itself\n",
        }
    }
}

/// Fills `bytes`, or says on the console why it cannot.
///
/// # Errors
/// `EIO`: there is no source.
pub fn fill(bytes: &mut [u8], console: &dyn Console) -> Result<(), Errno> {
    fill_from(&mut Processor::find(), bytes).map_err(|refusal| {
        console.write_error(refusal.line());
        Errno::EIO
    })
}

fn fill_from(source: &mut impl Source, bytes: &mut [u8]) -> Result<(), Refusal> {
    // The first word is for the test alone, so every word that is used has one before it.
    let mut before = source.word().ok_or(Refusal::NoWord)?;
    let mut ticks = source.ticks();
    for chunk in bytes.chunks_mut(size_of::<u64>()) {
        let word = source.word().ok_or(Refusal::NoWord)?;
        let looks_broken = |word: u64| word == 0 || word == u64::MAX;
        if word == before || looks_broken(word) || looks_broken(before) {
            return Err(Refusal::NotRandom);
        }
        before = word;
        let mut mixed = word;
        for reading in 0..READINGS as u32 {
            let now = source.ticks();
            let took = now.wrapping_sub(ticks).wrapping_mul(SPREAD);
            mixed ^= took.rotate_left(reading * (u64::BITS / READINGS as u32));
            ticks = now;
        }
        chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
    }
    Ok(())
}

/// The processor that this runs on.
struct Processor {
    has_rdrand: bool,
}

impl Processor {
    fn find() -> Self {
        Self {
            has_rdrand: __cpuid(1).ecx & HAS_RDRAND != 0,
        }
    }

    /// Looked up where it is needed: each `cpuid` leaves a virtual machine, for microseconds.
    fn has_rdseed() -> bool {
        __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & HAS_RDSEED != 0
    }
}

impl Source for Processor {
    fn word(&mut self) -> Option<u64> {
        if self.has_rdrand {
            // SAFETY: the processor has the instruction.
            let word = unsafe { rdrand() };
            if word.is_some() {
                return word;
            }
        }
        if Self::has_rdseed() {
            // SAFETY: the processor has the instruction.
            return unsafe { rdseed() };
        }
        None
    }

    fn ticks(&mut self) -> u64 {
        // SAFETY: every x86_64 has the instruction.
        unsafe { _rdtsc() }
    }
}

#[target_feature(enable = "rdrand")]
fn rdrand() -> Option<u64> {
    let mut word = 0;
    (0..RDRAND_TRIES)
        .any(|_| _rdrand64_step(&mut word) == 1)
        .then_some(word)
}

#[target_feature(enable = "rdseed")]
fn rdseed() -> Option<u64> {
    let mut word = 0;
    (0..RDSEED_TRIES)
        .any(|_| {
            core::hint::spin_loop();
            _rdseed64_step(&mut word) == 1
        })
        .then_some(word)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    /// Gives these words and then none; the counter goes on by `step` and by a little more each time.
    struct Scripted<'a> {
        words: &'a [u64],
        ticks: u64,
        step: u64,
    }

    fn scripted(words: &[u64]) -> Scripted<'_> {
        Scripted {
            words,
            ticks: 1 << 40,
            step: 30,
        }
    }

    impl Source for Scripted<'_> {
        fn word(&mut self) -> Option<u64> {
            let (first, rest) = self.words.split_first()?;
            self.words = rest;
            Some(*first)
        }

        fn ticks(&mut self) -> u64 {
            self.ticks += self.step;
            self.step += 7;
            self.ticks
        }
    }

    #[test]
    fn a_generator_that_is_missing_or_runs_dry_is_refused() {
        let mut bytes = [0; 16];
        for words in [&[][..], &[3], &[3, 5]] {
            let result = fill_from(&mut scripted(words), &mut bytes);
            assert_eq!(result, Err(Refusal::NoWord), "{words:?}");
        }
        assert_eq!(fill_from(&mut scripted(&[3, 5, 7]), &mut bytes), Ok(()));
    }

    #[test]
    fn a_generator_that_repeats_itself_is_refused() {
        let mut bytes = [0; 16];
        for words in [[3, 3, 5], [3, 5, 5], [0, 3, 5], [3, 0, 5], [3, 5, u64::MAX]] {
            let result = fill_from(&mut scripted(&words), &mut bytes);
            assert_eq!(result, Err(Refusal::NotRandom), "{words:?}");
        }
    }

    #[test]
    fn ticks_go_into_each_word_and_take_nothing_away() {
        let draw = |words: &[u64], step: u64| {
            let mut source = scripted(words);
            source.step = step;
            let mut bytes = [0; 12];
            assert_eq!(fill_from(&mut source, &mut bytes), Ok(()));
            bytes
        };
        let bytes = draw(&[3, 5, 7], 30);
        assert_ne!(bytes, draw(&[3, 5, 7], 31), "other ticks");
        assert_ne!(bytes, draw(&[3, 6, 7], 30), "other words");
        assert_ne!(bytes[..8], 5_u64.to_le_bytes());
        assert_ne!(bytes[8..], 7_u32.to_le_bytes());
    }

    #[test]
    fn this_processor_gives_different_bytes() {
        let mut processor = Processor::find();
        if !processor.has_rdrand && !Processor::has_rdseed() {
            std::eprintln!("skipped: this processor has neither rdrand nor rdseed");
            return;
        }
        let mut draws = [[0; 32]; 2];
        for draw in &mut draws {
            assert_eq!(fill_from(&mut processor, draw), Ok(()));
        }
        assert_ne!(draws[0], draws[1]);
    }
}
