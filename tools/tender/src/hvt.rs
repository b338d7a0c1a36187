//! Guests for hvt: a virtual machine with one processor, and hypercalls.
//!
//! [`process`] makes a child process, which fills the guest's memory ([`ram`], [`tables`]), makes the
//! machine ([`machine`]), gives up all system calls but those that its hypercalls need ([`filter`]),
//! and runs the guest. Its hypercalls are read and checked in [`hypercall`] and done in [`service`]; frames
//! that it puts into a [`ring`] are done by a thread beside.
//! How it ended goes to the parent as a [`message`], which [`report`] puts into words. [`mod@steps`] counts
//! what a guest executes.

mod boot_info;
mod filter;
#[cfg(test)]
mod fuzz;
mod hypercall;
mod machine;
mod message;
mod probe;
#[allow(unsafe_code, reason = "fork")]
mod process;
#[allow(unsafe_code, reason = "the protection of guest memory")]
mod ram;
mod report;
mod ring;
mod service;
mod steps;
mod tables;

pub use probe::probe;
pub(crate) use process::run;
#[cfg(test)]
pub(crate) use report::nothing;
pub(crate) use steps::steps;

/// Guest memory comes in pieces of this many MiB: the tables map it so.
pub const MEMORY_STEP_MIB: u64 = 2;

/// What the tables can map.
pub(crate) const MEMORY_MIB_MAX: u64 = 4096;
