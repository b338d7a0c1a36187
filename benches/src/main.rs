//! `make bench`: measures what Muslin costs beside stock musl, and prints it with the targets.
//!
//! - `images`: the benches, linked with either libc; their rounds in turn
//! - `programs`: small programs: size and start
//! - `guests`: guests of spt beside native programs
//! - `waits`: threads, waiting and timers of guests beside native ones
//! - `printed`: what programs print that measure by themselves
//! - `database`: SQLite's own benchmark in both worlds
//! - `network`: servers over Muslin's stack and over Linux's
//! - `tenders`: the built-in tender beside stock Solo5's
//! - `report`: the table, and which targets are met

mod database;
mod guests;
mod images;
mod network;
mod printed;
mod programs;
mod report;
mod tenders;
mod waits;

use std::path::{Path, PathBuf};
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
    let mut arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let is_network_alone = arguments
        .get(5)
        .is_some_and(|word| word == Path::new("network"));
    if is_network_alone {
        arguments.truncate(5);
    }
    let [stock, muslin, solo5, muslin_command, scratch] = <[PathBuf; 5]>::try_from(arguments)
        .map_err(|_| {
            "usage: muslin-bench STOCK-SYSROOT SYSROOT SPT-SYSROOT MUSLIN SCRATCH-DIR [network]; run make bench"
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
    if is_network_alone {
        network::measure(&places)?.print();
        return Ok(());
    }
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
    eprintln!("bench: measuring the network, about two minutes");
    let network = network::measure(&places)?;
    report::print(&times, &sizes, &starts, &guests, &waits, &database);
    network.print();
    Ok(())
}
