//! Where Xen's loader puts a paravirtualised image.
//!
//! The loader maps what it has loaded, half a MiB behind it, and everything up to the next multiple of 4 MiB;
//! a guest must have the memory for all of that. The mapping begins where a note says. So the notes of an
//! image that fits into 2 MiB say that it begins at 2 MiB, not at 0: then 2 MiB are enough. The image's first
//! code goes to where it was linked for (`platforms/xen/src/pv`).

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::check::image::{Elf, XEN_NOTE_ENTRY, XEN_NOTE_VIRT_BASE, end_in_memory, xen_note};
use crate::failure::Failure;

/// What one table of pages maps: an image is loaded so much higher, or not at all.
const TABLE_BYTES: u64 = 2 << 20;

/// What the loader wants behind an image: pages for itself, and half a MiB. A little more is left for others.
const BEHIND_BYTES: u64 = (512 + 64) << 10;

/// Has an image that was just linked loaded where it needs the least memory. What is no image for Xen is
/// left alone.
pub fn choose(path: &Path) -> Result<(), Failure> {
    let Ok(bytes) = fs::read(path) else {
        // The linker may have been asked for something else.
        return Ok(());
    };
    written(path, &changes(&bytes)).map_err(|error| Failure::file("write", path, &error))
}

fn written(path: &Path, changes: &[(u64, u64)]) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path)?;
    for (offset, word) in changes {
        file.write_all_at(&word.to_le_bytes(), *offset)?;
    }
    Ok(())
}

/// The words of the file that change: where each is, and what it becomes.
fn changes(bytes: &[u8]) -> Vec<(u64, u64)> {
    let Ok(elf) = Elf::parse(bytes) else {
        return Vec::new();
    };
    let word = |kind| {
        let description = xen_note(&elf, kind)?;
        let offset = description.as_ptr() as usize - bytes.as_ptr() as usize;
        let word = u64::from_le_bytes(description.try_into().ok()?);
        Some((offset as u64, word))
    };
    let (Some((base_at, 0)), Some((entry_at, entry))) =
        (word(XEN_NOTE_VIRT_BASE), word(XEN_NOTE_ENTRY))
    else {
        return Vec::new();
    };
    if end_in_memory(&elf).saturating_add(BEHIND_BYTES) > TABLE_BYTES {
        return Vec::new();
    }
    vec![(base_at, TABLE_BYTES), (entry_at, entry + TABLE_BYTES)]
}
