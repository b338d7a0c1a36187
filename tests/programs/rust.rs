//! The Rust programs that need no network beyond their own loopback.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;

use crate::failure::{Failure, Step};
use crate::same::trials as both;
use crate::stage::Stage;

/// The tests.
pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    all.extend(both("std", "rust", std_alone));
    all.extend(both("rayon", "rust", rayon));
    all.extend(both("rusqlite", "rust", rusqlite));
    all.extend(both("rustls", "rust", rustls));
    all.extend(both("ripgrep", "ripgrep", ripgrep));
    all
}

fn std_alone(stage: &Stage) -> Step<()> {
    let dir = stage.work().join("dir");
    fs::create_dir(&dir).map_err(|why| Failure::io("making", &dir, &why))?;
    let output = stage.finish(stage.command("threads").arg("dir"), b"")?;
    // Standard error names the thread that panicked on purpose by its number in the system.
    stage.note(&output.stdout);
    stage.note(output.status.to_string());
    stage.run("threads", &[], b"")?;
    Ok(())
}

fn rayon(stage: &Stage) -> Step<()> {
    stage.run("sort", &[], b"").map(drop)
}

fn rusqlite(stage: &Stage) -> Step<()> {
    stage.run("sqlite", &["books.db"], b"")?;
    stage.run("sqlite", &["no/such/directory.db"], b"")?;
    Ok(())
}

fn rustls(stage: &Stage) -> Step<()> {
    stage.run("tls", &[], b"").map(drop)
}

fn ripgrep(stage: &Stage) -> Step<()> {
    plant_tree(&stage.work())?;
    for args in [
        &["--version"][..],
        &["--sort=path", "weft"],
        &["--sort=path", "--line-number", r"\bloom\d+\b", "a", "b"],
        &["--sort=path", "--count", "--ignore-case", "MUSLIN"],
        &["--sort=path", "--files"],
        &["--sort=path", "--files", "--hidden", "--no-ignore"],
        &["--sort=path", "--json", "--max-count=1", "seam"],
        &["--sort=path", "--multiline", r"first\nsecond"],
        &["--replace=<$1>", "--no-filename", r"thread-(\d)9\b"],
        &["--mmap", "weft", "a/1.txt"],
        &["nothing like this"],
        &["(unclosed"],
    ] {
        // Only one thread prints in a certain order.
        let threads = ["--threads=1"];
        let args = [&threads[..], args].concat();
        if args.contains(&"--json") {
            without_times(stage, &args)?;
        } else {
            stage.run("rg", &args, b"")?;
        }
    }
    stage.run("rg", &["--count", "weft", "-"], b"warp\nweft\nweft weft\n")?;
    // In parallel, with the lines in any order.
    let output = stage.finish(stage.command("rg").args(["--threads=4", "weft", "."]), b"")?;
    let mut lines: Vec<&[u8]> = output.stdout.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    stage.note(lines.join(&b'\n'));
    Ok(())
}

/// JSON lines hold how long a search took; those are left out.
fn without_times(stage: &Stage, args: &[&str]) -> Step<()> {
    let output = stage.finish(stage.command("rg").args(args), b"")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if !line.contains("\"elapsed") {
            stage.note(format!("{line}\n"));
        }
    }
    Ok(())
}

/// A tree of text files, hidden and ignored ones among them.
pub fn plant_tree(work: &Path) -> Step<()> {
    let plant = |name: &str, text: &str| {
        let path = work.join(name);
        let dir = path.parent().unwrap_or(work);
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&path, text))
            .map_err(|why| Failure::io("planting", &path, &why))
    };
    for dir in ["a", "b", "b/c", "b/c/d", "e"] {
        for file in 0..12 {
            let mut text = String::new();
            for line in 0..200 {
                text += match (line * 7 + file * 3) % 11 {
                    0 => "weft and warp\n",
                    1 => "a seam in muslin\n",
                    2 => "first\nsecond\n",
                    3 => "over the loom",
                    _ => "plain cloth, thread-",
                };
                text += &format!("{line}\n");
            }
            plant(&format!("{dir}/{file}.txt"), &text)?;
        }
    }
    plant(".ignore", "e/\n*.log\n")?;
    plant("a/old.log", "weft in a log\n")?;
    plant(".hidden/file", "weft in hiding\n")?;
    plant("binary", "weft\0weft\n")
}
