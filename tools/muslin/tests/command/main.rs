//! The command as its users see it: exit codes, messages, and what it builds.
//!
//! What needs a sysroot makes one from the sources; a machine that cannot says so and skips.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it fails"
)]

mod boot;
mod build_systems;
mod cargo;
mod cc;
mod check;
mod deadlock;
mod faults;
mod guests;
mod hostile;
mod hosts;
mod hvt_files;
mod lab;
mod links;
mod memory;
mod network;
mod run;
mod size;
mod solo5;
mod user_net;
mod watchdog;
mod wrong_input;
mod xen;
mod xen_channels;
mod xen_lab;
mod xen_least;
mod xen_requests;
mod xen_run;
mod xen_vsock;
