//! Runs a program in a directory, for a bounded time.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// Far more than any program needs, even on a busy machine.
pub const TIME_MAX: Duration = Duration::from_secs(120);

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
    /// How it ended: `status 0`, `signal 6`, `killed: took more than 120 s`.
    pub end: String,
}

impl Outcome {
    /// All of it, for a failure.
    pub fn told(&self) -> String {
        format!(
            "ended with {}\n--- standard output\n{}--- standard error\n{}---",
            self.end, self.output, self.errors
        )
    }
}

/// An empty directory for one test.
///
/// # Errors
/// The directory cannot be made.
pub fn work_dir(name: &str) -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("handlers")
        .join(name);
    let made = match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&dir),
    };
    made.map(|()| dir.clone())
        .map_err(|error| format!("{}: {error}", dir.display()))
}

/// Runs a command in `dir` and waits for it. What it prints goes to files there.
///
/// # Errors
/// The process cannot be started or waited for.
pub fn run(mut command: Command, dir: &Path) -> Result<Outcome, String> {
    let (output, errors) = (dir.join("stdout"), dir.join("stderr"));
    let mut start = || -> std::io::Result<String> {
        let mut child = command
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(File::create(&errors)?)
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        let deadline = Instant::now() + TIME_MAX;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let mut in_time = true;
        while waitid(WaitId::Pid(pid), look)?.is_none() {
            if Instant::now() > deadline {
                in_time = false;
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        // The process is there until it is reaped, so the group's number is still its own.
        kill_process_group(pid, Signal::KILL)?;
        let status = child.wait()?;
        Ok(if in_time {
            describe(status)
        } else {
            format!("killed: took more than {} s", TIME_MAX.as_secs())
        })
    };
    let end = start().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let read = |path: &Path| {
        fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    Ok(Outcome {
        output: read(&output)?,
        errors: read(&errors)?,
        end,
    })
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "neither exited nor signalled".to_owned(),
    }
}
