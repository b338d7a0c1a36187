//! The built-in tender: starts a Solo5 image and reports how it ended.
//!
//! [`image::Image`] is a checked ELF file, [`manifest::Manifest`] the devices it declares. [`run`]
//! loads the image into a child process. For spt the child itself becomes the guest, after it has
//! given up all but nine system calls ([`filter`]). For hvt the child keeps a virtual machine
//! ([`hvt`]) and serves its hypercalls, behind a filter of its own. The tender itself stays outside
//! and sees how the guest ends: [`report`] says where a fault was, and in which function.
//!
//! Images of stock Solo5 with ABI 1 or 2 run as well.

#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "timers and signals have no safe words")]
mod alarm;
mod beside;
mod boot_info;
mod cable;
#[cfg(test)]
mod damage;
mod devices;
mod filter;
#[allow(
    unsafe_code,
    reason = "fork, guest memory, and the jump into the guest"
)]
mod guest;
pub mod hvt;
pub mod image;
mod initrd;
mod launch;
mod link;
pub mod manifest;
mod net;
mod refusal;
mod report;
mod retarget;
#[allow(unsafe_code, reason = "masks of signals have no safe words")]
mod signals;
mod symbols;
#[allow(unsafe_code, reason = "ioctl has no safe words for interfaces")]
mod tap;
#[allow(unsafe_code, reason = "ptrace has no safe words")]
mod trace;
mod unwind;
mod wait_set;
mod watchdog;
mod wire;

pub use beside::{Beside, Held};
pub use boot_info::COMMAND_LINE_BYTES_MAX;
pub use cable::Traffic;
pub use devices::{BlockFile, SECTOR_BYTES};
pub use launch::{Options, Outcome, run, steps};
pub use muslin_net_layers::{BadFaults, Counters, Faults};
pub use muslin_usernet::{BadSettings, NAME_SERVER, Publish};
pub use net::{NetAddress, NetCapture, NetEnd, NetLayers, NetTap, open as open_nets};
pub use refusal::Refusal;
pub use report::Report;
pub use retarget::retarget;
pub use watchdog::Patience;
