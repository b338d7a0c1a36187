//! An archive for a root directory: made of a directory, or one that is there.

pub mod directories;
mod sound;

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process;

use crate::failure::{Failure, reason, shown};
use sound::Damage;

/// The section of an image that holds its own archive.
pub const SECTION: &str = ".muslin.initrd";

/// A tar archive. One that was made of a directory is a file without a name, which lives as long as this value, and
/// no longer than this process, however that ends.
pub struct Archive {
    path: PathBuf,
    made: Option<fs::File>,
}

impl Archive {
    /// Makes it of a directory, or takes an archive as it is, if it is whole.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &io::Error| {
            Failure::new(
                format_args!("--initrd {}: {}", shown(path), reason(error)),
                "name a directory or a tar archive that can be read",
            )
        };
        if fs::metadata(path).map_err(|error| failed(&error))?.is_dir() {
            return Self::make(path).map_err(|error| failed(&error));
        }
        let file = fs::File::open(path).map_err(|error| failed(&error))?;
        let damage = sound::damage(&file).map_err(|error| failed(&error))?;
        match damage {
            None => Ok(Self {
                path: fs::canonicalize(path).map_err(|error| failed(&error))?,
                made: None,
            }),
            Some(Damage::NotTar) => Err(Failure::new(
                format_args!("--initrd {}: this is no tar archive", shown(path)),
                "name a directory, or an archive of tar that is not compressed",
            )),
            Some(damage) => Err(Failure::new(
                format_args!("--initrd {}: {damage}", shown(path)),
                "make it anew with tar",
            )),
        }
    }

    fn make(path: &Path) -> io::Result<Self> {
        let made = pack(path, tempfile::tempfile()?)?;
        Ok(Self {
            path: format!("/proc/{}/fd/{}", process::id(), made.as_raw_fd()).into(),
            made: Some(made),
        })
    }

    /// Was it made of a directory, to be gone with this value?
    pub fn is_made(&self) -> bool {
        self.made.is_some()
    }

    /// Where it is, for this process and others.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Packs a directory, names sorted, so that equal directories make equal images.
fn pack(from: &Path, to: fs::File) -> io::Result<fs::File> {
    let mut archive = tar::Builder::new(io::BufWriter::new(to));
    archive.follow_symlinks(false);
    // Holes as zeros: a guest reads plain entries only.
    archive.sparse(false);
    pack_directory(&mut archive, from, Path::new(""))?;
    Ok(archive.into_inner()?.into_inner()?)
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
        pack(dir.path(), fs::File::create(&tar).unwrap()).unwrap();
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
    fn a_file_with_holes_is_packed_as_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs::File::create(dir.path().join("holes")).unwrap();
        file.set_len(1 << 20).unwrap();
        let to = tempfile::tempdir().unwrap();
        let tar = to.path().join("t.tar");
        pack(dir.path(), fs::File::create(&tar).unwrap()).unwrap();
        let mut archive = tar::Archive::new(fs::File::open(tar).unwrap());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert!(entry.header().entry_type().is_file());
        assert_eq!(entry.header().size().unwrap(), 1 << 20);
    }

    #[test]
    fn an_archive_is_taken_only_if_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "text ".repeat(200)).unwrap();
        let tar = dir.path().join("t.tar");
        pack(dir.path(), fs::File::create(&tar).unwrap()).unwrap();
        let whole = fs::read(&tar).unwrap();
        let line_of = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            let refused = Archive::new(&file).err()?;
            let line = refused.line.unwrap_or_default();
            Some(line.rsplit_once("file: ").unwrap().1.to_owned())
        };
        assert_eq!(line_of(&whole), None);
        assert_eq!(line_of(&[0; 1024]), None);
        let mut bent = whole.clone();
        bent[0] ^= 1;
        for bytes in [&[][..], b"text", &whole[..511], &[b'x'; 4096], &bent] {
            assert_eq!(
                line_of(bytes).unwrap(),
                "this is no tar archive; \
                 name a directory, or an archive of tar that is not compressed"
            );
        }
        // The file's 1000 bytes take two blocks; the archive itself comes next, still empty.
        let mut bent = whole.clone();
        bent[1536] ^= 1;
        let cut = "the archive is cut off (at byte";
        for (bytes, line) in [
            (&whole[..512], format!("{cut} 0, \"file\")")),
            (&whole[..1511], format!("{cut} 0, \"file\")")),
            (
                &whole[..1536],
                "the archive ends without its two empty blocks (at byte 1536)".to_owned(),
            ),
            (&whole[..1600], format!("{cut} 1536)")),
            (
                &bent,
                "the checksum of a header is wrong (at byte 1536)".to_owned(),
            ),
        ] {
            assert_eq!(
                line_of(bytes).unwrap(),
                format!("{line}; make it anew with tar")
            );
        }
    }

    #[test]
    fn sizes_in_extended_headers_count() {
        let dir = tempfile::tempdir().unwrap();
        let entry = |kind: tar::EntryType, body: &[u8], said: u64| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(said);
            header.set_cksum();
            let mut bytes = header.as_bytes().to_vec();
            bytes.extend_from_slice(body);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
            bytes
        };
        let extended = entry(tar::EntryType::XHeader, b"12 size=600\n", 12);
        let path = dir.path().join("t.tar");
        let file = entry(tar::EntryType::Regular, &[b'x'; 600], 3);
        let link = entry(tar::EntryType::Symlink, b"", 5000);
        let rest = [&file[..], &link, &[0; 1024]].concat();
        fs::write(&path, [&extended[..], &rest].concat()).unwrap();
        assert!(Archive::new(&path).is_ok());
        fs::write(&path, &rest).unwrap();
        assert!(Archive::new(&path).is_err());
    }

    #[test]
    fn a_missing_initrd_is_one_line() {
        let failure = Archive::new(Path::new("/nowhere/at-all")).err().unwrap();
        let line = failure.line.unwrap_or_default();
        assert!(line.starts_with("--initrd /nowhere/at-all: "), "{line}");
    }
}
