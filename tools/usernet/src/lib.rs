//! A network for guests that needs nobody's permission.
//!
//! A guest's Ethernet frames come and go over a socket of packets. At its other end is a [`Gateway`]:
//! it leases the guest an address, ends its connections in a network stack of ours, and opens its own
//! with the ordinary sockets of this process. So a guest can reach what the user can reach, and no more.
//!
//! A way through: `device` (frames; router advertisements) → the stack ([`muslin_net_stack`], as a
//! gateway) → `gateway`, which asks `reach` where a destination is, and gives it to `streams` (TCP) or
//! `messages` (UDP, echoes, names). The other way: `publish` takes connections of the host.
//!
//! What a guest can use up has bounds: so many streams and so many conversations of messages; buffers of
//! a stream grow to [`STREAM_BYTES`] each way, and while one side does not take its bytes, the other is
//! not read.

#![forbid(unsafe_code)]

mod device;
mod dhcp;
mod gateway;
mod host;
mod messages;
mod names;
mod net;
mod poller;
mod publish;
mod reach;
mod route;
mod router;
mod settings;
mod streams;

pub use gateway::{Gateway, Problem};
pub use net::{MTU_BYTES, NAMES_V4 as NAME_SERVER};
pub use settings::{BadSettings, Publish, Settings};
pub use streams::STREAM_BYTES;
