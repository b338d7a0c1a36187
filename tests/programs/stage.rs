//! Where a program performs: a scratch directory with its inputs, a transcript of what it said, and
//! for a traced stage the trace and the counters of each process started from here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::built::repository;
use crate::failure::{Failure, Step};

/// No program of these tests needs longer; what does hangs.
const SECONDS_MAX: &str = "180";

/// How processes on a stage are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Not at all.
    No,
    /// Its own counters, if it has any.
    Counted,
    /// `strace` and the image's own counters at once.
    Traced,
}

/// A stage.
pub struct Stage {
    programs: PathBuf,
    watch: Watch,
    scratch: TempDir,
    launches: Cell<usize>,
    transcript: RefCell<Vec<u8>>,
}

impl Stage {
    /// A stage for the executables in `programs`, with a copy of `tests/programs/inputs/<inputs>`
    /// as its working directory.
    pub fn new(programs: &Path, inputs: &str, watch: Watch) -> Step<Stage> {
        let scratch =
            TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
        let stage = Stage {
            programs: programs.to_path_buf(),
            watch,
            scratch,
            launches: Cell::new(0),
            transcript: RefCell::default(),
        };
        let inputs = repository().join("tests/programs/inputs").join(inputs);
        copy_files(&inputs, &stage.work())?;
        for dir in ["tools", "watch"] {
            make_dir(&stage.scratch.path().join(dir))?;
        }
        // A program may say by what path it was called, so that path is the same on each stage.
        let link = stage.scratch.path().join("programs");
        symlink(programs, &link).map_err(|why| Failure::io("linking", &link, &why))?;
        Ok(stage)
    }

    /// The working directory of the programs.
    pub fn work(&self) -> PathBuf {
        self.scratch.path().join("work")
    }

    /// A directory for executables, the only one in the programs' PATH. Not part of the result.
    pub fn tools(&self) -> PathBuf {
        self.scratch.path().join("tools")
    }

    /// How its processes are watched.
    pub fn watch(&self) -> Watch {
        self.watch
    }

    /// The path of an executable.
    pub fn executable(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// A command for an executable of the program, watched as the stage says.
    pub fn command(&self, name: &str) -> Command {
        self.watched(name, self.watch)
    }

    fn watched(&self, name: &str, watch: Watch) -> Command {
        let mut command = Command::new(tool("timeout"));
        command.args(["--kill-after=5", SECONDS_MAX]);
        command.env_clear();
        command.env("PATH", self.tools());
        command.env("LC_ALL", "C");
        if watch != Watch::No {
            let launch = self.launches.get();
            self.launches.set(launch + 1);
            let (trace, counts) = self.watch_files(launch);
            if watch == Watch::Traced {
                command
                    .arg(tool("strace"))
                    .args(["-f", "-C", "-o"])
                    .arg(trace);
            }
            command.env("MUSLIN_COUNT", counts);
        }
        command.arg(Path::new("../programs").join(name));
        command.current_dir(self.work());
        command
    }

    /// Runs an executable with input to its end. What it said becomes part of the transcript.
    pub fn run(&self, name: &str, args: &[&str], input: &[u8]) -> Step<Output> {
        self.note(format!("$ {name} {}\n", args.join(" ")));
        let output = self.finish(self.command(name).args(args), input)?;
        self.record(&output);
        Ok(output)
    }

    /// The same without a watch: for runs that start programs of the machine, which have no table.
    pub fn run_unwatched(&self, name: &str, args: &[&str], input: &[u8]) -> Step<Output> {
        self.note(format!("$ {name} {}\n", args.join(" ")));
        let output = self.finish(self.watched(name, Watch::No).args(args), input)?;
        self.record(&output);
        Ok(output)
    }

    /// Runs a command to its end.
    pub fn finish(&self, command: &mut Command, input: &[u8]) -> Step<Output> {
        let mut child = self.start_with(command, Stdio::piped())?;
        let failed = |why| Failure::new(format_args!("running {command:?}: {why}"));
        let stdin = child.stdin.take();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // A program may end before it has read everything.
                stdin.map(|mut pipe| pipe.write_all(input))
            });
            child.wait_with_output().map_err(failed)
        })
    }

    /// Starts a command that goes on while others run.
    pub fn start(&self, command: &mut Command) -> Step<Child> {
        self.start_with(command, Stdio::null())
    }

    fn start_with(&self, command: &mut Command, input: Stdio) -> Step<Child> {
        command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| Failure::new(format_args!("starting {command:?}: {why}")))
    }

    /// Adds to the transcript.
    pub fn note(&self, text: impl AsRef<[u8]>) {
        self.transcript
            .borrow_mut()
            .extend_from_slice(text.as_ref());
    }

    fn record(&self, output: &Output) {
        self.note(&output.stdout);
        self.note(&output.stderr);
        self.note(format!("[{}]\n", output.status));
    }

    /// What the programs said.
    pub fn transcript(&self) -> Vec<u8> {
        self.transcript.borrow().clone()
    }

    /// What the programs left in the working directory: each file's path and content.
    pub fn files(&self) -> Step<BTreeMap<PathBuf, Vec<u8>>> {
        let mut found = BTreeMap::new();
        collect(&self.work(), Path::new(""), &mut found)?;
        Ok(found)
    }

    /// The trace and the counters of each process that was watched.
    pub fn watched_launches(&self) -> Vec<(PathBuf, PathBuf)> {
        (0..self.launches.get())
            .map(|launch| self.watch_files(launch))
            .collect()
    }

    fn watch_files(&self, launch: usize) -> (PathBuf, PathBuf) {
        let dir = self.scratch.path().join("watch");
        (
            dir.join(format!("trace-{launch}")),
            dir.join(format!("counts-{launch}")),
        )
    }

    /// Leaves the directory in place for a look, and says where.
    pub fn keep(self) -> PathBuf {
        self.scratch.keep()
    }
}

/// A tool of the machine by its whole path: the programs' PATH does not lead to it.
pub fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or(PathBuf::from(name))
}

/// Reads what a started command says until its end.
pub fn read_all(mut from: impl Read) -> Step<Vec<u8>> {
    let mut all = Vec::new();
    from.read_to_end(&mut all)
        .map_err(|why| Failure::new(format_args!("reading a program's output: {why}")))?;
    Ok(all)
}

fn make_dir(path: &Path) -> Step<()> {
    fs::create_dir_all(path).map_err(|why| Failure::io("making", path, &why))
}

/// Copies a directory's files; one that is not there is empty.
pub fn copy_files(from: &Path, to: &Path) -> Step<()> {
    make_dir(to)?;
    if !from.is_dir() {
        return Ok(());
    }
    let failed = |why| Failure::io("copying", from, &why);
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_files(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}

fn collect(root: &Path, below: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> Step<()> {
    let dir = root.join(below);
    let failed = |why| Failure::io("reading", &dir, &why);
    for entry in fs::read_dir(&dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = below.join(entry.file_name());
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            collect(root, &name, found)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(failed)?;
            found.insert(name, target.into_os_string().into_encoded_bytes());
        } else if kind.is_file() {
            found.insert(name, fs::read(entry.path()).map_err(failed)?);
        }
    }
    Ok(())
}
