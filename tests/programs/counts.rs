//! What an image counted: the file that `MUSLIN_COUNT` names.

use std::fs;
use std::path::Path;

use crate::failure::{Failure, Step};

/// The first word of the file: "MUSLINC1".
const MAGIC: u64 = 0x3143_4e49_4c53_554d;
/// Numbers in each of the two tables.
const NUMBERS: usize = 512;

/// Calls by number.
pub struct Counts {
    /// Calls that entered the table.
    pub entered: Vec<u64>,
    /// Calls that the table passed to the kernel.
    pub passed: Vec<u64>,
}

/// Reads the counters of a run that has ended.
pub fn read(path: &Path) -> Step<Counts> {
    let bytes = fs::read(path).map_err(|why| Failure::io("reading the counters in", path, &why))?;
    let (words, _) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    match words.as_slice() {
        [MAGIC, 512, tables @ ..] if tables.len() >= 2 * NUMBERS => Ok(Counts {
            entered: tables[..NUMBERS].to_vec(),
            passed: tables[NUMBERS..2 * NUMBERS].to_vec(),
        }),
        _ => Err(Failure::new(format_args!(
            "{} holds no counters: {} bytes, first words {:x?}",
            path.display(),
            bytes.len(),
            words.get(..2)
        ))),
    }
}
