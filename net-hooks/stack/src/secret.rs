//! Numbers that nobody outside can foresee: a keyed hash, and random numbers made with it.

use core::hash::{BuildHasher, Hasher};

#[expect(
    deprecated,
    reason = "the keyed hash of the standard library; its successor is not in core"
)]
use core::hash::SipHasher;

/// The key that the stack was given at its start, and how many random numbers it made.
pub(crate) struct Secret {
    keys: Keys,
    numbers: u64,
}

/// Two words of key; as a [`BuildHasher`] it keeps outsiders from choosing what collides.
#[derive(Clone, Copy)]
pub(crate) struct Keys(u64, u64);

impl BuildHasher for Keys {
    #[expect(deprecated, reason = "as above")]
    type Hasher = SipHasher;

    #[expect(deprecated, reason = "as above")]
    fn build_hasher(&self) -> SipHasher {
        SipHasher::new_with_keys(self.0, self.1)
    }
}

impl Secret {
    /// From 16 bytes of the world's entropy.
    pub fn new(seed: [u8; 16]) -> Self {
        let (low, high) = seed.split_at(8);
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        Self {
            keys: Keys(word(low), word(high)),
            numbers: 0,
        }
    }

    /// Keys for one purpose, that tell nothing of those for another.
    pub fn keys(&self, purpose: u64) -> Keys {
        let half = |side: u64| {
            let mut hasher = self.keys.build_hasher();
            hasher.write_u64(purpose);
            hasher.write_u64(side);
            hasher.finish()
        };
        Keys(half(1), half(2))
    }

    /// The next random number.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        let mut hasher = self.keys.build_hasher();
        hasher.write_u64(0);
        hasher.write_u64(self.numbers);
        hasher.finish()
    }
}
