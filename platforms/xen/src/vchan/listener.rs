//! Ports at which others may come.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use muslin_abi::Errno;

use super::channel::Lengths;
use super::link::Link;
use super::places::{self, Offer, Place};
use crate::shared;

/// The first guest of the machine: there is always an offer for it, as its programs with libxenvchan
/// know nothing of wishes.
const FIRST_GUEST: u32 = 0;
/// Offers that nobody has taken, and guests that have come and were not asked in, at one port.
const OFFERS_MAX: usize = 16;
const COME_MAX: usize = 16;

/// A port.
#[derive(Debug)]
pub struct Listener {
    own: u32,
    /// Its number.
    pub port: u32,
    lengths: Lengths,
    offers: VecDeque<Link>,
    come: VecDeque<Link>,
    /// How often something had changed in xenstore.
    seen: Option<u32>,
}

impl Listener {
    /// Lets others come.
    ///
    /// # Errors
    /// `ENOMEM` `ENOSPC` · those of xenstore.
    pub fn new(own: u32, port: u32, lengths: Lengths) -> Result<Self, Errno> {
        shared::with(|shared| places::listen(&mut shared.store, own, port))?;
        let mut listener = Self {
            own,
            port,
            lengths,
            offers: VecDeque::new(),
            come: VecDeque::new(),
            seen: None,
        };
        listener.go_on()?;
        Ok(listener)
    }

    fn place(&self, client: u32) -> Place {
        Place {
            server: self.own,
            client,
            port: self.port,
        }
    }

    /// Offers a guest a channel, if there is no offer for it.
    fn offer(&mut self, client: u32) -> Result<(), Errno> {
        let domain = u16::try_from(client).map_err(|_| Errno::EINVAL)?;
        let mut offers = self.offers.iter();
        if offers.any(|link| link.domain() == domain) {
            return Ok(());
        }
        let room = self.offers.try_reserve(1);
        room.map_err(|_| Errno::ENOMEM)?;
        let link = Link::offer(domain, self.lengths)?;
        if let Some((grant, port)) = link.numbers() {
            let place = self.place(client);
            shared::with(|shared| place.put_offer(&mut shared.store, Offer { grant, port }))?;
        }
        self.offers.push_back(link);
        Ok(())
    }

    /// Offers nothing to the guest that waits longest, but the first one.
    fn make_room(&mut self) {
        let mut offers = self.offers.iter();
        let oldest = offers.position(|link| u32::from(link.domain()) != FIRST_GUEST);
        if self.offers.len() >= OFFERS_MAX
            && let Some(link) = oldest.and_then(|at| self.offers.remove(at))
        {
            self.withdraw(&link);
        }
    }

    fn withdraw(&self, link: &Link) {
        let place = self.place(link.domain().into());
        let _ = shared::with(|shared| {
            place.remove_offer(&mut shared.store);
            Ok(())
        });
    }

    /// Does what is to be done: who has come is taken in, who asks gets an offer.
    ///
    /// # Errors
    /// Those of xenstore, or there are no means for an offer.
    pub fn go_on(&mut self) -> Result<(), Errno> {
        let mut at = 0;
        while self.come.len() < COME_MAX && at < self.offers.len() {
            if !self.offers.get(at).is_some_and(Link::has_come) {
                at += 1;
                continue;
            }
            self.come.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            if let Some(link) = self.offers.remove(at) {
                self.withdraw(&link);
                self.come.push_back(link);
            }
        }
        if self.own != FIRST_GUEST {
            self.offer(FIRST_GUEST)?;
        }
        let changes = shared::with(|shared| shared.store.changes())?;
        if self.seen == Some(changes) {
            return Ok(());
        }
        let (own, port) = (self.own, self.port);
        while let Some(client) =
            shared::with(|shared| places::take_wish(&mut shared.store, own, port))?
        {
            self.make_room();
            self.offer(client)?;
        }
        self.seen = Some(changes);
        Ok(())
    }

    /// Takes who has come.
    pub fn take(&mut self) -> Option<(u32, Box<Link>)> {
        let link = self.come.pop_front()?;
        Some((link.domain().into(), Box::new(link)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let (own, port) = (self.own, self.port);
        for link in &self.offers {
            self.withdraw(link);
        }
        let _ = shared::with(|shared| {
            places::stop(&mut shared.store, own, port);
            Ok(())
        });
    }
}

/// All ports.
pub type Listeners = Vec<Listener>;
