//! The runtime: what every image holds between musl and the platform.
//!
//! Compiled for `x86_64-unknown-none`, it becomes one relocatable object inside libc.a; compiled
//! for a host it offers the table to the tools.
//!
//! - `table`: THE list, one line a call
//! - `boot`: the first code of a process, before its first call
//! - `dispatch`: slots and numbers; changing the code of a slot
//! - `chain`: what runs when a slot has registered handlers; `inside`: whether a thread is inside
//!   one; `own_stack`: stacks for those that want one
//! - `register`, `families`: registration from outside, the C symbols of `muslin.h`
//! - `counting`, `seal`: the counters of `muslin run --count`; the table read-only
//! - `heap`, `console`, `thread`, `raw`: what handlers stand on, none of it through libc
//! - `linux/`: what else a kernel below needs for descriptors of handlers' making and a service beside
//!   the calls: its own descriptors, threads and locks
//! - `bare/`: the same for platforms without a kernel below (feature `bare`), where the
//!   library OS answers: boot, raw and counting stand in place of those here
//! - `command_line`: words of the command line, where there is no shell
//!
//! Every file but `table` and `support` is a door to unsafe code: this room is the boundary
//! between C and Rust.

#![no_std]

#[cfg(all(target_os = "none", feature = "bare"))]
extern crate alloc;

#[cfg(all(
    target_os = "none",
    any(
        all(feature = "platform-linux", feature = "bare"),
        all(feature = "platform-solo5", feature = "platform-xen")
    )
))]
compile_error!("one runtime object is for one platform: build with --no-default-features");

// What the files of `bare/` stand on: each such platform has the same few names.
#[cfg(all(target_os = "none", feature = "platform-solo5"))]
use muslin_solo5 as below;
#[cfg(all(target_os = "none", feature = "platform-xen"))]
use muslin_xen as below;

#[cfg(any(test, feature = "bare"))]
pub mod command_line;
pub mod support;
pub mod table;

#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/answer.rs"]
mod answer;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "bare", path = "bare/boot.rs")]
mod boot;
#[cfg(target_os = "none")]
mod chain;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/clock.rs"]
mod clock;
#[cfg(target_os = "none")]
mod console;
#[cfg(any(test, all(target_os = "none", feature = "bare")))]
#[path = "bare/copies.rs"]
mod copies;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "bare", path = "bare/counting.rs")]
mod counting;
#[cfg(target_os = "none")]
mod dispatch;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/ending.rs"]
mod ending;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod families;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/fd_api.rs"]
mod fd_api;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/fd_calls.rs"]
mod fd_calls;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/fd_numbers.rs"]
mod fd_numbers;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/fd_pieces.rs"]
mod fd_pieces;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/fd_splice.rs"]
mod fd_splice;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/fd_table.rs"]
mod fd_table;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/fd_watch.rs"]
mod fd_watch;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/given.rs"]
mod given;
#[cfg(target_os = "none")]
mod heap;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/hidden.rs"]
mod hidden;
#[cfg(target_os = "none")]
mod inside;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/kernel.rs"]
mod kernel;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/kernel_heap.rs"]
mod kernel_heap;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/labels.rs"]
mod labels;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/lead.rs"]
mod lead;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/lead_waits.rs"]
mod lead_waits;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/lock.rs"]
mod lock;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/minted.rs"]
mod minted;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/mirror.rs"]
mod mirror;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/missing.rs"]
mod missing;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "platform-linux", path = "linux/net_device.rs")]
#[cfg_attr(feature = "bare", path = "bare/net_device.rs")]
mod net_device;
#[cfg(target_os = "none")]
mod note;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/option.rs"]
mod option;
#[cfg(target_os = "none")]
mod own_stack;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod preinit;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/process.rs"]
mod process;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "bare", path = "bare/raw.rs")]
mod raw;
#[cfg(target_os = "none")]
mod register;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/restarts.rs"]
mod restarts;
#[cfg(target_os = "none")]
mod seal;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "platform-linux", path = "linux/service.rs")]
#[cfg_attr(feature = "bare", path = "bare/service.rs")]
mod service;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/service_stack.rs"]
mod service_stack;
#[cfg(any(test, all(target_os = "none", feature = "bare")))]
#[path = "bare/sorted.rs"]
mod sorted;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/start.rs"]
mod start;
#[cfg(all(target_os = "none", feature = "platform-linux"))]
#[path = "linux/stays.rs"]
mod stays;
#[cfg(target_os = "none")]
mod thread;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/traps.rs"]
mod traps;
#[cfg(all(target_os = "none", feature = "platform-xen"))]
#[path = "bare/vsock.rs"]
mod vsock;
#[cfg(all(target_os = "none", feature = "bare"))]
#[path = "bare/world.rs"]
mod world;
