//! What an image counted: the file that `MUSLIN_COUNT` names.

use std::fs;
use std::path::Path;

use muslin_abi::SYSNO_MAX;
use muslin_abi::counters::{ENTERED_WORD, FILE_BYTES, MAGIC, NUMBERS_WORD, PASSED_WORD};

use crate::failure::{Failure, Step};

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
    let is_ours =
        bytes.len() >= FILE_BYTES && words[0] == MAGIC && words[NUMBERS_WORD] == SYSNO_MAX as u64;
    if is_ours {
        Ok(Counts {
            entered: words[ENTERED_WORD..][..SYSNO_MAX].to_vec(),
            passed: words[PASSED_WORD..][..SYSNO_MAX].to_vec(),
        })
    } else {
        Err(Failure::new(format_args!(
            "{} holds no counters: {} bytes, first words {:x?}",
            path.display(),
            bytes.len(),
            words.get(..2)
        )))
    }
}
