//! Threads, waiting and timers: guests of spt beside native programs, in one run, in turn.

use std::path::Path;
use std::process::Command;

use crate::images::Time;
use crate::programs::link;
use crate::{Places, Result, printed};

/// How often everything is measured.
const ROUNDS: usize = 3;
/// What a guest is given, in MiB.
const MEMORY: &str = "--mem=256";

/// What one thing took.
pub struct Wait {
    /// What was done.
    pub name: String,
    /// Natively, on all processors.
    pub native: Time,
    /// Natively, on one of them, as a guest has one.
    pub native_on_one: Time,
    /// In a guest.
    pub guest: Time,
}

/// Measures all of them.
pub fn measure(places: &Places) -> Result<Vec<Wait>> {
    let built = |sysroot: &Path, name: &str| {
        let program = places.scratch.join(name);
        let linked = link(places, sysroot, "waits.c", &["-O2"])?;
        std::fs::rename(&linked, &program)
            .map(|()| program)
            .map_err(|why| format!("{}: {why}", linked.display()))
    };
    let native = built(&places.stock, "waits")?;
    let image = built(&places.solo5, "waits.spt")?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut on_one = Command::new("taskset");
        on_one.args(["-c", "0"]).arg(&native);
        let mut guest = Command::new(&places.muslin_command);
        guest.args(["run", MEMORY]).arg(&image);
        rounds.push([
            printed::times(&mut Command::new(&native))?,
            printed::times(&mut on_one)?,
            printed::times(&mut guest)?,
        ]);
    }
    merged(&rounds).ok_or_else(|| "the programs of waits.c measure different things".to_owned())
}

/// For each thing the quickest of all rounds, and the best median.
fn merged(rounds: &[[Vec<(String, Time)>; 3]]) -> Option<Vec<Wait>> {
    let names = rounds.first()?[0].iter().map(|(name, _)| name);
    names
        .enumerate()
        .map(|(place, name)| {
            let best = |world: usize| {
                rounds.iter().try_fold(
                    Time {
                        fastest: f64::INFINITY,
                        median: f64::INFINITY,
                    },
                    |best, round| {
                        let (of, time) = round[world].get(place)?;
                        (of == name).then(|| Time {
                            fastest: best.fastest.min(time.fastest),
                            median: best.median.min(time.median),
                        })
                    },
                )
            };
            Some(Wait {
                name: name.clone(),
                native: best(0)?,
                native_on_one: best(1)?,
                guest: best(2)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Time, merged};

    fn time(fastest: f64, median: f64) -> Time {
        Time { fastest, median }
    }

    #[test]
    fn the_best_of_all_rounds_counts() {
        let round =
            |fastest, median| [0, 1, 2].map(|_| vec![("a".to_owned(), time(fastest, median))]);
        let waits = merged(&[round(3.0, 4.0), round(1.0, 6.0)]).unwrap_or_default();
        assert_eq!(waits.first().map(|wait| wait.guest), Some(time(1.0, 4.0)));
        let other = [0, 1, 2].map(|_| vec![("b".to_owned(), time(1.0, 1.0))]);
        assert!(merged(&[round(1.0, 1.0), other]).is_none());
    }
}
