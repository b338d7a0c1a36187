//! A server as a guest of spt and as a process with the stack, over a TAP and by a published port: Linux is the
//! peer, in a network of the test's own. It replies what the same server replies as a process over Linux's own
//! stack, and its own benchmark comes to an end.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::built::{self, Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::stage::tool;

/// The script's exit code when it may not make interfaces.
const MAY_NOT: i32 = 77;

/// A heading and the benchmark's seven tests.
const BENCHMARK_LINES: usize = 8;

/// The tests.
pub fn trials() -> Vec<Trial> {
    vec![Trial::ignorable_test("redis::over_a_tap", || {
        completion(redis())
    })]
}

fn redis() -> Step<()> {
    let trial = Command::new("unshare")
        .args(["--net", "ip", "tuntap", "add", "tap7", "mode", "tap"])
        .output();
    if !trial.is_ok_and(|output| output.status.success()) {
        return Err(Failure::skip(
            "no TAP can be made in a network of one's own",
        ));
    }
    let guest = built::with_network("redis", Flavour::Solo5Spt)?;
    let linux = built::with_network("redis", Flavour::Muslin)?;
    let stock = built::program("redis", Flavour::Stock)?;
    let scratch =
        TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
    let tests = repository().join("tests/programs");
    let mut command = Command::new(tool("timeout"));
    command
        .args(["--kill-after=5", "480", "unshare", "--net", "sh"])
        .arg(tests.join("over_a_tap.sh"))
        .arg(repository().join("out/bin/muslin"))
        .args([guest, linux, stock])
        .arg(tests.join("inputs/redis/commands.txt"))
        .current_dir(scratch.path());
    let output = command
        .output()
        .map_err(|why| Failure::new(format_args!("running {command:?}: {why}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    eprint!("{said}");
    if output.status.code() == Some(MAY_NOT) {
        return Err(Failure::skip("this user may not make interfaces"));
    }
    if !output.status.success() {
        return Err(Failure::new(format_args!(
            "{}\n{said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let read = |name: &str| {
        let path = scratch.path().join(name);
        fs::read_to_string(&path).map_err(|why| Failure::io("reading", &path, &why))
    };
    let theirs = read("stock.replies")?;
    for name in ["guest", "linux", "published"] {
        let ours = read(&format!("{name}.replies"))?;
        if ours != theirs || !ours.starts_with("PONG\n") {
            return Err(Failure::new(format_args!(
                "{name} replied\n{ours}--- and the process\n{theirs}"
            )));
        }
        let rates = read(&format!("{name}.rates"))?;
        if rates.lines().count() != BENCHMARK_LINES {
            return Err(Failure::new(format_args!("the benchmark said\n{rates}")));
        }
    }
    Ok(())
}
