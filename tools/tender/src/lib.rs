//! The built-in tender: starts a Solo5 spt image in a process of its own, and reports how it ended.
//!
//! [`image::Image`] is a checked ELF file, [`manifest::Manifest`] the devices it declares.
//! [`run`] loads the image into a child process, which gives up all but nine system calls
//! ([`filter`]) before the first instruction of the guest. The tender itself stays outside and sees
//! how the guest ends: [`report`] says where a fault was, and in which function.
//!
//! Images of stock Solo5 with ABI 1 or 2 run as well.

#![deny(unsafe_code)]

mod boot_info;
mod devices;
mod filter;
#[allow(
    unsafe_code,
    reason = "fork, guest memory, and the jump into the guest"
)]
mod guest;
pub mod image;
mod initrd;
pub mod manifest;
mod refusal;
mod report;
mod symbols;
#[allow(unsafe_code, reason = "ptrace has no safe words")]
mod trace;
mod unwind;

pub use boot_info::COMMAND_LINE_BYTES_MAX;
pub use devices::BlockFile;
pub use guest::{Options, Outcome, run};
pub use refusal::Refusal;
pub use report::Report;
