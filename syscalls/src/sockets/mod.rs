//! Sockets within the machine, `AF_UNIX`: streams, datagrams and packets. Other families are a network
//! stack's, which registers handlers of its own in front of these.
//!
//! - `endpoint`: one end, what waits in it, and its life
//! - `message`: what travels: bytes, credentials, open files
//! - `domain`: the names of ends, and open files on their way
//! - `address`: `struct sockaddr_un`
//! - `socket`: an end as an open file
//! - `send`, `receive`: one message each way, and waiting for it
//! - `control`: what travels beside the bytes, as the program lays it out
//! - the calls: `make`, `connect`, `send_calls`, `receive_calls`, `names`, `options`
//!
//! Lock order: an end's state, then memory. Ends are locked one at a time: nothing else runs between. No
//! lock is held while a message is dropped, since open files in it may be ends themselves.

mod address;
mod connect;
mod control;
mod domain;
mod endpoint;
mod make;
mod message;
mod names;
mod options;
mod pieces;
mod receive;
mod receive_calls;
mod send;
mod send_calls;
mod socket;
#[cfg(test)]
mod tests;
mod wait;

pub use connect::*;
pub use make::*;
pub use names::*;
pub use options::*;
pub use receive_calls::*;
pub use send_calls::*;

use alloc::sync::Arc;

use spin::Once;

use domain::Domain;

/// The sockets of the process.
#[derive(Default)]
pub struct Sockets {
    /// Made with the first socket.
    domain: Once<Arc<Domain>>,
}

impl Sockets {
    /// No socket yet.
    pub const fn new() -> Self {
        Self {
            domain: Once::new(),
        }
    }

    fn domain(&self) -> &Arc<Domain> {
        self.domain.call_once(Arc::default)
    }
}
