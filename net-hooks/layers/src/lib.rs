//! Layers around the frames of a network device: [`pcap`] writes them down, [`Counters`] counts them,
//! [`Faults`] does to them what bad wires do, and [`Way`] is one direction with the latter two.
//!
//! Nothing here waits, reads a clock, or makes a call: time is given in nanoseconds, frames come and go
//! by calls.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod counters;
mod faults;
pub mod pcap;
mod random;
mod way;

pub use counters::Counters;
pub use faults::{BadFaults, Faults};
pub use way::{Delivery, QUEUE_FRAMES_MAX, Way};
