//! Servers over Muslin's network stack, as guests of spt and as processes, and over Linux's own, under the same
//! load in one run: see `benches/network.sh`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::guests::quickest_and_median;
use crate::programs::link;
use crate::{Places, Result};

/// How often each load is put on each server, and for how many seconds.
const ROUNDS: &str = "5";
const SECONDS: &str = "1";
/// A tick of processor time, in µs.
const TICK_US: f64 = 10_000.0;
/// What nginx serves.
const PAGE_BYTES: usize = 612;
/// How many instructions a request should take.
const STEPS_MAX: u64 = 40_000;
/// The script's exit code when it may not make interfaces.
const MAY_NOT: i32 = 77;

/// The loads, what their values are called, and whether more is better.
const LOADS: [(&str, &str, f64, bool); 6] = [
    ("to-server", "bytes to the server, MB/s", 1e-6, true),
    ("from-server", "bytes from the server, MB/s", 1e-6, true),
    ("round-trip", "round trip of a byte, µs", 1e-3, false),
    ("nginx", "nginx, 612 bytes, wrk -c30: requests/s", 1.0, true),
    ("redis-set", "Redis SET, -P 16 -c 30: requests/s", 1.0, true),
    ("redis-get", "Redis GET, -P 16 -c 30: requests/s", 1.0, true),
];
const LINUX: &str = "linux";
const STACKS: [&str; 3] = [LINUX, "spt", "process"];

/// One reading: what the load says, and processor time in µs per unit of it, of the server and of the machine.
type Reading = [f64; 3];

/// All readings by load and stack, and what could not be measured.
#[derive(Default)]
pub struct Network {
    /// Instructions of a guest for a request of HTTP, by server.
    steps: Vec<(String, u64)>,
    readings: BTreeMap<(String, String), Vec<Reading>>,
    skipped: Vec<String>,
}

/// Links the servers, and runs the script.
pub fn measure(places: &Places) -> Result<Network> {
    let programs = places.scratch.join("network");
    let site = programs.join("site");
    let failed = |why| format!("{}: {why}", programs.display());
    // What still runs of an earlier time keeps its files.
    if programs.exists() {
        fs::remove_dir_all(&programs).map_err(failed)?;
    }
    fs::create_dir_all(site.join("files")).map_err(failed)?;
    fs::create_dir_all(site.join("logs")).map_err(failed)?;
    fs::copy("benches/programs/nginx.conf", site.join("nginx.conf")).map_err(failed)?;
    fs::write(site.join("files/index.html"), [b'x'; PAGE_BYTES]).map_err(failed)?;
    // Of whom the guest's nginx is.
    fs::create_dir_all(site.join("etc")).map_err(failed)?;
    fs::write(site.join("etc/passwd"), "root:x:0:0::/:/\n").map_err(failed)?;
    fs::write(site.join("etc/group"), "root:x:0:\n").map_err(failed)?;
    let sysroots = [&places.stock, &places.solo5, &places.muslin];
    for (stack, sysroot) in STACKS.into_iter().zip(sysroots) {
        let words: &[&str] = match stack {
            "spt" => &["-O2", "--device", "service=net"],
            "process" => &["-O2", "--net"],
            _ => &["-O2"],
        };
        let stream = link(places, sysroot, "stream.c", words)?;
        fs::rename(stream, programs.join(format!("{stack}-stream"))).map_err(failed)?;
        for (program, server) in [("nginx", "nginx"), ("redis", "redis-server")] {
            let built = built(sysroot, stack, program)?;
            let place = programs.join(format!("{stack}-{program}"));
            fs::copy(built.join(server), place).map_err(failed)?;
            if stack == LINUX && program == "redis" {
                let benchmark = "redis-benchmark";
                fs::copy(built.join(benchmark), programs.join(benchmark)).map_err(failed)?;
            }
        }
    }
    let output = Command::new("unshare")
        .args(["--net", "sh", "benches/network.sh"])
        .args([absolute(&places.muslin_command)?, absolute(&programs)?])
        .args([ROUNDS, SECONDS])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("unshare: {why}"))?;
    if output.status.code() == Some(MAY_NOT) || output.stdout.is_empty() {
        return Ok(Network {
            skipped: vec!["this user may make no interfaces in a network of its own".into()],
            ..Network::default()
        });
    }
    let mut network = read(&String::from_utf8_lossy(&output.stdout));
    let output = Command::new("unshare")
        .args(["--net", "sh", "benches/network_steps.sh"])
        .arg(absolute(&programs)?)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|why| format!("unshare: {why}"))?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_once(' ') {
            Some(("skipped:", reason)) => network.skipped.push(reason.to_owned()),
            Some((server, count)) => network
                .steps
                .extend(count.parse().map(|count| (server.to_owned(), count))),
            None => {}
        }
    }
    Ok(network)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|why| format!("{}: {why}", path.display()))
}

/// A program of the tests, with a sysroot.
fn built(sysroot: &Path, stack: &str, program: &str) -> Result<PathBuf> {
    let mut build = Command::new("tests/programs/build.sh");
    build.arg(sysroot).arg(program).stderr(Stdio::inherit());
    match stack {
        "spt" => build.env("MUSLIN_DEVICES", "service=net"),
        "process" => build.env("MUSLIN_NETWORK", "stack"),
        _ => &mut build,
    };
    let output = build.output().map_err(|why| format!("{build:?}: {why}"))?;
    if !output.status.success() {
        return Err(format!("{program} cannot be built"));
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

/// Reads what the script says.
fn read(said: &str) -> Network {
    let mut network = Network::default();
    for line in said.lines() {
        if let Some(reason) = line.strip_prefix("skipped ") {
            if !network.skipped.iter().any(|known| known == reason) {
                network.skipped.push(reason.to_owned());
            }
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let [load, stack, ref numbers @ ..] = words[..] else {
            continue;
        };
        let numbers: Vec<f64> = numbers
            .iter()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [value, server, busy, seconds] = numbers[..] else {
            continue;
        };
        // What takes no fixed time has its own: a rate says how much was done.
        let count = match load {
            "round-trip" => seconds * 1e9 / value,
            "redis-set" | "redis-get" => 300_000.0,
            "to-server" | "from-server" => value * seconds / 1e6,
            _ => value * seconds,
        };
        let key = (load.to_owned(), stack.to_owned());
        let reading = [value, server * TICK_US / count, busy * TICK_US / count];
        network.readings.entry(key).or_default().push(reading);
    }
    network
}

impl Network {
    /// The medians of a load over a stack.
    fn medians(&self, load: &str, stack: &str) -> Option<Reading> {
        let readings = self.readings.get(&(load.to_owned(), stack.to_owned()))?;
        let median = |index: usize| {
            quickest_and_median(readings.iter().map(|reading| reading[index]).collect()).1
        };
        Some([median(0), median(1), median(2)])
    }

    /// Prints the table and the targets.
    pub fn print(&self) {
        println!(
            "\nServers over Linux's own stack and over Muslin's, as guests of spt and as processes (--net); medians"
        );
        println!(
            "  {:40}{:>12}{:>20}{:>20}",
            "", "Linux", "spt, to Linux", "process, to Linux"
        );
        for (load, name, scale, _) in LOADS {
            let Some([linux, ..]) = self.medians(load, LINUX) else {
                continue;
            };
            let beside = |stack| match self.medians(load, stack) {
                Some([value, ..]) => format!("{:>12.1} {:>6.2}", value * scale, value / linux),
                None => "skipped".to_owned(),
            };
            println!(
                "  {name:40}{:>12.1}{:>20}{:>20}",
                linux * scale,
                beside("spt"),
                beside("process")
            );
        }
        println!(
            "\nProcessor time in µs for each of these (a MB of bytes): the server, and the whole machine"
        );
        for (load, name, ..) in LOADS {
            let cost = |stack| match self.medians(load, stack) {
                Some([_, server, machine]) => format!("{server:.2}, {machine:.2}"),
                None => "skipped".to_owned(),
            };
            let [linux, spt, process] = STACKS.map(cost);
            println!("  {name:40}{linux:>16}{spt:>18}{process:>18}");
        }
        println!("\nInstructions of a guest for one request of HTTP after the other");
        for (server, count) in &self.steps {
            let what = match server.as_str() {
                "stream" => "a reply of 612 bytes from memory",
                server => server,
            };
            println!("  {what:40}{count:>12}");
        }
        for reason in &self.skipped {
            println!("  skipped: {reason}");
        }
        println!("\nTargets");
        for (load, name, _, is_more_better) in LOADS {
            let (Some(linux), Some(spt)) = (self.medians(load, LINUX), self.medians(load, "spt"))
            else {
                continue;
            };
            let ratio = if is_more_better {
                spt[0] / linux[0]
            } else {
                linux[0] / spt[0]
            };
            let verdict = if ratio >= 1.0 { "met" } else { "MISSED" };
            println!("  {verdict:8}{name}, spt to Linux: {ratio:.2} (at least 1)");
        }
        for (server, count) in &self.steps {
            let verdict = if *count < STEPS_MAX { "met" } else { "MISSED" };
            println!(
                "  {verdict:8}instructions for a request, {server}: {count} (less than {STEPS_MAX})"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn lines_are_readings_or_reasons() {
        let said =
            "nginx spt 1000 20 150 1\nskipped nginx: no wrk\nskipped nginx: no wrk\nnonsense\n";
        let network = read(said);
        let medians = network.medians("nginx", "spt");
        assert_eq!(medians, Some([1000.0, 200.0, 1500.0]));
        assert_eq!(network.medians("nginx", "linux"), None);
        assert_eq!(network.skipped, ["nginx: no wrk"]);
    }
}
