//! Guests of Xen in the lab, paravirtualised and in virtual machines, beside the Linux that is dom0 there: what a
//! hypercall, an event and a sleep cost, what a start takes, and how little memory is enough.
//!
//! The machine is emulated, so ratios say more than times. Instructions are exact: a plugin of QEMU's counts them, as
//! `programs/steps.c` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use muslin_lab::xen::{Job, Lab};

use crate::images::Time;
use crate::programs::link;
use crate::{Places, Result, printed};

/// Far more than a job needs, even on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(300);
/// What guests are given whose memory is not the question, in MiB.
const MEMORY_MIB: u32 = 16;
/// Memory that hello is tried with, in MiB.
const LEAST_MIB: [u32; 4] = [1, 2, 3, 4];
/// What is aimed for, in MiB, and what may be taken.
const LEAST_MIB_MAX: u32 = 4;
/// Addresses of images; programs of dom0's are not there.
const IMAGES: [u64; 2] = [0x10_0000, 0x40_0000];
/// How much higher a paravirtualised image may be entered than it was linked for.
const SHIFT: u64 = 0x20_0000;
/// What stands before the output of a part of a script.
const HEADING: &str = "== ";

/// The kinds of guests, as `xl` calls them, and the name in an image's symbols of the code that makes hypercalls.
const KINDS: [(&str, &str); 2] = [("pv", "by_syscall"), ("pvh", "by_vmmcall")];
/// The Linux to compare with.
const DOM0: &str = "dom0";

/// What was measured.
#[derive(Default)]
pub struct Xen {
    /// Who, what, and what it took.
    times: Vec<(String, String, Time)>,
    /// By kind: instructions from the entry of a C hello to main.
    steps: Vec<(&'static str, u64)>,
    /// By kind: the least memory in which it runs, in MiB.
    least_mib: Vec<(String, u32)>,
    skipped: Vec<String>,
}

/// Links the programs, and runs them.
pub fn measure(places: &Places) -> Result<Xen> {
    let mut xen = Xen::default();
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => {
            xen.skipped.push(why);
            return Ok(xen);
        }
    };
    let hello = built(places, &places.xen, "hello.c", "xen-hello", &["-O2"])?;
    match steps(places, &lab, &hello) {
        Ok(steps) => xen.steps = steps,
        Err(why) => xen.skipped.push(format!("instructions: {why}")),
    }
    let mut job = Job {
        limit: Some(TIME_MAX),
        ..Job::default()
    };
    add_calls(places, &mut job)?;
    add_there_and_back(places, &mut job)?;
    add_least(&mut job, &hello)?;
    xen.read(&output(&lab, &job)?)?;
    Ok(xen)
}

/// Links a program for a sysroot under a name of its own.
fn built(
    places: &Places,
    sysroot: &Path,
    file: &str,
    name: &str,
    words: &[&str],
) -> Result<PathBuf> {
    let program = places.scratch.join(name);
    let linked = link(places, sysroot, file, words)?;
    fs::rename(&linked, &program).map_err(|why| format!("{}: {why}", linked.display()))?;
    Ok(program)
}

fn content(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|why| format!("{}: {why}", path.display()))
}

/// Adds the configuration of a guest to a job: `guest NAME.cfg` runs it.
fn add_guest(job: &mut Job, name: &str, kind: &str, image: &str, memory_mib: u32, words: &str) {
    let config = format!(
        "name = \"{name}\"\ntype = \"{kind}\"\nkernel = \"{image}\"\nmemory = {memory_mib}\nvcpus = 1\n\
         cmdline = \"MUSLIN_ARGV0={image} -- {words}\"\non_poweroff = \"preserve\"\non_crash = \"preserve\"\n"
    );
    job.files.push((format!("{name}.cfg"), config.into_bytes()));
}

/// Calls of guests, and of dom0.
fn add_calls(places: &Places, job: &mut Job) -> Result<()> {
    let calls = built(places, &places.xen, "xen_calls.c", "xen-calls", &["-O2"])?;
    let symbols = symbols(&calls)?;
    job.files.push(("calls".to_owned(), content(&calls)?));
    for (kind, code) in KINDS {
        let code = address(&symbols, code).ok_or("the image has no code for hypercalls")?;
        add_guest(job, kind, kind, "calls", MEMORY_MIB, &format!("{code:x}"));
        job.script += &format!("echo {HEADING}{kind}\nguest {kind}.cfg </dev/null\n");
    }
    let words = &["-O2", "-static"];
    let dom0 = built(places, &places.stock, "xen_dom0.c", "xen-dom0", words)?;
    job.files.push((DOM0.to_owned(), content(&dom0)?));
    job.script += &format!("echo {HEADING}{DOM0}\nchmod +x {DOM0}\n./{DOM0}\n");
    Ok(())
}

/// Two guests that talk.
fn add_there_and_back(places: &Places, job: &mut Job) -> Result<()> {
    let (file, words) = ("xen_there_and_back.c", &["-O2", "--vsock"]);
    let talk = built(places, &places.xen, file, "xen-talk", words)?;
    job.files.push(("talk".to_owned(), content(&talk)?));
    for (kind, _) in KINDS {
        let [server, client] = ["server", "client"].map(|end| format!("{end}-{kind}"));
        add_guest(job, &server, kind, "talk", MEMORY_MIB, "");
        add_guest(job, &client, kind, "talk", MEMORY_MIB, "SERVER");
        job.script += &format!(
            "echo {HEADING}{kind}
            guest {server}.cfg >/dev/null </dev/null &
            until id=$(xl domid {server} 2>/dev/null); do sleep 0.1; done
            sed -i \"s/SERVER/$id/\" {client}.cfg
            guest {client}.cfg </dev/null
            wait\n"
        );
    }
    Ok(())
}

/// A hello with less and less memory.
fn add_least(job: &mut Job, hello: &Path) -> Result<()> {
    job.files.push(("hello".to_owned(), content(hello)?));
    for (kind, _) in KINDS {
        let mut tries = String::new();
        for mib in LEAST_MIB {
            let name = format!("hello-{kind}-{mib}");
            add_guest(job, &name, kind, "hello", mib, "");
            tries += &format!(
                "{{ guest {name}.cfg </dev/null | grep hello >/dev/null; }} && echo least={mib} {mib} ||\n"
            );
        }
        job.script += &format!("echo {HEADING}{kind}\n{tries}true\n");
    }
    Ok(())
}

/// What a job says.
fn output(lab: &Lab, job: &Job) -> Result<String> {
    let mut said = Vec::new();
    let done = lab.run_for_output(job, &mut said);
    let said = String::from_utf8_lossy(&said).replace('\r', "");
    match done {
        Ok(done) if done.status == Some(0) => Ok(said),
        Ok(done) => Err(format!(
            "the job in the lab ended with {:?}; it said\n{said}\n{}",
            done.status, done.log
        )),
        Err(why) => Err(format!("{why}\nthe job in the lab said\n{said}")),
    }
}

/// Instructions of a guest from its entry to main, by kind.
fn steps(places: &Places, lab: &Lab, hello: &Path) -> Result<Vec<(&'static str, u64)>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/steps.c");
    let scratch = std::path::absolute(&places.scratch).map_err(|why| why.to_string())?;
    let (plugin, counted) = (scratch.join("steps.so"), scratch.join("steps"));
    let done = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-o"])
        .args([&plugin, &source])
        .status();
    if !done.is_ok_and(|status| status.success()) {
        return Err("cc makes no plugin for QEMU".to_owned());
    }
    let symbols = symbols(hello)?;
    let at = |name| address(&symbols, name).ok_or(format!("{} has no {name}", hello.display()));
    let (pv, pvh, main) = (at("pv5entry5enter")?, at("__muslin_xen_pvh")?, at("main")?);
    let [low, high] = IMAGES;
    let mut word = format!(
        "{},out={},low={low:#x},high={high:#x}",
        plugin.display(),
        counted.display()
    );
    for place in [pv, pv + SHIFT, pvh, main] {
        word += &format!(",at={place:#x}");
    }
    let mut job = Job {
        limit: Some(TIME_MAX),
        emulator: vec!["-plugin".into(), word.into()],
        ..Job::default()
    };
    job.files.push(("hello".to_owned(), content(hello)?));
    let mut steps = Vec::new();
    for (kind, _) in KINDS {
        add_guest(&mut job, kind, kind, "hello", MEMORY_MIB, "");
        job.script += &format!("guest {kind}.cfg </dev/null || exit 1\n");
    }
    output(lab, &job)?;
    let text = content(&counted)?;
    let counts = between(&String::from_utf8_lossy(&text), main);
    for ((kind, _), count) in KINDS.into_iter().zip(counts) {
        steps.push((kind, count));
    }
    Ok(steps)
}

/// Of lines with an address and a count: what was counted up to each arrival at `to`, from the one before it.
fn between(text: &str, to: u64) -> Vec<u64> {
    let mut from = None;
    let mut counts = Vec::new();
    for line in text.lines() {
        let Some((place, count)) = line.split_once(' ') else {
            continue;
        };
        let Ok(count) = count.parse::<u64>() else {
            continue;
        };
        match u64::from_str_radix(place, 16) {
            Ok(place) if place == to => counts.extend(from.take().map(|from| count - from)),
            _ => from = Some(count),
        }
    }
    counts
}

/// What `nm` says of an image.
fn symbols(image: &Path) -> Result<String> {
    let output = Command::new("nm").arg(image).output();
    let output = output.map_err(|why| format!("nm: {why}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The address of a symbol by its name, or by a part of a name that the compiler has made.
fn address(symbols: &str, name: &str) -> Option<u64> {
    symbols.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (address, _, symbol) = (words.next()?, words.next()?, words.next()?);
        let is_it = symbol == name || symbol.starts_with("_ZN") && symbol.contains(name);
        is_it.then(|| u64::from_str_radix(address, 16).ok())?
    })
}

impl Xen {
    /// Takes in what the script says. Nothing takes no time: who says so has a clock that stands still.
    fn read(&mut self, said: &str) -> Result<()> {
        let mut who = "";
        for line in said.lines() {
            if let Some(name) = line.strip_prefix(HEADING) {
                who = name;
            } else if let Some((what, time)) = printed::line(line) {
                if time.fastest <= 0.0 {
                    return Err(format!(
                        "{who}: {what}: took {} ns, so its clock stood still: these figures are worth nothing",
                        time.fastest
                    ));
                }
                match what.as_str() {
                    "least" => self.least_mib.push((who.to_owned(), time.fastest as u32)),
                    _ => self.times.push((who.to_owned(), what, time)),
                }
            }
        }
        Ok(())
    }

    /// Prints the table and the targets.
    pub fn print(&self) {
        println!(
            "\nGuests of Xen in the lab, an emulated machine, and the Linux that is dom0 there: µs; the quickest, then the median"
        );
        let columns = [KINDS[0].0, KINDS[1].0, DOM0];
        let heads = ["PV", "PVH", "dom0"].map(|head| format!("{head:>20}"));
        println!("  {:34}{}", "", heads.concat());
        let mut names: Vec<&String> = Vec::new();
        for (_, what, _) in &self.times {
            if !names.contains(&what) {
                names.push(what);
            }
        }
        for name in names {
            let cells = columns.map(|who| {
                let found = self
                    .times
                    .iter()
                    .find(|(of, what, _)| of == who && what == name);
                let cell = found.map_or(String::new(), |(_, _, time)| {
                    let [fastest, median] = [time.fastest, time.median].map(|ns| ns / 1e3);
                    format!("{fastest:.2} ({median:.2})")
                });
                format!("{cell:>20}")
            });
            println!("  {name:34}{}", cells.concat());
        }
        let row = |what: &str, of: &dyn Fn(&str) -> Option<u64>| {
            let cells = KINDS.map(|(kind, _)| {
                let cell = of(kind).map_or("skipped".to_owned(), |value| value.to_string());
                format!("{cell:>20}")
            });
            println!("  {what:34}{}", cells.concat());
        };
        row("C hello, instructions to main", &|kind| {
            let found = self.steps.iter().find(|(of, _)| *of == kind);
            found.map(|(_, count)| *count)
        });
        let least = |kind: &str| {
            let found = self.least_mib.iter().find(|(of, _)| of == kind);
            found.map(|(_, mib)| *mib)
        };
        row("C hello, least memory in MiB", &|kind| {
            least(kind).map(u64::from)
        });
        for reason in &self.skipped {
            println!("  skipped: {reason}");
        }
        println!("\nTargets");
        for (kind, _) in KINDS {
            let Some(mib) = least(kind) else {
                continue;
            };
            let verdict = if mib <= LEAST_MIB_MAX {
                "met"
            } else {
                "MISSED"
            };
            println!(
                "  {verdict:8}C hello, least memory, {kind}: {mib} MiB (at most {LEAST_MIB_MAX} MiB)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Xen, address, between};

    #[test]
    fn what_the_script_says_is_taken_by_who_says_it() {
        let mut xen = Xen::default();
        let said = "== pv\na=1.5 2.0\nmuslin: exit status 0\n== dom0\na=3 4\n== pv\nleast=2 2\n";
        assert_eq!(xen.read(said), Ok(()));
        let times: Vec<(&str, f64)> = xen
            .times
            .iter()
            .map(|(who, _, time)| (who.as_str(), time.fastest))
            .collect();
        assert_eq!(times, [("pv", 1.5), ("dom0", 3.0)]);
        assert_eq!(xen.least_mib, [("pv".to_owned(), 2)]);
    }

    #[test]
    fn what_takes_no_time_is_refused() {
        let why = Xen::default().read("== pvh\na=1.5 2.0\nb=0.00 7.25\n");
        let is_clear = |why: &String| why.starts_with("pvh: b: took 0 ns, so");
        assert!(why.as_ref().is_err_and(is_clear), "{why:?}");
    }

    #[test]
    fn counts_are_from_the_place_before() {
        let text = "100 5\n200 25\n200 30\n110 40\n200 47\n";
        assert_eq!(between(text, 0x200), [20, 7]);
    }

    #[test]
    fn symbols_are_found_by_a_part_if_the_compiler_has_made_them() {
        let symbols = "0000000000000010 t domain\n0000000000000020 t _ZN3pv5enter17h0E\n0000000000000030 T main\n";
        assert_eq!(address(symbols, "main"), Some(0x30));
        assert_eq!(address(symbols, "5enter"), Some(0x20));
        assert_eq!(address(symbols, "none"), None);
    }
}
