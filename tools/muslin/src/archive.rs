//! An archive for a root directory: made of a directory, or one that is there.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Failure, reason, shown};

/// A tar archive. One that was made of a directory lives as long as this value.
pub struct Archive {
    path: PathBuf,
    _made_in: Option<TempDir>,
}

impl Archive {
    /// Makes it of a directory, or of an archive as it is.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &io::Error| {
            Failure::new(
                format_args!("--initrd {}: {}", shown(path), reason(error)),
                "name a directory or a tar archive that can be read",
            )
        };
        let archive = Self::make(path).map_err(|error| failed(&error))?;
        if is_archive(&archive.path).map_err(|error| failed(&error))? {
            return Ok(archive);
        }
        Err(Failure::new(
            format_args!("--initrd {}: this is no tar archive", shown(path)),
            "name a directory, or an archive of tar that is not compressed",
        ))
    }

    fn make(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            fs::File::open(path)?;
            return Ok(Self {
                path: fs::canonicalize(path)?,
                _made_in: None,
            });
        }
        let dir = tempfile::Builder::new()
            .prefix("muslin-initrd-")
            .tempdir()?;
        let archive = dir.path().join("initrd.tar");
        pack(path, &archive)?;
        Ok(Self {
            path: archive,
            _made_in: Some(dir),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Does it begin as tar archives do? The rest is looked at by the guest, when it opens a file.
fn is_archive(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        // What can be read only once is the guest's to read.
        return Ok(true);
    }
    let mut header = tar::Header::new_old();
    match fs::File::open(path)?.read_exact(header.as_mut_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    // Zeros end an archive: nothing is in it.
    if header.as_bytes().iter().all(|&byte| byte == 0) {
        return Ok(true);
    }
    let written = header.cksum().ok();
    header.set_cksum();
    Ok(written == header.cksum().ok())
}

/// Packs a directory, names sorted, so that equal directories make equal images.
fn pack(from: &Path, to: &Path) -> io::Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::new(fs::File::create(to)?));
    archive.follow_symlinks(false);
    // Holes as zeros: a guest reads plain entries only.
    archive.sparse(false);
    pack_directory(&mut archive, from, Path::new(""))?;
    archive.into_inner()?.into_inner()?;
    Ok(())
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
    fn a_file_with_holes_is_packed_as_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs::File::create(dir.path().join("holes")).unwrap();
        file.set_len(1 << 20).unwrap();
        let to = tempfile::tempdir().unwrap();
        let tar = to.path().join("t.tar");
        pack(dir.path(), &tar).unwrap();
        let mut archive = tar::Archive::new(fs::File::open(tar).unwrap());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert!(entry.header().entry_type().is_file());
        assert_eq!(entry.header().size().unwrap(), 1 << 20);
    }

    #[test]
    fn what_is_no_archive_is_refused_by_its_first_header() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "text").unwrap();
        let tar = dir.path().join("t.tar");
        pack(dir.path(), &tar).unwrap();
        let whole = fs::read(&tar).unwrap();
        let is_taken = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            Archive::new(&file).map_err(|failure| failure.line.unwrap_or_default())
        };
        assert!(is_taken(&whole).is_ok());
        assert!(is_taken(&[0; 1024]).is_ok());
        // The rest is not read here.
        assert!(is_taken(&whole[..512]).is_ok());
        let mut bent = whole.clone();
        bent[0] ^= 1;
        for bytes in [&[][..], b"text", &whole[..511], &[b'x'; 4096], &bent] {
            let line = is_taken(bytes).err().unwrap();
            assert!(line.ends_with(
                "file: this is no tar archive; \
                 name a directory, or an archive of tar that is not compressed"
            ));
        }
    }

    #[test]
    fn a_missing_initrd_is_one_line() {
        let failure = Archive::new(Path::new("/nowhere/at-all")).err().unwrap();
        let line = failure.line.unwrap_or_default();
        assert!(line.starts_with("--initrd /nowhere/at-all: "), "{line}");
    }
}
