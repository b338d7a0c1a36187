//! Channels of bytes with other guests, as libxenvchan has them: memory that both have, and an event
//! channel. How two guests find each other is this project's own; programs with libxenvchan take part
//! in it by path.
//!
//! - `channel`: one end, whoever has made the pages
//! - `memory`: the pages; `linger`: those that others still have
//! - `link`: one end with all that belongs to it
//! - `places`: where in xenstore two guests find each other
//! - `listener`: who comes; `attempt`: coming to another

mod attempt;
mod channel;
mod linger;
mod link;
mod listener;
mod memory;
mod places;

use alloc::boxed::Box;

use muslin_abi::Errno;
use muslin_platform::{Channel, Channels, Coming};

use crate::shared;
use crate::turn::Turn;
use attempt::Attempt;
use channel::Lengths;
use listener::{Listener, Listeners};
use places::Place;

/// The channels of this guest.
#[derive(Debug)]
pub struct Vchan {
    listeners: Turn<Listeners>,
}

/// See [`Vchan`].
pub static VCHAN: Vchan = Vchan {
    listeners: Turn::new(Listeners::new()),
};

impl Channels for Vchan {
    fn own_number(&self) -> Result<u32, Errno> {
        shared::with(|shared| places::own_number(&mut shared.store))
    }

    fn listen(&self, port: u32, bytes: usize) -> Result<(), Errno> {
        let own = self.own_number()?;
        let listeners = self.listeners.get();
        if listeners.iter().any(|listener| listener.port == port) {
            return Err(Errno::EADDRINUSE);
        }
        listeners.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        listeners.push(Listener::new(own, port, Lengths::of(bytes))?);
        Ok(())
    }

    fn accept(&self, port: u32) -> Result<(u32, Box<dyn Channel>), Errno> {
        let mut listeners = self.listeners.get().iter_mut();
        let listener = listeners.find(|listener| listener.port == port);
        let listener = listener.ok_or(Errno::EINVAL)?;
        let went_on = listener.go_on();
        match listener.take() {
            Some((guest, link)) => Ok((guest, link)),
            None => went_on.and(Err(Errno::EAGAIN)),
        }
    }

    fn close(&self, port: u32) {
        self.listeners
            .get()
            .retain(|listener| listener.port != port);
    }

    fn connect(&self, guest: u32, port: u32) -> Result<Box<dyn Coming>, Errno> {
        let own = self.own_number()?;
        if own == guest {
            return Err(Errno::ENODEV);
        }
        let attempt = Attempt::begin(Place {
            server: guest,
            client: own,
            port,
        })?;
        Ok(Box::new(attempt))
    }

    fn publish(&self, name: &str) -> Result<(), Errno> {
        let own = self.own_number()?;
        shared::with(|shared| places::publish(&mut shared.store, own, name))
    }

    fn names_need(&self) -> &'static str {
        "dom0 must let guests write below /rendezvous in xenstore"
    }

    fn find(&self, name: &str) -> Result<u32, Errno> {
        shared::with(|shared| places::find(&mut shared.store, name))
    }

    fn settle(&self) {
        linger::settle();
    }
}
