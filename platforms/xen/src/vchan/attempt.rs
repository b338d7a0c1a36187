//! An attempt to come to another guest.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};

use muslin_abi::Errno;
use muslin_platform::{Channel, Coming};

use super::link::Link;
use super::places::{Offer, Place};
use crate::shared;

/// How many attempts are over. Those to one place share a watch and a wish, which go with the first that is over.
static OVER: AtomicU32 = AtomicU32::new(0);

/// An attempt.
#[derive(Debug)]
pub struct Attempt {
    place: Place,
    has_asked: bool,
    /// An offer that was no more.
    stale: Option<Offer>,
    /// How often something had changed in xenstore.
    seen: Option<u32>,
    /// How many attempts were over when it asked.
    over: u32,
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
            over: OVER.load(Ordering::Relaxed),
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
        let over = OVER.load(Ordering::Relaxed);
        if self.over != over {
            shared::with(|shared| self.place.watch_offer(&mut shared.store))?;
            self.over = over;
            self.has_asked = false;
            self.seen = None;
        }
        let changes = shared::with(|shared| shared.store.changes())?;
        if self.seen == Some(changes) {
            return Err(Errno::EAGAIN);
        }
        if self.has_asked {
            // A wish that is away before there is an offer was not heard.
            self.has_asked = shared::with(|shared| self.place.has_wish(&mut shared.store))?;
        }
        let server = u16::try_from(self.place.server).map_err(|_| Errno::ENODEV)?;
        if let Some(offer) = self.offer()? {
            match Link::join(server, offer.grant, offer.port) {
                Ok(link) => return Ok(Box::new(link)),
                Err(Errno::ESTALE) => {
                    // Another attempt has taken what was offered for this wish.
                    self.has_asked = false;
                    self.stale = Some(offer);
                }
                Err(errno) => return Err(errno),
            }
        }
        if !self.has_asked {
            let asked = shared::with(|shared| self.place.wish_for(&mut shared.store));
            match asked {
                Ok(()) => {}
                Err(Errno::ENOENT) if self.seen.is_none() => return Err(Errno::ECONNRESET),
                // Others have filled the place, which the other guest makes anew; nothing tells when.
                Err(Errno::ENOENT | Errno::ENOSPC) => return Err(Errno::EAGAIN),
                Err(errno) => return Err(errno),
            }
            self.has_asked = true;
        }
        self.seen = Some(changes);
        Err(Errno::EAGAIN)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        OVER.fetch_add(1, Ordering::Relaxed);
        let _ = shared::with(|shared| {
            self.place.unwatch_offer(&mut shared.store);
            if self.has_asked {
                self.place.remove_wish(&mut shared.store);
            }
            Ok(())
        });
    }
}
