//! Programs that run together in one start of a lab: what came of each.

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread;

use crate::judge::Cell;
use crate::platforms::Platform;
use crate::program::Program;
use crate::run::{Outcome, compile};

/// How many compilers run at the same time.
const COMPILERS: usize = 4;

/// By program: what came of it.
pub type Results = HashMap<String, Result<Outcome, Cell>>;

/// Compiles the programs, where there is a lab, and runs those that do: `run` gets them with their images.
///
/// A cell that it ends with is that of all of them.
pub fn run<'a, Lab>(
    programs: &'a [Program],
    platform: &Platform,
    find: fn() -> Result<Lab, String>,
    run: impl FnOnce(&Lab, &[(&'a Program, PathBuf)]) -> Result<Results, Cell>,
) -> Results {
    let of_all = |cell: &Cell| {
        programs
            .iter()
            .map(|program| (program.name.clone(), Err(cell.clone())))
            .collect()
    };
    let lab = match find() {
        Ok(lab) => lab,
        Err(why) => return of_all(&Cell::Skipped(why)),
    };
    let mut results = Results::new();
    let mut images = Vec::new();
    for (program, image) in compile_all(programs, platform) {
        match image {
            Ok(image) => images.push((program, image)),
            Err(why) => {
                results.insert(program.name.clone(), Err(Cell::Failed(why)));
            }
        }
    }
    match run(&lab, &images) {
        Ok(more) => {
            results.extend(more);
            results
        }
        Err(cell) => of_all(&cell),
    }
}

/// What came of a program, if it was among those that ran.
pub fn outcome(results: &Results, program: &Program) -> Result<Outcome, Cell> {
    results
        .get(&program.name)
        .cloned()
        .unwrap_or_else(|| Err(Cell::Failed("it was not taken to the lab".to_owned())))
}

/// Each program and its image, or why there is none.
fn compile_all<'a>(
    programs: &'a [Program],
    platform: &Platform,
) -> Vec<(&'a Program, Result<PathBuf, String>)> {
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
