//! Bodies whose every byte is known, and their sums.

use sha2::{Digest, Sha256};

/// How much is made at once.
const PIECE_BYTES: usize = 16 * 1024;

/// The pieces of a body of so many bytes.
pub fn pieces(len_bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..len_bytes).step_by(PIECE_BYTES).map(move |begin| {
        let end = len_bytes.min(begin + PIECE_BYTES);
        (begin..end)
            .map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8)
            .collect()
    })
}

/// A sum in hexadecimal digits.
#[derive(Default)]
pub struct Sum(Sha256, usize);

impl Sum {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
        self.1 += bytes.len();
    }

    /// How many bytes there were, and their sum.
    pub fn words(self) -> String {
        let digits: String = self
            .0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{} bytes {digits}", self.1)
    }
}

/// The sum of a whole body.
pub fn sum(len_bytes: usize) -> String {
    let mut sum = Sum::default();
    for piece in pieces(len_bytes) {
        sum.add(&piece);
    }
    sum.words()
}
