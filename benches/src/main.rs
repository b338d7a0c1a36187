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
//! - `xen`: guests of Xen in the lab
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
mod xen;

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
    /// That for guests of Xen.
    xen: PathBuf,
    /// The command `muslin`.
    muslin_command: PathBuf,
    /// Where measurements and programs go.
    scratch: PathBuf,
}

/// How many there are.
const PLACES: usize = 6;

const USAGE: &str = "usage: muslin-bench STOCK-SYSROOT SYSROOT SPT-SYSROOT XEN-SYSROOT MUSLIN SCRATCH-DIR [network|xen]; run make bench";

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
    let alone = arguments.get(PLACES).cloned();
    arguments.truncate(PLACES);
    let [stock, muslin, solo5, xen, muslin_command, scratch] =
        <[PathBuf; PLACES]>::try_from(arguments).map_err(|_| USAGE)?;
    let places = Places {
        stock,
        muslin,
        solo5,
        xen,
        muslin_command,
        scratch,
    };
    std::fs::create_dir_all(&places.scratch)
        .map_err(|why| format!("making {}: {why}", places.scratch.display()))?;
    match alone.as_deref().map(Path::to_str) {
        None => {}
        Some(Some("network")) => {
            network::measure(&places)?.print();
            return Ok(());
        }
        Some(Some("xen")) => {
            xen::measure(&places)?.print();
            return Ok(());
        }
        Some(_) => return Err(USAGE.to_owned()),
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
    eprintln!("bench: measuring guests of Xen, about a minute");
    let xen = xen::measure(&places)?;
    report::print(&times, &sizes, &starts, &guests, &waits, &database);
    network.print();
    xen.print();
    Ok(())
}
