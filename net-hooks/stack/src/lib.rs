//! The network stack under the socket calls: what a socket is, without descriptors and without
//! waiting.
//!
//! [`Stack`] is the one trait that the socket calls know; [`Link`] is what the stack needs of the
//! world: frames in, frames out. Time and randomness are given, never taken, so a run can be
//! simulated and repeated.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod calls;
mod checksum;
mod datagram;
mod dhcp;
mod ethernet;
mod icmp;
mod input;
mod ip;
mod link;
mod links;
mod membership;
mod neighbours;
mod network;
mod options;
mod output;
mod packet;
mod ports;
mod reassembly;
mod secret;
mod slaac;
mod slots;
mod smol;
mod socket;
mod stack;
mod tcp;
#[cfg(test)]
mod tests;
mod timers;
mod topology;

pub use link::Link;
pub use network::{Address, AddressSource, Automatic, LinkInfo, Neighbour, Route, Traffic};
pub use options::{Options, Setting};
pub use smol::SmolStack;
pub use stack::{
    ConnectionInfo, Family, Kind, ReceiveHow, Received, SendTo, Shutdown, SocketId, Stack, State,
};
