//! Programs as guests of Xen: each is the first guest of a machine of the lab.

use std::path::Path;
use std::time::Duration;

use muslin_lab::xen::{Alone, Lab, Mode};

use crate::judge::Cell;
use crate::platforms::Platform;
use crate::program::Program;
use crate::run::{GUEST_DIR, Outcome, compile, environment_of, without_reports};

/// Far more than any program needs, even in an emulated machine on a busy one.
const TIME_MAX: Duration = Duration::from_secs(180);

/// The memory of a guest in MiB.
const MEMORY_MIB: u64 = 512;

/// What came of the program in Xen.
pub fn outcome(program: &Program, platform: &Platform, mode: Mode) -> Result<Outcome, Cell> {
    let lab = Lab::find().map_err(Cell::Skipped)?;
    let image = compile(program, platform).map_err(Cell::Failed)?;
    let mut words = vec![
        format!("MUSLIN_ARGV0=./{}", program.name),
        format!("MUSLIN_CWD={GUEST_DIR}"),
    ];
    let environment = environment_of(platform, Path::new("."));
    words.extend(
        environment
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    let ended = lab
        .run_as_dom0(&Alone {
            image: &image,
            mode,
            command_line: &words.join(" "),
            initrd: None,
            memory_mib: MEMORY_MIB,
            limit: TIME_MAX,
        })
        .map_err(Cell::Failed)?;
    let (output, end) = match ended.status {
        Some(status) => (ended.output, format!("status {status}")),
        None if ended.is_too_long => {
            let end = format!("killed: took more than {} s", TIME_MAX.as_secs());
            (ended.output, end)
        }
        None => (ended.log, "ended without a status".to_owned()),
    };
    Ok(Outcome {
        output: without_reports(&output),
        complaints: String::new(),
        end,
    })
}
