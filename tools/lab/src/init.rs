//! The first process of the Linux in QEMU: makes /dev/kvm work, runs the jobs, powers off.
//!
//! It is told by the file /jobs, and tells by the second serial line. Its own complaints go to the
//! console, which is the first.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

const LINE: &str = "/dev/ttyS1";

fn main() {
    if let Err(error) = work() {
        eprintln!("lab: {error}");
    }
    // Comes back only if it may not: then the kernel ends with its first process.
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        eprintln!("lab: cannot power off: {error}");
    }
}

fn work() -> io::Result<()> {
    for (kind, place) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
    ] {
        mount(kind, place, kind, MountFlags::empty(), None)?;
    }
    // Guests get more memory than there is, and touch little of it.
    fs::write("/proc/sys/vm/overcommit_memory", "1")?;
    let mut modules: Vec<_> = fs::read_dir("/modules")?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    modules.sort();
    for module in modules {
        finit_module(File::open(&module)?, c"", 0)
            .map_err(|error| io::Error::other(format!("{}: {error}", module.display())))?;
    }
    let mut line = OpenOptions::new().write(true).open(LINE)?;
    let mut settings = tcgetattr(&line)?;
    settings.make_raw();
    tcsetattr(&line, OptionalActions::Now, &settings)?;
    let jobs = fs::read("/jobs")?;
    muslin_lab::run_all(
        &jobs,
        Path::new("/work"),
        Path::new("/tmp"),
        "/bin",
        |told| line.write_all(told),
    )?;
    tcdrain(&line)?;
    Ok(())
}
