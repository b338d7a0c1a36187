//! `muslin cc`: gcc with a sysroot of Muslin in place of the host's libc.

mod arguments;
pub mod devices;
mod fixed;
mod initrd;
mod linker_output;
pub mod network;
mod place;
mod registrations;
mod specs;
mod vsock;
mod xen_place;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use muslin_sysroot::every_number;

use crate::check::image::{Elf, runtime_notes};
use crate::check::stray;
use crate::failure::{Failure, one_line, reason, shown};
use crate::locate::{self, Platform, Sysroot};
use crate::output::{complain, print};
use crate::retarget;
use arguments::{Arguments, Question, Refusal};
use devices::Note;
use initrd::Initrd;
use linker_output::LinkerOutput;
use network::Network;
use registrations::Registration;
use specs::Specs;

/// The environment variable that names the compiler behind the driver.
const COMPILER_VARIABLE: &str = "MUSLIN_GCC";

/// The environment variable that makes a dropped handler an error.
const DROPPED_VARIABLE: &str = "MUSLIN_DROPPED";

/// The environment variable with a file for warnings that rustc would not show; `muslin cargo` sets it.
pub const WARNINGS_VARIABLE: &str = "MUSLIN_CC_WARNINGS";

/// What we answer to `-dumpmachine`: build systems choose between glibc and musl by it.
const MACHINE: &str = "x86_64-linux-musl";

/// The text of `muslin cc --help`.
pub const HELP: &str = "\
Compile and link C with a sysroot of Muslin: gcc with the host's libc replaced

Usage: muslin cc [--platform PLATFORM] [--muslin-sysroot DIR] GCC-ARGUMENTS...
       muslin-cc GCC-ARGUMENTS...

The images are static: static-pie unless -static or -no-pie is given, or the platform
takes none (all but linux).
All other arguments go to gcc as they are.

Options (--initrd, --stack, --solo5-abi and --device are not for linux):
  --platform PLATFORM   what the image is for: linux, solo5-spt, solo5-hvt, any, xen
                        [default: linux]
  --muslin-sysroot DIR  the sysroot to use instead of the one beside this command
  --initrd DIR|TAR      a directory, or a tar archive, that is the image's root directory
  --stack SIZE          the size of the stack, like 8M or 512K [default: 896K]; the
                        same as the linker's -z stack-size=BYTES
  --solo5-abi 1|2       the version of Solo5's binary interface [default: 2]; 1 is for tenders
                        before Solo5 0.8
  --device NAME=KIND    a device that the image declares, and does not start without:
                        block or net; on Solo5 usually storage=block, service=net
  --net                 link the network stack: sockets of AF_INET and AF_INET6 are its own. Images
                        for Solo5 that call socket() have it anyhow; on linux they are the kernel's
  --no-net              leave the network stack out, also if the program calls socket()
  --vsock               for xen: sockets of AF_VSOCK, which reach other guests of the machine
  --help                print this help (muslin-cc --help prints that of gcc)

Environment:
  MUSLIN_SYSROOT  the sysroot, as --muslin-sysroot
  MUSLIN_DEVICES  more devices, as --device names them, with commas between
  MUSLIN_NETWORK  'stack' is --net, and 'none' is --no-net
  MUSLIN_GCC      the compiler to run [default: gcc]
  MUSLIN_DROPPED  'error' makes it an error when the linker drops a handler of an archive

Example:
  muslin cc -O2 hello.c -o hello && ./hello
  CC=muslin-cc ./configure --disable-shared
";

/// Runs the driver; `invoked_as` is the command's own name when that was `muslin-cc`.
pub fn run(invoked_as: Option<&OsStr>, line: Vec<OsString>) -> Result<u8, Failure> {
    if invoked_as.is_none()
        && matches!(
            line.first().and_then(|word| word.to_str()),
            Some("--help" | "-h")
        )
    {
        print(HELP)?;
        return Ok(0);
    }
    let mut own = OwnOptions::take(line)?;
    if let Some(size) = &own.stack {
        own.rest.push(place::stack_option(size)?);
    }
    let arguments = Arguments::look_at(&own.rest);
    if let Some(refusal) = &arguments.refusal {
        return Err(refuse(refusal));
    }
    let compiler = compiler()?;
    if arguments.question == Some(Question::Machine) {
        print(&format!("{MACHINE}\n"))?;
        return Ok(0);
    }
    let sysroot = locate::sysroot(
        own.platform,
        own.sysroot.as_deref().map(Path::new),
        invoked_as,
    )?;
    match &arguments.question {
        Some(Question::FileName(name)) if sysroot.lib().join(name).exists() => {
            print(&format!("{}\n", sysroot.lib().join(name).display()))?;
            return Ok(0);
        }
        Some(Question::SearchDirs) => return search_dirs(&compiler, &sysroot),
        _ => {}
    }

    let platform = sysroot.platform();
    if platform.is_fixed() {
        fixed::rewrite(&mut own.rest, arguments.from_rustc);
    }
    let mut command = Command::new(&compiler);
    let specs;
    let initrd;
    let note;
    if arguments.from_rustc {
        // rustc brings start files, libraries and their order: all but the libc itself.
        command.arg("-L").arg(sysroot.lib());
        if let Some(script) = sysroot.linker_script()
            && arguments.linker_takes_script()
        {
            command
                .arg("-Xlinker")
                .arg("-T")
                .arg("-Xlinker")
                .arg(script);
        }
    } else {
        specs = Specs::new(&sysroot, platform).map_err(|error| {
            Failure::new(
                format_args!(
                    "cannot hold the compiler's specs in memory: {}",
                    reason(&error)
                ),
                "check the system's limits",
            )
        })?;
        command.arg(specs.option());
        if platform.is_fixed() || arguments.linker.as_deref() == Some("gold") {
            // gold cannot make a static-pie image.
            command.arg("-no-pie");
        }
    }
    if !arguments.links {
        return Err(cannot_start(&compiler, &command.args(&own.rest).exec()));
    }
    if platform.target().is_none() && own.solo5_abi.is_some() {
        return Err(Failure::usage(
            format_args!(
                "--solo5-abi: an image for {} has no tender",
                platform.name()
            ),
            "leave it out, or say --platform solo5-spt",
        ));
    }
    if platform == Platform::Linux && own.stack.is_some() {
        return Err(Failure::usage(
            "--stack: the stack of a Linux process is what the shell's ulimit -s says",
            "leave it out, or say --platform solo5-spt",
        ));
    }
    if let Some(path) = &own.initrd {
        if platform == Platform::Linux {
            return Err(Failure::usage(
                "--initrd: a Linux process has the host's files",
                "leave it out, or say --platform solo5-spt",
            ));
        }
        initrd = Initrd::new(Path::new(path))?;
        own.rest.push(initrd.source().into());
    }
    if platform.is_fixed()
        && let Some(base) = arguments.place.base()
    {
        let option = place::option(base, arguments.linker.as_deref());
        command.arg(format!("-Wl,{option}"));
    }
    if let Some(network) = own.network
        && let Some(option) = network.link_option(platform, &arguments)?
    {
        command.arg(option);
    }
    if own.has_vsock {
        command.arg(vsock::link_option(platform, &arguments)?);
    }
    let devices = devices::parse(&devices::words(&own.devices), platform)?;
    if !devices.is_empty() {
        note = Note::new(&devices)?;
        // Before libc.a, whose own note the linker takes only if there is no other by then.
        command.arg(note.source());
    }
    let mut again = same(&command);
    if platform.is_fixed() && arguments.from_rustc {
        command.arg(format!("-Wl,-u,{}", every_number::STD_SYMBOL));
    }
    let linked = link(command, &compiler, &own.rest, &arguments, &sysroot)?;
    let mut code = linked.code;
    if code == 0
        && platform.is_fixed()
        && (linked.calls_by_number || has_stray_calls(&arguments.output))
    {
        again.arg(format!("-Wl,-u,{}", every_number::SYMBOL));
        code = link(again, &compiler, &own.rest, &arguments, &sysroot)?.code;
    }
    if let Some(version) = own.solo5_abi
        && code == 0
    {
        retarget::set_abi(&arguments.output, version)?;
    }
    if platform == Platform::Xen && code == 0 {
        xen_place::choose(&arguments.output)?;
    }
    Ok(code)
}

/// The same command once more.
fn same(command: &Command) -> Command {
    let mut same = Command::new(command.get_program());
    same.args(command.get_args());
    same
}

/// Whether an image makes calls by the instruction, past the slots that the linker kept.
fn has_stray_calls(image: &Path) -> bool {
    let Ok(bytes) = fs::read(image) else {
        return false;
    };
    let Ok(elf) = Elf::parse(&*bytes) else {
        return false;
    };
    stray::entries(&elf)
        .iter()
        .any(|entry| !entry.is_expected && !entry.may_be_data)
}

/// The driver's own options, taken out of the line wherever they are: `CC="muslin cc --platform linux"`.
struct OwnOptions {
    platform: Platform,
    sysroot: Option<OsString>,
    initrd: Option<OsString>,
    stack: Option<OsString>,
    devices: Vec<OsString>,
    solo5_abi: Option<u32>,
    network: Option<Network>,
    has_vsock: bool,
    rest: Vec<OsString>,
}

impl OwnOptions {
    fn take(line: Vec<OsString>) -> Result<Self, Failure> {
        let mut own = Self {
            platform: Platform::Linux,
            sysroot: None,
            initrd: None,
            stack: None,
            devices: Vec::new(),
            solo5_abi: None,
            network: Network::of_variable()?,
            has_vsock: false,
            rest: Vec::new(),
        };
        let mut words = line.into_iter();
        while let Some(word) = words.next() {
            match own_option(&word) {
                Some((name, value)) => {
                    let Some(value) = value.or_else(|| words.next()) else {
                        return Err(Failure::usage(
                            format_args!("{name} has no value"),
                            "see muslin cc --help",
                        ));
                    };
                    match name {
                        "--platform" => own.platform = Platform::named(&value)?,
                        "--initrd" => own.initrd = Some(value),
                        "--stack" => own.stack = Some(value),
                        "--device" => own.devices.push(value),
                        "--solo5-abi" => own.solo5_abi = Some(abi_version(&value)?),
                        _ => own.sysroot = Some(value),
                    }
                }
                None => match Network::of_option(&word) {
                    Some(network) => own.network = Some(network),
                    None if word == vsock::OPTION => own.has_vsock = true,
                    None => own.rest.push(word),
                },
            }
        }
        Ok(own)
    }
}

fn abi_version(value: &OsStr) -> Result<u32, Failure> {
    match value.to_str() {
        Some("1") => Ok(1),
        Some("2") => Ok(2),
        _ => Err(Failure::usage(
            format_args!(
                "--solo5-abi {}: there is none",
                one_line(&value.to_string_lossy())
            ),
            "say 1 (Solo5 before 0.8) or 2",
        )),
    }
}

/// The name of one of our options, and its value if it is joined by `=`.
pub fn own_option(word: &OsStr) -> Option<(&'static str, Option<OsString>)> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    const NAMES: [&str; 6] = [
        "--platform",
        "--muslin-sysroot",
        "--initrd",
        "--device",
        "--stack",
        "--solo5-abi",
    ];
    NAMES.into_iter().find_map(|name| {
        let rest = word.as_bytes().strip_prefix(name.as_bytes())?;
        match rest.strip_prefix(b"=") {
            Some(value) => Some((name, Some(OsString::from_vec(value.to_vec())))),
            None => rest.is_empty().then_some((name, None)),
        }
    })
}

/// The line for `muslin c++` and for C++ that reaches the C driver.
pub fn no_cplusplus(what: &str) -> Failure {
    Failure::new(
        format_args!("C++ is not supported yet: {}", one_line(what)),
        "build the C and Rust parts only",
    )
}

fn refuse(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::CPlusPlus(what) => no_cplusplus(what),
        Refusal::Shared => Failure::new(
            "-shared: a shared library cannot be made, images are static",
            "build static libraries (configure --disable-shared, cmake -DBUILD_SHARED_LIBS=OFF, \
             meson -Ddefault_library=static)",
        ),
        Refusal::Machine(option) => Failure::new(
            format_args!("{option}: there is no 32-bit sysroot"),
            "build for x86-64",
        ),
    }
}

fn compiler() -> Result<OsString, Failure> {
    let compiler = env::var_os(COMPILER_VARIABLE)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "gcc".into());
    let is_clang = Path::new(&compiler)
        .file_name()
        .is_some_and(|name| name.to_string_lossy().contains("clang"));
    if is_clang {
        return Err(Failure::new(
            format_args!(
                "{COMPILER_VARIABLE} names {}, which is not a gcc",
                shown(Path::new(&compiler))
            ),
            "name a gcc",
        ));
    }
    Ok(compiler)
}

fn cannot_start(compiler: &OsStr, error: &io::Error) -> Failure {
    let compiler = shown(Path::new(compiler));
    Failure::new(
        format_args!("cannot start the compiler '{compiler}': {}", reason(error)),
        format_args!("install gcc, or name one with {COMPILER_VARIABLE}"),
    )
}

/// `-print-search-dirs` with the sysroot and gcc's own directory for libraries; the host's are not searched.
fn search_dirs(compiler: &OsStr, sysroot: &Sysroot) -> Result<u8, Failure> {
    let output = Command::new(compiler)
        .arg("-print-search-dirs")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_start(compiler, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let own = text
        .lines()
        .find_map(|line| line.strip_prefix("install: "))
        .unwrap_or_default();
    let mut answer = String::new();
    for line in text.lines() {
        if line.starts_with("libraries: ") {
            answer.push_str(&format!("libraries: ={}:{own}\n", sysroot.lib().display()));
        } else {
            answer.push_str(line);
            answer.push('\n');
        }
    }
    print(&answer)?;
    Ok(code_of(output.status))
}

/// Symbols whose callers may make calls by numbers that no slot names.
const BY_NUMBER: [&str; 7] = [
    "syscall",
    "muslin_call",
    "muslin_next",
    "muslin_passthrough",
    "muslin_register",
    "muslin_register_family",
    "__muslin_enter",
];

/// What came of a link.
struct Linked {
    /// The linker's status.
    code: u8,
    /// Some file may make calls by numbers that nobody knows.
    calls_by_number: bool,
}

/// Runs a command that links, and looks at what came of it.
fn link(
    mut command: Command,
    compiler: &OsStr,
    line: &[OsString],
    arguments: &Arguments,
    sysroot: &Sysroot,
) -> Result<Linked, Failure> {
    let registrations = registrations::of_link(arguments, sysroot);
    let by_number: &[&str] = if sysroot.platform().is_fixed() {
        &BY_NUMBER
    } else {
        &[]
    };
    let traced: Vec<String> = registrations
        .iter()
        .map(|it| it.symbol.clone())
        .chain(by_number.iter().map(|&symbol| symbol.to_owned()))
        .collect();
    for symbol in &traced {
        command.arg(format!("-Wl,-y,{symbol}"));
    }
    // We read gcc's messages on the way, so gcc no longer sees the terminal.
    if io::stderr().is_terminal()
        && !arguments.colour_chosen
        && env::var_os("TERM").is_some_and(|term| term != "dumb")
    {
        command.arg("-fdiagnostics-color=always");
    }
    command.args(line).stderr(Stdio::piped());
    if !traced.is_empty() {
        command.stdout(Stdio::piped());
    }
    let before = identity(&arguments.output);
    let reader = Mutex::new(LinkerOutput::tracing(traced));
    let mut child = command
        .spawn()
        .map_err(|error| cannot_start(compiler, &error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        if let Some(stdout) = stdout {
            scope.spawn(|| forward(stdout, io::stdout(), &reader));
        }
        if let Some(stderr) = stderr {
            forward(stderr, io::stderr(), &reader);
        }
    });
    let status = child
        .wait()
        .map_err(|error| cannot_start(compiler, &error))?;
    let seen = reader.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(files) = seen.two_runtimes() {
        return Err(two_runtimes(&files));
    }
    let calls_by_number = seen.references().any(|file| !names_its_numbers(file));
    let ended = |code| Linked {
        code,
        calls_by_number,
    };
    if !status.success() {
        return Ok(ended(code_of(status)));
    }
    if identity(&arguments.output) == before {
        return Ok(ended(0));
    }
    if runtime_notes(&arguments.output) > 1 {
        let _ = fs::remove_file(&arguments.output);
        return Err(two_runtimes("one in libc.a, one on the command line"));
    }
    let dropped: Vec<&Registration> = registrations
        .iter()
        .filter(|it| !seen.is_linked(&it.symbol))
        .collect();
    report_dropped(&dropped, &arguments.output).map(ended)
}

/// Whether all numbers of calls in a linked file are known. The libc names slots; the numbers of the standard
/// libraries in `STD_FILES` are listed, and images of Rust hold them.
fn names_its_numbers(file: &str) -> bool {
    let archive = file.split('(').next().unwrap_or(file);
    let name = archive.rsplit('/').next().unwrap_or(archive);
    name == "libc.a" || every_number::STD_FILES.contains(&name)
}

fn two_runtimes(files: &str) -> Failure {
    Failure::new(
        format_args!("two copies of the runtime are linked: {}", one_line(files)),
        "link the libc.a of one sysroot only",
    )
}

fn report_dropped(dropped: &[&Registration], output: &Path) -> Result<u8, Failure> {
    if dropped.is_empty() {
        return Ok(0);
    }
    let is_error = env::var_os(DROPPED_VARIABLE).is_some_and(|value| value == "error");
    let mut report = env::var_os(WARNINGS_VARIABLE)
        .and_then(|path| fs::OpenOptions::new().append(true).open(path).ok());
    for registration in dropped {
        let line = if is_error {
            registration.dropped()
        } else {
            format!("warning: {}", registration.dropped())
        };
        // rustc keeps what a successful linker says to itself; muslin cargo reads it from the file.
        match report.as_mut().filter(|_| !is_error) {
            Some(report) => {
                let _ = report.write_all(format!("{line}\n").as_bytes());
            }
            None => complain(&line),
        }
    }
    if !is_error {
        return Ok(0);
    }
    let _ = fs::remove_file(output);
    Ok(1)
}

/// Copies a stream line by line, but for the lines that are meant for us.
fn forward(from: impl Read, mut to: impl Write, reader: &Mutex<LinkerOutput>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let has_end = line.last() == Some(&b'\n');
        if has_end {
            line.pop();
        }
        let shown = match std::str::from_utf8(&line) {
            Ok(text) => reader
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(text)
                .map(String::into_bytes),
            Err(_) => Some(line.clone()),
        };
        if let Some(mut shown) = shown {
            if has_end {
                shown.push(b'\n');
            }
            let _ = to.write_all(&shown);
        }
    }
    for line in reader
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .finish()
    {
        let _ = writeln!(to, "{line}");
    }
    let _ = to.flush();
}

/// What tells a file from the one that was there before.
fn identity(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.ctime(), file.ctime_nsec(), file.len()))
}

/// The exit code of a child, as shells give it.
pub fn code_of(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code & 0xff).unwrap_or(1),
        (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(1),
        (None, None) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_that_were_looked_at_name_their_numbers() {
        let known = format!("/lib/{}(std-0.rcgu.o)", every_number::STD_FILES[0]);
        for (file, expected) in [
            (known.as_str(), true),
            ("/lib/libstd-0123456789abcdef.rlib(std-0.rcgu.o)", false),
            ("/lib/libc.a(getrandom.lo)", true),
            ("main.o", false),
        ] {
            assert_eq!(names_its_numbers(file), expected, "{file}");
        }
    }
}
