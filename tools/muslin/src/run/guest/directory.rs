//! `--cwd`: is the directory there? Asked before the start, since a guest has its files when it first
//! names one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Cursor;

use object::{Object, ObjectSection};

use crate::archive::directories::may_start_in;
use crate::archive::{Archive, SECTION};
use crate::check::image::Elf;
use crate::failure::{Failure, one_line};

/// Refuses a directory that neither the archive nor the guest itself brings. Without an archive that
/// is given the image's own counts. What cannot be read before the start is the guest's to judge.
pub fn check(path: Option<&OsStr>, given: Option<&Archive>, image: &[u8]) -> Result<(), Failure> {
    let Some(path) = path else {
        return Ok(());
    };
    let is_there = match given {
        Some(archive) => match File::open(archive.path()) {
            Ok(file) if file.metadata().is_ok_and(|about| about.is_file()) => {
                may_start_in(path, Some(file))
            }
            _ => Ok(true),
        },
        None => match Elf::parse(image) {
            Ok(elf) if elf.sections().next().is_some() => {
                let own = elf.section_by_name(SECTION);
                let archive = own.and_then(|section| section.data().ok());
                may_start_in(path, archive.map(Cursor::new))
            }
            _ => Ok(true),
        },
    };
    if is_there.unwrap_or(true) {
        return Ok(());
    }
    Err(Failure::new(
        format_args!(
            "--cwd {}: the guest has no such directory",
            one_line(&path.to_string_lossy())
        ),
        "name one of the initrd, or /tmp",
    ))
}
