//! Register system call handlers in a Rust program.
//!
//! A program that depends on this crate and is built for `x86_64-unknown-linux-musl` is linked with
//! Muslin's libc: every system call that it makes, or that any of its crates makes, goes through a
//! table of handlers. This crate puts handlers of the program's own there.
//!
//! ```no_run
//! use muslin::{Context, SyscallArgs, SyscallResult, Sysno};
//!
//! fn my_getppid(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
//!     Ok(42)
//! }
//!
//! // Active before the process's first call:
//! muslin::static_handler!(Sysno::getppid, my_getppid);
//!
//! // Or from now on:
//! let previous = muslin::register(Sysno::getppid, my_getppid)?;
//! # Ok::<(), muslin::Errno>(())
//! ```
//!
//! What a handler may do: it runs where the call was made, possibly in a signal handler, before
//! main, on a small stack, or while libc holds a lock. Calls that it makes itself go to the
//! platform and not to handlers, unless these are [reentrant](Registration::reentrant). errno is
//! kept around it. A handler that answers the calls the allocator makes (mmap, brk, munmap, mremap,
//! madvise) must not allocate with the program's allocator: [`Heap`] is always safe. One that
//! answers the calls that printing makes must not print with std: [`print!`] is always safe. A
//! handler that panics ends the process with a line that names its call.
//!
//! A handler can also answer with descriptors of its own making ([`fd`]), wait for what becomes of them
//! ([`Context::wait`]), run something beside the calls ([`service`]), and move the frames of network
//! devices ([`net_device`]): all that sockets need, and [`signal`] for who writes what nobody reads. What
//! it shares it locks with [`Lock`].
//!
//! This crate is thin: the runtime itself is inside libc.a, once, whatever the program links.
#![no_std]

extern crate alloc;

mod abort;
pub mod clock;
mod context;
pub mod fd;
#[doc(hidden)]
pub mod ffi;
mod heap;
mod lock;
pub mod net_device;
mod option;
mod print;
pub mod random;
mod register;
pub mod service;
pub mod signal;
pub mod user;

pub use abort::abort;
pub use context::{Context, HandlerFn};
pub use heap::Heap;
pub use lock::{Guard, Lock};
pub use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};
pub use muslin_syscalls::family;
pub use option::option;
#[doc(hidden)]
pub use print::Line;
pub use register::{Handler, Registration, register, register_family, restore};
