//! An attempt to come to another guest.

use alloc::boxed::Box;

use muslin_abi::Errno;
use muslin_platform::{Channel, Coming};

use super::link::Link;
use super::places::{Offer, Place};
use crate::shared;

/// An attempt.
#[derive(Debug)]
pub struct Attempt {
    place: Place,
    has_asked: bool,
    /// An offer that was no more.
    stale: Option<Offer>,
    /// How often something had changed in xenstore.
    seen: Option<u32>,
}

impl Attempt {
    /// Begins.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn begin(place: Place) -> Result<Self, Errno> {
        shared::with(|shared| place.watch_offer(&mut shared.store))?;
        Ok(Self {
            place,
            has_asked: false,
            stale: None,
            seen: None,
        })
    }

    fn offer(&self) -> Result<Option<Offer>, Errno> {
        let found = shared::with(|shared| self.place.find_offer(&mut shared.store));
        match found {
            Ok(offer) => Ok(Some(offer).filter(|&offer| self.stale != Some(offer))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl Coming for Attempt {
    fn go_on(&mut self) -> Result<Box<dyn Channel>, Errno> {
        let changes = shared::with(|shared| shared.store.changes())?;
        if self.seen == Some(changes) {
            return Err(Errno::EAGAIN);
        }
        let server = u16::try_from(self.place.server).map_err(|_| Errno::ENODEV)?;
        if let Some(offer) = self.offer()? {
            match Link::join(server, offer.grant, offer.port) {
                Ok(link) => return Ok(Box::new(link)),
                Err(Errno::ESTALE) => self.stale = Some(offer),
                Err(errno) => return Err(errno),
            }
        }
        if !self.has_asked {
            let asked = shared::with(|shared| self.place.wish_for(&mut shared.store));
            asked.map_err(|errno| match errno {
                Errno::ENOENT => Errno::ECONNRESET,
                errno => errno,
            })?;
            self.has_asked = true;
        }
        self.seen = Some(changes);
        Err(Errno::EAGAIN)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let _ = shared::with(|shared| {
            self.place.unwatch_offer(&mut shared.store);
            if self.has_asked {
                self.place.remove_wish(&mut shared.store);
            }
            Ok(())
        });
    }
}
