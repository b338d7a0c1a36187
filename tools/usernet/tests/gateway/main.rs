//! Guests behind a gateway, and servers of this host: a guest is a network stack of ours, at the other end
//! of a socket of packets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it fails"
)]

mod bounds;
mod guest;
mod hostile;
mod messages;
mod published;
mod streams;
