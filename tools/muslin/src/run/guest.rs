//! Guests: images that the tender starts, and the command line by which a guest gets its words.

pub mod directory;
pub mod net;
mod process;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use muslin_tender::hvt::MEMORY_STEP_MIB;
use muslin_tender::image::{Target, target_of};
use muslin_tender::{BlockFile, Options, Patience, Refusal, SECTOR_BYTES, Traffic};

use super::{CANNOT_RUN, stock};
use crate::archive::Archive;
use crate::check::image::runtime_notes_in;
use crate::failure::{Failure, one_line, shown};
use crate::output::{complain, print_error};

/// Guest memory in MiB when nothing is said, as in the stock tenders.
pub(super) const MEMORY_MIB: u64 = 512;

/// The variable by which a guest knows its program's name.
const PROGRAM_VARIABLE: &str = "MUSLIN_ARGV0";
/// The variable with the directory to start in.
const DIRECTORY_VARIABLE: &str = "MUSLIN_CWD";
/// The variable with the machine's name.
const HOST_NAME_VARIABLE: &str = "MUSLIN_HOSTNAME";
/// How long a thread may keep the processor if nobody says.
const WATCHDOG: Duration = Duration::from_secs(10);
/// The longest name that Linux gives a machine.
const HOST_NAME_BYTES_MAX: usize = 64;

pub(super) use net::mac;
pub use process::command as process_command;

/// What only guests get.
#[derive(Debug, Default, Args)]
#[command(
    next_help_heading = "Options for guests; those of networks are also for Linux images with muslin cc --net"
)]
pub struct GuestArgs {
    /// Memory of the guest [default: 512]
    #[arg(long, value_name = "MIB")]
    pub(super) mem: Option<u64>,

    /// A file, or a block device, for a block device that the image declares
    #[arg(long, value_name = "NAME=FILE")]
    pub(super) block: Vec<OsString>,

    /// The size of a block device's sectors in bytes [default: 512]
    #[arg(long, value_name = "NAME=BYTES")]
    pub(super) block_sector_size: Vec<OsString>,

    /// A tap interface for a network device that the image declares; or link:PATH, a socket by which
    /// two guests are linked without any privilege; or fd:N, a connected socket of packets; or user, a
    /// network without any privilege by way of this user's own sockets: user,host reaches this machine
    /// itself too (10.0.2.2 is its loopback), user,dns=ADDRESS asks that name server
    #[arg(long, value_name = "NAME=TAP")]
    pub(super) net: Vec<OsString>,

    /// Have a port of this machine stand for one of the guest, on a network device that is user; ADDR is
    /// 127.0.0.1 unless given
    #[arg(long, value_name = "[NAME=][ADDR:]PORT:GUESTPORT[/udp]")]
    pub(super) publish: Vec<OsString>,

    /// The hardware address of a network device; one is made up where none is given
    #[arg(long, value_name = "NAME=ADDRESS")]
    pub(super) net_mac: Vec<OsString>,

    /// Write the frames of a network device to a file for tcpdump or Wireshark, as the guest sees
    /// them; NAME can be left out where there is one device
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(super) pcap: Vec<OsString>,

    /// Print what went over each network device when the guest has ended
    #[arg(long)]
    pub(super) stats: bool,

    /// Spoil frames of all network devices: of a thousand so many, by kind (loss, reorder, duplicate,
    /// corrupt, delay); the seed decides which
    #[arg(long, value_name = "SEED,loss=10,...")]
    pub(super) net_faults: Option<OsString>,

    /// A stock solo5-spt or solo5-hvt that runs the image instead of the built-in tender
    #[arg(long, value_name = "PATH")]
    tender: Option<PathBuf>,

    /// A directory, or a tar archive, that is the guest's root directory
    #[arg(long, value_name = "DIR|TAR")]
    pub(super) initrd: Option<PathBuf>,

    /// The directory that the program starts in: one of the initrd, or /tmp [default: /]
    #[arg(long, value_name = "DIR")]
    pub(super) cwd: Option<OsString>,

    /// The guest's name [default: muslin]
    #[arg(long, value_name = "NAME")]
    pub(super) hostname: Option<OsString>,

    /// Say where a thread is that keeps the processor so long while others could run; 0 never does
    /// [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub(super) watchdog: Option<f64>,

    /// A variable for the guest's environment, which is empty otherwise; a name alone passes the
    /// one of ours. Linux images have all of ours
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(super) env: Vec<OsString>,
}

impl GuestArgs {
    /// The first option that means nothing to Linux images.
    pub fn for_guests(&self) -> Option<&'static str> {
        let given = [
            (self.mem.is_some(), "--mem"),
            (!self.block.is_empty(), "--block"),
            (!self.block_sector_size.is_empty(), "--block-sector-size"),
            (self.tender.is_some(), "--tender"),
            (self.initrd.is_some(), "--initrd"),
            (self.cwd.is_some(), "--cwd"),
            (self.hostname.is_some(), "--hostname"),
            (self.watchdog.is_some(), "--watchdog"),
        ];
        given.iter().find(|(is_given, _)| *is_given).map(|it| it.1)
    }
}

impl GuestArgs {
    /// Is there a stock tender?
    pub fn has_stock_tender(&self) -> bool {
        self.tender.is_some()
    }

    /// The first option that means nothing to a process.
    fn for_tender(&self) -> Option<&'static str> {
        let given = [
            (!self.block_sector_size.is_empty(), "--block-sector-size"),
            (!self.net_mac.is_empty(), "--net-mac"),
            (self.tender.is_some(), "--tender"),
            (self.watchdog.is_some(), "--watchdog"),
        ];
        given.iter().find(|(is_given, _)| *is_given).map(|it| it.1)
    }

    /// The first option that means nothing to anybody but a tender of Solo5, or a process.
    pub(super) fn for_tender_of_solo5(&self) -> Option<&'static str> {
        let given = [
            (!self.block_sector_size.is_empty(), "--block-sector-size"),
            (!self.publish.is_empty(), "--publish"),
            (!self.pcap.is_empty(), "--pcap"),
            (self.stats, "--stats"),
            (self.net_faults.is_some(), "--net-faults"),
            (self.tender.is_some(), "--tender"),
            (self.watchdog.is_some(), "--watchdog"),
        ];
        given.iter().find(|(is_given, _)| *is_given).map(|it| it.1)
    }

    /// The first option that stock tenders do not have, of those that none of theirs stands for.
    fn for_built_in_tender(&self) -> Option<&'static str> {
        let given = [
            (!self.publish.is_empty(), "--publish"),
            (!self.pcap.is_empty(), "--pcap"),
            (self.stats, "--stats"),
            (self.net_faults.is_some(), "--net-faults"),
        ];
        given.iter().find(|(is_given, _)| *is_given).map(|it| it.1)
    }

    /// The first option that images of others do not understand, and what they lack.
    fn for_muslin_only(&self) -> Option<(&'static str, &'static str)> {
        let given = [
            (!self.env.is_empty(), "an environment", "--env"),
            (self.initrd.is_some(), "a root directory", "--initrd"),
            (self.cwd.is_some(), "a working directory", "--cwd"),
            (self.hostname.is_some(), "a name", "--hostname"),
        ];
        let mut given = given.into_iter().filter(|(is_given, ..)| *is_given);
        given.next().map(|(_, what, option)| (what, option))
    }
}

/// Runs an image in the built-in tender, or the one that is given.
pub fn run(
    image: &Path,
    bytes: &[u8],
    arguments: &[OsString],
    args: &GuestArgs,
) -> Result<u8, Failure> {
    let command_line = words_of(image, bytes, arguments, args)?;
    let mut blocks = devices(&args.block, "--block NAME=FILE", |name, path| {
        Some(BlockFile {
            name: name.to_owned(),
            path: PathBuf::from(path),
            sector_bytes: SECTOR_BYTES,
        })
    })?;
    let wanted = "--block-sector-size NAME=BYTES";
    for (name, sector_bytes) in devices(&args.block_sector_size, wanted, |name, bytes| {
        Some((name.to_owned(), bytes.to_str()?.parse().ok()?))
    })? {
        let Some(block) = blocks.iter_mut().find(|block| block.name == name) else {
            return Err(Failure::usage(
                format_args!("a sector size is given for '{name}', but no file"),
                format_args!("give it one: --block {name}=FILE"),
            ));
        };
        block.sector_bytes = sector_bytes;
    }
    let (nets, addresses, layers) = net::read(args)?;
    if let Some(tender) = &args.tender {
        if let Some(option) = args.for_built_in_tender() {
            return Err(Failure::usage(
                format_args!("{option} is an option of the built-in tender alone"),
                "leave it out, or --tender",
            ));
        }
        if args.watchdog.is_some() {
            return Err(Failure::usage(
                "a stock tender has no watchdog",
                "leave out --watchdog, or --tender",
            ));
        }
        directory::check(args.cwd.as_deref(), None, bytes)?;
        return stock::run(tender, image, command_line, args);
    }
    let initrd = args.initrd.as_deref().map(Archive::new).transpose()?;
    directory::check(args.cwd.as_deref(), initrd.as_ref(), bytes)?;
    let options = Options {
        memory_mib: memory_mib(image, bytes, args),
        blocks,
        nets,
        addresses,
        layers,
        initrd: initrd.as_ref().map(|archive| archive.path().to_owned()),
        command_line,
        patience: patience(args)?,
    };
    let outcome =
        muslin_tender::run(bytes, &options).map_err(|refusal| refused(image, &refusal))?;
    if let Some(report) = outcome.report {
        complain(&format!("{}: {}", shown(image), report.line));
        print_error(&report.details);
    }
    tell(&outcome.traffic, args.stats);
    Ok(outcome.status)
}

/// The command line of an image, ours or another's.
pub(super) fn words_of(
    image: &Path,
    bytes: &[u8],
    arguments: &[OsString],
    args: &GuestArgs,
) -> Result<Vec<u8>, Failure> {
    if runtime_notes_in(bytes) != 0 {
        return command_line(image, arguments, args);
    }
    // Not ours: nothing is known about its quoting.
    match args.for_muslin_only() {
        Some((what, option)) => Err(Failure::usage(
            format_args!("{} is an image without {what}", shown(image)),
            format_args!("leave out {option}"),
        )),
        None => Ok(arguments.join(OsStr::new(" ")).into_vec()),
    }
}

/// Says what went over the network devices, if that is wanted, and what went wrong there.
pub fn tell(traffic: &[Traffic], is_wanted: bool) {
    for device in traffic {
        let name = &device.name;
        if let Some(problem) = &device.problem {
            complain(&format!("the capture of '{name}' is not whole: {problem}"));
        }
        if is_wanted {
            let (received, sent) = (device.received, device.sent);
            complain(&format!("{name}: received {received}; sent {sent}"));
        }
    }
}

/// How long a thread may keep the processor.
fn patience(args: &GuestArgs) -> Result<Option<Patience>, Failure> {
    let time = match args.watchdog {
        None => Some(WATCHDOG),
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
    };
    let Some(time) = time else {
        return Err(Failure::usage(
            "--watchdog wants SECONDS",
            "give it a number that is not negative; 0 turns it off",
        ));
    };
    Ok((!time.is_zero()).then_some(Patience {
        time,
        tell: complain,
    }))
}

/// The guest's memory. As in the stock tender, a machine gets whole steps of what was asked for.
fn memory_mib(image: &Path, bytes: &[u8], args: &GuestArgs) -> u64 {
    let asked_mib = args.mem.unwrap_or(MEMORY_MIB);
    let rest_mib = asked_mib % MEMORY_STEP_MIB;
    let given_mib = asked_mib - rest_mib;
    if rest_mib == 0 || given_mib == 0 || target_of(bytes) != Some(Target::Hvt) {
        return asked_mib;
    }
    complain(&format!(
        "{}: the guest gets {given_mib} MiB of memory, not {asked_mib}: on solo5-hvt it is a multiple of {MEMORY_STEP_MIB}",
        shown(image)
    ));
    given_mib
}

pub fn refused(image: &Path, refusal: &Refusal) -> Failure {
    Failure::new(
        format_args!("cannot run {}: {}", shown(image), refusal.what),
        &refusal.remedy,
    )
    .with_code(CANNOT_RUN)
}

/// What is given for devices: `NAME=VALUE` each.
pub(super) fn devices<T>(
    words: &[OsString],
    wanted: &str,
    make: impl Fn(&str, &OsStr) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let device = |word: &OsString| {
        let (name, value) = split(word);
        let name = name.to_str().filter(|name| !name.is_empty())?;
        make(name, value.filter(|value| !value.is_empty())?)
    };
    let (option, form) = wanted.split_once(' ').unwrap_or((wanted, ""));
    words
        .iter()
        .map(|word| {
            device(word).ok_or_else(|| {
                Failure::usage(
                    format_args!(
                        "{option} wants {form}, not '{}'",
                        one_line(&word.to_string_lossy())
                    ),
                    match option {
                        "--block" => "name the image's device and a file",
                        "--block-sector-size" => {
                            "name the image's device and a power of two from 512 to 32768"
                        }
                        "--net" => {
                            "name the image's device and a tap interface, link:PATH, fd:N or user"
                        }
                        _ => "name the image's device and six bytes, as in a=02:00:00:00:00:01",
                    },
                )
            })
        })
        .collect()
}

/// The words of a guest: assignments, `--`, arguments, quoted as for a POSIX shell.
fn command_line(
    image: &Path,
    arguments: &[OsString],
    args: &GuestArgs,
) -> Result<Vec<u8>, Failure> {
    if let Some(name) = &args.hostname
        && name.len() > HOST_NAME_BYTES_MAX
    {
        return Err(Failure::usage(
            format_args!("a name of {} bytes is too long for a machine", name.len()),
            format_args!("give --hostname at most {HOST_NAME_BYTES_MAX}"),
        ));
    }
    let mut line = Vec::new();
    push_assignment(&mut line, OsStr::new(PROGRAM_VARIABLE), image.as_os_str());
    for (name, value) in [
        (DIRECTORY_VARIABLE, &args.cwd),
        (HOST_NAME_VARIABLE, &args.hostname),
    ] {
        if let Some(value) = value {
            push_assignment(&mut line, OsStr::new(name), value);
        }
    }
    for (name, value) in variables(args)? {
        push_assignment(&mut line, &name, &value);
    }
    line.extend_from_slice(b"--");
    for argument in arguments {
        line.push(b' ');
        push_quoted(&mut line, argument.as_bytes());
    }
    Ok(line)
}

/// The environment.
pub fn variables(args: &GuestArgs) -> Result<Vec<(OsString, OsString)>, Failure> {
    let mut variables = Vec::new();
    for variable in &args.env {
        let (name, value) = split(variable);
        let is_name = name
            .as_bytes()
            .iter()
            .all(|&byte| byte == b'_' || byte.is_ascii_alphanumeric())
            && name
                .as_bytes()
                .first()
                .is_some_and(|byte| !byte.is_ascii_digit());
        if !is_name {
            return Err(Failure::usage(
                format_args!(
                    "'{}' is not a name of a variable",
                    one_line(&name.to_string_lossy())
                ),
                "give --env NAME=VALUE or --env NAME",
            ));
        }
        // What is not set here is not set there.
        if let Some(value) = value
            .map(OsStr::to_owned)
            .or_else(|| std::env::var_os(name))
        {
            variables.push((name.to_owned(), value));
        }
    }
    Ok(variables)
}

fn push_assignment(line: &mut Vec<u8>, name: &OsStr, value: &OsStr) {
    line.extend_from_slice(name.as_bytes());
    line.push(b'=');
    push_quoted(line, value.as_bytes());
    line.push(b' ');
}

fn push_quoted(line: &mut Vec<u8>, word: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        line.extend_from_slice(word);
        return;
    }
    line.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => line.extend_from_slice(br"'\''"),
            byte => line.push(byte),
        }
    }
    line.push(b'\'');
}

/// `NAME=VALUE`, or a name alone.
fn split(word: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = word.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) => (
            OsStr::from_bytes(&bytes[..at]),
            Some(OsStr::from_bytes(&bytes[at + 1..])),
        ),
        None => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_splits_the_line_into_the_same_words() {
        let words = [
            "", " ", "a b", "it's", "'", "''", "\\", "\"", "\n", "A=1", "--", "-x", "$HOME", "`x`",
            "ä", "*",
        ];
        let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        let args = GuestArgs {
            env: ["X=it's a $Y", "_Z="].map(OsString::from).to_vec(),
            cwd: Some("/a b".into()),
            ..GuestArgs::default()
        };
        let line = command_line(Path::new("my dir/it's"), &arguments, &args)
            .unwrap_or_else(|failure| panic!("{failure:?}"));
        let mut script = OsString::from("printf '%s\\0' ");
        script.push(OsStr::from_bytes(&line));
        let output = Command::new("sh").arg("-c").arg(script).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        let expected = [
            "MUSLIN_ARGV0=my dir/it's",
            "MUSLIN_CWD=/a b",
            "X=it's a $Y",
            "_Z=",
            "--",
        ];
        let expected: Vec<u8> = expected
            .iter()
            .chain(&words)
            .flat_map(|word| [word.as_bytes(), &[0]].concat())
            .collect();
        assert_eq!(
            String::from_utf8_lossy(&text),
            String::from_utf8_lossy(&expected)
        );
    }

    #[test]
    fn a_name_without_a_value_here_is_left_out() {
        let with = |word: &str| GuestArgs {
            env: vec![word.into()],
            ..GuestArgs::default()
        };
        let unset = with("MUSLIN_TEST_IS_NOT_SET");
        let line = command_line(Path::new("a"), &[], &unset).unwrap_or_default();
        assert_eq!(line, b"MUSLIN_ARGV0=a --");
        let long = GuestArgs {
            hostname: Some("h".repeat(65).into()),
            ..GuestArgs::default()
        };
        assert!(command_line(Path::new("a"), &[], &long).is_err());
        for wrong in ["", "=1", "a-b=1", "1=2", "a b"] {
            assert!(
                command_line(Path::new("a"), &[], &with(wrong)).is_err(),
                "{wrong:?}"
            );
        }
    }
}
