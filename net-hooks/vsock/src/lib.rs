//! Sockets of `AF_VSOCK`: streams to other guests of the same machine, over the channels that a platform
//! has. As the network stack's, its handlers are those of any application; what no socket of its own is
//! about is handed on.
//!
//! - `calls`: the list of handlers
//! - `make`, `names`, `connect`, `transfer`, `options`: the calls of one purpose each
//! - `socket`: a socket as an open file; `sockets`: all of them, and the lock around them
//! - `entry`: what a socket is and does, without the calls
//! - `address`: `struct sockaddr_vm`; `peers`: guests that are known by name
//!
//! One lock is around everything, and no thread waits while it is held.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod address;
mod calls;
mod connect;
mod entry;
mod make;
mod names;
mod options;
mod peers;
mod socket;
mod sockets;
mod transfer;
mod wait;

pub use calls::register;
pub use sockets::StartFn;
