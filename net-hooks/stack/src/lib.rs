//! The network stack under the socket calls: what a socket is, without descriptors and without
//! waiting.
//!
//! [`Stack`] is the one trait that the socket calls know; [`Link`] is what the stack needs of the
//! world: frames in, frames out. Time and randomness are given, never taken, so a run can be
//! simulated and repeated.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod link;
mod network;
mod options;
mod stack;

pub use link::Link;
pub use network::{Address, AddressSource, Automatic, LinkInfo, Neighbour, Route, Traffic};
pub use options::{Options, Setting};
pub use stack::{
    ConnectionInfo, Family, Kind, ReceiveHow, Received, SendTo, Shutdown, SocketId, Stack, State,
};
