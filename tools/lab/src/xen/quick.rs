//! An image as dom0: the quickest way to run it in a real Xen.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::files::Files;
use super::last_line::Console;
use super::line::STEP;
use super::machine::{OPTIONS, Place, emulator, failed};
use crate::machine::QEMU;

/// MiB of Xen itself, beside those of the image.
const XEN_MIB: u64 = 128;

/// The port at which an image as dom0 ends the machine: it writes a status there.
const EXIT_DEVICE: &str = "isa-debug-exit,iobase=0xf4,iosize=4";

/// What Xen says last before dom0 has the console.
const BEFORE_DOM0: &str = "*** Serial input to DOM0";

/// How Xen's own lines begin.
const OF_XEN: &str = "(XEN) ";

/// How an image is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With Xen's page tables.
    Pv,
    /// With its own.
    Pvh,
}

/// An image that is dom0.
#[derive(Clone, Debug)]
pub struct Alone<'a> {
    /// Its file; no comma may be in its name.
    pub image: &'a Path,
    /// How it is entered.
    pub mode: Mode,
    /// Its command line, without commas: QEMU takes them for ends of modules.
    pub command_line: &'a str,
    /// A file that it gets as its initrd; no comma may be in its name.
    pub initrd: Option<&'a Path>,
    /// Its memory.
    pub memory_mib: u64,
    /// When it is ended.
    pub limit: Duration,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status of its last words, else the one that it ended the machine with, whose low seven bits
    /// are known; `None` if there is neither.
    pub status: Option<u8>,
    /// Was it ended for taking too long?
    pub is_too_long: bool,
    /// What it wrote to the console.
    pub output: String,
    /// The whole console, Xen's lines with it.
    pub log: String,
}

pub(super) fn run(files: &Files, alone: &Alone<'_>) -> Result<Outcome, String> {
    let place = Place::new()?;
    let mut modules = format!("{} {}", alone.image.display(), alone.command_line);
    if let Some(initrd) = alone.initrd {
        modules.push_str(&format!(",{}", initrd.display()));
    }
    if modules.matches(',').count() != usize::from(alone.initrd.is_some()) {
        return Err("QEMU takes no comma in the words of dom0".to_owned());
    }
    let (memory_mib, total_mib) = (alone.memory_mib, alone.memory_mib + XEN_MIB);
    let mut options = format!("{OPTIONS} dom0_mem={memory_mib}M,max:{memory_mib}M");
    let mut machine = emulator();
    machine.args(["-accel", "tcg", "-cpu", "max", "-nodefaults", "-display"]);
    machine.args(["none", "-no-reboot", "-monitor", "none"]);
    if alone.mode == Mode::Pvh {
        // It must have an IOMMU.
        options.push_str(" dom0=pvh");
        machine.args(["-machine", "q35,kernel-irqchip=off"]);
        machine.args(["-device", "intel-iommu,intremap=on"]);
    }
    let log = format!("file:{}", place.file("log").display());
    let mut machine = machine
        .args(["-m", &format!("{total_mib}"), "-device", EXIT_DEVICE])
        .args(["-serial", &log, "-append", &options])
        .arg("-kernel")
        .arg(files.xen())
        .args(["-initrd", &modules])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(place.file("complaints")).map_err(failed)?)
        .spawn()
        .map_err(|error| format!("cannot run {QEMU}: {error}"))?;
    let start = Instant::now();
    let ended = loop {
        if let Some(status) = machine.try_wait().map_err(failed)? {
            break status.code();
        }
        if start.elapsed() > alone.limit {
            let _ = machine.kill();
            let _ = machine.wait();
            break None;
        }
        thread::sleep(STEP);
    };
    let log = place.log();
    let mut output = Vec::new();
    let mut console = Console::default();
    console.take(of_dom0(&log).as_bytes(), &mut |text| output.extend(text));
    let last_words = console.end(&mut |text| output.extend(text));
    // The device makes it odd.
    let by_device = ended
        .filter(|code| code & 1 == 1)
        .and_then(|code| u8::try_from(code >> 1).ok());
    Ok(Outcome {
        status: last_words.or(by_device),
        is_too_long: ended.is_none(),
        output: String::from_utf8_lossy(&output).into_owned(),
        log,
    })
}

/// What dom0 wrote, of a console.
fn of_dom0(log: &str) -> String {
    let Some(start) = log.find(BEFORE_DOM0) else {
        return String::new();
    };
    log[start..]
        .split_inclusive('\n')
        .skip(1)
        .filter(|line| !line.starts_with(OF_XEN))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_xen_are_left_out() {
        let log = "(XEN) a\n(XEN) *** Serial input to DOM0 (type)\n(XEN) Freed\nb\n(XEN) c\nd";
        assert_eq!(of_dom0(log), "b\nd");
        assert_eq!(of_dom0("(XEN) a\nb\n"), "");
    }
}
