//! Native first: every C program of tests/conformance runs with stock musl on Linux, where its own
//! expectations must hold, and then on every platform of Muslin, where output, return values, errnos
//! and the way it ends must be the same.
//!
//! `cargo test --test conformance` runs them all and prints a table; `cargo test --test conformance
//! fork` those with "fork" in their names. One program is one test.

#[path = "conformance/below_xl.rs"]
mod below_xl;
#[path = "conformance/coverage.rs"]
mod coverage;
#[path = "conformance/gaps.rs"]
mod gaps;
#[path = "conformance/judge.rs"]
mod judge;
#[path = "conformance/machines.rs"]
mod machines;
#[path = "conformance/platforms.rs"]
mod platforms;
#[path = "conformance/program.rs"]
mod program;
#[path = "conformance/run.rs"]
mod run;
#[path = "conformance/self_check.rs"]
mod self_check;
#[path = "conformance/sysroots.rs"]
mod sysroots;
#[path = "conformance/together.rs"]
mod together;
#[path = "conformance/xen.rs"]
mod xen;

use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};

use judge::Cell;
use libtest_mimic::{Arguments, Failed, Trial};
use platforms::{ALL, Platform, XEN};
use program::Program;

/// The rows of a table, as far as they have been run.
type Rows = Arc<Mutex<Vec<(String, Vec<Cell>)>>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let programs = match program::all() {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("tests/conformance: {why}");
            return ExitCode::FAILURE;
        }
    };
    let no_compiler = Command::new("gcc").arg("--version").output().is_err();
    if no_compiler {
        println!("skipped: all {} programs: there is no gcc", programs.len());
    }
    let names: Vec<String> = programs
        .iter()
        .map(|program| program.name.clone())
        .collect();
    let count = names.len();
    let rows: Rows = Arc::default();
    let xen_rows: Vec<Rows> = XEN.iter().map(|_| Rows::default()).collect();
    machines::choose(
        programs
            .iter()
            .filter(|program| is_chosen(&arguments, &program.name))
            .cloned()
            .collect(),
    );
    let mut trials: Vec<Trial> = Vec::new();
    let mut asked_below_xl = Vec::new();
    for program in programs {
        for (platform, rows) in XEN.iter().zip(&xen_rows) {
            let is_ignored = no_compiler || !platform.always_runs(&program.name);
            let name = format!("{}::{}", platform.name, program.name);
            if is_chosen(&arguments, &name) && is_run(&arguments, is_ignored) {
                asked_below_xl.push((platform.name, program.clone()));
            }
            let platforms = vec![&ALL[0], platform];
            trials
                .push(trial(name, program.clone(), platforms, rows).with_ignored_flag(is_ignored));
        }
        let platforms = ALL.iter().collect();
        trials.push(
            trial(program.name.clone(), program, platforms, &rows).with_ignored_flag(no_compiler),
        );
    }
    below_xl::choose(asked_below_xl);
    trials.push(Trial::test("the_harness_can_say_no", move || {
        self_check::self_check().map_err(Failed::from)?;
        self_check::gaps_are_of_programs(&names).map_err(Failed::from)
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    print_table(&rows, &ALL.iter().collect::<Vec<_>>());
    for (platform, rows) in XEN.iter().zip(&xen_rows) {
        print_table(rows, &[&ALL[0], platform]);
    }
    let run = rows.lock().unwrap_or_else(PoisonError::into_inner).len();
    if run == count && !keeps_promises(&rows) {
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// Is this program one of those that the command line asks for?
fn is_chosen(arguments: &Arguments, name: &str) -> bool {
    let is_like = |filter: &String| match arguments.exact {
        true => name == filter,
        false => name.contains(filter.as_str()),
    };
    arguments.filter.as_ref().is_none_or(is_like) && !arguments.skip.iter().any(is_like)
}

/// Does the command line ask for tests that are ignored, or for those that are not?
fn is_run(arguments: &Arguments, is_ignored: bool) -> bool {
    arguments.include_ignored || arguments.ignored == is_ignored
}

/// After a run of all programs: the calls that were made through the table, and none is missing.
fn keeps_promises(rows: &Rows) -> bool {
    let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    let names = rows.iter().map(|(name, _)| name.as_str());
    let made = coverage::calls_made(&run::runs_on("linux-counted"), names);
    println!(
        "different calls that went through the table: {}",
        made.len()
    );
    let missing = coverage::broken_promises(&made);
    if !missing.is_empty() {
        println!("FAILED: no program makes {}", missing.join(", "));
    }
    missing.is_empty()
}

/// The test of a program on these platforms, of which the first is native.
fn trial(name: String, program: Program, platforms: Vec<&'static Platform>, rows: &Rows) -> Trial {
    let rows = Arc::clone(rows);
    Trial::test(name, move || {
        let cells = judge::judge(&program, platforms.iter().copied());
        let verdict = verdict(&platforms, &cells);
        rows.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((program.name, cells));
        verdict
    })
}

/// A test fails when one of its cells does.
fn verdict(platforms: &[&Platform], cells: &[Cell]) -> Result<(), Failed> {
    let failures: Vec<String> = platforms
        .iter()
        .zip(cells)
        .filter_map(|(platform, cell)| match cell {
            Cell::Failed(why) => Some(format!("{}: {why}", platform.name)),
            _ => None,
        })
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n").into())
    }
}

/// Program by platform, then the counts and the reasons of what was skipped.
fn print_table(rows: &Rows, platforms: &[&Platform]) {
    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    print!("{:width$}", "program");
    for platform in platforms {
        print!("  {:18}", platform.name);
    }
    println!();
    for (name, cells) in rows.iter() {
        print!("{name:width$}");
        for cell in cells {
            print!("  {:18}", word(cell));
        }
        println!();
    }
    println!();
    for (index, platform) in platforms.iter().enumerate() {
        let count = |wanted: &str| {
            rows.iter()
                .filter(|(_, cells)| word(&cells[index]) == wanted)
                .count()
        };
        let counts: Vec<String> = ["ok", "wrong, as known", "gap", "FAILED", "skipped"]
            .into_iter()
            .map(|wanted| (count(wanted), wanted))
            .filter(|(count, _)| *count > 0)
            .map(|(count, wanted)| format!("{count} {wanted}"))
            .collect();
        println!("{}: {}", platform.name, counts.join("; "));
        for (name, cells) in rows.iter() {
            if let Cell::Skipped(why) | Cell::Gap(why) = &cells[index] {
                println!("  {}: {name}: {why}", word(&cells[index]));
            }
        }
    }
}

fn word(cell: &Cell) -> &'static str {
    match cell {
        Cell::Ok => "ok",
        Cell::WrongAsKnown => "wrong, as known",
        Cell::Gap(_) => "gap",
        Cell::Failed(_) => "FAILED",
        Cell::Skipped(_) => "skipped",
    }
}
