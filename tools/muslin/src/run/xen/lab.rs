//! A guest of a Xen in QEMU, for machines without one.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use muslin_lab::xen::{BRIDGE, Console, Done, GUESTS_MIB_MAX, Heard, Job, Lab};

use super::config::Config;
use super::devices::check_tap;
use super::end::{self, Ended};
use super::typed::Typed;
use super::{KEPT_AT_END, signals};
use crate::failure::{Failure, one_line, shown};
use crate::output::print_error;
use crate::run::{CANNOT_RUN, cannot_run};

/// Runs a guest to its end.
pub fn run(
    image: &Path,
    bytes: &[u8],
    initrd: Option<&Path>,
    config: &Config,
) -> Result<u8, Failure> {
    let not_here = |why: &dyn fmt::Display| {
        Failure::new(
            format_args!("cannot run {}: there is no Xen here", shown(image)),
            why,
        )
        .with_code(CANNOT_RUN)
    };
    let lab = Lab::find().map_err(|why| not_here(&why))?;
    if config.memory_mib > GUESTS_MIB_MAX {
        let (asked, why) = (config.memory_mib, "give a smaller --mem");
        return Err(not_here(&format_args!(
            "in QEMU a guest can have {GUESTS_MIB_MAX} MiB, not {asked}: {why}"
        )));
    }
    let job = job(bytes, initrd, config)?;
    let signals = signals::Listener::new().map_err(|error| cannot_run(image, &error))?;
    let mut console = Console::default();
    let mut is_heard = true;
    let (done, signal) = signals.beside(
        || job.stop.set(),
        || {
            lab.run(
                &job,
                Some(Box::new(Typed::new(io::stdin()))),
                &mut |bytes| {
                    console.take(bytes, &mut |text| is_heard &= end::write(text));
                    if is_heard { Heard::More } else { Heard::Enough }
                },
            )
        },
    );
    let Done { status, log } = match done {
        Ok(done) => done,
        // Whatever it was that was interrupted.
        Err(_) if signal.is_some() => Done {
            status: None,
            log: String::new(),
        },
        Err(why) => {
            // What follows a first line is of use to who knows the lab.
            let mut lines = why.lines();
            let first = lines.next().unwrap_or_default();
            let last = lines.next_back().unwrap_or_default();
            lines.for_each(|line| print_error(&format!("{line}\n")));
            return Err(not_here(&one_line(&format!("{first} {last}"))));
        }
    };
    Ended {
        console,
        reason: status,
        said: log,
        signal,
        is_heard,
    }
    .code(image)
}

fn job(bytes: &[u8], initrd: Option<&Path>, config: &Config) -> Result<Job, Failure> {
    let mut files = vec![("image".to_owned(), bytes.to_vec())];
    if let Some(initrd) = initrd {
        let archive = fs::read(initrd).map_err(|error| Failure::file("read", initrd, &error))?;
        files.push(("initrd".to_owned(), archive));
    }
    let place = initrd.map(|_| Path::new("initrd"));
    let tap = config.tap()?;
    tap.as_deref().map(check_tap).transpose()?;
    let (config, disks) = config.in_lab()?;
    let text = config.for_xl(Path::new("image"), place, KEPT_AT_END)?;
    files.push(("guest.cfg".to_owned(), text.into_bytes()));
    // What xl says goes to the log.
    let mut script = "guest guest.cfg 2>/dev/console".to_owned();
    if tap.is_some() {
        // Its address is somebody else's out there.
        script.insert_str(0, &format!("ip address flush dev {BRIDGE}\n"));
    }
    Ok(Job {
        script,
        files,
        disks,
        tap,
        ..Job::default()
    })
}
