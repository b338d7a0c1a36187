//! `--initrd`: a tar archive inside the image, which becomes its root directory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::archive::{Archive, SECTION};
use crate::failure::Failure;

/// An archive as a source for the assembler. It lives as long as this value.
pub struct Initrd {
    _archive: Archive,
    dir: TempDir,
}

impl Initrd {
    /// Makes it of a directory, or of an archive as it is.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let archive = Archive::new(path)?;
        let source = source(archive.path().as_os_str());
        let dir = tempfile::Builder::new()
            .prefix("muslin-initrd-")
            .tempdir()
            .and_then(|dir| fs::write(dir.path().join(SOURCE), source).map(|()| dir));
        match dir {
            Ok(dir) => Ok(Self {
                _archive: archive,
                dir,
            }),
            Err(error) => Err(Failure::file("write", Path::new(SOURCE), &error)),
        }
    }

    /// The file for the compiler's line.
    pub fn source(&self) -> PathBuf {
        self.dir.path().join(SOURCE)
    }
}

/// The source's name in its directory.
const SOURCE: &str = "initrd.s";

/// The archive between two symbols, in a section that nothing keeps but them.
fn source(archive: &OsStr) -> Vec<u8> {
    let mut text = format!(
        ".section {SECTION},\"a\",@progbits\n.balign 4096\n\
        .globl __muslin_initrd_start, __muslin_initrd_end\n\
        .hidden __muslin_initrd_start, __muslin_initrd_end\n\
        __muslin_initrd_start:\n.incbin \""
    )
    .into_bytes();
    for &byte in archive.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.extend(b"\"\n__muslin_initrd_end:\n.section .note.GNU-stack,\"\",@progbits\n");
    text
}
