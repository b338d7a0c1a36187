//! Counts the instructions that a guest executes before it comes to an address: exact, whatever else
//! the machine does.
//!
//! The guest is run one instruction at a time. What an exception's handler executes is not seen, nor
//! is the instruction behind one that loads the stack's segment.

use std::io;
use std::os::fd::AsFd;

use super::machine::End;
use super::process::filled;
use super::service::Service;
use crate::launch::Launch;
use crate::refusal::Refusal;

/// Instructions from the guest's entry to the first arrival at an address. It runs in this process, and
/// does not go on from there.
pub(crate) fn steps(launch: &Launch<'_>, to: u64) -> Result<u64, Refusal> {
    let (ram, mut machine) = filled(launch, None)?;
    let output = io::stdout();
    let service = Service::new(launch, &ram, output.as_fd());
    machine.run_to(to, &service).map_err(|end| {
        let ended = match end {
            End::Halted(halt) => format!("it ended with status {}", halt.status),
            End::Stopped(what) => format!("it was stopped: {what}"),
        };
        Refusal::new(
            format_args!("the guest never came to {to:#x}: {ended}"),
            "name an address of code that it executes",
        )
    })
}
