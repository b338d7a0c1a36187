//! Solo5 below: a guest of the spt tender, ABI 2 (Solo5 0.9 to 0.12).
//!
//! - `notes`: the ELF notes by which tenders know an image
//! - `boot_info`: what the tender leaves in memory at the start
//! - `calls`: the nine calls of the host's kernel that the tender's filter allows
//! - `steady`: clocks that are read from the processor between questions to the host
//! - `spt`: the platform over them
//!
//! Only shim/runtime enters. What this room needs from above (where the image lies) is handed in.

#![no_std]

pub mod boot_info;
mod calls;
#[cfg(target_os = "none")]
mod notes;
pub mod spt;
mod steady;
