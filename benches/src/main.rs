//! `make bench`: measures what Muslin costs beside stock musl, and prints it with the targets.
//!
//! - `images`: the benches, linked with either libc; their rounds in turn
//! - `programs`: small programs: size and start
//! - `guests`: guests of spt beside native programs
//! - `waits`: threads, waiting and timers of guests beside native ones
//! - `printed`: what programs print that measure by themselves
//! - `database`: SQLite's own benchmark in both worlds
//! - `tenders`: the built-in tender beside stock Solo5's
//! - `report`: the table, and which targets are met

mod database;
mod guests;
mod images;
mod printed;
mod programs;
mod report;
mod tenders;
mod waits;

use std::path::PathBuf;
use std::process::ExitCode;

/// Where things are.
pub struct Places {
    /// The stock sysroot.
    stock: PathBuf,
    /// Muslin's.
    muslin: PathBuf,
    /// That for guests of spt.
    solo5: PathBuf,
    /// The command `muslin`.
    muslin_command: PathBuf,
    /// Where measurements and programs go.
    scratch: PathBuf,
}

/// A failure, in one line.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("bench: {line}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [stock, muslin, solo5, muslin_command, scratch] = <[PathBuf; 5]>::try_from(arguments)
        .map_err(|_| {
            "usage: muslin-bench STOCK-SYSROOT SYSROOT SPT-SYSROOT MUSLIN SCRATCH-DIR; run make bench"
        })?;
    let places = Places {
        stock,
        muslin,
        solo5,
        muslin_command,
        scratch,
    };
    std::fs::create_dir_all(&places.scratch)
        .map_err(|why| format!("making {}: {why}", places.scratch.display()))?;
    eprintln!("bench: linking the benches with stock musl and with Muslin's");
    let images = images::Images::build(&places)?;
    eprintln!("bench: measuring calls, about a minute; a quiet machine helps");
    let times = images.measure(&places)?;
    eprintln!("bench: measuring programs");
    let sizes = programs::sizes(&places)?;
    let starts = programs::starts(&places)?;
    eprintln!("bench: measuring guests");
    let guests = guests::Guests::measure(&places)?;
    eprintln!("bench: measuring threads and waiting");
    let waits = waits::measure(&places)?;
    eprintln!("bench: measuring SQLite's speedtest1");
    let database = database::Database::measure(&places)?;
    report::print(&times, &sizes, &starts, &guests, &waits, &database);
    Ok(())
}
