//! The tests with guests of hvt, in the lab: all of them in one start of it. There each of them runs as here, in a
//! network of its own, by this same executable.

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use libtest_mimic::Arguments;
use muslin_lab::{Batch, Ending, Job, Lab};
use tempfile::TempDir;

use crate::built::{self, Flavour, TAKEN, place_of, repository};
use crate::failure::{Failure, Step};
use crate::stage::tool;

use super::place::{FINE, REPORT, Test, World};

/// What a test may take; far more than it needs.
const TIME_MAX: Duration = Duration::from_secs(300);
/// The same for one of `make test-long`.
const LONG_TIME_MAX: Duration = Duration::from_secs(1800);

/// The script's exit code when it may not make interfaces.
const MAY_NOT: i32 = 77;

/// A test, by its name.
struct Listed {
    name: String,
    test: Test,
    is_ignored: bool,
}

/// All that there are.
static LISTED: Mutex<Vec<Listed>> = Mutex::new(Vec::new());

/// By a test's name: what it came to.
type Outcomes = HashMap<String, Step<()>>;

/// Says that there is this test.
pub fn add(name: &str, test: Test, is_ignored: bool) {
    LISTED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Listed {
            name: name.to_owned(),
            test,
            is_ignored,
        });
}

/// What came of a test in the lab, to which the first who asks takes all that this run is asked for.
pub fn outcome(name: &str) -> Step<()> {
    static OUTCOMES: OnceLock<Step<Outcomes>> = OnceLock::new();
    let outcomes = OUTCOMES.get_or_init(run_all).as_ref();
    outcomes.map_err(Failure::clone)?.get(name).map_or_else(
        || Err(Failure::new("it was not taken to the lab")),
        Clone::clone,
    )
}

/// Is it one of those that the command line asks for?
fn is_chosen(listed: &Listed) -> bool {
    let arguments = Arguments::from_args();
    let is_like = |filter: &String| match arguments.exact {
        true => listed.name == *filter,
        false => listed.name.contains(filter.as_str()),
    };
    let is_run = arguments.include_ignored || arguments.ignored == listed.is_ignored;
    is_run && arguments.filter.as_ref().is_none_or(is_like) && !arguments.skip.iter().any(is_like)
}

fn run_all() -> Step<Outcomes> {
    let lab = Lab::find().map_err(Failure::skip)?;
    eprintln!("{}", lab.about);
    let listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    let scratch =
        TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
    let mut batch = Batch::default();
    let mut taken = BTreeSet::new();
    let mut outcomes = Outcomes::new();
    let mut names = Vec::new();
    for listed in listed.iter().filter(|listed| is_chosen(listed)) {
        let programs = listed
            .test
            .programs
            .iter()
            .map(|name| (*name, World::Hvt.flavour()));
        let peers = ["busybox"].iter().chain(listed.test.peers);
        let peers = peers.map(|name| (*name, Flavour::Stock));
        match programs.chain(peers).try_for_each(|(name, flavour)| {
            if taken.insert((name, flavour.name())) {
                take(&mut batch, name, flavour)?;
            }
            Ok(())
        }) {
            Ok(()) => {}
            Err(why) => {
                outcomes.insert(listed.name.clone(), Err(why));
                continue;
            }
        }
        let limit = if listed.test.is_long {
            LONG_TIME_MAX
        } else {
            TIME_MAX
        };
        let busybox = format!("{}/busybox", place_of("busybox", Flavour::Stock));
        let words = [&busybox, "sh", "lab.sh", TAKEN, REPORT, &listed.name];
        batch.jobs.push(Job::new(&words, limit));
        names.push(listed.name.clone());
    }
    this_executable(&mut batch, scratch.path())?;
    batch.files.push((
        "lab.sh".to_owned(),
        repository().join("tests/programs/network/lab.sh"),
    ));
    for (name, outcome) in names
        .into_iter()
        .zip(lab.run(&batch).map_err(Failure::new)?)
    {
        eprintln!("{name}: {:.1} s in the lab", outcome.took.as_secs_f32());
        outcomes.insert(name, in_words(&outcome));
    }
    Ok(outcomes)
}

/// Takes the executables of a program, which may be in directories of theirs.
fn take(batch: &mut Batch, name: &str, flavour: Flavour) -> Step<()> {
    let dir = match flavour {
        Flavour::Stock => built::program(name, flavour)?,
        _ => built::with_network(name, flavour)?,
    };
    for file in fs::read_dir(&dir).map_err(|why| Failure::io("reading", &dir, &why))? {
        let file = file.map_err(|why| Failure::io("reading", &dir, &why))?;
        let place = format!(
            "{}/{}",
            place_of(name, flavour),
            file.file_name().to_string_lossy()
        );
        if file.path().is_file() {
            batch.files.push((place, file.path()));
        }
    }
    Ok(())
}

/// Takes this executable, without what it has for debuggers, and what it is linked with.
fn this_executable(batch: &mut Batch, scratch: &Path) -> Step<()> {
    let own = env::current_exe().map_err(|why| Failure::new(format_args!("this test: {why}")))?;
    let stripped = scratch.join("tests");
    let status = Command::new(tool("strip"))
        .arg("-o")
        .arg(&stripped)
        .arg(&own)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failure::new(format_args!("strip {}", own.display())));
    }
    batch.files.push(("tests".to_owned(), stripped));
    // The linker of programs says what it finds instead of starting one.
    let output = Command::new(&own)
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .output()
        .map_err(|why| Failure::io("asking for the libraries of", &own, &why))?;
    for word in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        let library = PathBuf::from(word);
        if let Some(name) = library.file_name().filter(|_| library.is_absolute()) {
            let place = format!("libraries/{}", name.to_string_lossy());
            batch.files.push((place, library));
        }
    }
    Ok(())
}

fn in_words(outcome: &muslin_lab::Outcome) -> Step<()> {
    let report = String::from_utf8_lossy(&outcome.output);
    let complaints = String::from_utf8_lossy(&outcome.complaints);
    if report == FINE {
        eprint!("{complaints}");
        return Ok(());
    }
    if let Some(why) = report.strip_prefix("skipped: ") {
        return Err(Failure::skip(why));
    }
    if outcome.ending == Ending::Status(MAY_NOT) {
        return Err(Failure::skip("no interfaces can be made in the lab"));
    }
    Err(Failure::new(format_args!(
        "{:?} in the lab\n{report}\n{complaints}",
        outcome.ending
    )))
}
