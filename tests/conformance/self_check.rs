//! The harness must be able to say no: a judge who calls everything good finds nothing.

use std::path::PathBuf;

use crate::judge::{Cell, difference, judge_against, judge_native};
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
        fixed_here: None,
    };
    let mended = Program {
        fixed_here: Some("a bug".to_owned()),
        ..plain.clone()
    };
    let good = outcome("getppid: ret=1\nend\n", "", "status 0");
    let bad = outcome("getppid: ret=2   <--\nend\n", "", "status 1");
    let dead = outcome("getppid: ret=1\n", "", "signal 11");
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
    ];
    let accepted = [
        ("native: good", judge_native(&plain, &good), Cell::Ok),
        ("known", judge_native(&mended, &bad), Cell::WrongAsKnown),
        ("same", judge_against(&plain, Some(&good), &good), Cell::Ok),
        ("now", judge_against(&mended, Some(&bad), &good), Cell::Ok),
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

fn outcome(output: &str, complaints: &str, end: &str) -> Outcome {
    Outcome {
        output: output.to_owned(),
        complaints: complaints.to_owned(),
        end: end.to_owned(),
    }
}
