//! Is there a directory of this name in an archive? Told before a guest is to start in it.

use std::ffi::OsStr;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;

/// The first names of paths that the guest has besides what its archive brings.
const OWN: [&[u8]; 4] = [b"dev", b"proc", b"sys", b"tmp"];

/// Whether a guest with this archive can start there. What the guest itself makes is its to judge.
pub fn may_start_in(path: &OsStr, archive: Option<impl Read + Seek>) -> io::Result<bool> {
    let wanted = names(path.as_bytes());
    if wanted.first().is_none_or(|name| OWN.contains(name)) {
        return Ok(true);
    }
    let Some(archive) = archive else {
        return Ok(false);
    };
    for entry in tar::Archive::new(archive).entries_with_seek()? {
        let entry = entry?;
        let path = entry.path_bytes();
        let found = names(&path);
        let is_directory = entry.header().entry_type().is_dir() || found.len() > wanted.len();
        if is_directory && found.starts_with(&wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names of a path, without those that lead nowhere.
fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn directories_are_entries_or_lead_to_entries() {
        let mut builder = tar::Builder::new(Vec::new());
        let deep = format!("long/{}/file", "x".repeat(200));
        for (path, kind) in [
            ("./etc/", tar::EntryType::Directory),
            ("file", tar::EntryType::Regular),
            ("a/b/file", tar::EntryType::Regular),
            ("link", tar::EntryType::Symlink),
            (&deep, tar::EntryType::Regular),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_data(&mut header, path, io::empty()).unwrap();
        }
        let archive = builder.into_inner().unwrap();
        let may =
            |path: &str| may_start_in(path.as_ref(), Some(io::Cursor::new(&archive))).unwrap();
        let long = format!("/long/{}", "x".repeat(200));
        for there in [
            "", "/", "/etc", "etc/", "/a/./b", "//a", "/tmp", "dev/shm", &long,
        ] {
            assert!(may(there), "{there:?}");
        }
        for not in [
            "/nowhere",
            "/file",
            "/link",
            "/et",
            "/a/b/file",
            "/a/b/c",
            "/a/../etc",
        ] {
            assert!(!may(not), "{not:?}");
        }
        let none = |path: &str| may_start_in(path.as_ref(), None::<io::Cursor<&[u8]>>).unwrap();
        assert!(none("/tmp") && !none("/etc"));
    }
}
