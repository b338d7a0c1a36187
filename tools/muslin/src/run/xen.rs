//! Guests of Xen: by `xl` where there is a Xen, else in a real one in QEMU.

mod config;
mod typed;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;

use clap::Args;
use clap::builder::PossibleValuesParser;
use muslin_lab::xen::{BRIDGE, Console, Done, GUEST_SCRIPT, GUESTS_MIB_MAX, Heard, Job, Lab};

use super::guest::{GuestArgs, words_of};
use super::{CANNOT_RUN, cannot_run};
use crate::archive::Archive;
use crate::check::image::{XenEntries, xen_entries};
use crate::failure::{Failure, shown};
use crate::output::{complain, print, print_error};
use config::{Config, Kind};
use typed::Typed;

/// What a Linux says that has a Xen below it and may start guests.
const CAPABILITIES: &str = "/proc/xen/capabilities";
const CAN_CONTROL: &str = "control_d";

/// The codes of reasons for a guest's end, and what the script says when it does not start.
const REASON_CRASH: i32 = 3;
const REASON_POWEROFF: i32 = 0;
const NOT_STARTED: i32 = 125;

/// What only guests of Xen get.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options for guests of Xen")]
pub struct XenArgs {
    /// Print the configuration for xl, and run nothing
    #[arg(long)]
    pub(super) print_config: bool,

    /// The entry of the image: paravirtualised, or in a virtual machine [default: pv if it has that]
    #[arg(long, value_name = "TYPE", value_parser = PossibleValuesParser::new(["pv", "pvh"]))]
    pub(super) xen_type: Option<String>,
}

impl XenArgs {
    /// The first option that is given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.print_config, "--print-config"),
            (self.xen_type.is_some(), "--xen-type"),
        ];
        given.iter().find(|(is_given, _)| *is_given).map(|it| it.1)
    }
}

/// The entries by which Xen starts this image, if there are any.
pub fn entries(bytes: &[u8]) -> Option<XenEntries> {
    let entries = xen_entries(bytes);
    (entries.pv || entries.pvh).then_some(entries)
}

/// Runs an image, or prints its configuration.
pub fn run(
    image: &Path,
    bytes: &[u8],
    entries: XenEntries,
    arguments: &[std::ffi::OsString],
    args: &GuestArgs,
    xen: &XenArgs,
) -> Result<u8, Failure> {
    if let Some(option) = args.for_tender_of_solo5() {
        return Err(Failure::usage(
            format_args!("{option} is not for images for Xen as {} is", shown(image)),
            "leave it out",
        ));
    }
    let kind = kind(image, entries, xen)?;
    let command_line = words_of(image, bytes, arguments, args)?;
    let config = Config::new(kind, &command_line, args)?;
    let initrd = args.initrd.as_deref().map(Archive::new).transpose()?;
    let kernel = fs::canonicalize(image).map_err(|error| cannot_run(image, &error))?;
    if xen.print_config {
        print(&config.for_xl(&kernel, args.initrd.as_deref(), END_BY_ITSELF))?;
        return Ok(0);
    }
    let initrd = initrd.as_ref().map(Archive::path);
    if has_xen() {
        run_here(image, &config.for_xl(&kernel, initrd, KEPT_AT_END))
    } else {
        run_in_lab(image, bytes, initrd, &config)
    }
}

/// What happens to a guest that has ended: who wrote a configuration by hand has it go.
const END_BY_ITSELF: &[(&str, &str)] = &[("on_poweroff", "destroy"), ("on_crash", "destroy")];
/// Whoever waits for it asks first why it ended.
const KEPT_AT_END: &[(&str, &str)] = &[
    ("on_poweroff", "preserve"),
    ("on_reboot", "preserve"),
    ("on_crash", "preserve"),
];

fn kind(image: &Path, entries: XenEntries, xen: &XenArgs) -> Result<Kind, Failure> {
    let (kind, has) = match xen.xen_type.as_deref() {
        Some("pvh") => (Kind::Pvh, entries.pvh),
        Some(_) => (Kind::Pv, entries.pv),
        None if entries.pv => (Kind::Pv, true),
        None => (Kind::Pvh, true),
    };
    if has {
        return Ok(kind);
    }
    Err(Failure::usage(
        format_args!("{} has no entry for {}", shown(image), kind.name()),
        "give --xen-type the other one",
    ))
}

fn has_xen() -> bool {
    fs::read_to_string(CAPABILITIES).is_ok_and(|text| text.contains(CAN_CONTROL))
}

/// Runs a guest by this machine's `xl`.
fn run_here(image: &Path, config: &str) -> Result<u8, Failure> {
    let failed = |error: io::Error| cannot_run(image, &error);
    let dir = tempfile::tempdir().map_err(failed)?;
    let file = dir.path().join("guest.cfg");
    fs::write(&file, config).map_err(failed)?;
    let mut script = Command::new("sh")
        .args(["-c", GUEST_SCRIPT, "guest"])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut to) = script.stdin.take() {
        // Ends with its input, or with this process.
        thread::spawn(move || io::copy(&mut Typed::new(io::stdin()), &mut to));
    }
    let mut console = Console::default();
    if let Some(mut output) = script.stdout.take() {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            console.take(&bytes[..count], &mut write);
        }
    }
    let reason = script.wait().map_err(failed)?.code();
    Ok(ended(image, console, reason, ""))
}

/// Runs a guest in QEMU.
fn run_in_lab(
    image: &Path,
    bytes: &[u8],
    initrd: Option<&Path>,
    config: &Config,
) -> Result<u8, Failure> {
    let not_here = |why: &str| {
        Failure::new(
            format_args!("cannot run {}: there is no Xen here", shown(image)),
            format_args!("{why}"),
        )
        .with_code(CANNOT_RUN)
    };
    let lab = Lab::find().map_err(|why| not_here(&why))?;
    if config.memory_mib > GUESTS_MIB_MAX {
        let (asked, why) = (config.memory_mib, "give a smaller --mem");
        return Err(not_here(&format!(
            "in QEMU a guest can have {GUESTS_MIB_MAX} MiB, not {asked}: {why}"
        )));
    }
    let mut files = vec![("image".to_owned(), bytes.to_vec())];
    if let Some(initrd) = initrd {
        let archive = fs::read(initrd).map_err(|error| Failure::file("read", initrd, &error))?;
        files.push(("initrd".to_owned(), archive));
    }
    let place = initrd.map(|_| Path::new("initrd"));
    let (config, disks) = config.in_lab()?;
    let text = config.for_xl(Path::new("image"), place, KEPT_AT_END);
    files.push(("guest.cfg".to_owned(), text.into_bytes()));
    let job = Job {
        // What xl says goes to the log.
        script: "guest guest.cfg 2>/dev/console".to_owned(),
        files,
        disks,
        tap: config.tap()?,
        ..Job::default()
    };
    let mut console = Console::default();
    let done = lab.run(
        &job,
        Some(Box::new(Typed::new(io::stdin()))),
        &mut |bytes| {
            console.take(bytes, &mut write);
            Heard::More
        },
    );
    let Done { status, log } = done.map_err(|why| not_here(&why))?;
    Ok(ended(image, console, status, &log))
}

/// The exit status, and a word if it is not the guest's own.
fn ended(image: &Path, console: Console, reason: Option<i32>, log: &str) -> u8 {
    let status = console.end(&mut write);
    let complaint = match (status, reason) {
        (Some(status), _) => return status,
        (None, Some(REASON_POWEROFF)) => return 0,
        (None, Some(REASON_CRASH)) => "the guest crashed".to_owned(),
        (None, Some(NOT_STARTED)) => "xl did not start the guest".to_owned(),
        (None, Some(reason)) => format!("the guest ended for reason {reason}"),
        (None, None) => "the guest was lost".to_owned(),
    };
    complain(&format!("{}: {complaint}", shown(image)));
    print_error(log);
    match reason {
        Some(NOT_STARTED) => CANNOT_RUN,
        _ => 1,
    }
}

fn write(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        // Nobody reads any more.
        process::exit(128 + 13);
    }
}
