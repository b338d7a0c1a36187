//! Linux below: calls are passed to the host's kernel from one leaf stub.
//!
//! - `passthrough`: the leaf stub, the one `syscall` instruction of the runtime
//! - `vdso`: the calls that the kernel answers without being entered
//! - `auxv`: what the kernel tells a process at its start
//! - `thread`: a thread of the runtime's own
//! - `stray`: Syscall User Dispatch, for `syscall` instructions that go past the table
//!
//! Only shim/runtime enters. What this room needs from above (where a caught call goes) is
//! handed in.

#![no_std]

pub mod auxv;
pub mod passthrough;
pub mod stray;
pub mod thread;
pub mod vdso;
