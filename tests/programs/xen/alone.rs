//! Programs that need nobody else, one guest after the other in one machine.

use std::collections::HashMap;
use std::fs;

use muslin_lab::xen::Job;

use super::{Entry, Guest, add, ended, run};
use crate::alone::{Place, Program, WORK};
use crate::built::{self, Flavour};
use crate::failure::{Failure, Step};
use crate::start::{Outcome, guest_environment};

/// Which programs one job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Those that are to be seen each time: the first run of each.
    Core,
    /// One of the others: its first runs.
    One(&'static str),
}

impl Group {
    /// The one that a program belongs to.
    pub fn of(program: &Program) -> Self {
        if CORE.contains(&program.name) {
            Group::Core
        } else {
            Group::One(program.name)
        }
    }
}

/// The core.
const CORE: &[&str] = &["alone-lua", "alone-sqlite"];

/// What a guest gets at the least: besides what it has on Solo5, a PV guest keeps page tables of all, and both have rings.
const MIB_MIN: u32 = 18;

/// How many runs of a program there are, the first ones.
const RUNS_MAX: usize = 3;

/// What stands before the output of a run, with its length in bytes.
const HEADING: &str = "\n=== ";

/// The outcomes of programs' runs, by their names.
pub type Outcomes = HashMap<&'static str, Vec<Outcome>>;

/// Runs the first of each program's runs.
pub fn outcomes(programs: &[Program], entry: Entry, group: Group) -> Step<Outcomes> {
    muslin_lab::xen::Lab::find().map_err(Failure::skip)?;
    let mut job = Job::default();
    let mut runs = Vec::new();
    let are_chosen = |program: &&Program| program.is_for_machines() && Group::of(program) == group;
    for program in programs.iter().filter(are_chosen) {
        let images = built::program(program.recipe, Flavour::Xen)?;
        let place = Place::new(program, &images)?;
        let archive = format!("{}.tar", program.name);
        let packed = place.pack(&archive)?;
        let bytes = fs::read(&packed).map_err(|why| Failure::io("reading", &packed, &why))?;
        job.files.push((archive.clone(), bytes));
        let count = if group == Group::Core { 1 } else { RUNS_MAX };
        for words in program.runs.iter().take(count) {
            let (image, arguments) = words.split_first().unwrap_or((&"", &[]));
            let name = format!("g{}", runs.len());
            let memory_mib = program.memory_mib.max(MIB_MIN);
            let mut options = vec![format!("--mem={memory_mib}")];
            options.push(format!("--cwd=/{WORK}"));
            options.extend(guest_environment());
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            add(
                &mut job,
                &Guest {
                    name: &name,
                    entry,
                    images: &images,
                    image,
                    options: &options,
                    arguments,
                    initrd: Some(&archive),
                    disks: "",
                },
            )?;
            // What is typed is the end of the input, which some read to.
            job.script += &format!(
                "printf '\\004' | guest {name}.cfg >said 2>>log\n\
                 printf '\\n=== %d\\n' $(wc -c <said)\ncat said\n"
            );
            runs.push((program, *image));
        }
    }
    let said = run(job)?;
    let mut by_program = Outcomes::new();
    let mut rest = &said[..];
    for (program, image) in runs {
        let (console, after) = section(rest).ok_or_else(|| {
            let said = String::from_utf8_lossy(&said);
            Failure::new(format_args!(
                "{}: not in what was said:\n{said}",
                program.name
            ))
        })?;
        rest = after;
        let (said, status) = ended(console);
        let outcome = Outcome {
            said,
            status: status.map_or(-1, i32::from),
        };
        let outcome = program.steadied(&outcome, &format!("./{image}"), image);
        by_program.entry(program.name).or_default().push(outcome);
    }
    Ok(by_program)
}

/// The output of a run, and what comes after it.
fn section(said: &[u8]) -> Option<(&[u8], &[u8])> {
    let said = said.strip_prefix(HEADING.as_bytes())?;
    let end = said.iter().position(|byte| *byte == b'\n')?;
    let len: usize = str::from_utf8(&said[..end]).ok()?.parse().ok()?;
    said[end + 1..].split_at_checked(len)
}
