//! Threads, waiting and timers: guests of spt beside native programs, in one run, in turn.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::programs::link;
use crate::{Places, Result};

/// How often everything is measured.
const ROUNDS: usize = 3;
/// What a guest is given, in MiB.
const MEMORY: &str = "--mem=256";

/// The quickest batch and the one in the middle, in ns for one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The quickest.
    pub quickest: f64,
    /// The median.
    pub median: f64,
}

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
            times(&mut Command::new(&native))?,
            times(&mut on_one)?,
            times(&mut guest)?,
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
                        quickest: f64::INFINITY,
                        median: f64::INFINITY,
                    },
                    |best, round| {
                        let (of, time) = round[world].get(place)?;
                        (of == name).then(|| Time {
                            quickest: best.quickest.min(time.quickest),
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

/// Runs a program that prints lines `name=quickest median`.
fn times(command: &mut Command) -> Result<Vec<(String, Time)>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{command:?}: {why}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {text}", output.status));
    }
    read(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| format!("{command:?} prints no times"))
}

fn read(text: &str) -> Option<Vec<(String, Time)>> {
    text.lines()
        .map(|line| {
            let (name, numbers) = line.split_once('=')?;
            let (quickest, median) = numbers.split_once(' ')?;
            let time = Time {
                quickest: quickest.parse().ok()?,
                median: median.parse().ok()?,
            };
            Some((name.to_owned(), time))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Time, merged, read};

    fn time(quickest: f64, median: f64) -> Time {
        Time { quickest, median }
    }

    #[test]
    fn lines_are_names_and_two_times() {
        let expected = vec![("a wait".to_owned(), time(1.5, 2.0))];
        assert_eq!(read("a wait=1.5 2.0\n"), Some(expected));
        assert_eq!(read("a wait=1.5\n"), None);
    }

    #[test]
    fn the_best_of_all_rounds_counts() {
        let round =
            |quickest, median| [0, 1, 2].map(|_| vec![("a".to_owned(), time(quickest, median))]);
        let waits = merged(&[round(3.0, 4.0), round(1.0, 6.0)]).unwrap_or_default();
        assert_eq!(waits.first().map(|wait| wait.guest), Some(time(1.0, 4.0)));
        let other = [0, 1, 2].map(|_| vec![("b".to_owned(), time(1.0, 1.0))]);
        assert!(merged(&[round(1.0, 1.0), other]).is_none());
    }
}
