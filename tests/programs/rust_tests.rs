//! Rust's own tests of `core`, `alloc` and `std`, as processes linked with stock musl and as guests.
//! What fails as a guest, and not as a process, is in a list, by name and with a reason; a test that
//! is in the list and passes is a failure too, so that the list says what is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::built::{self, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::start::{Start, World, without_reports};

/// The images of the recipe.
const IMAGES: &[&str] = &[
    "coretests",
    "alloctests",
    "alloctests-inside",
    "std-inside",
    "std-create_dir_all_bare",
    "std-env",
    "std-env_modify",
    "std-error",
    "std-num",
    "std-panic",
    "std-path",
    "std-run-time-detect",
    "std-sync",
    "std-thread",
    "std-thread_local",
    "std-time",
];

/// The tests: one for each image, and one of the comparison itself.
pub fn trials() -> Vec<Trial> {
    let mut all: Vec<Trial> = IMAGES
        .iter()
        .map(|image| {
            Trial::ignorable_test(format!("rust-tests::{image}"), move || {
                completion(as_listed(image))
            })
        })
        .collect();
    all.push(Trial::test("rust-tests::the_comparison_can_say_no", || {
        can_say_no().map_err(Failed::from)
    }));
    all
}

fn as_listed(image: &str) -> Step<()> {
    let list = repository().join("tests/programs/rust-tests.txt");
    let text = fs::read_to_string(&list).map_err(|why| Failure::io("reading", &list, &why))?;
    let known = Known::of(&text, image);
    let linux = run(image, World::Stock)?;
    let guest = run(image, World::Spt)?;
    eprintln!(
        "{image}: linux {linux}; solo5-spt {guest}{}",
        known.reasons()
    );
    verdict(&known, &linux, &guest).map_err(Failure::new)
}

/// What is to be said against two runs; nothing if they differ as it is known.
fn verdict(known: &Known, linux: &Counts, guest: &Counts) -> Result<(), String> {
    if linux.passed == 0 {
        return Err("no test passed as a process".to_owned());
    }
    let mut lines = String::new();
    for test in &guest.failed {
        if !linux.failed.contains(test) && !known.tests.contains(test) {
            lines += &format!("{test} fails as a guest only, and is not in rust-tests.txt\n");
        }
    }
    for test in &known.tests {
        if !guest.failed.contains(test) {
            lines += &format!("{test} does not fail any more: take it out of rust-tests.txt\n");
        }
    }
    let (ours, theirs) = (guest.all(), linux.all());
    if ours != theirs {
        lines += &format!("{ours} tests as a guest, {theirs} as a process\n");
    }
    if lines.is_empty() { Ok(()) } else { Err(lines) }
}

/// The tests of an image that are known to fail as a guest.
struct Known {
    tests: BTreeSet<String>,
    by_reason: Vec<(String, usize)>,
}

impl Known {
    /// Reads the list: `= reason` before lines of `image test`.
    fn of(text: &str, image: &str) -> Known {
        let mut known = Known {
            tests: BTreeSet::new(),
            by_reason: Vec::new(),
        };
        let mut reason = "";
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("= ") {
                reason = words;
            } else if let Some((of, test)) = line.split_once(' ')
                && of == image
            {
                known.tests.insert(test.to_owned());
                match known.by_reason.last_mut() {
                    Some((last, count)) if last == reason => *count += 1,
                    _ => known.by_reason.push((reason.to_owned(), 1)),
                }
            }
        }
        known
    }

    fn reasons(&self) -> String {
        self.by_reason
            .iter()
            .map(|(reason, count)| format!("; {count} need {reason}"))
            .collect()
    }
}

/// What an image said of its tests.
#[derive(Debug, Default)]
struct Counts {
    passed: usize,
    failed: BTreeSet<String>,
    ignored: usize,
}

impl Counts {
    fn all(&self) -> usize {
        self.passed + self.failed.len() + self.ignored
    }

    /// Reads the output of Rust's test harness: the last list of failures and the last line.
    fn read(said: &str) -> Option<Counts> {
        let (_, result) = said.rsplit_once("test result: ")?;
        let number_of = |what: &str| {
            let (before, _) = result.split_once(what)?;
            before.rsplit(' ').next()?.parse().ok()
        };
        let mut counts = Counts {
            passed: number_of(" passed")?,
            ignored: number_of(" ignored")?,
            ..Counts::default()
        };
        if let Some((_, failures)) = said.rsplit_once("\nfailures:\n") {
            let names = failures.lines().take_while(|line| !line.is_empty());
            counts.failed = names.map(|line| line.trim().to_owned()).collect();
        }
        (counts.failed.len() == number_of(" failed")?).then_some(counts)
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts {
            passed,
            failed,
            ignored,
        } = self;
        write!(
            out,
            "{passed} passed, {} failed, {ignored} skipped as Rust marks them",
            failed.len()
        )
    }
}

fn run(image: &str, world: World) -> Step<Counts> {
    let programs = built::program("rust-tests", world.flavour())?;
    let scratch =
        TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
    let start = Start {
        world,
        root: scratch.path(),
        work: "",
        memory_mib: 512,
    };
    let outcome = start.run(&programs.join(image), &["--test-threads=1"])?;
    Counts::read(&without_reports(&outcome.said)).ok_or_else(|| {
        let lines: Vec<&str> = outcome.said.lines().collect();
        Failure::new(format_args!(
            "{image} did not come to the end of its tests on {} (status {}):\n{}",
            world.name(),
            outcome.status,
            lines[lines.len().saturating_sub(12)..].join("\n")
        ))
    })
}

/// The list must hold exactly what fails.
fn can_say_no() -> Result<(), String> {
    let said = |failed: &str| {
        let count = failed.lines().count();
        format!(
            "test a ... ok\n\nfailures:\n{failed}\ntest result: FAILED. 5 passed; {count} failed; 1 ignored; 0 measured"
        )
    };
    let counts = |failed| Counts::read(&said(failed)).ok_or("no counts were read");
    let linux = Counts {
        passed: 7,
        ..counts("")?
    };
    let known = Known::of("= threads\nimage a::one\nother b::two\n", "image");
    if known.reasons() != "; 1 need threads" {
        return Err(format!("reasons: {}", known.reasons()));
    }
    let refused = |guest: &Counts| verdict(&known, &linux, guest).err().unwrap_or_default();
    for (failed, wanted) in [
        (
            "    a::one\n    b::two\n",
            "b::two fails as a guest only, and is not in rust-tests.txt\n",
        ),
        (
            "    a::three\n    a::one\n",
            "a::three fails as a guest only, and is not in rust-tests.txt\n",
        ),
    ] {
        let found = refused(&counts(failed)?);
        if found != wanted {
            return Err(format!("{found:?} instead of {wanted:?}"));
        }
    }
    let passes = Counts {
        passed: 7,
        ..counts("")?
    };
    let found = refused(&passes);
    if found != "a::one does not fail any more: take it out of rust-tests.txt\n" {
        return Err(format!("{found:?} of a test that passes again"));
    }
    Ok(())
}
