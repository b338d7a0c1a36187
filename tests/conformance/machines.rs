//! Programs as guests of virtual machines: all that are chosen run in the lab together, when the first
//! of them is asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab};

use crate::judge::Cell;
use crate::platforms::Platform;
use crate::program::Program;
use crate::run::{Outcome, compile, environment_of, guest_words, without_reports};

/// Far more than any program needs, even in an emulated machine on a busy one.
const TIME_MAX: Duration = Duration::from_secs(120);

/// How many compilers run at the same time.
const COMPILERS: usize = 4;

/// The programs of this run of the tests.
static CHOSEN: Mutex<Vec<Program>> = Mutex::new(Vec::new());

/// By program: what came of it.
type Results = HashMap<String, Result<Outcome, Cell>>;

/// Says which programs will be asked for.
pub fn choose(programs: Vec<Program>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = programs;
}

/// What came of the program in the lab.
pub fn outcome(program: &Program, platform: &Platform) -> Result<Outcome, Cell> {
    static RESULTS: OnceLock<Results> = OnceLock::new();
    RESULTS
        .get_or_init(|| run_all(platform))
        .get(&program.name)
        .cloned()
        .unwrap_or_else(|| Err(Cell::Failed("it was not taken to the lab".to_owned())))
}

fn run_all(platform: &Platform) -> Results {
    let mut programs = CHOSEN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    programs.retain(|program| platform.takes(program));
    let for_all = |cell: &dyn Fn() -> Cell| {
        programs
            .iter()
            .map(|program| (program.name.clone(), Err(cell())))
            .collect()
    };
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return for_all(&|| Cell::Skipped(why.clone())),
    };
    println!("{}: {}", platform.name, lab.about);
    let mut results = Results::new();
    let mut names = Vec::new();
    let mut batch = Batch::default();
    for (program, image) in compile_all(&programs, platform) {
        let image = match image {
            Ok(image) => image,
            Err(why) => {
                results.insert(program.name.clone(), Err(Cell::Failed(why)));
                continue;
            }
        };
        let environment = environment_of(platform, Path::new("."));
        let mut words = vec!["muslin".to_owned()];
        words.extend(guest_words(&environment));
        // As it is elsewhere: a path.
        words.push(format!("./{}", program.name));
        batch.files.push((program.name.clone(), image));
        batch.jobs.push(Job {
            words,
            input: program.stdin.clone().unwrap_or_default().into_bytes(),
            limit: TIME_MAX,
        });
        names.push(program.name.clone());
    }
    match lab.run(&batch) {
        Ok(outcomes) => {
            let outcomes = outcomes.iter().map(|outcome| Ok(in_words(outcome)));
            results.extend(names.into_iter().zip(outcomes));
            results
        }
        Err(why) => for_all(&|| Cell::Failed(why.clone())),
    }
}

/// Each program and its image, or why there is none.
fn compile_all<'a>(
    programs: &'a [Program],
    platform: &Platform,
) -> Vec<(&'a Program, Result<std::path::PathBuf, String>)> {
    let share = programs.len().div_ceil(COMPILERS).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = programs
            .chunks(share)
            .map(|chunk| {
                scope.spawn(move || {
                    chunk
                        .iter()
                        .map(|program| (program, compile(program, platform)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_default())
            .collect()
    })
}

fn in_words(outcome: &muslin_lab::Outcome) -> Outcome {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        output: without_reports(&text(&outcome.output)),
        complaints: text(&outcome.complaints),
        end: match outcome.ending {
            Ending::Status(status) => format!("status {status}"),
            Ending::Signal(signal) => format!("signal {signal}"),
            Ending::TooLong => format!("killed: took more than {} s", TIME_MAX.as_secs()),
            Ending::NotStarted => "not started".to_owned(),
        },
    }
}
