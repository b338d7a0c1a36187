//! The file of counters that an image shares with `muslin run --count`.
//!
//! All words are u64, little endian. The image maps the file shared, so that its threads, the
//! children of fork and whatever they execute count into the same words.

use crate::SYSNO_MAX;

/// The first word of the file, the bytes `MUSLINC1`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MUSLINC1");

/// The environment variable that names the file.
pub const ENVIRONMENT: &str = "MUSLIN_COUNT";

/// Index of the word that holds [`SYSNO_MAX`].
pub const NUMBERS_WORD: usize = 1;

/// Index of the first word of the calls that entered the table, one a number.
pub const ENTERED_WORD: usize = 2;

/// Index of the first word of the calls that were passed to the kernel below, one a number.
pub const PASSED_WORD: usize = ENTERED_WORD + SYSNO_MAX;

/// Size of the file in bytes.
pub const FILE_BYTES: usize = (PASSED_WORD + SYSNO_MAX) * 8;
