//! Laying files out: copying trees, links to the kernel's headers, and putting a finished sysroot in
//! its place.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::error::Error;

/// The kernel's header directories and where Debian and others keep them. musl has none of its own.
const KERNEL_HEADERS: [(&str, &[&str]); 5] = [
    ("linux", &["/usr/include/linux"]),
    (
        "asm",
        &["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"],
    ),
    ("asm-generic", &["/usr/include/asm-generic"]),
    ("mtd", &["/usr/include/mtd"]),
    ("scsi", &["/usr/include/scsi"]),
];

/// Holds the cache key of what is in place.
const STAMP: &str = ".muslin-sysroot";

/// What of the machine's kernel headers a sysroot depends on: whether there are any.
pub(crate) fn kernel_headers_state() -> &'static str {
    if Path::new(KERNEL_HEADERS[0].1[0]).is_dir() {
        "linked"
    } else {
        "none"
    }
}

/// Makes `include-linux/`, for programs that include `<linux/...>` or `<asm/...>`: links to the
/// machine's own headers, if it has them.
///
/// # Errors
/// The links cannot be made.
pub(crate) fn link_kernel_headers(sysroot: &Path) -> Result<(), Error> {
    if kernel_headers_state() == "none" {
        return Ok(());
    }
    let dir = sysroot.join("include-linux");
    fs::create_dir_all(&dir).map_err(|why| Error::io("making", &dir, why))?;
    for (name, places) in KERNEL_HEADERS {
        if let Some(place) = places.iter().find(|place| Path::new(place).is_dir()) {
            let link = dir.join(name);
            symlink(place, &link).map_err(|why| Error::io("making the link", &link, why))?;
        }
    }
    Ok(())
}

/// Writes down in the sysroot what its images run on: `muslin cc` reads it.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn name_platform(sysroot: &Path, name: &str) -> Result<(), Error> {
    let file = sysroot.join("lib/muslin-platform");
    fs::write(&file, format!("{name}\n")).map_err(|why| Error::io("writing", &file, why))
}

/// Puts a copy of the cached sysroot into `out`, unless the same one is there already.
///
/// Directories of the sysroot are replaced whole; whatever else `out` holds stays.
///
/// # Errors
/// `out` cannot be written to.
pub(crate) fn place(sysroot: &Path, key: &str, out: &Path, afresh: bool) -> Result<(), Error> {
    let stamp = out.join(STAMP);
    if !afresh && fs::read_to_string(&stamp).is_ok_and(|placed| placed == key) {
        return Ok(());
    }
    fs::create_dir_all(out).map_err(|why| Error::io("making", out, why))?;
    // Until it is dropped, other processes that place one here wait.
    let _placing = File::open(out)
        .and_then(|dir| dir.lock().map(|()| dir))
        .map_err(|why| Error::io("locking", out, why))?;
    let aside = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(out)
        .map_err(|why| Error::io("making a directory in", out, why))?;
    copy_tree(sysroot, aside.path())?;
    let _ = fs::remove_file(&stamp);
    for name in ["include", "include-linux", "lib"] {
        let (new, old) = (aside.path().join(name), out.join(name));
        if old.is_dir() {
            let gone = aside.path().join(format!("old-{name}"));
            fs::rename(&old, &gone).map_err(|why| Error::io("replacing", &old, why))?;
        }
        if new.is_dir() {
            fs::rename(&new, &old).map_err(|why| Error::io("placing", &old, why))?;
        }
    }
    fs::write(&stamp, key).map_err(|why| Error::io("writing", &stamp, why))
}

/// Copies a directory's content, merging it into what `to` holds; symbolic links stay links.
///
/// # Errors
/// Something cannot be read or written.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(|why| Error::io("making", to, why))?;
    for name in names_in(from)? {
        let (source, target) = (from.join(&name), to.join(&name));
        let kind = source
            .symlink_metadata()
            .map_err(|why| Error::io("reading", &source, why))?
            .file_type();
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            fs::read_link(&source)
                .and_then(|pointee| symlink(pointee, &target))
                .map_err(|why| Error::io("copying the link", &source, why))?;
        } else {
            fs::copy(&source, &target).map_err(|why| Error::io("copying", &source, why))?;
        }
    }
    Ok(())
}

/// The names in a directory, sorted.
///
/// # Errors
/// It cannot be read, or a name in it is not UTF-8.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<String>, Error> {
    let failed = |why| Error::io("reading the directory", dir, why);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.push(name.into_string().map_err(|name| {
            Error::Setting(format!("{}: the name {name:?} is not UTF-8", dir.display()))
        })?);
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    fn sysroot(libc: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("lib/libc.a"), libc).unwrap();
        fs::create_dir(dir.path().join("include")).unwrap();
        dir
    }

    #[test]
    fn placing_replaces_old_files_and_keeps_foreign_ones() {
        let out = tempfile::tempdir().unwrap();
        place(sysroot("one").path(), "key-1", out.path(), false).unwrap();
        fs::write(out.path().join("lib/left-over.a"), "").unwrap();
        fs::create_dir(out.path().join("bin")).unwrap();
        place(sysroot("two").path(), "key-2", out.path(), false).unwrap();
        assert_eq!(
            fs::read_to_string(out.path().join("lib/libc.a")).unwrap(),
            "two"
        );
        assert!(!out.path().join("lib/left-over.a").exists());
        assert_eq!(
            names_in(out.path()).unwrap(),
            [".muslin-sysroot", "bin", "include", "lib"]
        );
    }

    #[test]
    fn placing_the_same_again_touches_nothing_unless_asked() {
        let out = tempfile::tempdir().unwrap();
        place(sysroot("one").path(), "key-1", out.path(), false).unwrap();
        place(sysroot("two").path(), "key-1", out.path(), false).unwrap();
        let libc = || fs::read_to_string(out.path().join("lib/libc.a")).unwrap();
        assert_eq!(libc(), "one");
        place(sysroot("two").path(), "key-1", out.path(), true).unwrap();
        assert_eq!(libc(), "two");
    }
}
