//! What the tests share: the command, a directory for each test, a sysroot.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use muslin_sysroot::{Error, Flavour, Request};

/// The command under test.
pub const MUSLIN: &str = env!("CARGO_BIN_EXE_muslin");

/// The command, without what the tester's own environment says to it.
pub fn muslin() -> Command {
    clean(Command::new(MUSLIN))
}

/// A program that does not see the tester's own settings.
pub fn clean(mut command: Command) -> Command {
    for name in [
        "MUSLIN_SYSROOT",
        "MUSLIN_GCC",
        "MUSLIN_DROPPED",
        "MUSLIN_NETWORK",
        "MUSLIN_CC_WARNINGS",
        "MUSLIN_COUNT",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "CFLAGS",
        "LDFLAGS",
    ] {
        command.env_remove(name);
    }
    command
}

/// An empty directory for one test.
pub fn directory(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Writes the files of a small project.
pub fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The sysroot with the driver in it, made once; `None` after saying why not.
pub fn sysroot(test: &str) -> Option<&'static Path> {
    static SYSROOT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match SYSROOT.get_or_init(|| make(Flavour::Linux)) {
        Ok(dir) => Some(dir),
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

/// The same with musl as it was released.
pub fn stock(test: &str) -> Option<&'static Path> {
    static STOCK: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match STOCK.get_or_init(|| make(Flavour::Stock)) {
        Ok(dir) => Some(dir),
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

/// The same for guests of Solo5.
pub fn solo5(test: &str) -> Option<&'static Path> {
    static SOLO5: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match SOLO5.get_or_init(|| make(Flavour::Solo5Spt)) {
        Ok(dir) => Some(dir),
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

/// The same for guests of Xen.
pub fn xen(test: &str) -> Option<&'static Path> {
    static XEN: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match XEN.get_or_init(|| make(Flavour::Xen)) {
        Ok(dir) => Some(dir),
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

/// The same for virtual machines.
pub fn hvt(test: &str) -> Option<&'static Path> {
    static HVT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match HVT.get_or_init(|| make(Flavour::Solo5Hvt)) {
        Ok(dir) => Some(dir),
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

/// Does this machine have the program? Says so if not.
pub fn has(test: &str, program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        skip(test, &format!("{program} is not installed"));
    }
    is_there
}

/// Says that a test was not run; past the harness, which keeps what a passing test prints.
pub fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

fn make(flavour: Flavour) -> Result<PathBuf, String> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sysroot-{}", flavour.name()));
    let request = Request {
        flavour,
        out: out.clone(),
    };
    match muslin_sysroot::build(&request) {
        Ok(_) => {}
        Err(error @ (Error::NoSource { .. } | Error::MissingTool { .. })) => {
            return Err(error.to_string());
        }
        Err(error) => panic!("{error}"),
    }
    fs::create_dir_all(out.join("bin")).unwrap();
    let driver = out.join("bin/muslin-cc");
    let _ = fs::remove_file(&driver);
    symlink(MUSLIN, &driver).unwrap();
    Ok(out)
}

/// The compiler driver of a sysroot, working in a directory.
pub fn driver(sysroot: &Path, dir: &Path) -> Command {
    let mut command = clean(Command::new(sysroot.join("bin/muslin-cc")));
    command.current_dir(dir);
    command
}

/// Standard output and standard error as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// See [`stdout`].
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command that has to succeed, and gives what it printed.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        stdout(&output),
        stderr(&output)
    );
    stdout(&output)
}

/// Runs a command that has to end with this exit code and this one line on standard error.
#[track_caller]
pub fn refuse(command: &mut Command, code: i32, line: &str) {
    let output = command.output().unwrap();
    assert_eq!(stderr(&output), format!("muslin: {line}\n"), "{command:?}");
    assert_eq!(output.status.code(), Some(code), "{command:?}");
}

/// `muslin` with arguments.
pub fn with<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = muslin();
    command.args(args);
    command
}

/// An archive with an entry whose kind nobody knows, in place of the header at `at`: the archive is
/// whole, and yet a guest has to refuse it.
pub fn with_strange_entry(archive: &[u8], at: usize) -> Vec<u8> {
    let mut header = tar::Header::new_old();
    let place = at..at + header.as_bytes().len();
    header
        .as_mut_bytes()
        .copy_from_slice(&archive[place.clone()]);
    header.set_entry_type(tar::EntryType::new(b'Z'));
    header.set_cksum();
    let mut strange = archive.to_vec();
    strange[place].copy_from_slice(header.as_bytes());
    strange
}
