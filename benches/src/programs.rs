//! Small programs, linked with either libc: how large they are, and what their start costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Places, Result};

/// The size of one program with either libc, in bytes.
pub struct Size {
    /// What was linked, and how.
    pub name: &'static str,
    /// With stock musl.
    pub stock: u64,
    /// With Muslin's.
    pub muslin: u64,
}

/// How a program that does nothing was linked, and what it took.
pub struct Start {
    /// Which libc, and how.
    pub name: &'static str,
    /// Spawn to end: the quickest, in µs.
    pub fastest_us: f64,
    /// Spawn to end: the median, in µs.
    pub median_us: f64,
    /// Instructions in user mode from the first to the last; `None` without valgrind.
    pub instructions: Option<u64>,
}

const STARTS: usize = 600;

/// Links the hello programs and looks how large they are.
pub fn sizes(places: &Places) -> Result<Vec<Size>> {
    let size = |name, file: &str, flags: &[&str]| -> Result<Size> {
        let of = |sysroot: &Path| -> Result<u64> {
            let program = link(places, sysroot, file, flags)?;
            let data = fs::metadata(&program);
            data.map(|data| data.len())
                .map_err(|why| format!("{}: {why}", program.display()))
        };
        Ok(Size {
            name,
            stock: of(&places.stock)?,
            muslin: of(&places.muslin)?,
        })
    };
    Ok(vec![
        size("C hello, static-pie", "hello.c", &["-O2", "-s"])?,
        size("C hello, -static", "hello.c", &["-O2", "-s", "-static"])?,
        size(
            "Rust hello",
            "hello.rs",
            &["-Copt-level=3", "-Cstrip=symbols"],
        )?,
    ])
}

/// Starts a program that does nothing, many times, the variants in turn.
pub fn starts(places: &Places) -> Result<Vec<Start>> {
    let variants: [(&'static str, &Path, &[&str]); 3] = [
        ("stock", &places.stock, &["-O2", "-s"]),
        ("Muslin", &places.muslin, &["-O2", "-s"]),
        // Without RELRO there is nothing to seal.
        (
            "Muslin, table not sealed",
            &places.muslin,
            &["-O2", "-s", "-Wl,-z,norelro"],
        ),
    ];
    let mut programs = Vec::new();
    for (name, sysroot, flags) in variants {
        let linked = link(places, sysroot, "nothing.c", flags)?;
        let program = places.scratch.join(name);
        fs::rename(&linked, &program).map_err(|why| format!("{}: {why}", linked.display()))?;
        programs.push((name, program, Vec::with_capacity(STARTS)));
    }
    for _ in 0..STARTS {
        for (_, program, times) in &mut programs {
            times.push(start(&mut Command::new(program))?);
        }
    }
    Ok(programs
        .into_iter()
        .map(|(name, program, mut times)| {
            times.sort_by(f64::total_cmp);
            Start {
                name,
                fastest_us: times[0],
                median_us: times[times.len() / 2],
                instructions: instructions(&program),
            }
        })
        .collect())
}

/// Compiles a program and links it with a sysroot; the result is overwritten by the next one.
pub fn link(places: &Places, sysroot: &Path, file: &str, flags: &[&str]) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("programs")
        .join(file);
    let program = places.scratch.join("program");
    let driver = sysroot.join("bin/muslin-cc");
    let mut command = if file.ends_with(".rs") {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
        rustc
            .args(["--edition=2024", "--target=x86_64-unknown-linux-musl"])
            .arg(format!("-Clinker={}", driver.display()))
            .arg(format!("-Lnative={}", sysroot.join("lib").display()));
        rustc
    } else {
        Command::new(driver)
    };
    let output = command
        .args(flags)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output()
        .map_err(|why| format!("cannot start the compiler: {why}"))?;
    if output.status.success() {
        return Ok(program);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let first = text.lines().next().unwrap_or("no message");
    Err(format!("{} does not link: {first}", source.display()))
}

/// Runs a program; from its spawn to its end, in µs.
pub fn start(command: &mut Command) -> Result<f64> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .env_clear();
    let begin = Instant::now();
    let status = command.status();
    let took = begin.elapsed().as_secs_f64() * 1e6;
    match status {
        Ok(status) if status.success() => Ok(took),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(why) => Err(format!("{command:?}: {why}")),
    }
}

/// Counts a program's instructions with valgrind.
fn instructions(program: &Path) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .output()
        .ok()?;
    collected(&String::from_utf8_lossy(&output.stderr))
}

/// The count in what callgrind prints: `==1== Collected : 1885`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_found() {
        let text = "==7== Events    : Ir\n==7== Collected : 1885\n==7== \n";
        assert_eq!(collected(text), Some(1885));
        assert_eq!(collected("valgrind: failed"), None);
    }
}
