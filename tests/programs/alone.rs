//! Programs that need nobody else: one process, one thread, no input. Each run of theirs starts in
//! the same files and must say the same, with the same status, as a process linked with stock musl,
//! as a process linked with Muslin, and as a guest whose root directory is an archive of those files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::built::{self, Flavour};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::start::{Outcome, Start, without_reports};

/// The directory that a run starts in, below its root.
const WORK: &str = "work";

/// A program and what is run of it.
#[derive(Clone, Copy)]
pub struct Program {
    /// The name of its tests.
    pub name: &'static str,
    /// The recipe that builds it.
    pub recipe: &'static str,
    /// Puts the files that a run starts in into its working directory; the second path is that of
    /// the built executables.
    pub plant: fn(&Path, &Path) -> Step<()>,
    /// Executables and their arguments.
    pub runs: &'static [&'static [&'static str]],
    /// What of an output is the same on each run.
    pub steady: fn(&str) -> String,
    /// Memory as a guest, in MiB.
    pub memory_mib: u32,
    /// Takes minutes.
    pub is_long: bool,
}

/// Everything that a program says is the same on each run.
pub fn all(said: &str) -> String {
    said.to_owned()
}

/// The tests of a program: one for each world that is not stock musl's.
pub fn trials(program: Program) -> Vec<Trial> {
    let reference = Arc::new(OnceLock::new());
    [Flavour::Muslin, Flavour::Solo5Spt]
        .into_iter()
        .map(|flavour| {
            let reference = Arc::clone(&reference);
            let name = format!("{}::{}", program.name, flavour.name());
            Trial::ignorable_test(name, move || {
                let stock = reference.get_or_init(|| outcomes(&program, Flavour::Stock));
                completion(same(&program, stock, flavour))
            })
            .with_ignored_flag(program.is_long)
        })
        .collect()
}

fn same(program: &Program, stock: &Step<Vec<Outcome>>, flavour: Flavour) -> Step<()> {
    let stock = stock.as_ref().map_err(Clone::clone)?;
    if stock.iter().all(|outcome| outcome.said.is_empty()) {
        return Err(Failure::new("no run said anything with stock musl"));
    }
    let ours = outcomes(program, flavour)?;
    let mut differences = String::new();
    for ((words, stock), ours) in program.runs.iter().zip(stock).zip(&ours) {
        if stock != ours {
            differences += &format!(
                "{}\n--- stock musl [{}]\n{}\n--- {} [{}]\n{}\n",
                words.join(" "),
                stock.status,
                stock.said,
                flavour.name(),
                ours.status,
                ours.said
            );
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(differences))
    }
}

/// Each run in files of its own.
fn outcomes(program: &Program, flavour: Flavour) -> Step<Vec<Outcome>> {
    let programs = built::program(program.recipe, flavour)?;
    program
        .runs
        .iter()
        .map(|words| {
            let place = Place::new(program, &programs)?;
            let (executable, arguments) = words.split_first().unwrap_or((&"", &[]));
            let image = Path::new("../../programs").join(executable);
            let start = Start {
                flavour,
                root: &place.root(),
                work: WORK,
                memory_mib: program.memory_mib,
            };
            let outcome = start.run(&image, arguments)?;
            Ok(Outcome {
                said: (program.steady)(&without_reports(&outcome.said)),
                status: outcome.status,
            })
        })
        .collect()
}

/// Where a run starts.
struct Place {
    scratch: TempDir,
}

impl Place {
    fn new(program: &Program, programs: &Path) -> Step<Place> {
        let scratch =
            TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
        let place = Place { scratch };
        let work = place.work();
        fs::create_dir_all(&work).map_err(|why| Failure::io("making", &work, &why))?;
        // A program may say by what path it was called, so that path is the same in each world.
        let link = place.scratch.path().join("programs");
        std::os::unix::fs::symlink(programs, &link)
            .map_err(|why| Failure::io("linking", &link, &why))?;
        (program.plant)(&work, programs)?;
        // Owners have the names here that they have outside.
        let etc = place.root().join("etc");
        fs::create_dir(&etc).map_err(|why| Failure::io("making", &etc, &why))?;
        for name in ["passwd", "group"] {
            let (from, to) = (Path::new("/etc").join(name), etc.join(name));
            fs::copy(&from, &to).map_err(|why| Failure::io("copying", &from, &why))?;
        }
        Ok(place)
    }

    /// The directory that a guest takes for all there is.
    fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    fn work(&self) -> PathBuf {
        self.root().join(WORK)
    }
}
