//! The `muslin` command: builds, runs and checks images. Each subcommand is a file of its own.
//!
//! Called as `muslin-cc` it is the compiler driver, so that a build system has one program to call.

mod archive;
mod arena;
mod cargo;
mod cc;
mod check;
mod failure;
#[cfg(fixed_address)]
mod fixed_address;
mod locate;
mod output;
mod retarget;
mod run;
mod syscalls;
mod sysroot;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use arena::Arena;
use failure::{Failure, USAGE, one_line};
use output::{complain, print};

#[global_allocator]
static HEAP: Arena = Arena::new();

/// The name under which the command is the compiler driver.
const DRIVER: &str = "muslin-cc";

/// Muslin: unmodified C and Rust programs with every system call through a table of handlers
#[derive(Debug, Parser)]
#[command(
    name = "muslin",
    version,
    after_help = "\
Environment:
  MUSLIN_SYSROOT  the sysroot to build with, instead of the one beside this command

Example:
  muslin cc hello.c -o hello && muslin run --count hello"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile and link C with a sysroot of Muslin: gcc with the host's libc replaced
    #[command(disable_help_flag = true)]
    Cc(Rest),
    /// Not there yet: says so
    #[command(name = "c++", alias = "cxx", hide = true, disable_help_flag = true)]
    CPlusPlus(Rest),
    /// Run cargo for an unmodified crate and link it with a sysroot of Muslin
    #[command(disable_help_flag = true)]
    Cargo(Rest),
    Run(Box<run::RunArgs>),
    Check(check::CheckArgs),
    Retarget(retarget::RetargetArgs),
    Syscalls(syscalls::SyscallsArgs),
    Sysroot(sysroot::SysrootArgs),
    /// Print the version
    Version,
}

/// The arguments of another program.
#[derive(Debug, clap::Args)]
struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    match dispatch(env::args_os().collect()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if let Some(line) = failure.line {
                complain(&line);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(words: Vec<OsString>) -> Result<u8, Failure> {
    let invoked_as = words.first().cloned().unwrap_or_default();
    if Path::new(&invoked_as).file_name() == Some(OsStr::new(DRIVER)) {
        return cc::run(Some(&invoked_as), words.into_iter().skip(1).collect());
    }
    // The lines of gcc and cargo are not clap's business: not even a `--` in them.
    match words.get(1).and_then(|word| word.to_str()) {
        Some("cc") => return cc::run(None, words.into_iter().skip(2).collect()),
        Some("cargo") => return cargo::run(words.into_iter().skip(2).collect()),
        Some("c++" | "cxx") => return Err(cc::no_cplusplus("muslin c++")),
        _ => {}
    }
    if words.get(1).is_some_and(|word| word == "run") {
        return match run::RunArgs::parse(words) {
            Ok(args) => run::run(args),
            Err(error) => answer(&error),
        };
    }
    by_clap(words)
}

/// Apart from the rest, which would otherwise have the stack of all subcommands together.
#[inline(never)]
fn by_clap(words: Vec<OsString>) -> Result<u8, Failure> {
    let command = Cli::command();
    let matches = match command.try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return answer(&error),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| usage(&error))?;
    match cli.command {
        Command::Cc(_) | Command::CPlusPlus(_) | Command::Cargo(_) | Command::Run(_) => Ok(0),
        Command::Check(args) => check::run(args),
        Command::Retarget(args) => retarget::run(args),
        Command::Syscalls(args) => syscalls::run(args),
        Command::Sysroot(args) => sysroot::run(args),
        Command::Version => {
            print(&format!("muslin {}\n", env!("CARGO_PKG_VERSION")))?;
            Ok(0)
        }
    }
}

/// clap's answer to `--help` and `--version` is output; the rest is wrong usage.
fn answer(error: &clap::Error) -> Result<u8, Failure> {
    if error.use_stderr() {
        return Err(usage(error));
    }
    print(&error.render().to_string())?;
    Ok(0)
}

/// clap's several lines as one.
fn usage(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut what = one_line(first.strip_prefix("error: ").unwrap_or(first));
    // "the following required arguments were not provided:" goes on in the next line.
    if what.ends_with(':')
        && let Some(next) = lines.next()
    {
        what = format!("{what} {}", one_line(next));
    }
    if text.starts_with("Muslin") || what.is_empty() {
        what = "no subcommand given".to_owned();
    }
    Failure {
        code: USAGE,
        line: Some(format!("{what}; see muslin --help")),
    }
}
