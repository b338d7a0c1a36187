//! Programs as guests of virtual machines: all of them in one start of the lab.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab};

use crate::alone::{Place, Program, WORK};
use crate::built;
use crate::failure::{Failure, Step};
use crate::start::{Outcome, World, guest_words};

/// Far more than any run needs, even in an emulated machine on a busy one.
const TIME_MAX: Duration = Duration::from_secs(300);

/// How many runs of a program are taken to the lab, the first ones.
const RUNS_MAX: usize = 8;

/// What a signal adds to a status.
const SIGNALLED: i32 = 128;

/// The outcomes of each program's first runs, by its name.
pub fn outcomes(programs: &[Program]) -> Step<HashMap<&'static str, Vec<Outcome>>> {
    let lab = Lab::find().map_err(Failure::skip)?;
    eprintln!("{}", lab.about);
    let mut batch = Batch::default();
    let mut runs = Vec::new();
    let mut places = Vec::new();
    for program in programs.iter().filter(|program| program.is_for_machines()) {
        let images = built::program(program.recipe, World::Hvt.flavour())?;
        let place = Place::new(program, &images)?;
        let archive = format!("{}.tar", program.name);
        let packed = place.pack(&archive)?;
        batch.files.push((archive.clone(), packed));
        places.push(place);
        for run in program.runs.iter().take(RUNS_MAX) {
            let (executable, arguments) = run.split_first().unwrap_or((&"", &[]));
            let image = name_in(&mut batch, executable, &images, program);
            let path = format!("./{image}");
            let mut words = vec!["muslin".to_owned()];
            words.extend(guest_words(World::Hvt, program.memory_mib, WORK));
            words.push(format!("--initrd={archive}"));
            words.push(path.clone());
            words.extend(arguments.iter().map(|word| (*word).to_owned()));
            batch.jobs.push(Job {
                words,
                input: Vec::new(),
                limit: TIME_MAX,
            });
            runs.push((program, path, *executable));
        }
    }
    let mut by_program: HashMap<_, Vec<_>> = HashMap::new();
    let came = lab.run(&batch).map_err(Failure::new)?;
    let took: Duration = came.iter().map(|outcome| outcome.took).sum();
    eprintln!("{} runs, {} s in the lab", came.len(), took.as_secs());
    for ((program, path, executable), outcome) in runs.into_iter().zip(&came) {
        let outcome = program.steadied(&in_words(outcome), &path, executable);
        by_program.entry(program.name).or_default().push(outcome);
    }
    Ok(by_program)
}

/// The name of an image in the batch: its own, unless another program has it.
fn name_in(batch: &mut Batch, executable: &str, images: &Path, program: &Program) -> String {
    let path = images.join(executable);
    let names = [
        executable.to_owned(),
        format!("{executable}.{}", program.recipe),
    ];
    let taken = |name: &String| batch.files.iter().find(|(taken, _)| taken == name);
    let [own, other] = names;
    let name = match taken(&own) {
        Some((_, there)) if *there != path => other,
        _ => own,
    };
    if taken(&name).is_none() {
        batch.files.push((name.clone(), path));
    }
    name
}

fn in_words(outcome: &muslin_lab::Outcome) -> Outcome {
    let said = [&outcome.output[..], &outcome.complaints[..]].concat();
    let mut said = String::from_utf8_lossy(&said).into_owned();
    let status = match outcome.ending {
        Ending::Status(status) => status,
        Ending::Signal(signal) => SIGNALLED + signal,
        Ending::TooLong => {
            said += "\nkilled: it took too long";
            -1
        }
        Ending::NotStarted => -1,
    };
    Outcome { said, status }
}
