//! Two stacks on a cable that loses, repeats and reorders frames by seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod cable;
mod datagrams;
mod decoders;
mod hostile;
mod losses;
mod network;
mod offload;
mod scale;
mod streams;
mod world;
