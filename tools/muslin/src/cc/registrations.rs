//! Static handler registrations in archives, and which of them the linker took.
//!
//! `MUSLIN_STATIC` in C and `static_handler!` in Rust leave a global symbol behind each
//! registration. An object on the command line is always linked; a member of an archive only when
//! something refers to it, which nothing needs to do for a handler. The index of an archive names
//! its global symbols, so a look costs one read of the index, and works for members that hold
//! compiler bitcode as well.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::read::ReadCache;
use object::read::archive::ArchiveFile;

use crate::cc::arguments::{Arguments, Input};
use crate::failure::shown;
use crate::locate::Sysroot;

/// How the symbols of static registrations begin.
pub const PREFIX: &str = "__muslin_static_";

/// A registration that an archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The whole symbol.
    pub symbol: String,
    /// The archive.
    pub archive: PathBuf,
    /// Its member.
    pub member: String,
}

impl Registration {
    /// What to tell the user when the linker left it out.
    pub fn dropped(&self) -> String {
        let name = self.symbol.strip_prefix(PREFIX).unwrap_or(&self.symbol);
        let remedy = if self.archive.extension() == Some(OsStr::new("rlib")) {
            format!(
                "write `use {} as _;` in the program",
                crate_name(&self.archive)
            )
        } else {
            "put -Wl,--whole-archive before the archive and -Wl,--no-whole-archive after it"
                .to_owned()
        };
        format!(
            "the handler '{name}' in {}({}) was dropped: nothing refers to it; {remedy}",
            shown(&self.archive),
            self.member,
        )
    }
}

/// All registrations that this link could take from archives.
pub fn of_link(arguments: &Arguments, sysroot: &Sysroot) -> Vec<Registration> {
    let mut archives: Vec<PathBuf> = arguments
        .inputs
        .iter()
        .filter_map(|input| match input {
            Input::File(path) => is_archive_name(path).then(|| path.clone()),
            Input::Library(name) => library(name, &arguments.library_dirs),
        })
        .filter(|path| !path.starts_with(&sysroot.dir))
        .collect();
    if arguments.from_rustc {
        archives.extend(crates_given_to_rustc());
    }
    archives.sort();
    archives.dedup();
    archives
        .iter()
        .flat_map(|archive| of_archive(archive))
        .collect()
}

/// The registrations in one archive; none if it cannot be read: the linker will say so.
fn of_archive(path: &Path) -> Vec<Registration> {
    let mut found = Vec::new();
    let Ok(file) = File::open(path) else {
        return found;
    };
    let cache = ReadCache::new(file);
    let Ok(archive) = ArchiveFile::parse(&cache) else {
        return found;
    };
    let Ok(Some(symbols)) = archive.symbols() else {
        return found;
    };
    for symbol in symbols.flatten() {
        let Ok(name) = std::str::from_utf8(symbol.name()) else {
            continue;
        };
        if !name.starts_with(PREFIX) {
            continue;
        }
        let member = match archive.member(symbol.offset()) {
            Ok(member) => String::from_utf8_lossy(member.name()).into_owned(),
            Err(_) => "?".to_owned(),
        };
        found.push(Registration {
            symbol: name.to_owned(),
            archive: path.to_path_buf(),
            member,
        });
    }
    found
}

fn is_archive_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "a" || extension == "rlib")
}

/// The archive that `-lNAME` means, if it is in a directory of the command line.
fn library(name: &OsStr, dirs: &[PathBuf]) -> Option<PathBuf> {
    let file = match name.as_bytes().strip_prefix(b":") {
        Some(exact) => OsStr::from_bytes(exact).to_os_string(),
        None => {
            let mut file = OsStr::new("lib").to_os_string();
            file.push(name);
            file.push(".a");
            file
        }
    };
    dirs.iter()
        .map(|dir| dir.join(&file))
        .find(|path| path.is_file())
}

/// The crates that the calling rustc was given with `--extern`.
///
/// rustc leaves a crate that no source line names off the link line, so the line cannot tell of it.
fn crates_given_to_rustc() -> Vec<PathBuf> {
    let command_line = format!("/proc/{}/cmdline", std::os::unix::process::parent_id());
    fs::read(command_line).map_or_else(|_| Vec::new(), |line| externs(&line))
}

fn externs(command_line: &[u8]) -> Vec<PathBuf> {
    let mut crates = Vec::new();
    let mut words = command_line.split(|&byte| byte == 0);
    while let Some(word) = words.next() {
        let value = match word.strip_prefix(b"--extern=") {
            Some(value) => value,
            None if word == b"--extern" => words.next().unwrap_or_default(),
            None => continue,
        };
        // [options:]name=path
        if let Some(at) = value.iter().position(|&byte| byte == b'=') {
            let path = Path::new(OsStr::from_bytes(&value[at + 1..]));
            // What cargo passes for a crate that is compiled meanwhile is its metadata.
            let path = path.with_extension("rlib");
            if path.is_file() {
                crates.push(path);
            }
        }
    }
    crates
}

/// `libname-hash.rlib` is the crate `name`.
fn crate_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_prefix("lib").unwrap_or(&stem);
    match stem.rsplit_once('-') {
        Some((name, _)) => name.to_owned(),
        None => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_registration_names_archive_member_and_remedy() {
        let mut registration = Registration {
            symbol: "__muslin_static_deny".into(),
            archive: "libguard.a".into(),
            member: "deny.o".into(),
        };
        assert_eq!(
            registration.dropped(),
            "the handler 'deny' in libguard.a(deny.o) was dropped: nothing refers to it; \
             put -Wl,--whole-archive before the archive and -Wl,--no-whole-archive after it"
        );
        registration.archive = "/t/libguard-0123abcd.rlib".into();
        assert!(
            registration
                .dropped()
                .ends_with("write `use guard as _;` in the program")
        );
    }

    #[test]
    fn crates_of_a_rustc_line_that_are_not_files_are_left_out() {
        assert!(
            externs(b"rustc\0--extern\0a=/nowhere/liba.rlib\0--extern\0std\0--extern").is_empty()
        );
    }
}
