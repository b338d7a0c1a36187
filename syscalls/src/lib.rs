//! What each call means, whatever the platform.
//!
//! - `family`: calls that one libc function or one purpose may turn into
//! - `paths`: which arguments of a call are paths, and where they start from
//!
//! The rest is the library OS: the handlers of platforms that have no kernel below. All have one
//! shape, `fn sys_<name>(&Context, &SyscallArgs) -> SyscallResult`.
//!
//! - `context`: what a handler is given
//! - `gap`: what Linux has and this does not, said on the console
//! - `user_mem`: the program's memory, checked
//! - `list`: lists whose entries go from anywhere
//! - `lock`: the lock of everything that is kept
//! - `memory`, `time`, `process`, `signals`, `sockets`, `threads`, `random`: the calls by family

#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "library-os")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod family;
pub mod paths;

#[cfg(feature = "library-os")]
pub mod context;
#[cfg(feature = "library-os")]
pub mod files;
#[cfg(feature = "library-os")]
pub mod gap;
#[cfg(feature = "library-os")]
pub mod list;
#[cfg(feature = "library-os")]
#[allow(unsafe_code, reason = "hands out what it guards")]
mod lock;
#[cfg(feature = "library-os")]
pub mod memory;
#[cfg(feature = "library-os")]
pub mod process;
#[cfg(feature = "library-os")]
pub mod random;
#[cfg(feature = "library-os")]
pub mod signals;
#[cfg(feature = "library-os")]
pub mod sockets;
#[cfg(feature = "library-os")]
pub mod threads;
#[cfg(feature = "library-os")]
pub mod time;
#[cfg(feature = "library-os")]
#[allow(unsafe_code, reason = "reads and writes the program's memory")]
pub mod user_mem;

#[cfg(all(test, feature = "library-os"))]
pub(crate) mod testing;
