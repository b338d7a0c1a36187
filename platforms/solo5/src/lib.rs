//! Solo5 below: a guest of its tenders, ABI 2 (Solo5 0.9 to 0.12), and the same image as a process.
//!
//! - `host`: who entered the image; the runtime asks it for the platform
//! - `spt`, `hvt`, `linux_process`: the platforms
//! - `notes`: the ELF notes by which tenders know an image
//! - `manifest`, `block`: the devices that a tender gives
//! - `outside`: what comes unasked
//! - `boot_info`: what the spt tender leaves in memory at the start
//! - `calls`: the calls of the host's kernel that the spt tender's filter allows
//! - `stray`: `syscall` instructions of a process that are not libc's
//! - `process_blocks`: the block devices of a process
//! - `host_files`: block devices that are its files
//! - `host_clock`, `steady`: its clocks, read from the processor between questions to the host
//!
//! Only shim/runtime enters. What this room needs from above (where the image lies) is handed in.

#![no_std]

mod block;
mod boot_info;
mod calls;
pub mod host;
mod host_clock;
mod host_files;
mod hvt;
mod linux_process;
mod manifest;
pub mod net;
#[cfg(target_os = "none")]
mod notes;
pub mod outside;
#[cfg(target_os = "none")]
mod process_blocks;
#[cfg(target_os = "none")]
mod process_nets;
mod spt;
mod steady;
#[cfg(target_os = "none")]
mod stray;

/// The number in the note of images for this platform.
pub const NOTE: u32 = 1;

/// Size of a page in bytes.
pub const PAGE_BYTES: usize = 4096;
