//! The archive that a guest gets as its root directory.

use std::fs::File;
use std::path::Path;

use crate::image::PAGE_BYTES;
use crate::refusal::{Refusal, words};

/// The word of the command line by which a guest finds it.
const VARIABLE: &str = "MUSLIN_INITRD";

/// An open archive.
pub(crate) struct Initrd {
    pub(crate) file: File,
    pub(crate) len_bytes: u64,
}

impl Initrd {
    /// Opens the file. What is in it is the guest's business.
    pub(crate) fn open(path: &Path) -> Result<Self, Refusal> {
        let failed = |what: String| {
            Refusal::new(
                format_args!("cannot read the initrd {}: {what}", path.display()),
                "name a tar archive",
            )
        };
        let file = File::open(path).map_err(|error| failed(words(&error)))?;
        let about = file.metadata().map_err(|error| failed(words(&error)))?;
        if !about.is_file() {
            return Err(failed("it is not a file".to_owned()));
        }
        Ok(Self {
            file,
            len_bytes: about.len(),
        })
    }

    /// The whole pages that it takes.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        self.len_bytes.next_multiple_of(PAGE_BYTES)
    }

    /// The word that names it, with a blank behind.
    pub(crate) fn word(&self, address: u64) -> Vec<u8> {
        format!("{VARIABLE}={address:#x},{} ", self.len_bytes).into_bytes()
    }
}
