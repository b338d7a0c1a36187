//! Handlers and their traps: each C program of tests/handlers, each program of the Rust crate there
//! and each example is one test. Each has an outcome that is written in it.
//!
//! `cargo test --test handlers` runs all of them; `cargo test --test handlers stack` those with
//! "stack" in their names. A C program runs three times: as it is, with its calls counted, and with
//! stray calls caught.

#[path = "handlers/c.rs"]
mod c;
#[path = "handlers/dropped.rs"]
mod dropped;
#[path = "handlers/examples.rs"]
mod examples;
#[path = "handlers/run.rs"]
mod run;
#[path = "handlers/rust.rs"]
mod rust;
#[path = "conformance/sysroots.rs"]
mod sysroots;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut trials = match c::trials() {
        Ok(trials) => trials,
        Err(why) => {
            eprintln!("tests/handlers: {why}");
            return ExitCode::FAILURE;
        }
    };
    trials.extend(dropped::trials());
    trials.extend(rust::trials());
    trials.extend(examples::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
