//! Starts an image alone, as a process or as a guest, and hears what it says to its end.

use std::io::{PipeReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::built::{Flavour, repository};
use crate::failure::{Failure, Step};
use crate::stage::tool;

/// No run of these needs longer; what does hangs.
const SECONDS_MAX: &str = "600";

/// What each run finds in its environment, in this order.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C"),
    ("PATH", "/usr/bin:/bin"),
];

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it said, on both of its streams, in order.
    pub said: String,
    /// Its exit status; for one that a signal ended 128 and its number, as a shell and a tender have it.
    pub status: i32,
}

/// Where an image runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Linux, stock musl.
    Stock,
    /// Linux, each call through the table.
    Linux,
    /// Guest of Solo5's spt.
    Spt,
    /// The same image as a process of Linux, with the same library OS.
    Process,
    /// The same image as a guest of Solo5's hvt.
    Hvt,
    /// Guest of Xen below `xl`, paravirtualised.
    XenPv,
    /// The same image in a virtual machine.
    XenPvh,
}

impl World {
    /// What its images are linked with.
    pub fn flavour(self) -> Flavour {
        match self {
            World::Stock => Flavour::Stock,
            World::Linux => Flavour::Muslin,
            World::Spt | World::Process | World::Hvt => Flavour::Solo5Spt,
            World::XenPv | World::XenPvh => Flavour::Xen,
        }
    }

    /// The name in tests and outputs.
    pub fn name(self) -> &'static str {
        match self {
            World::Stock => "stock",
            World::Linux => "linux",
            World::Spt => "solo5-spt",
            World::Process => "solo5-process",
            World::Hvt => "solo5-hvt",
            World::XenPv => "xen-pv",
            World::XenPvh => "xen-pvh",
        }
    }
}

/// How an image is started.
pub struct Start<'a> {
    /// Where.
    pub world: World,
    /// The directory that a guest takes for all there is.
    pub root: &'a Path,
    /// The working directory, below it.
    pub work: &'a str,
    /// Memory of a guest, in MiB.
    pub memory_mib: u32,
}

impl Start<'_> {
    /// Runs an image to its end, without input. Its path may be relative to the working directory.
    pub fn run(&self, image: &Path, arguments: &[&str]) -> Step<Outcome> {
        let mut command = Command::new(tool("timeout"));
        command
            .args(["--kill-after=5", SECONDS_MAX])
            .env_clear()
            .envs(ENVIRONMENT.iter().copied())
            .current_dir(self.root.join(self.work));
        if self.world.flavour() == Flavour::Solo5Spt {
            command
                .arg(repository().join("out/bin/muslin"))
                .args(guest_words(self.world, self.memory_mib, self.work))
                .arg("--initrd")
                .arg(self.root);
        }
        command.arg(image).args(arguments);
        finish(command)
    }
}

/// The words of `muslin` that start a guest, but for its root directory and its image.
pub fn guest_words(world: World, memory_mib: u32, work: &str) -> Vec<String> {
    let platform = match world {
        World::Process => "linux",
        World::Hvt => "solo5-hvt",
        _ => "solo5-spt",
    };
    let mut words = vec!["run".to_owned(), format!("--platform={platform}")];
    words.push(format!("--mem={memory_mib}"));
    words.push(format!("--cwd=/{work}"));
    words.extend(guest_environment());
    words
}

/// The words of `muslin` for the environment of a guest.
pub fn guest_environment() -> impl Iterator<Item = String> {
    let variables = ENVIRONMENT.iter();
    variables.map(|(name, value)| format!("--env={name}={value}"))
}

/// Runs a command with both of its streams in one pipe.
fn finish(command: Command) -> Step<Outcome> {
    let what = format!("{command:?}");
    let failed = |why: std::io::Error| Failure::new(format_args!("running {what}: {why}"));
    let (mut output, mut child) = start(command).map_err(failed)?;
    let mut said = Vec::new();
    output.read_to_end(&mut said).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    Ok(Outcome {
        said: String::from_utf8_lossy(&said).into_owned(),
        status: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
    })
}

/// Starts it and forgets our end of what it writes to: the command holds that, and ends here.
fn start(mut command: Command) -> std::io::Result<(PipeReader, Child)> {
    let (reader, writer) = std::io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    Ok((reader, command.spawn()?))
}

/// A guest has one console: what the runtime reports, to the end of the line, stands among the
/// program's words. What the calls returned tells as much.
pub fn without_reports(said: &str) -> String {
    const REPORTS: [&str; 2] = ["muslin: the program called ", "muslin: out of memory: "];
    let mut kept = String::new();
    let mut rest = said;
    while let Some(begin) = REPORTS.iter().filter_map(|words| rest.find(words)).min() {
        kept += &rest[..begin];
        rest = rest[begin..]
            .split_once('\n')
            .map_or("", |(_, after)| after);
    }
    kept + rest
}
