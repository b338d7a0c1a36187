//! Programs as guests of virtual machines: all that are chosen run in the lab together, when the first
//! of them is asked for.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab};

use crate::judge::Cell;
use crate::platforms::Platform;
use crate::program::Program;
use crate::run::{Outcome, environment_of, guest_words, without_reports};
use crate::together::{self, Results};

/// Far more than any program needs, even in an emulated machine on a busy one.
const TIME_MAX: Duration = Duration::from_secs(120);

/// The programs of this run of the tests.
static CHOSEN: Mutex<Vec<Program>> = Mutex::new(Vec::new());

/// Says which programs will be asked for.
pub fn choose(programs: Vec<Program>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = programs;
}

/// What came of the program in the lab.
pub fn outcome(program: &Program, platform: &Platform) -> Result<Outcome, Cell> {
    static RESULTS: OnceLock<Results> = OnceLock::new();
    let results = RESULTS.get_or_init(|| run_all(platform));
    together::outcome(results, program)
}

fn run_all(platform: &Platform) -> Results {
    let mut programs = CHOSEN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    programs.retain(|program| platform.takes(program));
    together::run(&programs, platform, Lab::find, |lab, images| {
        println!("{}: {}", platform.name, lab.about);
        let mut batch = Batch::default();
        for (program, image) in images {
            let environment = environment_of(platform, Path::new("."));
            let mut words = vec!["muslin".to_owned()];
            words.extend(guest_words(&environment));
            // As it is elsewhere: a path.
            words.push(format!("./{}", program.name));
            batch.files.push((program.name.clone(), image.clone()));
            batch.jobs.push(Job {
                words,
                input: program.stdin.clone().unwrap_or_default().into_bytes(),
                limit: TIME_MAX,
            });
        }
        let outcomes = lab.run(&batch).map_err(Cell::Failed)?;
        let names = images.iter().map(|(program, _)| program.name.clone());
        Ok(names
            .zip(outcomes.iter().map(|outcome| Ok(in_words(outcome))))
            .collect())
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
