//! Tests that are built by `rustc --test`: Rust's own of `core`, `alloc` and `std`, and those of crates
//! about threads and waiting; as processes linked with stock musl and as guests. What fails as a guest, and
//! not as a process, is in a list, by name and with a reason; a test that is in the list and passes is a
//! failure too, so that the list says what is true. Tests that would not end there are not run there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::built::{self, Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::start::{Start, World, without_reports};

/// Images of one recipe.
struct Group {
    /// The recipe, and the list in this directory.
    name: &'static str,
    /// The images.
    images: &'static [&'static str],
    /// Images whose tests take minutes.
    long: &'static [&'static str],
    /// Does it run through the table to Linux, too? There everything must be as with stock musl.
    is_on_linux: bool,
}

const GROUPS: &[Group] = &[
    Group {
        name: "rust-tests",
        images: &[
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
        ],
        long: &[],
        is_on_linux: false,
    },
    Group {
        name: "rust-suites",
        images: &[
            "crossbeam-deque",
            "crossbeam-epoch-inside",
            "crossbeam-queue",
            "crossbeam-utils",
            "crossbeam-utils-inside",
            "parking_lot",
            "parking_lot_core-inside",
            "tokio",
            "tokio-inside",
        ],
        // Three minutes natively, most of them asleep: tests that look at clocks and allocations run in turn.
        long: &["crossbeam-channel"],
        is_on_linux: true,
    },
];

/// Tests of networks that run over Muslin's stack in a process, too: the recipe, the image, and words that choose them.
const OVER_THE_STACK: &[(&str, &str, &[&str])] = &[
    ("rust-tests", "std-inside", &["net::"]),
    ("rust-suites", "tokio", &["tcp_", "udp", "net_"]),
];

/// The tests: one for each image, one for each of those over the stack, and one of the comparison itself.
pub fn trials() -> Vec<Trial> {
    let mut all: Vec<Trial> = Vec::new();
    for group in GROUPS {
        for (images, is_long) in [(group.images, false), (group.long, true)] {
            all.extend(images.iter().map(|image| {
                Trial::ignorable_test(format!("{}::{image}", group.name), move || {
                    completion(group.is_as_listed(image))
                })
                .with_ignored_flag(is_long)
            }));
        }
    }
    all.extend(OVER_THE_STACK.iter().map(|&(recipe, image, words)| {
        Trial::ignorable_test(format!("{recipe}::{image}::over_the_stack"), move || {
            completion(over_the_stack(recipe, image, words))
        })
    }));
    all.push(Trial::test("rust-tests::the_comparison_can_say_no", || {
        can_say_no().map_err(Failed::from)
    }));
    all
}

impl Group {
    fn is_as_listed(&self, image: &str) -> Step<()> {
        let list = repository().join(format!("tests/programs/{}.txt", self.name));
        let text = fs::read_to_string(&list).map_err(|why| Failure::io("reading", &list, &why))?;
        let known = Known::of(&text, &[image]);
        let images = |world: World| -> Step<PathBuf> {
            Ok(built::program(self.name, world.flavour())?.join(image))
        };
        let stock = run(&images(World::Stock)?, World::Stock, &[])?;
        if self.is_on_linux {
            let ours = run(&images(World::Linux)?, World::Linux, &[])?;
            eprintln!("{image}: through the table {ours}");
            verdict(&Known::of("", &[]), &stock, &ours, self.name).map_err(Failure::new)?;
        }
        let mut words = Vec::new();
        if !known.endless.is_empty() {
            words.push("--exact");
            words.extend(known.endless.iter().flat_map(|test| ["--skip", test]));
        }
        let guest = run(&images(World::Spt)?, World::Spt, &words)?;
        eprintln!(
            "{image}: linux {stock}; solo5-spt {guest}{}",
            known.reasons()
        );
        verdict(&known, &stock, &guest, self.name).map_err(Failure::new)
    }
}

/// On Linux, sockets of Muslin's stack do what the kernel's do.
fn over_the_stack(recipe: &str, image: &str, words: &[&str]) -> Step<()> {
    let stock = built::program(recipe, Flavour::Stock)?;
    let stock = run(&stock.join(image), World::Stock, words)?;
    let ours = built::with_network(recipe, Flavour::Muslin)?;
    let ours = run(&ours.join(image), World::Linux, words)?;
    eprintln!("{image}: over Linux's sockets {stock}; over Muslin's {ours}");
    verdict(&Known::of("", &[]), &stock, &ours, recipe).map_err(Failure::new)
}

/// What is to be said against two runs; nothing if they differ as it is known.
pub fn verdict(known: &Known, linux: &Counts, guest: &Counts, list: &str) -> Result<(), String> {
    if linux.passed == 0 {
        return Err("no test passed as a process".to_owned());
    }
    let mut lines = String::new();
    for test in &guest.failed {
        if !linux.failed.contains(test) && !known.tests.contains(test) {
            lines += &format!("{test} fails, but not with stock musl, and is not in {list}.txt\n");
        }
    }
    for test in &known.tests {
        if !guest.failed.contains(test) {
            lines += &format!("{test} does not fail any more: take it out of {list}.txt\n");
        }
    }
    let (ours, theirs) = (guest.all() + known.endless.len(), linux.all());
    if ours != theirs {
        lines += &format!("{ours} tests were run or left out, {theirs} with stock musl\n");
    }
    if lines.is_empty() { Ok(()) } else { Err(lines) }
}

/// The tests of an image that are known to fail as a guest.
pub struct Known {
    tests: BTreeSet<String>,
    /// Those that would not end.
    pub endless: BTreeSet<String>,
    by_reason: Vec<(String, usize)>,
}

impl Known {
    /// Reads the list: `= reason` before lines of `image test`, for these images; behind a dash they are not run.
    pub fn of(text: &str, images: &[&str]) -> Known {
        let mut known = Known {
            tests: BTreeSet::new(),
            endless: BTreeSet::new(),
            by_reason: Vec::new(),
        };
        let mut reason = "";
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("= ") {
                reason = words;
                continue;
            }
            let (tests, line) = match line.strip_prefix("- ") {
                Some(rest) => (&mut known.endless, rest),
                None => (&mut known.tests, line),
            };
            if let Some((of, test)) = line.split_once(' ')
                && images.contains(&of)
            {
                tests.insert(test.to_owned());
                match known.by_reason.last_mut() {
                    Some((last, count)) if last == reason => *count += 1,
                    _ => known.by_reason.push((reason.to_owned(), 1)),
                }
            }
        }
        known
    }

    /// How many there are for each reason.
    pub fn reasons(&self) -> String {
        self.by_reason
            .iter()
            .map(|(reason, count)| format!("; {count} by {reason}"))
            .collect()
    }
}

/// What an image said of its tests.
#[derive(Debug, Default)]
pub struct Counts {
    passed: usize,
    failed: BTreeSet<String>,
    ignored: usize,
}

impl Counts {
    fn all(&self) -> usize {
        self.passed + self.failed.len() + self.ignored
    }

    /// Reads the output of Rust's test harness: the last list of failures and the last line.
    pub fn read(said: &str) -> Option<Counts> {
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

/// Runs the tests of an image that these words choose, one after the other.
fn run(image: &Path, world: World, words: &[&str]) -> Step<Counts> {
    let scratch =
        TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
    let start = Start {
        world,
        root: scratch.path(),
        work: "",
        memory_mib: 512,
    };
    let outcome = start.run(image, &[&["--test-threads=1"], words].concat())?;
    Counts::read(&without_reports(&outcome.said)).ok_or_else(|| {
        let lines: Vec<&str> = outcome.said.lines().collect();
        Failure::new(format_args!(
            "{} did not come to the end of its tests on {} (status {}):\n{}",
            image.display(),
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
    let known = Known::of("= threads\nimage a::one\nother b::two\n", &["image"]);
    if known.reasons() != "; 1 by threads" {
        return Err(format!("reasons: {}", known.reasons()));
    }
    let refused = |guest: &Counts| {
        verdict(&known, &linux, guest, "rust-tests")
            .err()
            .unwrap_or_default()
    };
    for (failed, wanted) in [
        (
            "    a::one\n    b::two\n",
            "b::two fails, but not with stock musl, and is not in rust-tests.txt\n",
        ),
        (
            "    a::three\n    a::one\n",
            "a::three fails, but not with stock musl, and is not in rust-tests.txt\n",
        ),
    ] {
        let found = refused(&counts(failed)?);
        if found != wanted {
            return Err(format!("{found:?} instead of {wanted:?}"));
        }
    }
    let endless = Known::of("= a spin\n- image a::four\n", &["image"]);
    let left_out = Counts {
        passed: 6,
        ..counts("")?
    };
    if verdict(&endless, &linux, &left_out, "rust-tests").is_err()
        || verdict(&endless, &linux, &linux, "rust-tests").is_ok()
    {
        return Err("tests that are left out are not counted".to_owned());
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
