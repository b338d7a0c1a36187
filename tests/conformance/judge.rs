//! What one program's outcomes mean: a cell for each platform.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use muslin_sysroot::Flavour;

use crate::below_xl;
use crate::gaps::Gap;
use crate::machines;
use crate::platforms::{Kind, Platform};
use crate::program::Program;
use crate::run::{Outcome, compile, run};
use crate::xen;

/// One program on one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Content, and the same as native.
    Ok,
    /// Native, wrong as it must be: this is what Muslin mends.
    WrongAsKnown,
    /// Different from native, as it must be: this is missing here.
    Gap(String),
    /// Something else; the text says what.
    Failed(String),
    /// Not run, and why.
    Skipped(String),
}

/// Runs the program on every one of these platforms. Native, the first, says what is right.
pub fn judge<'a>(
    program: &Program,
    platforms: impl IntoIterator<Item = &'a Platform>,
) -> Vec<Cell> {
    let mut native = None;
    let mut cells = Vec::new();
    for platform in platforms {
        let cell = match attempt(program, platform) {
            Err(cell) => cell,
            Ok(outcome) if platform.flavour == Flavour::Stock => {
                let cell = judge_native(program, &outcome);
                native = Some(outcome);
                cell
            }
            Ok(outcome) => match Gap::of(platform.gaps, &program.name) {
                None => judge_against(program, native.as_ref(), &outcome),
                Some(gap) => judge_gap(gap.missing, native.as_ref(), &outcome),
            },
        };
        cells.push(cell);
    }
    cells
}

/// The outcome, or the cell that says why there is none.
fn attempt(program: &Program, platform: &Platform) -> Result<Outcome, Cell> {
    if let Some((_, why)) = program.skip_on.iter().find(|(on, _)| on == platform.name) {
        return Err(Cell::Skipped(why.clone()));
    }
    if let Some(what) = &program.needs_root
        && !rustix::process::geteuid().is_root()
    {
        return Err(Cell::Skipped(format!("needs root: {what}")));
    }
    if let Some(gap) = Gap::of(platform.gaps, &program.name).filter(|gap| !gap.is_run) {
        return Err(Cell::Skipped(format!("needs {}", gap.missing)));
    }
    if platform.kind == Kind::Machine {
        return machines::outcome(program, platform);
    }
    if let Kind::Xen(mode) = platform.kind {
        return xen::outcome(program, platform, mode);
    }
    if let Kind::BelowXl(mode) = platform.kind {
        return below_xl::outcome(program, platform, mode);
    }
    if platform.flavour == Flavour::Stock {
        return native_outcome(program, platform);
    }
    let outcome = outcome(program, platform)?;
    match platform.cannot_run {
        Some(why) if outcome.complaints.contains(why) => Err(Cell::Skipped(why.to_owned())),
        _ => Ok(outcome),
    }
}

fn outcome(program: &Program, platform: &Platform) -> Result<Outcome, Cell> {
    let image = compile(program, platform).map_err(Cell::Failed)?;
    run(program, platform, &image).map_err(Cell::Failed)
}

/// What came of the program, by its name.
type Outcomes = HashMap<String, Arc<OnceLock<Result<Outcome, Cell>>>>;

/// The native outcome, which several tests of a program compare with: it is run once.
fn native_outcome(program: &Program, platform: &Platform) -> Result<Outcome, Cell> {
    static DONE: LazyLock<Mutex<Outcomes>> = LazyLock::new(Mutex::default);
    let place = {
        let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(done.entry(program.name.clone()).or_default())
    };
    place.get_or_init(|| outcome(program, platform)).clone()
}

/// Native is judged by the program alone.
pub fn judge_native(program: &Program, outcome: &Outcome) -> Cell {
    match &program.fixed_here {
        None if outcome.is_content() => Cell::Ok,
        None => Cell::Failed(format!(
            "the program's own expectations do not hold with stock musl ({}):\n{}",
            outcome.end,
            only_broken(outcome)
        )),
        Some(_) if outcome.is_discontent() => Cell::WrongAsKnown,
        Some(what) => Cell::Failed(format!(
            "stock musl should get this wrong ({what}), but ends with {}; \
             if this musl is newer, take the fixed-here line away",
            outcome.end
        )),
    }
}

/// Elsewhere it must be as native is; or right at last, where native is known to be wrong.
pub fn judge_against(program: &Program, native: Option<&Outcome>, outcome: &Outcome) -> Cell {
    if program.fixed_here.is_some() {
        return if outcome.is_content() {
            Cell::Ok
        } else {
            Cell::Failed(format!(
                "not mended ({}):\n{}",
                outcome.end,
                only_broken(outcome)
            ))
        };
    }
    match native {
        None => Cell::Failed("there is no native run to compare with".to_owned()),
        Some(native) if native == outcome => Cell::Ok,
        Some(native) => {
            let mut text = String::from("differs from native (- native, + here):\n");
            for (what, before, after) in [
                ("the end", &native.end, &outcome.end),
                ("output", &native.output, &outcome.output),
                ("complaints", &native.complaints, &outcome.complaints),
            ] {
                if before != after {
                    text += &format!("  {what}:\n{}", difference(before, after));
                }
            }
            Cell::Failed(text)
        }
    }
}

/// Where something is missing, it must not be as native is; or nothing is missing any more.
pub fn judge_gap(missing: &str, native: Option<&Outcome>, outcome: &Outcome) -> Cell {
    match native {
        None => Cell::Failed("there is no native run to compare with".to_owned()),
        Some(native) if native == outcome => Cell::Failed(format!(
            "the same as native, but listed as a gap ({missing}): take it off the list in gaps.rs"
        )),
        Some(_) if outcome.end.starts_with("killed") => Cell::Failed(format!(
            "{}, where {missing} is missing: it should end by itself",
            outcome.end
        )),
        Some(_) => Cell::Gap(missing.to_owned()),
    }
}

/// The lines with broken expectations; all when the program did not even get to its end.
fn only_broken(outcome: &Outcome) -> String {
    let all = outcome.output.lines().chain(outcome.complaints.lines());
    let got_to_its_end = outcome.is_discontent();
    all.filter(|line| !got_to_its_end || line.contains("<--"))
        .map(|line| format!("    {line}\n"))
        .collect()
}

/// The lines that only one of two texts has, in order, by their longest common subsequence.
pub fn difference(before: &str, after: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut common = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || common[i + 1][j] >= common[i][j + 1]) {
            text += &format!("    -{}\n", a[i]);
            i += 1;
        } else {
            text += &format!("    +{}\n", b[j]);
            j += 1;
        }
    }
    text
}
