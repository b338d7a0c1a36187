//! Starts an image alone, as a process or as a guest, and hears what it says to its end.

use std::io::{PipeReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::built::{Flavour, repository};
use crate::failure::{Failure, Step};
use crate::stage::tool;

/// No run of these needs longer; what does hangs.
const SECONDS_MAX: &str = "120";

/// What each run finds in its environment, in this order.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C"),
    ("PATH", "/usr/bin:/bin"),
];

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it said, on both of its streams, in order.
    pub said: String,
    /// Its exit status; for one that a signal ended 128 and its number, as a shell and a tender have it.
    pub status: i32,
}

/// How an image is started.
pub struct Start<'a> {
    /// What the image was linked with.
    pub flavour: Flavour,
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
        if self.flavour == Flavour::Solo5Spt {
            self.tender(&mut command);
        }
        command.arg(image).args(arguments);
        finish(command)
    }

    /// What starts a guest, but for the image.
    fn tender(&self, command: &mut Command) {
        command
            .arg(repository().join("out/bin/muslin"))
            .args(["run", "--mem", &self.memory_mib.to_string()])
            .args(["--cwd", &format!("/{}", self.work), "--initrd"])
            .arg(self.root);
        for (name, value) in ENVIRONMENT {
            command.arg("--env").arg(format!("{name}={value}"));
        }
    }
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
