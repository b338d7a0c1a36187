//! The network stack under the socket calls: what a socket is, without descriptors and without
//! waiting.
//!
//! [`Stack`] is the one trait that the socket calls know; [`Link`] is what the stack needs of the
//! world: frames in, frames out. [`SmolStack`] is the implementation. Time and randomness are
//! given, never taken, so a run can be simulated and repeated.
//!
//! A frame's way in: `input` (Ethernet, IP, parts) → `raw`, and `tcp::input`, `datagram` or `icmp`. A
//! packet's way out: one of these → `output` (route, parts, neighbour, frame) → `links`. What is
//! for this host itself goes by the loopback's queue, and is taken at the end of the call.
//!
//! TCP: a connection begins as a `tcp::handshake` of a hundred bytes, or as a cookie where there
//! are too many of them; it lives as a `tcp::connection`, whose bytes smoltcp takes in, and makes
//! segments of (`tcp::transfer`), and whose losses are found and repaired by `tcp::flight`; it ends
//! as a `tcp::time_wait` of a few words. Each packet finds its flow in one table with a keyed hash.
//!
//! # Differs from Linux
//!
//! TCP: no urgent data, no ECN. Acknowledgements wait 10 ms. A lost tail is probed three times before
//! the timer runs out, also while something else is missing; where that repairs it, the window stays as
//! it is. Congestion: NewReno's window, not CUBIC; a
//! timeout that was for nothing is not taken back. A connection that began with a cookie has
//! neither ranges nor timestamps nor larger windows. Path MTU: routers are heard, but IPv4 packets
//! may be taken apart on their way. A buffer holds at most 4 MiB; it begins with 8 KiB (4 KiB to
//! send) and grows to 2 MiB, or to what the program set.
//!
//! IPv4: options are skipped, also "record route" and its like. IPv6: addresses are used while
//! duplicates are looked for; no temporary addresses, no DHCPv6, no redirects. Groups are told by
//! IGMPv2 and MLDv1; sources in groups cannot be chosen. No packet is forwarded: a gateway
//! ([`SmolStack::set_gateway`]) ends connections with others here, and somebody above opens his own.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod blocked;
mod calls;
mod checksum;
mod datagram;
mod dhcp;
mod duplicates;
mod ethernet;
mod failures;
mod gateway;
mod icmp;
mod input;
mod ip;
mod link;
mod links;
mod membership;
mod neighbours;
mod network;
mod offload;
mod options;
mod output;
mod packet;
mod path;
mod ports;
mod raw;
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

pub use gateway::{HeldId, Passing, Refusal};
pub use link::Link;
pub use network::{Address, AddressSource, Automatic, LinkInfo, Neighbour, Route, Traffic};
pub use options::{Options, Setting};
pub use smol::SmolStack;
pub use stack::{
    ConnectionInfo, Failure, Family, Kind, ReceiveHow, Received, SendTo, Shutdown, SocketId, Stack,
    State,
};
