//! Programs that need nobody else: one process, one thread, no input. Each run of theirs starts in
//! the same files and must say the same, with the same status, as a process linked with stock musl,
//! as a process linked with Muslin, and as a guest whose root directory is an archive of those files:
//! of spt, of hvt and of Xen, and as a process with the guest's library OS.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::built;
use crate::failure::{Failure, Step};
use crate::machines;
use crate::same::completion;
use crate::stage::tool;
use crate::start::{Outcome, Start, World, without_reports};
use crate::xen::{self, Entry, Group, Outcomes};

/// The directory that a run starts in, below its root.
pub const WORK: &str = "work";

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

/// The tests of programs: one for each world that is not stock musl's.
pub fn trials(programs: &'static [Program]) -> Vec<Trial> {
    let lab = Arc::new(OnceLock::new());
    let of_program = |program: &'static Program| {
        let reference = Arc::new(OnceLock::new());
        let lab = Arc::clone(&lab);
        [World::Linux, World::Spt, World::Process, World::Hvt]
            .into_iter()
            .filter(|world| *world != World::Hvt || program.is_for_machines())
            .map(move |world| {
                let (reference, lab) = (Arc::clone(&reference), Arc::clone(&lab));
                let name = format!("{}::{}", program.name, world.name());
                Trial::ignorable_test(name, move || {
                    let stock = reference.get_or_init(|| outcomes(program, World::Stock));
                    let ours = match world {
                        World::Hvt => lab
                            .get_or_init(|| machines::outcomes(programs))
                            .as_ref()
                            .map(|all| all.get(program.name).cloned().unwrap_or_default())
                            .map_err(Clone::clone),
                        _ => outcomes(program, world),
                    };
                    completion(same(program, stock, ours, world))
                })
                .with_ignored_flag(program.is_long)
            })
    };
    let mut all: Vec<Trial> = programs.iter().flat_map(of_program).collect();
    all.extend(trials_in_xen(programs));
    all
}

/// The same in Xen; all runs of a group are one job of its lab.
fn trials_in_xen(programs: &'static [Program]) -> impl Iterator<Item = Trial> {
    let jobs: Arc<Mutex<HashMap<_, Step<Outcomes>>>> = Arc::default();
    let of_program = move |program: &'static Program| {
        let jobs = Arc::clone(&jobs);
        [World::XenPv, World::XenPvh].map(|world| {
            let jobs = Arc::clone(&jobs);
            let entry = match world {
                World::XenPvh => Entry::Pvh,
                _ => Entry::Pv,
            };
            let group = Group::of(program);
            let name = format!("{}::{}", program.name, world.name());
            Trial::ignorable_test(name, move || {
                let stock = outcomes(program, World::Stock);
                let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
                let ours = jobs
                    .entry((entry, group))
                    .or_insert_with(|| xen::outcomes(programs, entry, group));
                let ours = ours.as_ref().map_err(Clone::clone);
                let ours = ours.map(|all| all.get(program.name).cloned().unwrap_or_default());
                completion(same(program, &stock, ours, world))
            })
            .with_ignored_flag(entry == Entry::Pvh || group != Group::Core)
        })
    };
    programs
        .iter()
        .filter(|program| program.is_for_machines())
        .flat_map(of_program)
}

fn same(
    program: &Program,
    stock: &Step<Vec<Outcome>>,
    ours: Step<Vec<Outcome>>,
    world: World,
) -> Step<()> {
    let stock = stock.as_ref().map_err(Clone::clone)?;
    let ours = ours?;
    if stock.iter().all(|outcome| outcome.said.is_empty()) || ours.is_empty() {
        return Err(Failure::new("nothing was run that says something"));
    }
    let mut differences = String::new();
    for ((words, stock), ours) in program.runs.iter().zip(stock).zip(&ours) {
        if stock != ours {
            differences += &format!(
                "{}\n--- stock musl [{}]\n{}\n--- {} [{}]\n{}\n",
                words.join(" "),
                stock.status,
                stock.said,
                world.name(),
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
fn outcomes(program: &Program, world: World) -> Step<Vec<Outcome>> {
    let programs = built::program(program.recipe, world.flavour())?;
    program
        .runs
        .iter()
        .map(|words| {
            let place = Place::new(program, &programs)?;
            let (executable, arguments) = words.split_first().unwrap_or((&"", &[]));
            let image = Path::new("../../programs").join(executable);
            let start = Start {
                world,
                root: &place.root(),
                work: WORK,
                memory_mib: program.memory_mib,
            };
            let outcome = start.run(&image, arguments)?;
            Ok(program.steadied(&outcome, &image.to_string_lossy(), executable))
        })
        .collect()
}

impl Program {
    /// Is it run in machines, too? Minutes would be hours in an emulated one.
    pub fn is_for_machines(&self) -> bool {
        !self.is_long
    }

    /// An outcome with what is the same on each run; the image is called by its name.
    pub fn steadied(&self, outcome: &Outcome, image: &str, executable: &str) -> Outcome {
        let said = without_reports(&outcome.said).replace(image, executable);
        Outcome {
            said: (self.steady)(&said),
            status: outcome.status,
        }
    }
}

/// Where a run starts.
pub struct Place {
    scratch: TempDir,
}

impl Place {
    /// A new one with a program's files; the second path is that of the built executables.
    pub fn new(program: &Program, programs: &Path) -> Step<Place> {
        let scratch =
            TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
        let place = Place { scratch };
        let work = place.work();
        fs::create_dir_all(&work).map_err(|why| Failure::io("making", &work, &why))?;
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
    pub fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    /// An archive of it with this name, beside it.
    pub fn pack(&self, name: &str) -> Step<PathBuf> {
        let packed = self.root().with_file_name(name);
        let output = Command::new(tool("tar"))
            .arg("-cf")
            .arg(&packed)
            .arg("-C")
            .arg(self.root())
            .args(["--format=ustar", WORK, "etc"])
            .output()
            .map_err(|why| Failure::io("packing", &packed, &why))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format_args!("tar: {said}")));
        }
        Ok(packed)
    }

    fn work(&self) -> PathBuf {
        self.root().join(WORK)
    }
}
