//! Runs the commands of a batch, on either side.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::batch::{Batch, Ending, Job, Outcome};
use crate::built::Tools;
use crate::record::{Reader, Writer};

/// How often a command is looked at.
const STEP: Duration = Duration::from_millis(2);

/// Runs jobs that were written by the other side, and tells each outcome as soon as it is there.
/// Commands run in `work`; what they write is collected in `scratch`.
///
/// # Errors
/// The jobs cannot be understood, or nobody listens.
pub fn run_all(
    jobs: &[u8],
    work: &Path,
    scratch: &Path,
    path: &str,
    mut tell: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut from = Reader(jobs);
    while !from.0.is_empty() {
        let job = Job::read(&mut from).ok_or_else(|| io::Error::other("the jobs are cut off"))?;
        let mut to = Writer::default();
        run(&job, work, scratch, path).write(&mut to);
        tell(&to.0)?;
    }
    Ok(())
}

/// Runs a batch on this machine.
pub(crate) fn run_here(batch: &Batch, tools: &Tools) -> Result<Vec<Outcome>, String> {
    let failed = |error: io::Error| format!("cannot lay out the lab: {error}");
    let dir = tempfile::tempdir().map_err(failed)?;
    let (work, scratch) = (dir.path().join("work"), dir.path().join("scratch"));
    fs::create_dir(&work).map_err(failed)?;
    fs::create_dir(&scratch).map_err(failed)?;
    for (name, source) in &batch.files {
        let place = work.join(name);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::copy(source, &place).map_err(|error| format!("{}: {error}", source.display()))?;
    }
    let path = tools.directory.to_string_lossy();
    Ok(batch
        .jobs
        .iter()
        .map(|job| run(job, &work, &scratch, &path))
        .collect())
}

fn run(job: &Job, work: &Path, scratch: &Path, path: &str) -> Outcome {
    let start = Instant::now();
    let mut outcome = Outcome {
        ending: Ending::NotStarted,
        output: Vec::new(),
        complaints: Vec::new(),
        took: Duration::ZERO,
    };
    if let Err(error) = run_into(&mut outcome, job, work, scratch, path) {
        outcome.complaints.extend(format!("lab: {error}\n").bytes());
    }
    outcome.took = start.elapsed();
    outcome
}

fn run_into(
    outcome: &mut Outcome,
    job: &Job,
    work: &Path,
    scratch: &Path,
    path: &str,
) -> io::Result<()> {
    let [input, output, complaints] =
        ["input", "output", "complaints"].map(|name| scratch.join(name));
    fs::write(&input, &job.input)?;
    let (program, arguments) = job
        .words
        .split_first()
        .ok_or_else(|| io::Error::other("a job without words"))?;
    let program = match program.as_str() {
        "muslin" | "muslin-lab-steps" => Path::new(path).join(program),
        other => Path::new(other).to_owned(),
    };
    let stdin = if job.input.is_empty() {
        Stdio::null()
    } else {
        File::open(&input)?.into()
    };
    let mut child = Command::new(&program)
        .args(arguments)
        .current_dir(work)
        .env_clear()
        .env("PATH", path)
        .stdin(stdin)
        .stdout(File::create(&output)?)
        .stderr(File::create(&complaints)?)
        .process_group(0)
        .spawn()?;
    outcome.ending = wait(&mut child, job.limit)?;
    outcome.output = fs::read(&output)?;
    outcome.complaints = fs::read(&complaints)?;
    Ok(())
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Ending> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match (status.code(), status.signal()) {
                (Some(code), _) => Ending::Status(code),
                (None, signal) => Ending::Signal(signal.unwrap_or(0)),
            });
        }
        if start.elapsed() > limit {
            // Not reaped yet, so the number is still its own.
            kill_process_group(Pid::from_child(child), Signal::KILL)?;
            child.wait()?;
            return Ok(Ending::TooLong);
        }
        thread::sleep(STEP);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn commands_run_here_as_they_do_there() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::write(&source, "from a file\n").unwrap();
        let limit = Duration::from_secs(60);
        let shell = |script: &str, limit| Job::new(&["/bin/sh", "-c", script], limit);
        let batch = Batch {
            files: vec![("deep/er".to_owned(), source)],
            jobs: vec![
                shell("read line < deep/er; echo \"$line\"; exit 3", limit),
                shell("kill -9 $$", limit),
                shell("while :; do :; done", Duration::from_millis(50)),
                Job::new(&["/nonexistent"], limit),
                Job {
                    input: b"typed".to_vec(),
                    ..shell("read line; echo \"$line\" >&2", limit)
                },
            ],
        };
        let tools = Tools {
            directory: "/bin".into(),
        };
        let outcomes = run_here(&batch, &tools).unwrap();
        let endings: Vec<Ending> = outcomes.iter().map(|outcome| outcome.ending).collect();
        assert_eq!(
            endings,
            [
                Ending::Status(3),
                Ending::Signal(9),
                Ending::TooLong,
                Ending::NotStarted,
                Ending::Status(0),
            ]
        );
        assert_eq!(outcomes[0].output, b"from a file\n");
        assert!(outcomes[3].complaints.starts_with(b"lab: "));
        assert_eq!(outcomes[4].complaints, b"typed\n");
    }
}
