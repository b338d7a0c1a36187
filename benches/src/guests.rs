//! Guests of spt in the built-in tender beside native programs: what calls cost, what a start takes,
//! how large images are and how little memory they need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::images::Time;
use crate::programs::{self, link};
use crate::tenders::Tenders;
use crate::{Places, Result, printed};

/// How often the calls are measured in turn.
const ROUNDS: usize = 5;
/// How often each program is started.
const STARTS: usize = 200;
/// The name of the image that is measured.
const IMAGE: &str = "image";
/// Memory that images are tried with, in MiB.
const MEMORY_MIB: std::ops::RangeInclusive<u32> = 1..=16;

/// One call, in ns.
pub struct Call {
    /// What was called.
    pub name: String,
    /// By a native program on Linux.
    pub native: Time,
    /// By a guest.
    pub guest: Time,
}

/// A program in both worlds.
pub struct Program {
    /// What was linked.
    pub name: &'static str,
    /// Size of the stripped image in bytes.
    pub bytes: u64,
    /// The least memory that it runs in, in MiB.
    pub memory_mib: Option<u32>,
    /// Spawn to end of the native program, the quickest and the median, in µs.
    pub native_us: (f64, f64),
    /// Spawn to end of `muslin run`.
    pub guest_us: (f64, f64),
    /// Instructions from the image's entry to main.
    pub to_main: std::result::Result<u64, String>,
}

/// All of it.
pub struct Guests {
    /// Calls that need no device.
    pub calls: Vec<Call>,
    /// Small programs.
    pub programs: Vec<Program>,
    /// The C one beside stock Solo5's; `None` where that is not.
    pub tenders: Option<Tenders>,
}

impl Guests {
    /// Links and runs everything.
    pub fn measure(places: &Places) -> Result<Self> {
        let c_hello = program(places, "C hello", "hello.c", &["-O2"])?;
        let tenders = Tenders::measure(places, &places.scratch.join(IMAGE))?;
        let rust_hello = program(places, "Rust hello", "hello.rs", &["-Copt-level=3"])?;
        Ok(Self {
            calls: calls(places)?,
            programs: vec![c_hello, rust_hello],
            tenders,
        })
    }
}

/// Links a program for a sysroot under a name of its own.
fn built(
    places: &Places,
    sysroot: &Path,
    file: &str,
    name: &str,
    flags: &[&str],
) -> Result<PathBuf> {
    let program = places.scratch.join(name);
    let linked = link(places, sysroot, file, flags)?;
    fs::rename(&linked, &program).map_err(|why| format!("{}: {why}", linked.display()))?;
    Ok(program)
}

fn guest(places: &Places, image: &Path, options: &[String]) -> Command {
    let mut command = Command::new(&places.muslin_command);
    command.arg("run").args(options).arg(image);
    command
}

fn calls(places: &Places) -> Result<Vec<Call>> {
    let native = built(places, &places.stock, "calls.c", "calls", &["-O2"])?;
    let image = built(places, &places.solo5, "calls.c", "calls.spt", &["-O2"])?;
    let (mut natively, mut in_guest) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Both write to files in memory.
        natively.push(printed::times(Command::new(&native).arg("/dev/shm"))?);
        in_guest.push(printed::times(&mut guest(places, &image, &[]))?);
    }
    let rows = natively.iter().chain(&in_guest).map(Vec::len);
    let rows = rows.min().unwrap_or(0);
    Ok((0..rows)
        .map(|row| Call {
            name: natively[0][row].0.clone(),
            native: of_rounds(natively.iter().map(|lines| lines[row].1)),
            guest: of_rounds(in_guest.iter().map(|lines| lines[row].1)),
        })
        .collect())
}

/// The quickest of all rounds, and the median of their medians.
fn of_rounds(rounds: impl Iterator<Item = Time>) -> Time {
    let (mut fastest, mut medians) = (f64::INFINITY, Vec::new());
    for time in rounds {
        fastest = fastest.min(time.fastest);
        medians.push(time.median);
    }
    let (_, median) = quickest_and_median(medians);
    Time { fastest, median }
}

fn program(places: &Places, name: &'static str, file: &str, flags: &[&str]) -> Result<Program> {
    let native = built(places, &places.stock, file, "native", flags)?;
    let image = built(places, &places.solo5, file, IMAGE, flags)?;
    let to_main = to_main(places, &image);
    // gcc and rustc have different words for it.
    for program in [&native, &image] {
        let done = Command::new("strip").arg(program).status();
        if !done.is_ok_and(|status| status.success()) {
            return Err(format!("strip does not take {}", program.display()));
        }
    }
    let bytes = fs::metadata(&image).map_err(|why| format!("{}: {why}", image.display()))?;
    let memory_mib = MEMORY_MIB
        .clone()
        .find(|mib| runs(&mut guest(places, &image, &[format!("--mem={mib}")])));
    let (mut natively, mut in_guest) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        natively.push(programs::start(&mut Command::new(&native))?);
        in_guest.push(programs::start(&mut guest(places, &image, &[]))?);
    }
    Ok(Program {
        name,
        bytes: bytes.len(),
        memory_mib,
        native_us: quickest_and_median(natively),
        guest_us: quickest_and_median(in_guest),
        to_main,
    })
}

fn runs(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// The least of some times, and the one in their middle.
pub fn quickest_and_median(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

fn to_main(places: &Places, image: &Path) -> std::result::Result<u64, String> {
    let output = Command::new("nm")
        .arg(image)
        .output()
        .map_err(|why| format!("nm: {why}"))?;
    let symbols = String::from_utf8_lossy(&output.stdout).into_owned();
    let (Some(from), Some(to)) = (address(&symbols, "_start"), address(&symbols, "main")) else {
        return Err(format!("{} has no main", image.display()));
    };
    // By a short name: the guest reads its command line on the way.
    let runner = std::path::absolute(&places.muslin_command).map_err(|why| why.to_string())?;
    let mut command = Command::new(runner);
    command.current_dir(&places.scratch).arg("run");
    command.arg(image.file_name().unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    muslin_steps::between(&mut command, from, to).map_err(|why| why.to_string())
}

/// The address of a symbol in what `nm` prints.
fn address(symbols: &str, name: &str) -> Option<u64> {
    symbols.lines().find_map(|line| {
        let mut words = line.split(' ');
        let address = words.next()?;
        (words.nth(1)? == name).then(|| u64::from_str_radix(address, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::{Time, address, of_rounds, quickest_and_median};

    #[test]
    fn rounds_give_the_quickest_and_the_median_of_medians() {
        let rounds = [(3.0, 9.0), (1.0, 4.0), (2.0, 5.0)];
        let times = rounds.map(|(fastest, median)| Time { fastest, median });
        let expected = Time {
            fastest: 1.0,
            median: 5.0,
        };
        assert_eq!(of_rounds(times.into_iter()), expected);
    }

    #[test]
    fn symbols_are_found_by_their_whole_names() {
        let symbols =
            "0000000000100010 T __main\n                 U main2\n00000000000000ff T main\n";
        assert_eq!(address(symbols, "main"), Some(255));
        assert_eq!(address(symbols, "_start"), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(quickest_and_median(vec![3.0, 1.0, 2.0]), (1.0, 2.0));
    }
}
