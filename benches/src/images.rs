//! The benches as programs: linked with either libc, run in turn, so that a machine that changes its
//! speed changes it for both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Places, Result};

/// The benches of calls and of heaps, each linked as its name says.
pub struct Images {
    stock: PathBuf,
    muslin: PathBuf,
    heaps: PathBuf,
}

/// How often each bench of calls runs.
const ROUNDS: usize = 5;

/// What a bench took, in ns for one iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The quickest of all samples.
    pub fastest: f64,
    /// The one in their middle.
    pub median: f64,
}

/// Times by `IMAGE/GROUP/BENCH`, such as `stock/getppid/libc`.
pub struct Times(BTreeMap<String, Time>);

impl Times {
    /// The times of one bench.
    ///
    /// # Panics
    /// The bench does not exist, which is a mistake in this program.
    pub fn of(&self, name: &str) -> Time {
        match self.0.get(name) {
            Some(time) => *time,
            None => panic!("there is no bench {name}"),
        }
    }
}

impl Images {
    /// Compiles and links the benches.
    pub fn build(places: &Places) -> Result<Self> {
        let stock = std::path::absolute(&places.stock).map_err(|why| why.to_string())?;
        let one = |bench: &str, extra: &[&str]| {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            cargo
                .args(["bench", "--package", "muslin-bench", "--bench", bench])
                .args(["--no-run", "--quiet", "--message-format=json"])
                .args(["--target", "x86_64-unknown-linux-musl"])
                .args(extra)
                .env("MUSLIN_BENCH_STOCK", &stock);
            executable(&mut cargo)
        };
        Ok(Self {
            stock: one("dispatch", &[])?,
            muslin: one("dispatch", &["--features", "muslin"])?,
            heaps: one("memory", &["--features", "muslin"])?,
        })
    }

    /// Runs all benches.
    pub fn measure(&self, places: &Places) -> Result<Times> {
        let mut samples = BTreeMap::<String, Vec<f64>>::new();
        for _ in 0..ROUNDS {
            run(&self.stock, "stock", places, &mut samples)?;
            run(&self.muslin, "muslin", places, &mut samples)?;
        }
        run(&self.heaps, "muslin", places, &mut samples)?;
        let times = samples.into_iter().map(|(name, mut samples)| {
            samples.sort_by(f64::total_cmp);
            let time = Time {
                fastest: samples[0],
                median: samples[samples.len() / 2],
            };
            (name, time)
        });
        Ok(Times(times.collect()))
    }
}

/// The program that cargo linked, by its messages.
fn executable(cargo: &mut Command) -> Result<PathBuf> {
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("cannot start cargo: {why}"))?;
    if !output.status.success() {
        return Err("cargo could not link the benches".into());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["kind"][0] == "bench")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| "cargo names no program that it linked".into())
}

/// Runs one program, and gathers what criterion wrote.
fn run(
    program: &Path,
    image: &str,
    places: &Places,
    samples: &mut BTreeMap<String, Vec<f64>>,
) -> Result<()> {
    let home = places.scratch.join("criterion");
    // What is left of an earlier run would be compared with, and counted again.
    let _ = fs::remove_dir_all(&home);
    let output = Command::new(program)
        .args(["--bench", "--quiet", "--color", "never"])
        .env("CRITERION_HOME", &home)
        .output()
        .map_err(|why| format!("cannot start {}: {why}", program.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().last().unwrap_or("no message");
        return Err(format!("{}: {}: {last}", program.display(), output.status));
    }
    for group in directories(&home)? {
        for bench in directories(&group)? {
            let file = bench.join("new/sample.json");
            // The group's own summary has none.
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            let name = bench.strip_prefix(&home).unwrap_or(&bench).display();
            samples
                .entry(format!("{image}/{name}"))
                .or_default()
                .extend(nanoseconds(&text).ok_or_else(|| {
                    format!("{} is not what criterion 0.7 writes", file.display())
                })?);
        }
    }
    Ok(())
}

fn directories(of: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(of).map_err(|why| format!("reading {}: {why}", of.display()))?;
    Ok(entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect())
}

/// Times for one iteration from criterion's samples.
fn nanoseconds(text: &str) -> Option<Vec<f64>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let list = |name: &str| {
        let numbers = value.get(name)?.as_array()?.iter();
        numbers
            .map(serde_json::Value::as_f64)
            .collect::<Option<Vec<_>>>()
    };
    let (iterations, times) = (list("iters")?, list("times")?);
    Some(
        times
            .iter()
            .zip(iterations)
            .map(|(time, iterations)| time / iterations)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn samples_are_divided_by_their_iterations() {
        let text = r#"{"sampling_mode":"Flat","iters":[2.0,4.0],"times":[10.0,12.0]}"#;
        assert_eq!(nanoseconds(text), Some(vec![5.0, 3.0]));
        assert_eq!(nanoseconds(r#"{"iters":[1.0]}"#), None);
    }
}
