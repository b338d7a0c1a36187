//! Compiles a program for a platform and runs it: in an empty directory, with a fixed environment,
//! for a bounded time.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::platforms::{Kind, Platform};
use crate::program::Program;
use crate::sysroots;

/// Far more than any program needs, even on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(90);

/// The memory of a guest in MiB: more than any program needs.
const GUEST_MIB: &str = "1024";

/// An empty directory of every guest, as the directory of a process is empty.
pub const GUEST_DIR: &str = "/tmp";

/// What every process finds in its environment.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("HOME", "/nonexistent"),
    ("LANG", "C"),
];

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Standard output.
    pub output: String,
    /// Standard error: empty, unless somebody complains.
    pub complaints: String,
    /// How it ended: `status 0`, `signal 11`, `killed: took more than 90 s`.
    pub end: String,
}

impl Outcome {
    /// Every expectation of the program itself held.
    pub fn is_content(&self) -> bool {
        self.end == "status 0"
    }

    /// The program ran to its end, but some expectations did not hold.
    pub fn is_discontent(&self) -> bool {
        self.end == "status 1"
    }
}

/// Compiles the program with the platform's sysroot; the image's path.
///
/// # Errors
/// No sysroot, no driver, or what the compiler said.
pub fn compile(program: &Program, platform: &Platform) -> Result<PathBuf, String> {
    let sysroot = sysroots::sysroot(platform.flavour)?;
    let image = work_dir(program, platform)?.join(&program.name);
    // What is only for debuggers would be the larger part of what dom0 has to hold.
    let is_stripped = matches!(platform.kind, Kind::BelowXl(_));
    let output = Command::new(sysroots::muslin()?)
        .args(["cc", "--muslin-sysroot"])
        .arg(sysroot)
        // The programs are wrong on purpose: no warnings, and no builtin that knows better.
        .args(["-std=gnu11", "-w", "-O1", "-fno-builtin", "-pthread"])
        .arg(&program.source)
        .arg("-o")
        .arg(&image)
        .args(is_stripped.then_some("-s"))
        .output()
        .map_err(|error| format!("cannot run muslin cc: {error}"))?;
    if output.status.success() {
        Ok(image)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} does not compile:\n{said}", program.name))
    }
}

/// Runs the image and waits for it.
///
/// # Errors
/// The process cannot be started or waited for.
pub fn run(program: &Program, platform: &Platform, image: &Path) -> Result<Outcome, String> {
    start_and_wait(program, platform, image)
        .map_err(|error| format!("cannot run {}: {error}", image.display()))
}

fn start_and_wait(
    program: &Program,
    platform: &Platform,
    image: &Path,
) -> std::io::Result<Outcome> {
    let work = image.parent().unwrap_or(Path::new("."));
    let (cwd, output, complaints) = (work.join("cwd"), work.join("stdout"), work.join("stderr"));
    fs::create_dir(&cwd)?;
    let stdin = match &program.stdin {
        None => Stdio::null(),
        Some(given) => {
            let path = work.join("stdin");
            fs::write(&path, given)?;
            File::open(path)?.into()
        }
    };
    let mut child = command(platform, image, environment_of(platform, work))?
        .current_dir(&cwd)
        .stdin(stdin)
        .stdout(File::create(&output)?)
        .stderr(File::create(&complaints)?)
        .process_group(0)
        .spawn()?;
    let end = match wait(&mut child)? {
        Some(status) => describe(status),
        None => format!("killed: took more than {} s", TIME_MAX.as_secs()),
    };
    let output = String::from_utf8_lossy(&fs::read(output)?).into_owned();
    let complaints = String::from_utf8_lossy(&fs::read(complaints)?).into_owned();
    Ok(Outcome {
        output: match platform.kind {
            Kind::Process | Kind::OwnFiles => output,
            _ => without_reports(&output),
        },
        complaints: match platform.kind {
            Kind::OwnFiles => without_reports(&complaints),
            _ => complaints,
        },
        end,
    })
}

/// The runtime's reports of calls that are missing, or lack something, are among the program's complaints; a guest has one console,
/// so there they are among its output.
/// What the call returned tells as much.
pub fn without_reports(output: &str) -> String {
    let is_report = |line: &str| {
        line.starts_with("muslin: the program called ")
            && line.contains(", which this platform does not have: E")
    };
    output
        .split_inclusive('\n')
        .filter(|line| !is_report(line))
        .collect()
}

/// What starts the image, in nothing but this environment.
fn command(
    platform: &Platform,
    image: &Path,
    environment: Vec<(&str, String)>,
) -> std::io::Result<Command> {
    let mut command = match platform.kind {
        Kind::Process | Kind::OwnFiles => Command::new(image),
        _ => {
            let mut tender = Command::new(sysroots::muslin().map_err(std::io::Error::other)?);
            tender.args(guest_words(&environment)).arg(image);
            tender
        }
    };
    command.env_clear().envs(environment);
    Ok(command)
}

/// What the tender is told, but for the image.
pub fn guest_words(environment: &[(&str, String)]) -> Vec<String> {
    let mut words = ["run", "--mem", GUEST_MIB, "--cwd", GUEST_DIR]
        .map(str::to_owned)
        .to_vec();
    for (name, value) in environment {
        words.extend(["--env".to_owned(), format!("{name}={value}")]);
    }
    words
}

/// What the image finds in its environment; `work` is a directory of the run.
pub fn environment_of(platform: &Platform, work: &Path) -> Vec<(&'static str, String)> {
    let work = work.to_string_lossy();
    let fixed = ENVIRONMENT
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    let own = platform
        .environment
        .iter()
        .map(|(name, value)| (*name, value.replace("{work}", &work)));
    fixed.chain(own).collect()
}

/// Waits for the process, then ends what it may have left behind in its process group.
///
/// The group's number cannot belong to somebody else while the process is there, as a zombie at
/// least: so the group is ended first and the process is reaped after it.
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let pid = Pid::from_child(child);
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
    kill_process_group(pid, Signal::KILL)?;
    let status = child.wait()?;
    Ok(in_time.then_some(status))
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "neither exited nor signalled".to_owned(),
    }
}

/// Where the runs on a platform leave their images, outputs and counts: one directory a program.
pub fn runs_on(platform: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("conformance")
        .join(platform)
}

/// An empty directory for this program on this platform.
fn work_dir(program: &Program, platform: &Platform) -> Result<PathBuf, String> {
    let dir = runs_on(platform.name).join(&program.name);
    let made = match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&dir),
    };
    match made {
        Ok(()) => Ok(dir),
        Err(error) => Err(format!("{}: {error}", dir.display())),
    }
}
