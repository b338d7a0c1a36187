//! The comparison: the same session on three stages (stock musl, Muslin, Muslin traced) must say the
//! same, leave the same files, and be counted by the table as `strace` counts it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use libtest_mimic::{Completion, Failed, Trial};

use crate::built::{self, Flavour};
use crate::counts;
use crate::failure::{Failure, Step};
use crate::stage::{Stage, Watch};
use crate::strace;

/// A session: what is done with a program. It must do the same on each stage.
pub type Session = fn(&Stage) -> Step<()>;

/// How often a soak repeats a traced session.
const SOAK_ROUNDS: usize = 20;

/// The tests of a program: its outputs, its counts, and (ignored unless asked for) its counts many
/// times over.
pub fn trials(name: &'static str, program: &'static str, session: Session) -> [Trial; 3] {
    let counts = move |rounds| match no_strace() {
        Some(reason) => Err(Failure::skip(reason)),
        None => (0..rounds).try_for_each(|_| same_counts(program, name, session)),
    };
    [
        Trial::ignorable_test(format!("{name}::same_output"), move || {
            completion(same_output(program, name, session))
        }),
        Trial::ignorable_test(format!("{name}::same_counts"), move || {
            completion(counts(1))
        }),
        Trial::ignorable_test(format!("{name}::soak"), move || {
            completion(counts(SOAK_ROUNDS))
        })
        .with_ignored_flag(true),
    ]
}

/// The result as the test harness wants it.
pub fn completion(result: Step<()>) -> Result<Completion, Failed> {
    match result {
        Ok(()) => Ok(Completion::Completed),
        Err(failure) if failure.is_skip => Ok(Completion::ignored_with(failure)),
        Err(failure) => Err(Failed::from(failure.to_string())),
    }
}

fn same_output(program: &str, inputs: &str, session: Session) -> Step<()> {
    let ours = perform(program, inputs, Flavour::Muslin, Watch::No, session)?;
    let stock = perform(program, inputs, Flavour::Stock, Watch::Counted, session)?;
    if stock
        .watched_launches()
        .iter()
        .any(|(_, counts)| counts.exists())
    {
        return Err(Failure::new(
            "the image linked with stock musl counts its calls: it is one of ours",
        ));
    }
    if stock.transcript().is_empty() {
        return Err(Failure::new("the session said nothing"));
    }
    compare(stock, ours)
}

fn same_counts(program: &str, inputs: &str, session: Session) -> Step<()> {
    let stage = perform(program, inputs, Flavour::Muslin, Watch::Traced, session)?;
    let launches = stage.watched_launches();
    let mut differences = String::new();
    let mut total = 0;
    let mut entered = 0;
    let mut kinds = BTreeSet::new();
    for (trace, counts) in &launches {
        let text = fs::read(trace).map_err(|why| Failure::io("reading", trace, &why))?;
        let made = strace::read(&String::from_utf8_lossy(&text));
        let counts = counts::read(counts)?;
        entered += counts.entered.iter().sum::<u64>();
        let by_table = passed(&counts.passed)?;
        let different = differences_between(&made, &by_table);
        if !different.is_empty() {
            differences += &format!("{}:\n{different}", trace.display());
        }
        total += by_table.values().sum::<u64>();
        kinds.extend(by_table.into_keys());
    }
    if launches.is_empty() || total == 0 {
        return Err(Failure::new("no call was counted"));
    }
    if !differences.is_empty() {
        let kept = stage.keep();
        return Err(Failure::new(format_args!(
            "{differences}kept for a look: {}",
            kept.display()
        )));
    }
    eprintln!(
        "{inputs}: {entered} calls entered the table; it passed on {total} of {} kinds, as strace counted too",
        kinds.len()
    );
    Ok(())
}

/// A line for each call that was not counted alike. A thread that was ended while it ran may have
/// counted one call that it did not come to make.
fn differences_between(made: &strace::Made, by_table: &BTreeMap<String, u64>) -> String {
    let names: BTreeSet<&String> = made.calls.keys().chain(by_table.keys()).collect();
    let of = |counts: &BTreeMap<String, u64>, name| counts.get(name).copied().unwrap_or(0);
    let mut lines = String::new();
    let mut counted_only = 0;
    let mut made_only = 0;
    for name in names {
        let (seen, passed) = (of(&made.calls, name), of(by_table, name));
        if seen != passed {
            lines += &format!("{name}: strace saw {seen}, the table passed {passed}\n");
            counted_only += passed.saturating_sub(seen);
            made_only += seen.saturating_sub(passed);
        }
    }
    if made_only == 0 && counted_only <= made.ended_while_running {
        lines.clear();
    }
    lines
}

fn perform(
    program: &str,
    inputs: &str,
    flavour: Flavour,
    watch: Watch,
    session: Session,
) -> Step<Stage> {
    let stage = Stage::new(&built::program(program, flavour)?, inputs, watch)?;
    session(&stage).map_err(|failure| {
        Failure::new(format_args!(
            "{flavour:?}: {failure}\n--- transcript\n{}",
            String::from_utf8_lossy(&stage.transcript())
        ))
    })?;
    Ok(stage)
}

fn compare(stock: Stage, ours: Stage) -> Step<()> {
    let mut differences = String::new();
    if stock.transcript() != ours.transcript() {
        differences += &format!(
            "the outputs differ\n--- stock\n{}\n--- muslin\n{}\n",
            String::from_utf8_lossy(&stock.transcript()),
            String::from_utf8_lossy(&ours.transcript())
        );
    }
    let (left, right) = (stock.files()?, ours.files()?);
    let paths: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    for path in paths {
        if left.get(path) != right.get(path) {
            differences += &format!(
                "{}: {} with stock musl, {} with Muslin\n",
                path.display(),
                size(left.get(path)),
                size(right.get(path))
            );
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{differences}kept for a look: {} and {}",
        stock.keep().display(),
        ours.keep().display()
    )))
}

fn size(content: Option<&Vec<u8>>) -> String {
    content.map_or("absent".to_owned(), |bytes| {
        format!("{} bytes", bytes.len())
    })
}

/// The passed calls by name, without those that cannot be compared.
fn passed(by_number: &[u64]) -> Step<BTreeMap<String, u64>> {
    let mut passed = BTreeMap::new();
    let names = names()?;
    for (number, &calls) in by_number.iter().enumerate() {
        let name = names
            .get(&number)
            .cloned()
            .unwrap_or(format!("number {number}"));
        if calls != 0 && !strace::EXEMPT.contains(&name.as_str()) {
            passed.insert(name, calls);
        }
    }
    Ok(passed)
}

/// The names of the numbers, from musl's own header.
fn names() -> Step<&'static BTreeMap<usize, String>> {
    static NAMES: OnceLock<BTreeMap<usize, String>> = OnceLock::new();
    if let Some(names) = NAMES.get() {
        return Ok(names);
    }
    let header = Flavour::Stock.sysroot().join("include/bits/syscall.h");
    let text = fs::read_to_string(&header).map_err(|why| Failure::io("reading", &header, &why))?;
    let name_of = |line: &str| {
        let (name, number) = line
            .strip_prefix("#define __NR_")?
            .split_once(char::is_whitespace)?;
        Some((number.trim().parse().ok()?, name.to_owned()))
    };
    Ok(NAMES.get_or_init(|| text.lines().filter_map(name_of).collect()))
}

/// Why `strace` cannot be used here, if so.
fn no_strace() -> Option<&'static str> {
    static REASON: OnceLock<Option<&'static str>> = OnceLock::new();
    *REASON.get_or_init(|| {
        let tried = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "true"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(Path::new("/"))
            .status();
        match tried {
            Ok(status) if status.success() => None,
            Ok(_) => Some("strace may not trace here (no ptrace)"),
            Err(_) => Some("no strace here (Debian: apt-get install strace)"),
        }
    })
}

/// Tests of the comparison itself: it must see what differs.
pub fn self_trials() -> Vec<Trial> {
    let counts = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|(name, count)| (name.to_string(), *count))
            .collect()
    };
    let expect = |name: &str, found: String, wanted: &str| {
        let wanted = wanted.to_owned();
        Trial::test(format!("comparison::{name}"), move || {
            if found == wanted {
                return Ok(());
            }
            Err(Failed::from(format!("found {found:?}, wanted {wanted:?}")))
        })
    };
    let both = counts(&[("read", 2), ("write", 1)]);
    let made = |ended_while_running| strace::Made {
        calls: both.clone(),
        ended_while_running,
    };
    let read = |text: &str| {
        let made = strace::read(text);
        format!("{:?} {}", made.calls, made.ended_while_running)
    };
    let one_more = counts(&[("read", 3), ("write", 1)]);
    vec![
        expect(
            "equal_counts_pass",
            differences_between(&made(0), &both),
            "",
        ),
        expect(
            "one_call_more_is_seen",
            differences_between(&made(0), &one_more),
            "read: strace saw 2, the table passed 3\n",
        ),
        expect(
            "a_call_past_the_table_is_seen",
            differences_between(&made(5), &counts(&[("read", 2)])),
            "write: strace saw 1, the table passed 0\n",
        ),
        expect(
            "a_thread_ended_before_its_call_is_forgiven",
            differences_between(&made(1), &one_more),
            "",
        ),
        expect(
            "but_only_one_call_each",
            differences_between(&made(1), &counts(&[("read", 4), ("write", 1)])),
            "read: strace saw 2, the table passed 4\n",
        ),
        expect(
            "trace_a_call_that_waits_at_the_end_was_made",
            read(strace::samples::WAITING),
            r#"{"futex": 2, "write": 2} 1"#,
        ),
        expect(
            "trace_a_call_begun_again_was_made_once",
            read(strace::samples::BEGUN_AGAIN),
            r#"{"getpid": 1, "read": 1, "wait4": 1} 0"#,
        ),
        expect(
            "trace_a_call_ended_by_a_signal_was_made",
            read(strace::samples::ENDED_BY_SIGNAL),
            r#"{"nanosleep": 1, "read": 2} 0"#,
        ),
    ]
}
