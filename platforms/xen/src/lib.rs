//! Xen below: a guest that knows its hypervisor. One image has two entries, and the loader chooses:
//! paravirtualised (PV), where Xen checks every change of the page tables, or in a virtual machine
//! (PVH), where they are the guest's own.
//!
//! - `host`: the platform, whichever way the image was entered
//! - `notes`: the ELF notes by which loaders know an image
//! - `abi`: numbers and layouts of Xen's interface
//! - `hypercall`: the one door to Xen
//! - `shared_info`: the page that Xen and the guest share
//! - `events`: event channels, and the only sleep
//! - `clock`: time of the hypervisor
//! - `console`: text out and in, by `console_ring` below another guest; `typed`: what is typed there
//! - `power`: the end; `outside`: requests to end, and other things that come unasked
//! - `pv`, `pvh`: entry, memory and exceptions, each in its way; `machine` is what they have in common
//! - `layout`: low memory
//! - `net`: network devices
//! - `grants`: pages of this guest that another may use
//! - `blkfront`: disks of another guest; `netfront`: its networks
//! - `shared`: what this guest has with others; `guest`: what a front end needs of it; `xenbus`: how a device's two ends find each other
//! - `ring`: requests to another guest, and its responses
//! - `vchan`: channels of bytes with other guests
//! - `xenstore`: names and values by which guests and devices find each other
//!
//! Only shim/runtime enters. What this room needs from above (where the image lies) is handed in.

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod abi;
mod attached;
mod blkfront;
mod clock;
mod console;
mod console_ring;
pub mod events;
pub mod grants;
mod guest;
pub mod host;
#[cfg(test)]
mod hostile;
pub mod hypercall;
mod layout;
mod machine;
pub mod net;
mod netfront;
#[cfg(target_os = "none")]
mod notes;
pub mod outside;
mod power;
mod pv;
mod pvh;
pub mod ring;
mod shared;
mod shared_info;
mod turn;
mod typed;
pub mod vchan;
mod xenbus;
pub mod xenstore;

pub use muslin_arch::paging::PAGE_BYTES;

/// The number in the note of images for this platform.
pub const NOTE: u32 = 2;
