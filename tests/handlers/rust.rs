//! The programs of the Rust crate `tests/handlers/rust`, built as any crate is: by a plain
//! `cargo build` for the stock musl target.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};

use crate::run;

/// A program: what is in its environment, how it ends, what it says on standard error.
struct Program {
    name: &'static str,
    mode: &'static str,
    environment: Option<(&'static str, &'static str)>,
    end: &'static str,
    says: &'static str,
}

const fn plain(name: &'static str) -> Program {
    Program {
        name,
        mode: "plain",
        environment: None,
        end: "status 0",
        says: "",
    }
}

const PROGRAMS: &[Program] = &[
    plain("registration"),
    plain("mutex_and_signal"),
    plain("command"),
    plain("stray"),
    Program {
        says: "write of 6 bytes",
        ..plain("allocation")
    },
    // 6 is SIGABRT: 134 to a shell.
    Program {
        end: "signal 6",
        says: "muslin: the handler of getppid panicked\n",
        ..plain("panic")
    },
    Program {
        mode: "catch_stray",
        environment: Some(("MUSLIN_CATCH_STRAY", "1")),
        ..plain("stray")
    },
    Program {
        mode: "counted",
        environment: Some(("MUSLIN_COUNT", "counters")),
        ..plain("command")
    },
];

/// The tests.
pub fn trials() -> Vec<Trial> {
    PROGRAMS
        .iter()
        .map(|program| {
            let name = format!("rust::{}::{}", program.name, program.mode);
            Trial::test(name, || judge(program))
        })
        .collect()
}

fn judge(program: &Program) -> Result<(), Failed> {
    let dir = run::work_dir(&format!("rust-{}-{}", program.name, program.mode))?;
    let mut command = Command::new(build("tests/handlers/rust")?.join(program.name));
    command.envs(program.environment);
    let outcome = run::run(command, &dir)?;
    if outcome.end == program.end && outcome.errors.contains(program.says) {
        Ok(())
    } else {
        Err(outcome.told().into())
    }
}

/// Builds the crate in this directory of the repository; where its programs are.
///
/// # Errors
/// Cargo's own words.
pub fn build(crate_dir: &str) -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let target = "x86_64-unknown-linux-musl";
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("handlers-target");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--quiet", "--target", target])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_dir))
        .env("CARGO_TARGET_DIR", &target_dir);
    // What cargo sets for this test is not the crate's business.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG")
            || name.starts_with("CARGO_MANIFEST")
            || name == "RUSTFLAGS"
        {
            command.env_remove(&*name);
        }
    }
    let output = command
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if output.status.success() {
        Ok(target_dir.join(target).join("debug"))
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{crate_dir} does not compile:\n{said}"))
    }
}
