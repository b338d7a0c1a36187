//! The sysroots and the compiler driver that tests use, made when they are first asked for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use muslin_sysroot::{Flavour, Request, build};

/// The sysroot of this flavour, from the cache when it is there.
///
/// # Errors
/// What kept it from being built, as one line.
pub fn sysroot(flavour: Flavour) -> Result<PathBuf, String> {
    static DONE: Mutex<Vec<(Flavour, Result<PathBuf, String>)>> = Mutex::new(Vec::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, made)) = done.iter().find(|(known, _)| *known == flavour) {
        return made.clone();
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("sysroots")
        .join(flavour.name());
    let made = build(&Request { flavour, out })
        .map(|sysroot| sysroot.dir)
        .map_err(|error| format!("no {} sysroot: {error}", flavour.name()));
    done.push((flavour, made.clone()));
    made
}

/// The `muslin` command, compiled from this tree.
///
/// # Errors
/// Cargo's own words.
#[allow(dead_code, reason = "tests/musl.rs compiles nothing")]
pub fn muslin() -> Result<PathBuf, String> {
    static MUSLIN: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "muslin-cmd"])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the muslin command does not compile:\n{said}"));
        }
        executable_in(&String::from_utf8_lossy(&output.stdout))
            .ok_or_else(|| "cargo names no muslin executable".to_owned())
    });
    MUSLIN.clone()
}

/// The path after `"executable":` in cargo's messages.
fn executable_in(messages: &str) -> Option<PathBuf> {
    let (_, rest) = messages.split_once("\"executable\":\"")?;
    rest.split_once('"').map(|(path, _)| PathBuf::from(path))
}
