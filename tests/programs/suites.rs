//! Suites of many small tests in one image that runs the one it is told: each test alone, as a process
//! linked with stock musl and as a guest. Where the two come to something else, a list says so, with
//! a reason; what the list says and is not so is a failure too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::built::{self, Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::stage::tool;
use crate::start::{World, guest_words};

/// A suite.
struct Suite {
    /// Of the recipe, of its image, and of the list in this directory.
    name: &'static str,
    /// What stands before the test's name on the command line, and behind it.
    words: fn(&str) -> Vec<String>,
    /// Environment beyond the usual.
    environment: &'static [(&'static str, &'static str)],
    /// What an exit status means.
    meaning: fn(i32) -> Option<&'static str>,
    /// Memory of a guest, in MiB.
    memory_mib: u32,
    /// A test that takes longer hangs.
    limit: Duration,
    /// Are some listed as long?
    has_long: bool,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "posix",
        words: |test| vec![test.to_owned()],
        environment: &[],
        meaning: |status| {
            Some(match status {
                0 => "passed",
                1 => "failed",
                2 => "unresolved",
                4 => "unsupported",
                5 => "untested",
                _ => return None,
            })
        },
        memory_mib: 64,
        limit: Duration::from_secs(60),
        has_long: true,
    },
    Suite {
        name: "uv",
        words: |test| vec![test.to_owned(), test.to_owned()],
        environment: &[("UV_RUN_AS_ROOT", "1")],
        meaning: |status| {
            Some(match status {
                0 => "passed",
                7 => "skipped",
                _ => return None,
            })
        },
        memory_mib: 128,
        limit: Duration::from_secs(60),
        has_long: false,
    },
];

/// How many tests run at the same time: most of them wait most of their time.
const AT_ONCE: usize = 16;

/// How often a test that came to something unexpected is run again, alone.
const TRIES: usize = 2;

/// What a signal adds to a status.
const SIGNALLED: i32 = 128;

/// The tests: a suite without what takes long, and all of it.
pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for suite in SUITES {
        for (length, is_long) in [("short", false), ("all", true)] {
            if is_long && !suite.has_long {
                continue;
            }
            let name = format!("{}::{length}", suite.name);
            let test = move || completion(suite.is_as_listed(is_long));
            all.push(Trial::ignorable_test(name, test).with_ignored_flag(is_long));
        }
    }
    all.push(Trial::test("suites::the_comparison_can_say_no", || {
        can_say_no().map_err(Failed::from)
    }));
    all
}

/// What a test came to: as a process, and as a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    stock: String,
    guest: String,
}

/// What a list says of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Note {
    /// It comes to something else as a guest.
    Differs(Pair),
    /// It is run in both worlds, but what it comes to is not the same each time.
    Unsteady,
    /// It is run only when there is time.
    Long,
    /// It is not run.
    NotRun,
}

/// A list.
#[derive(Debug, Default)]
struct List {
    notes: BTreeMap<String, Note>,
    /// How many tests there are for each reason.
    reasons: Vec<(String, usize)>,
}

impl List {
    /// Reads `kind: reason` before lines that name tests.
    fn read(text: &str) -> Result<List, String> {
        let mut list = List::default();
        let mut kind = "";
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some((of, reason)) = line.split_once(": ") {
                kind = of;
                list.reasons.push((reason.to_owned(), 0));
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            let (name, note) = match (kind, &words[..]) {
                ("differs", [name, stock, guest]) => {
                    let (stock, guest) = ((*stock).to_owned(), (*guest).to_owned());
                    (name, Note::Differs(Pair { stock, guest }))
                }
                ("unsteady", [name]) => (name, Note::Unsteady),
                ("long", [name]) => (name, Note::Long),
                ("not run", [name]) => (name, Note::NotRun),
                _ => return Err(format!("nobody understands the line '{line}' ({kind})")),
            };
            if list.notes.insert((*name).to_owned(), note).is_some() {
                return Err(format!("{name} is listed twice"));
            }
            if let Some((_, count)) = list.reasons.last_mut() {
                *count += 1;
            }
        }
        Ok(list)
    }

    fn is_run(&self, test: &str, is_long: bool) -> bool {
        match self.notes.get(test) {
            Some(Note::NotRun) => false,
            Some(Note::Long) => is_long,
            _ => true,
        }
    }

    /// What is to be said against what a test came to.
    fn complaint(&self, test: &str, came: &Pair) -> Option<String> {
        let is = format!("{test} {} {}", came.stock, came.guest);
        match self.notes.get(test) {
            Some(Note::Unsteady | Note::NotRun) => None,
            Some(Note::Differs(listed)) if listed == came => None,
            Some(Note::Differs(_)) if came.stock == came.guest => {
                Some(format!("{is}: take it out of the list"))
            }
            Some(Note::Differs(listed)) => Some(format!(
                "{is}, and not {} {} as listed",
                listed.stock, listed.guest
            )),
            Some(Note::Long) | None if came.stock == came.guest => None,
            Some(Note::Long) | None => Some(format!("{is}, which is not listed")),
        }
    }
}

impl Suite {
    fn is_as_listed(&self, is_long: bool) -> Step<()> {
        let path = repository().join(format!("tests/programs/{}-tests.txt", self.name));
        let text = fs::read_to_string(&path).map_err(|why| Failure::io("reading", &path, &why))?;
        let list = List::read(&text)
            .map_err(|why| Failure::new(format_args!("{}: {why}", path.display())))?;
        let stock = built::program(self.name, Flavour::Stock)?;
        let guest = built::program(self.name, Flavour::Solo5Spt)?;
        let names = stock.join(format!("{}.names", self.name));
        let names =
            fs::read_to_string(&names).map_err(|why| Failure::io("reading", &names, &why))?;
        if let Some(unknown) = list
            .notes
            .keys()
            .find(|test| !names.lines().any(|name| name == *test))
        {
            return Err(Failure::new(format_args!("there is no test {unknown}")));
        }
        let chosen: Vec<&str> = names
            .lines()
            .filter(|test| list.is_run(test, is_long))
            .collect();
        let images = Images {
            stock: stock.join(self.name),
            guest: guest.join(self.name),
        };
        let came = self.run_all(&chosen, &images)?;
        eprint!("{}", table(self.name, &came));
        for (reason, count) in &list.reasons {
            eprintln!("  {count} tests are listed: {reason}");
        }
        let mut complaints = String::new();
        for (test, pair) in came {
            let mut complaint = list.complaint(&test, &pair);
            for _ in 0..TRIES {
                if complaint.is_none() {
                    break;
                }
                complaint = list.complaint(&test, &self.run_both(&test, &images)?);
            }
            if let Some(complaint) = complaint {
                complaints += &complaint;
                complaints.push('\n');
            }
        }
        match complaints.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(complaints)),
        }
    }

    /// Runs tests, many at once.
    fn run_all(&self, tests: &[&str], images: &Images) -> Step<BTreeMap<String, Pair>> {
        let left = Mutex::new(tests.iter());
        let came = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            let work = || -> Step<()> {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(test) = next else {
                        return Ok(());
                    };
                    let pair = self.run_both(test, images)?;
                    came.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert((*test).to_owned(), pair);
                }
            };
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(Failure::new("a worker panicked")))
            })
        })?;
        Ok(came.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn run_both(&self, test: &str, images: &Images) -> Step<Pair> {
        Ok(Pair {
            stock: self.run(test, &images.stock, World::Stock)?,
            guest: self.run(test, &images.guest, World::Spt)?,
        })
    }

    /// What a test comes to, in a word.
    fn run(&self, test: &str, image: &Path, world: World) -> Step<String> {
        let scratch =
            TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
        let (work, said) = (scratch.path().join("work"), scratch.path().join("said"));
        fs::create_dir(&work).map_err(|why| Failure::io("making", &work, &why))?;
        let output = File::create(&said).map_err(|why| Failure::io("making", &said, &why))?;
        let errors = output
            .try_clone()
            .map_err(|why| Failure::io("opening", &said, &why))?;
        let mut command = match world {
            World::Stock => harmless(image),
            _ => {
                let mut command = Command::new(repository().join("out/bin/muslin"));
                command.args(guest_words(world, self.memory_mib, "tmp"));
                for (name, value) in self.environment {
                    command.arg(format!("--env={name}={value}"));
                }
                command.arg(image).arg("--");
                command
            }
        };
        command
            .args((self.words)(test))
            .envs(self.environment.iter().copied())
            .current_dir(&work)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0);
        let failed = |why: std::io::Error| Failure::new(format_args!("running {test}: {why}"));
        let child = command.spawn().map_err(failed)?;
        let status = wait(child, self.limit).map_err(failed)?;
        Ok(match status {
            None => "hung".to_owned(),
            Some(status) => match (self.meaning)(status) {
                Some(meaning) => meaning.to_owned(),
                None => format!("ended-{status}"),
            },
        })
    }
}

struct Images {
    stock: PathBuf,
    guest: PathBuf,
}

/// A command that cannot change the machine: tests that try to set its clock must not come to it.
fn harmless(image: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(image);
    }
    let mut command = Command::new(tool("setpriv"));
    command
        .args(["--bounding-set=-all,+sys_nice", "--inh-caps=-all"])
        .arg(image);
    command
}

/// The status of a process; none if it does not end in time. What it started ends with it.
fn wait(mut child: Child, limit: Duration) -> std::io::Result<Option<i32>> {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(1);
    let ended = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if begin.elapsed() > limit => break None,
            None => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // Nothing is left of most groups.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    child.wait()?;
    Ok(ended.map(|status| {
        status
            .code()
            .unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or(0))
    }))
}

/// How many tests came to what, by the call that they test, natively and as a guest.
fn table(suite: &str, came: &BTreeMap<String, Pair>) -> String {
    let mut counts = BTreeMap::<(&str, &str), [usize; 2]>::new();
    for (test, pair) in came {
        let area = area_of(test);
        for area in [area, "all"] {
            counts.entry((area, word(&pair.stock))).or_default()[0] += 1;
            counts.entry((area, word(&pair.guest))).or_default()[1] += 1;
        }
    }
    let mut text = format!(
        "{suite}: {} tests; natively, and as a guest of spt\n",
        came.len()
    );
    let mut last = "";
    for ((area, word), [stock, guest]) in counts {
        if area != last {
            last = area;
            let _ = write!(
                text,
                "{}{area:18}",
                if text.ends_with('\n') { "" } else { "\n" }
            );
        }
        let _ = write!(text, "  {word} {stock}/{guest}");
    }
    text.push('\n');
    text
}

/// Endings by signals and other statuses are one kind in the table.
fn word(outcome: &str) -> &str {
    if outcome.starts_with("ended-") {
        "ended"
    } else {
        outcome
    }
}

/// What a test of the POSIX suite is about.
fn area_of(test: &str) -> &'static str {
    const AREAS: &[(&str, &str)] = &[
        ("pthread_mutex", "mutexes"),
        ("pthread_cond", "condition variables"),
        ("pthread_barrier", "barriers"),
        ("pthread_rwlock", "rwlocks"),
        ("pthread_spin", "spinlocks"),
        ("pthread_once", "once"),
        ("pthread_key", "keys"),
        ("pthread_getspecific", "keys"),
        ("pthread_setspecific", "keys"),
        ("pthread_", "threads"),
        ("sem_", "semaphores"),
        ("timer_", "timers"),
        ("clock", "clocks"),
        ("nanosleep", "clocks"),
        ("sched_", "scheduling"),
        ("sig", "signals"),
        ("kill", "signals"),
        ("raise", "signals"),
    ];
    let is_of = |(begin, _): &&(&str, &str)| test.starts_with(begin) && test.contains('/');
    AREAS.iter().find(is_of).map_or("tests", |(_, area)| area)
}

fn can_say_no() -> Result<(), String> {
    let list = List::read(
        "# Words.\ndiffers: one processor\na passed failed\nunsteady: a race\nb\nnot run: a reason\nc\nlong: it is\nd\n",
    )?;
    let pair = |stock: &str, guest: &str| Pair {
        stock: stock.to_owned(),
        guest: guest.to_owned(),
    };
    let cases = [
        ("a", pair("passed", "failed"), false),
        ("a", pair("passed", "passed"), true),
        ("a", pair("passed", "hung"), true),
        ("b", pair("passed", "hung"), false),
        ("d", pair("passed", "failed"), true),
        ("e", pair("passed", "failed"), true),
        ("e", pair("failed", "failed"), false),
    ];
    for (test, came, is_wrong) in cases {
        if list.complaint(test, &came).is_some() != is_wrong {
            return Err(format!("{test} {came:?} is judged wrongly"));
        }
    }
    if list.is_run("c", true) || list.is_run("d", false) || !list.is_run("d", true) {
        return Err("the choice of tests is wrong".to_owned());
    }
    for wrong in ["a\n", "differs: x\na passed\n", "unsteady: x\na\na\n"] {
        if List::read(wrong).is_ok() {
            return Err(format!("'{wrong}' is read as a list"));
        }
    }
    Ok(())
}
