//! The socket calls, answered by a network stack in Rust: an ordinary application of the public
//! interface of crate `muslin`, which needs nothing that another one could not use.
//!
//! - `calls`: the list of handlers; what is not the network's is handed on
//! - `make`, `connect`, `names`, `send`, `receive`, `options`: the calls of one purpose each
//! - `socket`: a socket as an open file; `net`: the stack, its sockets and the lock around both
//! - `close`: a close that lingers; `clock`: the time of day
//! - `wait`: calls that wait; `exit`: what is left to send when the program is over
//! - `failures`: messages that did not arrive; `raw`, `groups`: what is special about raw sockets, and groups
//! - `address`, `control`: what the program's bytes say
//! - `configure`: addresses and routes by the words of who starts the program; `device`: frames
//! - `interfaces`, `netlink`, `texts`: what programs ask about the network itself
//! - `missing`: what is asked for and not there, said once
//! - `object`: what makes an object for libc.a of all this; `spare`: its allocator
//!
//! The stack itself is behind one trait, in `net-hooks/stack`. One lock is around it and all tables;
//! nothing waits while it is held, and it is the only one.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

mod address;
mod calls;
#[allow(unsafe_code, reason = "a function of libc")]
mod clock;
mod close;
mod configure;
mod connect;
mod control;
mod device;
mod exit;
mod failures;
mod groups;
mod interfaces;
mod kept;
mod make;
mod missing;
mod names;
mod net;
mod netlink;
#[cfg(target_os = "none")]
#[allow(unsafe_code, reason = "symbols for the linker")]
mod object;
mod options;
mod raw;
mod receive;
mod send;
mod socket;
#[cfg(target_os = "none")]
#[allow(unsafe_code, reason = "an allocator")]
mod spare;
mod texts;
mod wait;

pub use calls::register;
pub use configure::MakeStack;
