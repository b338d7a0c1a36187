//! SQLite's speedtest1: a native program on a file system in memory beside a guest of spt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Places, Result};

/// How often each is run, in turn.
const ROUNDS: usize = 3;
/// Size of the test, in percent of SQLite's own.
const SIZE: &str = "40";
/// A file system in memory.
const IN_MEMORY: &str = "/dev/shm";

/// The quickest runs in seconds, from spawn to end.
pub struct Database {
    /// Natively on Linux.
    pub native_s: f64,
    /// As a guest.
    pub guest_s: f64,
}

impl Database {
    /// Builds and runs both. The same objects are linked with either libc.
    pub fn measure(places: &Places) -> Result<Self> {
        let native = build(&places.stock)?;
        let image = build(&places.solo5)?;
        let file = Path::new(IN_MEMORY).join(format!("muslin-bench-{}.db", std::process::id()));
        let mut quickest = Self {
            native_s: f64::INFINITY,
            guest_s: f64::INFINITY,
        };
        for _ in 0..ROUNDS {
            let mut natively = Command::new(&native);
            let native_s = seconds(natively.args(["--size", SIZE]).arg(&file));
            let _ = fs::remove_file(&file);
            quickest.native_s = quickest.native_s.min(native_s?);
            let mut in_guest = Command::new(&places.muslin_command);
            in_guest.arg("run").arg(&image).args(["--", "--size", SIZE]);
            quickest.guest_s = quickest.guest_s.min(seconds(in_guest.arg("bench.db"))?);
        }
        Ok(quickest)
    }
}

/// The test with a sysroot, by the recipe of the tests.
fn build(sysroot: &Path) -> Result<PathBuf> {
    let output = Command::new("tests/programs/build.sh")
        .arg(sysroot)
        .arg("sqlite")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("tests/programs/build.sh: {why}"))?;
    if !output.status.success() {
        return Err("SQLite cannot be built".into());
    }
    let dir = String::from_utf8_lossy(&output.stdout);
    Ok(Path::new(dir.trim()).join("speedtest1"))
}

fn seconds(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|why| format!("{command:?}: {why}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if status.success() {
        Ok(seconds)
    } else {
        Err(format!("{command:?}: {status}"))
    }
}
