//! Static libraries, made by binutils' `ar` without times and owners.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::tool;

/// Puts the files `members` of `dir` into the archive, after those it has.
///
/// # Errors
/// `ar` is missing or fails.
pub(crate) fn append(archive: &Path, dir: &Path, members: &[String]) -> Result<(), Error> {
    // More names than a command line may hold: they go through a file.
    let list = dir.join("members");
    fs::write(&list, members.join("\n")).map_err(|why| Error::io("writing", &list, why))?;
    let mut ar = Command::new("ar");
    ar.current_dir(dir).arg("qcsD").arg(archive).arg("@members");
    tool::output(&mut ar, "making a library with")?;
    Ok(())
}

/// Makes an archive without members.
///
/// # Errors
/// It cannot be written.
pub(crate) fn empty(archive: &Path) -> Result<(), Error> {
    fs::write(archive, "!<arch>\n").map_err(|why| Error::io("writing", archive, why))
}
