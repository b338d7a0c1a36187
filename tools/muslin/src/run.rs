//! `muslin run`: runs an image, and counts its calls when asked. A Solo5 image runs in the built-in
//! tender, one for Xen by `xl` or in QEMU.

mod count;
mod guest;
mod network;
mod quick;
mod stock;
mod xen;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread;

use clap::builder::PossibleValuesParser;
use clap::{Args, FromArgMatches};
use muslin_abi::counters;
use muslin_tender::Beside;
use muslin_tender::image::{self, target_of};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cc::code_of;
use crate::check::image::runtime_notes_in;
use crate::failure::{Failure, shown};
use crate::locate::Platform;
use crate::retarget;
use count::Counts;
use guest::GuestArgs;
use network::Network;
use xen::XenArgs;

/// The environment variable that arms the catching of stray instructions in an image.
const CATCH_STRAY_VARIABLE: &str = "MUSLIN_CATCH_STRAY";

/// The exit codes of shells for what cannot be run, and for what is not there.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// What a Solo5 image of Muslin can be run for.
const PLATFORMS: [Platform; 3] = [Platform::Linux, Platform::Solo5Spt, Platform::Solo5Hvt];

/// Run an image with its own exit status, and count its calls when asked
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Exit code:
  that of the program; 128 + the signal that ended it; 1 the machine of an hvt guest was stopped;
  126 not an image of Muslin, or not started; 127 not found

Environment:
  MUSLIN_COUNT        set for the program by --count and --count-json: the file it counts in
  MUSLIN_CATCH_STRAY  set for the program by --catch-stray

Example:
  muslin run --count ./hello -- --an-option-of-hello
  muslin run --mem 8 ./hello.spt
  muslin run --net service=tap0 --block storage=disk.img ./server.hvt
  muslin run --net service=user --publish 8080:80 ./server
  muslin run --platform linux ./hello.spt
  muslin run --net vif0=xenbr0 --block xvda=disk.img ./server.xen")]
pub struct RunArgs {
    /// Print a table of the program's calls when it has ended: how many entered the table of
    /// handlers, how many of those were passed on to Linux
    #[arg(long)]
    count: bool,

    /// Write the same counts as JSON to a file
    #[arg(long, value_name = "FILE")]
    count_json: Option<PathBuf>,

    /// Send stray raw `syscall` instructions through the table as well (Syscall User Dispatch)
    #[arg(long)]
    catch_stray: bool,

    /// Run a Solo5 image of Muslin as if it were for this: a process of Linux with the same
    /// library OS, or a guest of one tender or the other [default: what it was linked for]
    #[arg(long, value_parser = PossibleValuesParser::new(
        PLATFORMS.map(Platform::name)
    ))]
    platform: Option<String>,

    #[command(flatten)]
    guest: GuestArgs,

    #[command(flatten)]
    xen: XenArgs,

    /// The image and its arguments; a `--` between them is left out
    #[arg(required = true, trailing_var_arg = true, value_names = ["IMAGE", "ARGS"])]
    command: Vec<OsString>,
}

impl RunArgs {
    /// Reads the words of `muslin run`, options as stock tenders spell them among them.
    pub fn parse(words: Vec<OsString>) -> Result<Self, clap::Error> {
        match quick::parse(words.get(2..).unwrap_or_default()) {
            Some(args) => Ok(args),
            None => Self::parse_by_clap(words),
        }
    }

    fn parse_by_clap(words: Vec<OsString>) -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("run").bin_name("muslin run"));
        let words = stock::as_ours(words, &command).into_iter().skip(1);
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }
}

/// Runs the image.
pub fn run(args: RunArgs) -> Result<u8, Failure> {
    let mut words = args.command.iter().cloned();
    let image = PathBuf::from(words.next().unwrap_or_default());
    let mut rest: Vec<OsString> = words.collect();
    if rest.first().is_some_and(|word| word == "--") {
        rest.remove(0);
    }
    let mut read = read_image(&image)?;
    let bytes = read.bytes_mut();
    let platform = match &args.platform {
        Some(name) => Some(Platform::named(OsStr::new(name))?),
        None => None,
    };
    if let Some(entries) = xen::entries(bytes) {
        let for_others = args.platform.as_ref().map(|_| "--platform");
        if let Some(option) = args.given_for_linux().or(for_others) {
            return Err(Failure::usage(
                format_args!("{option} is not for images for Xen as {} is", shown(&image)),
                "leave it out",
            ));
        }
        return xen::run(&image, bytes, entries, &rest, &args.guest, &args.xen);
    }
    if let Some(option) = args.xen.given() {
        return Err(Failure::usage(
            format_args!(
                "{option} is for images for Xen only, not for {}",
                shown(&image)
            ),
            "leave it out",
        ));
    }
    if target_of(bytes).is_some() {
        if let Some(option) = args.given_for_linux() {
            return Err(Failure::usage(
                format_args!("{option} is not for Solo5 images as {} is", shown(&image)),
                "link it for Linux",
            ));
        }
        if platform == Some(Platform::Linux) {
            let command = process(&image, &rest);
            let (mut command, _initrd, network) =
                guest::process_command(command, &image, bytes, &args.guest)?;
            let status = run_to_end(&mut command, &network.beside)
                .map_err(|error| cannot_run(&image, &error))?;
            network.tell();
            return Ok(code_of(status));
        }
        if platform.is_some() {
            if args.guest.has_stock_tender() {
                return Err(Failure::usage(
                    "--platform: a stock tender reads the file itself",
                    "change it before: muslin retarget --platform",
                ));
            }
            retarget::change(bytes, &image, platform, None)?;
        }
        return guest::run(&image, bytes, &rest, &args.guest);
    }
    if platform.is_some_and(|platform| platform != Platform::Linux) {
        return Err(Failure::new(
            format_args!("{} is not an image for Solo5", shown(&image)),
            "link it with --platform solo5-spt or solo5-hvt",
        )
        .with_code(CANNOT_RUN));
    }
    if let Some(option) = args.guest.for_guests() {
        return Err(Failure::usage(
            format_args!("{option} is for guests only, not for {}", shown(&image)),
            "leave it out",
        ));
    }
    if runtime_notes_in(bytes) == 0 {
        return Err(Failure::new(
            format_args!("{} is not an image of Muslin", shown(&image)),
            "link it with muslin cc or muslin cargo",
        )
        .with_code(CANNOT_RUN));
    }
    let network = Network::of_linux(&image, bytes, &args.guest)?;
    drop(read);
    let mut command = process(&image, &rest);
    command.envs(guest::variables(&args.guest)?);
    network.tell_linux(&mut command);
    if args.catch_stray {
        command.env(CATCH_STRAY_VARIABLE, "1");
    }
    if args.count || args.count_json.is_some() {
        run_counted(command, &image, &network, &args)
    } else if network.is_idle() {
        Err(cannot_run(&image, &command.exec()))
    } else {
        let status = run_to_end(&mut command, &network.beside)
            .map_err(|error| cannot_run(&image, &error))?;
        network.tell();
        Ok(code_of(status))
    }
}

/// The image as a program.
fn process(image: &Path, arguments: &[OsString]) -> Command {
    // A name without a slash is a file here, not one in PATH.
    let program = if image.components().count() == 1 {
        Path::new(".").join(image)
    } else {
        image.to_owned()
    };
    let mut command = Command::new(program);
    command.arg0(image).args(arguments);
    command
}

impl RunArgs {
    /// The first option that is given and acts on Linux images only.
    fn given_for_linux(&self) -> Option<&'static str> {
        let given = [
            (self.count, "--count"),
            (self.count_json.is_some(), "--count-json"),
            (self.catch_stray, "--catch-stray"),
        ];
        given.iter().find(|(is_given, _)| *is_given).map(|it| it.1)
    }
}

/// A file in memory.
struct Read {
    buffer: Vec<u8>,
    start: usize,
}

impl Read {
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.start..).unwrap_or_default()
    }
}

fn read_image(image: &Path) -> Result<Read, Failure> {
    let bytes = match fs::metadata(image) {
        Ok(file) if !file.is_file() => {
            return Err(Failure::new(
                format_args!("{} is not a file", shown(image)),
                "name an image made with muslin cc or muslin cargo",
            )
            .with_code(CANNOT_RUN));
        }
        Ok(file) => read_pages(image, file.len()),
        Err(error) => Err(error),
    };
    bytes.map_err(|error| cannot_run(image, &error))
}

/// Reads a file to the start of a page, so that the tender need not copy its pages.
fn read_pages(path: &Path, len_bytes: u64) -> io::Result<Read> {
    const PAGE_BYTES: usize = image::PAGE_BYTES as usize;
    let len_bytes = usize::try_from(len_bytes).unwrap_or(0);
    let mut buffer: Vec<u8> = Vec::new();
    buffer.try_reserve_exact(len_bytes.saturating_add(PAGE_BYTES))?;
    let start = buffer.as_ptr().align_offset(PAGE_BYTES);
    buffer.resize(start, 0);
    File::open(path)?.read_to_end(&mut buffer)?;
    Ok(Read { buffer, start })
}

fn cannot_run(image: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => NOT_FOUND,
        _ => CANNOT_RUN,
    };
    Failure::file("run", image, error).with_code(code)
}

fn run_counted(
    mut command: Command,
    image: &Path,
    network: &Network,
    args: &RunArgs,
) -> Result<u8, Failure> {
    let json = match &args.count_json {
        Some(path) => Some((
            path,
            File::create(path).map_err(|error| Failure::file("write", path, &error))?,
        )),
        None => None,
    };
    let file = CountFile::new()?;
    command.env(counters::ENVIRONMENT, &file.path);
    let status =
        run_to_end(&mut command, &network.beside).map_err(|error| cannot_run(image, &error))?;
    network.tell();
    let counts = file.read()?;
    if args.count {
        crate::output::print_error(&counts.table());
    }
    if let Some((path, mut file)) = json {
        io::Write::write_all(&mut file, counts.json(image).as_bytes())
            .map_err(|error| Failure::file("write", path, &error))?;
    }
    Ok(code_of(status))
}

/// Runs the program, and what there is beside it, and outlives the signals that end it.
///
/// The terminal sends INT and QUIT to the program as well; HUP and TERM come to us alone and are sent on.
fn run_to_end(command: &mut Command, beside: &Beside) -> io::Result<process::ExitStatus> {
    // Before the program starts: one that comes at once is sent on as well.
    let mut signals = Signals::new([SIGINT, SIGQUIT, SIGHUP, SIGTERM])?;
    let handle = signals.handle();
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in signals.forever() {
                let signal = match number {
                    SIGHUP => Signal::HUP,
                    SIGTERM => Signal::TERM,
                    _ => continue,
                };
                if let Some(pid) = pid {
                    let _ = kill_process(pid, signal);
                }
            }
        });
        let guest = pid.map_or(0, Pid::as_raw_pid);
        let status = beside
            .hold_signals()
            .and_then(|held| beside.run(held, guest, || child.wait()));
        handle.close();
        status?
    })
}

/// The file that the image counts in, gone when this value is.
struct CountFile {
    path: PathBuf,
}

impl CountFile {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("muslin-count-{}", process::id()));
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Failure::file("create", &path, &error))?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<Counts, Failure> {
        let bytes =
            fs::read(&self.path).map_err(|error| Failure::file("read", &self.path, &error))?;
        Counts::parse(&bytes).ok_or_else(|| {
            Failure::new(
                format_args!(
                    "the program left no counts in {}: {}",
                    shown(&self.path),
                    reason_for(&bytes)
                ),
                "make it again with the sysroot of this command",
            )
        })
    }
}

fn reason_for(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        "the file is empty"
    } else {
        "the file is of another kind"
    }
}

impl Drop for CountFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
