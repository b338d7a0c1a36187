//! A guest of this machine's Xen, by `xl`.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use muslin_lab::xen::{Console, GUEST_SCRIPT};
use rustix::process::{Pid, Signal, kill_process};

use super::end::{self, Ended};
use super::signals;
use super::typed::Typed;
use crate::failure::Failure;
use crate::run::cannot_run;

/// What a Linux says that has a Xen below it and may start guests.
const CAPABILITIES: &str = "/proc/xen/capabilities";
const CAN_CONTROL: &str = "control_d";

/// Is this machine the first guest of a Xen?
pub fn has_xen() -> bool {
    fs::read_to_string(CAPABILITIES).is_ok_and(|text| text.contains(CAN_CONTROL))
}

/// Runs a guest to its end.
pub fn run(image: &Path, config: &str) -> Result<u8, Failure> {
    run_script(config)
        .map_err(|error| cannot_run(image, &error))?
        .code(image)
}

fn run_script(config: &str) -> io::Result<Ended> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("guest.cfg");
    fs::write(&file, config)?;
    let mut script = Command::new("sh");
    script.args(["-c", GUEST_SCRIPT, "guest"]).arg(&file);
    script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // What a terminal sends comes to us alone: the script takes the guest away before it ends.
    script.process_group(0);
    let signals = signals::Listener::new()?;
    let mut script = script.spawn()?;
    let pid = i32::try_from(script.id()).ok().and_then(Pid::from_raw);
    let take_away = || {
        if let Some(pid) = pid {
            // One that has just ended has nothing to take away.
            let _ = kill_process(pid, Signal::TERM);
        }
    };
    if let Some(mut to) = script.stdin.take() {
        // Ends with its input, or with us.
        thread::spawn(move || io::copy(&mut Typed::new(io::stdin()), &mut to));
    }
    let complaints = script.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut said = Vec::new();
            // What was heard until then is good enough.
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        })
    });
    let mut console = Console::default();
    let mut is_heard = true;
    let (ended, signal) = signals.beside(take_away, || {
        if let Some(mut output) = script.stdout.take() {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                console.take(&bytes[..count], &mut |text| {
                    if is_heard && !end::write(text) {
                        is_heard = false;
                        take_away();
                    }
                });
            }
        }
        script.wait()
    });
    let reason = ended?.code();
    let said = complaints
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    Ok(Ended {
        console,
        reason,
        said,
        signal,
        is_heard,
    })
}
