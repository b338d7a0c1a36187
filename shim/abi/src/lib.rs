//! The vocabulary that every room shares: call numbers, error numbers, arguments, and the words
//! that cross the C boundary of the runtime. No code that does anything.

#![no_std]
#![forbid(unsafe_code)]

pub mod args;
pub mod control;
pub mod counters;
pub mod errno;
pub mod fault;
pub mod file;
pub mod flags;
pub mod handler;
pub mod layout;
mod names;
pub mod net_device;
pub mod pulse;
pub mod setting;
pub mod sysno;
pub mod time;

pub use args::{SyscallArgs, SyscallResult};
pub use errno::Errno;
pub use sysno::{SYSNO_MAX, SYSNOS, Sysno};
