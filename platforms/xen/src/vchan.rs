//! Channels of bytes with other guests, as libxenvchan has them: memory that both have, and an event
//! channel. How two guests find each other is this project's own; programs with libxenvchan take part
//! in it by path.
//!
//! - `channel`: one end, whoever has made the pages
//! - `memory`: the pages; `linger`: those that others still have
//! - `link`: one end with all that belongs to it
//! - `places`: where in xenstore two guests find each other
//! - `listener`: who comes; `queue`: in which order; `attempt`: coming to another

mod attempt;
mod channel;
mod linger;
mod link;
mod listener;
mod memory;
mod places;
mod queue;

use alloc::boxed::Box;

use muslin_abi::Errno;
use muslin_platform::{Channel, Channels, Coming};

use crate::shared;
use crate::turn::Turn;
use attempt::Attempt;
use channel::Lengths;
use linger::LINGER;
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

impl Vchan {
    fn listener(&self, port: u32) -> Result<&mut Listener, Errno> {
        let mut listeners = self.listeners.get().iter_mut();
        let listener = listeners.find(|listener| listener.port == port);
        listener.ok_or(Errno::EINVAL)
    }
}

impl Channels for Vchan {
    fn own_number(&self) -> Result<u32, Errno> {
        shared::with(|shared| places::own_number(&mut shared.store))
    }

    fn listen(&self, port: u32, bytes: usize, most: usize) -> Result<(), Errno> {
        let own = self.own_number()?;
        let listeners = self.listeners.get();
        if listeners.iter().any(|listener| listener.port == port) {
            return Err(Errno::EADDRINUSE);
        }
        listeners.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        listeners.push(Listener::new(own, port, Lengths::of(bytes), most)?);
        Ok(())
    }

    fn let_wait(&self, port: u32, most: usize) -> Result<(), Errno> {
        self.listener(port)?.most = most;
        Ok(())
    }

    fn waiting(&self, port: u32) -> Result<usize, Errno> {
        self.listener(port)?.go_on()
    }

    fn accept(&self, port: u32) -> Result<(u32, Box<dyn Channel>), Errno> {
        let (guest, link) = self.listener(port)?.take().ok_or(Errno::EAGAIN)?;
        Ok((guest, link))
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

    fn why_no_name(&self, errno: Errno) -> &'static str {
        match errno {
            Errno::EINVAL => "it is no name: letters, digits, - _ and . are",
            Errno::EACCES => "dom0 must let guests write below /rendezvous in xenstore",
            Errno::EEXIST => "another guest has the name",
            Errno::ESTALE => {
                "a guest had the name that is no more, and dom0 must remove it below /rendezvous in xenstore"
            }
            errno => errno.name().unwrap_or("xenstore refuses"),
        }
    }

    fn withdraw(&self, name: &str) {
        let _ = self.own_number().and_then(|own| {
            shared::with(|shared| {
                places::withdraw(&mut shared.store, own, name);
                Ok(())
            })
        });
    }

    fn find(&self, name: &str) -> Result<u32, Errno> {
        shared::with(|shared| places::find(&mut shared.store, name))
    }

    fn settle(&self) {
        LINGER.get().settle();
        for listener in self.listeners.get() {
            listener.look_again();
        }
    }
}
