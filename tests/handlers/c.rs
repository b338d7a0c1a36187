//! The C programs. The first lines of each say how it is built and what it comes to:
//!
//! ```c
//! // flags: -pthread          for the compiler
//! // environment: A=B         always set
//! // only: plain              in this mode alone (a line for each that is wanted)
//! // also: library_os         in this mode as well (`spt` and `hvt` are the others): needs no processes
//! // ends: status 1           instead of `status 0`
//! // says: some words         on standard error, instead of nothing
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use muslin_lab::{Batch, Ending, Job, Lab};
use muslin_sysroot::Flavour;

use crate::{run, sysroots};

/// How a program is run.
#[derive(Clone, Copy, Debug)]
struct Mode {
    name: &'static str,
    /// What is in its environment.
    variable: Option<(&'static str, &'static str)>,
    /// What it is linked with.
    flavour: Flavour,
    /// Who starts it.
    start: Start,
    /// Is it for programs that say so alone?
    is_extra: bool,
}

/// Who starts an image.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Linux.
    Process,
    /// The built-in tender.
    Guest,
    /// The built-in tender, in the lab.
    Machine,
}

const MODES: [Mode; 6] = [
    Mode {
        name: "plain",
        variable: None,
        flavour: Flavour::Linux,
        start: Start::Process,
        is_extra: false,
    },
    Mode {
        name: "counted",
        variable: Some(("MUSLIN_COUNT", "counters")),
        flavour: Flavour::Linux,
        start: Start::Process,
        is_extra: false,
    },
    Mode {
        name: "catch_stray",
        variable: Some(("MUSLIN_CATCH_STRAY", "1")),
        flavour: Flavour::Linux,
        start: Start::Process,
        is_extra: false,
    },
    // An image for Solo5, started by Linux.
    Mode {
        name: "library_os",
        variable: None,
        flavour: Flavour::Any,
        start: Start::Process,
        is_extra: true,
    },
    Mode {
        name: "spt",
        variable: None,
        flavour: Flavour::Solo5Spt,
        start: Start::Guest,
        is_extra: true,
    },
    Mode {
        name: "hvt",
        variable: None,
        flavour: Flavour::Solo5Hvt,
        start: Start::Machine,
        is_extra: true,
    },
];

/// What an image says at its start when this machine cannot catch stray calls.
const CANNOT_CATCH: &str = "this kernel cannot catch stray system calls";

#[derive(Debug, Default)]
struct Program {
    name: String,
    source: PathBuf,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    only: Vec<String>,
    also: Vec<String>,
    ends: Option<String>,
    says: Option<String>,
}

/// The tests: each program in each mode.
///
/// # Errors
/// A file that cannot be read or a line that nobody understands.
pub fn trials() -> Result<Vec<Trial>, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/handlers");
    let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut sources: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    let no_compiler = Command::new("gcc").arg("--version").output().is_err();
    if no_compiler {
        println!("skipped: all C programs of tests/handlers: there is no gcc");
    }
    let mut trials = Vec::new();
    for source in sources {
        let program = std::sync::Arc::new(read(source)?);
        for mode in MODES {
            let is_in = |modes: &[String]| modes.iter().any(|name| name == mode.name);
            let is_wanted = if mode.is_extra {
                is_in(&program.also)
            } else {
                program.only.is_empty() || is_in(&program.only)
            };
            if !is_wanted {
                continue;
            }
            let program = program.clone();
            let name = format!("{}::{}", program.name, mode.name);
            let test = move || judge(&program, mode);
            trials.push(Trial::test(name, test).with_ignored_flag(no_compiler));
        }
    }
    Ok(trials)
}

fn read(source: PathBuf) -> Result<Program, String> {
    let text =
        fs::read_to_string(&source).map_err(|error| format!("{}: {error}", source.display()))?;
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let mut program = Program {
        name: name.into_owned(),
        source: source.clone(),
        ..Program::default()
    };
    for line in text.lines().map_while(|line| line.strip_prefix("// ")) {
        match line.split_once(": ") {
            Some(("flags", flags)) => program.flags.extend(flags.split(' ').map(str::to_owned)),
            Some(("only", mode)) => program.only.push(mode.to_owned()),
            Some(("also", mode)) => program.also.push(mode.to_owned()),
            Some(("ends", end)) => program.ends = Some(end.to_owned()),
            Some(("says", words)) => program.says = Some(words.to_owned()),
            Some(("environment", pair)) => {
                let (name, value) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("{}: environment without =", program.name))?;
                program
                    .environment
                    .push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(format!("{}: cannot understand '// {line}'", program.name)),
        }
    }
    Ok(program)
}

fn judge(program: &Program, mode: Mode) -> Result<(), Failed> {
    let dir = run::work_dir(&format!("{}-{}", program.name, mode.name))?;
    let image = dir.join(&program.name);
    compile(program, mode.flavour, &image)?;
    let outcome = match mode.start {
        Start::Process => run::run(process(program, mode, &image), &dir)?,
        Start::Guest => run::run(guest(program, &image)?, &dir)?,
        Start::Machine => match Lab::find() {
            Ok(lab) => machine(program, image, &lab)?,
            Err(why) => {
                println!("skipped: {}::{}: {why}", program.name, mode.name);
                return Ok(());
            }
        },
    };
    if outcome.errors.contains(CANNOT_CATCH) {
        println!("skipped: {}::{}: {CANNOT_CATCH}", program.name, mode.name);
        return Ok(());
    }
    let ends = program.ends.as_deref().unwrap_or("status 0");
    let says = match &program.says {
        Some(words) => outcome.errors.contains(words),
        // The library OS names the calls that it does not have.
        None => outcome
            .errors
            .lines()
            .all(|line| mode.is_extra && line.starts_with("muslin: the program called ")),
    };
    // A program that is to end well says how much it has checked.
    let has_checked = ends != "status 0"
        || outcome
            .output
            .lines()
            .last()
            .and_then(|line| line.strip_prefix("checked "))
            .and_then(|count| count.parse::<u32>().ok())
            .is_some_and(|count| count > 0);
    if outcome.end == ends && says && has_checked {
        Ok(())
    } else {
        Err(outcome.told().into())
    }
}

/// Has Linux start the image.
fn process(program: &Program, mode: Mode, image: &Path) -> Command {
    let mut command = Command::new(image);
    let environment = program.environment.iter();
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(mode.variable)
        .envs(environment.map(|(name, value)| (name, value)));
    command
}

/// Has the built-in tender start it.
fn guest(program: &Program, image: &Path) -> Result<Command, String> {
    let mut command = Command::new(sysroots::muslin()?);
    command.args(guest_words(program)).arg(image);
    Ok(command)
}

/// What the tender is told, but for the image.
fn guest_words(program: &Program) -> Vec<String> {
    let environment = program.environment.iter();
    let environment =
        environment.flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]);
    ["run", "--mem", "64"]
        .map(str::to_owned)
        .into_iter()
        .chain(environment)
        .collect()
}

/// The same in the lab.
fn machine(program: &Program, image: PathBuf, lab: &Lab) -> Result<run::Outcome, String> {
    let mut words = vec!["muslin".to_owned()];
    words.extend(guest_words(program));
    words.push(program.name.clone());
    let batch = Batch {
        files: vec![(program.name.clone(), image)],
        jobs: vec![Job {
            words,
            input: Vec::new(),
            limit: run::TIME_MAX,
        }],
    };
    let outcomes = lab.run(&batch)?;
    let outcome = outcomes.first().ok_or("the lab says nothing")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(run::Outcome {
        output: text(&outcome.output),
        errors: text(&outcome.complaints),
        end: match outcome.ending {
            Ending::Status(status) => format!("status {status}"),
            Ending::Signal(signal) => format!("signal {signal}"),
            Ending::TooLong => "killed: took too long".to_owned(),
            Ending::NotStarted => "not started".to_owned(),
        },
    })
}

fn compile(program: &Program, flavour: Flavour, image: &Path) -> Result<(), String> {
    let output = Command::new(sysroots::muslin()?)
        .args(["cc", "--muslin-sysroot"])
        .arg(sysroots::sysroot(flavour)?)
        // Optimized as programs are, but with every call to malloc left in.
        .args(["-std=gnu11", "-O1", "-fno-builtin", "-Wall", "-Wextra"])
        .args(&program.flags)
        .arg(&program.source)
        .arg("-o")
        .arg(image)
        .output()
        .map_err(|error| format!("cannot run muslin cc: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && said.is_empty() {
        Ok(())
    } else {
        Err(format!("compiling {}:\n{said}", program.name))
    }
}
