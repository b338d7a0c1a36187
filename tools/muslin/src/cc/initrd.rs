//! `--initrd`: a tar archive inside the image, which becomes its root directory.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Failure, reason, shown};

/// An archive as a source for the assembler. It lives as long as this value.
pub struct Initrd {
    dir: TempDir,
}

impl Initrd {
    /// Makes it of a directory, or of an archive as it is.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &io::Error| {
            Failure::new(
                format_args!("--initrd {}: {}", shown(path), reason(error)),
                "name a directory or a tar archive that can be read",
            )
        };
        Self::make(path).map_err(|error| failed(&error))
    }

    fn make(path: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("muslin-initrd-")
            .tempdir()?;
        let archive = if fs::metadata(path)?.is_dir() {
            let archive = dir.path().join("initrd.tar");
            pack(path, &archive)?;
            archive
        } else {
            fs::File::open(path)?;
            fs::canonicalize(path)?
        };
        fs::write(dir.path().join("initrd.s"), source(archive.as_os_str()))?;
        Ok(Self { dir })
    }

    /// The file for the compiler's line.
    pub fn source(&self) -> PathBuf {
        self.dir.path().join("initrd.s")
    }
}

/// Packs a directory, names sorted, so that equal directories make equal images.
fn pack(from: &Path, to: &Path) -> io::Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::new(fs::File::create(to)?));
    archive.follow_symlinks(false);
    pack_directory(&mut archive, from, Path::new(""))?;
    archive.into_inner()?.into_inner()?.sync_all()
}

fn pack_directory(
    archive: &mut tar::Builder<io::BufWriter<fs::File>>,
    from: &Path,
    below: &Path,
) -> io::Result<()> {
    let mut names = fs::read_dir(from.join(below))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let inside = below.join(&name);
        archive.append_path_with_name(from.join(&inside), &inside)?;
        if fs::symlink_metadata(from.join(&inside))?.is_dir() {
            pack_directory(archive, from, &inside)?;
        }
    }
    Ok(())
}

/// The archive between two symbols, in a section that nothing keeps but them.
fn source(archive: &OsStr) -> Vec<u8> {
    let mut text = b".section .muslin.initrd,\"a\",@progbits\n.balign 4096\n\
        .globl __muslin_initrd_start, __muslin_initrd_end\n\
        .hidden __muslin_initrd_start, __muslin_initrd_end\n\
        __muslin_initrd_start:\n.incbin \""
        .to_vec();
    for &byte in archive.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.extend(b"\"\n__muslin_initrd_end:\n.section .note.GNU-stack,\"\",@progbits\n");
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_packed_in_order_with_links_as_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("b/c"), "text").unwrap();
        std::os::unix::fs::symlink("b/c", dir.path().join("a")).unwrap();
        let to = tempfile::tempdir().unwrap();
        let tar = to.path().join("t.tar");
        pack(dir.path(), &tar).unwrap();
        let mut archive = tar::Archive::new(fs::File::open(tar).unwrap());
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (
                    entry.path().unwrap().to_path_buf(),
                    entry.header().entry_type().is_symlink(),
                )
            })
            .collect();
        let is = |name: &str, link| (PathBuf::from(name), link);
        assert_eq!(names, [is("a", true), is("b/", false), is("b/c", false)]);
    }

    #[test]
    fn a_missing_initrd_is_one_line() {
        let failure = Initrd::new(Path::new("/nowhere/at-all")).err().unwrap();
        let line = failure.line.unwrap_or_default();
        assert!(line.starts_with("--initrd /nowhere/at-all: "), "{line}");
    }
}
