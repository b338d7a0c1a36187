//! The harness must be able to say no: a judge who calls everything good finds nothing.

use std::path::PathBuf;

use crate::gaps::Gap;
use crate::judge::{Cell, difference, judge_against, judge_gap, judge_native};
use crate::platforms::{ALL, ALWAYS_BELOW_XL, ALWAYS_IN_PV, ALWAYS_IN_XEN, XEN};
use crate::program::Program;
use crate::run::Outcome;

/// Shows the judge outcomes that it must refuse, and some that it must not.
///
/// # Errors
/// What it got wrong.
pub fn self_check() -> Result<(), String> {
    let plain = Program {
        name: "made_up".to_owned(),
        source: PathBuf::new(),
        stdin: None,
        skip_on: Vec::new(),
        needs_root: None,
        fixed_here: None,
    };
    let mended = Program {
        fixed_here: Some("a bug".to_owned()),
        ..plain.clone()
    };
    let good = outcome("getppid: ret=1\nend\n", "", "status 0");
    let bad = outcome("getppid: ret=2   <--\nend\n", "", "status 1");
    let dead = outcome("getppid: ret=1\n", "", "signal 11");
    let hung = outcome("", "", "killed: took more than 90 s");
    let noisy = outcome("getppid: ret=1\nend\n", "oops\n", "status 0");

    let refused = [
        ("native: bad", judge_native(&plain, &bad)),
        ("native: dead", judge_native(&plain, &dead)),
        ("mended, but native is good", judge_native(&mended, &good)),
        ("mended, but native is dead", judge_native(&mended, &dead)),
        ("other output", judge_against(&plain, Some(&good), &bad)),
        ("other end", judge_against(&plain, Some(&good), &dead)),
        ("a complaint", judge_against(&plain, Some(&good), &noisy)),
        ("nothing to compare", judge_against(&plain, None, &good)),
        ("not mended", judge_against(&mended, Some(&bad), &bad)),
        ("a closed gap", judge_gap("threads", Some(&good), &good)),
        ("a gap that hangs", judge_gap("threads", Some(&good), &hung)),
        ("a gap alone", judge_gap("threads", None, &bad)),
    ];
    let accepted = [
        ("native: good", judge_native(&plain, &good), Cell::Ok),
        ("known", judge_native(&mended, &bad), Cell::WrongAsKnown),
        ("same", judge_against(&plain, Some(&good), &good), Cell::Ok),
        ("now", judge_against(&mended, Some(&bad), &good), Cell::Ok),
        (
            "a gap",
            judge_gap("threads", Some(&good), &dead),
            Cell::Gap("threads".to_owned()),
        ),
    ];
    if let Some((what, _)) = refused
        .iter()
        .find(|(_, cell)| !matches!(cell, Cell::Failed(_)))
    {
        return Err(format!("not refused: {what}"));
    }
    if let Some((what, cell, _)) = accepted.iter().find(|(_, cell, want)| cell != want) {
        return Err(format!("not accepted: {what}: {cell:?}"));
    }
    let shown = difference("a\nb\nc\n", "a\nx\nc\nd\n");
    if shown != "    -b\n    +x\n    +d\n" {
        return Err(format!("the difference is shown as\n{shown}"));
    }
    Ok(())
}

/// Each program named among the gaps is there, and in one gap only.
///
/// # Errors
/// The first name that is wrong.
pub fn gaps_are_of_programs(programs: &[String]) -> Result<(), String> {
    if let Some(name) = ALWAYS_IN_XEN
        .iter()
        .chain(ALWAYS_BELOW_XL)
        .chain(ALWAYS_IN_PV)
        .find(|name| !programs.iter().any(|program| program == *name))
    {
        return Err(format!("no program that could always run in Xen: {name}"));
    }
    for platform in ALL.iter().chain(XEN) {
        let mut seen: Vec<&str> = Vec::new();
        for name in platform
            .gaps
            .iter()
            .flat_map(|gap| gap.programs.split_whitespace())
        {
            if !programs.iter().any(|program| program == name) {
                return Err(format!(
                    "a gap of {} names no program: {name}",
                    platform.name
                ));
            }
            if seen.contains(&name) {
                return Err(format!("{name} is in two gaps of {}", platform.name));
            }
            seen.push(name);
        }
    }
    if Gap::of(crate::gaps::LIBRARY_OS, "no such program").is_some() {
        return Err("a gap takes any program".to_owned());
    }
    Ok(())
}

fn outcome(output: &str, complaints: &str, end: &str) -> Outcome {
    Outcome {
        output: output.to_owned(),
        complaints: complaints.to_owned(),
        end: end.to_owned(),
    }
}
