//! A Linux in QEMU that runs a batch: one start, all commands, power off.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::archive::Archive;
use crate::batch::{Batch, Outcome};
use crate::built::Tools;
use crate::kernel::{self, MODULES};
use crate::record::{Reader, Writer};

/// The machine itself.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// The machine's memory in MiB. A guest's memory takes what the guest touches.
const MEMORY_MIB: &str = "2048";

/// Longer than a start takes on the busiest machine.
const START_MAX: Duration = Duration::from_secs(180);

/// How often the machine is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Lines of the console that are shown when something went wrong.
const CONSOLE_LINES: usize = 15;

/// Is there a QEMU?
pub(crate) fn is_there() -> Result<(), String> {
    Command::new(QEMU)
        .arg("--version")
        .output()
        .map(drop)
        .map_err(|_| format!("there is no {QEMU}; tools/setup-lab.sh installs it"))
}

/// Runs a batch in a machine with this kernel.
pub(crate) fn run(batch: &Batch, tools: &Tools, kernel: &Path) -> Result<Vec<Outcome>, String> {
    let dir = tempfile::tempdir().map_err(|error| format!("cannot lay out the lab: {error}"))?;
    let [files, console, told] = ["files", "console", "told"].map(|name| dir.path().join(name));
    let image = kernel::unpacked(kernel)?;
    fs::write(&files, archive(batch, tools, kernel)?)
        .map_err(|error| format!("cannot lay out the lab: {error}"))?;
    let serial = |path: &Path| format!("file:{}", path.display());
    let mut machine = Command::new(QEMU)
        .args(["-accel", "tcg", "-machine", "q35", "-cpu", "max"])
        .args([
            "-m",
            MEMORY_MIB,
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
        ])
        .arg("-kernel")
        .arg(&image)
        .arg("-initrd")
        .arg(&files)
        // No calibration and no test of the timer, which go wrong on a busy machine.
        .args([
            "-append",
            "console=ttyS0 quiet mitigations=off nokaslr lpj=4000000 no_timer_check panic=-1",
        ])
        .args(["-serial", &serial(&console), "-serial", &serial(&told)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(dir.path().join("complaints")).map_err(|error| error.to_string())?)
        .spawn()
        .map_err(|error| format!("cannot run {QEMU}: {error}"))?;
    let limit = START_MAX
        + batch
            .jobs
            .iter()
            .map(|job| job.limit)
            .max()
            .unwrap_or_default();
    let ended = wait(&mut machine, &told, limit);
    let bytes = fs::read(&told).unwrap_or_default();
    let mut from = Reader(&bytes);
    let outcomes: Vec<Outcome> = std::iter::from_fn(|| Outcome::read(&mut from)).collect();
    if outcomes.len() == batch.jobs.len() {
        return Ok(outcomes);
    }
    let words = fs::read(dir.path().join("complaints")).unwrap_or_default();
    let console = fs::read(&console).unwrap_or_default();
    let text = String::from_utf8_lossy(&words) + String::from_utf8_lossy(&console);
    let lines: Vec<&str> = text.lines().collect();
    Err(format!(
        "the machine in QEMU {ended} after {} of {} commands; its last words:\n{}",
        outcomes.len(),
        batch.jobs.len(),
        lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
    ))
}

/// Waits until the machine ends, or tells nothing for too long. How it ended, in a word.
fn wait(machine: &mut Child, told: &Path, limit: Duration) -> &'static str {
    let mut last = (0, Instant::now());
    loop {
        match machine.try_wait() {
            Ok(None) => {}
            Ok(Some(_)) => return "ended",
            Err(_) => return "was lost",
        }
        let len = fs::metadata(told).map_or(0, |file| file.len());
        if len != last.0 {
            last = (len, Instant::now());
        }
        if last.1.elapsed() > limit {
            let _ = machine.kill();
            let _ = machine.wait();
            return "was silent for too long";
        }
        thread::sleep(STEP);
    }
}

/// All files of the machine.
fn archive(batch: &Batch, tools: &Tools, kernel: &Path) -> Result<Vec<u8>, String> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut archive = Archive::default();
    archive.device("dev/console", 5, 1);
    for directory in ["proc", "sys", "tmp", "work"] {
        archive.directory(directory);
    }
    archive.file("init", &read(&tools.init())?);
    archive.file("bin/muslin", &read(&tools.muslin())?);
    archive.file("bin/muslin-lab-steps", &read(&tools.steps())?);
    for (index, module) in MODULES.iter().enumerate() {
        archive.file(&format!("modules/{index}"), &read(&kernel.join(module))?);
    }
    let mut jobs = Writer::default();
    for job in &batch.jobs {
        job.write(&mut jobs);
    }
    archive.file("jobs", &jobs.0);
    for (name, source) in &batch.files {
        archive.file(&format!("work/{name}"), &read(source)?);
    }
    Ok(archive.finish())
}
