//! Ports at which others may come.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use muslin_abi::Errno;

use super::channel::Lengths;
use super::link::Link;
use super::places::{self, Offer, Place};
use super::queue::Queue;
use crate::xenstore::decimal;
use crate::{console, shared};

/// The first guest of the machine: there is always an offer for it, as its programs with libxenvchan
/// know nothing of wishes.
const FIRST_GUEST: u32 = 0;
/// Offers that nobody has taken, at one port.
const OFFERS_MAX: usize = 16;

/// A port.
#[derive(Debug)]
pub struct Listener {
    own: u32,
    /// Its number.
    pub port: u32,
    lengths: Lengths,
    /// How many may wait to be asked in.
    pub most: usize,
    offers: VecDeque<Link>,
    come: Queue<Link>,
    /// How often something had changed in xenstore.
    seen: Option<u32>,
    /// Guests that ask have to wait.
    has_left: bool,
    has_told: bool,
}

impl Listener {
    /// Lets others come.
    ///
    /// # Errors
    /// `ENOMEM` `ENOSPC` · those of xenstore.
    pub fn new(own: u32, port: u32, lengths: Lengths, most: usize) -> Result<Self, Errno> {
        shared::with(|shared| {
            places::open(&mut shared.store, own, port)?;
            places::watch(&mut shared.store, own, port)
        })?;
        let mut listener = Self {
            own,
            port,
            lengths,
            most,
            offers: VecDeque::new(),
            come: Queue::new(),
            seen: None,
            has_left: false,
            has_told: false,
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

    /// Offers a guest a channel, if there is no offer for it. `false`: it has to wait.
    fn offer(&mut self, client: u32) -> Result<bool, Errno> {
        let domain = u16::try_from(client).map_err(|_| Errno::EINVAL)?;
        let mut offers = self.offers.iter();
        if offers.any(|link| link.domain() == domain) {
            return Ok(true);
        }
        if !self.come.has_room(domain, self.most) {
            return Ok(false);
        }
        match self.put_offer(domain) {
            Ok(()) => Ok(true),
            // There may be more later. Who asks in is not to be told what another guest does to itself.
            Err(errno @ (Errno::ENOBUFS | Errno::ENOMEM | Errno::ENOSPC)) => {
                self.say_that_it_waits(client, errno);
                Ok(false)
            }
            Err(errno) => Err(errno),
        }
    }

    fn put_offer(&mut self, domain: u16) -> Result<(), Errno> {
        let room = self.offers.try_reserve(1);
        room.map_err(|_| Errno::ENOMEM)?;
        let link = Link::offer(domain, self.lengths)?;
        self.make_room();
        if let Some((grant, port)) = link.numbers() {
            let place = self.place(domain.into());
            shared::with(|shared| place.put_offer(&mut shared.store, Offer { grant, port }))?;
        }
        self.offers.push_back(link);
        Ok(())
    }

    /// Says why a guest cannot come, once.
    fn say_that_it_waits(&mut self, client: u32, errno: Errno) {
        if core::mem::replace(&mut self.has_told, true) {
            return;
        }
        let why = match errno {
            Errno::ENOBUFS => "it has not let go of the pages of others that are closed",
            _ => "this guest has no memory, grants or event channels left",
        };
        let (mut client_digits, mut port_digits) = ([0; 20], [0; 20]);
        for text in [
            "muslin: guest ",
            decimal(client.into(), &mut client_digits),
            " gets no channel at port ",
            decimal(self.port.into(), &mut port_digits),
            " for now: ",
            why,
            "\n",
        ] {
            console::write(text.as_bytes());
        }
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

    /// Lets those wait who have taken what was offered. Who breaks the rules is turned away.
    fn let_in(&mut self) -> Result<(), Errno> {
        let mut at = 0;
        while let Some(link) = self.offers.get(at) {
            let come = link.has_come();
            if come == Ok(false) {
                at += 1;
                continue;
            }
            self.come.reserve()?;
            if let Some(link) = self.offers.remove(at) {
                self.withdraw(&link);
                if come.is_ok() {
                    self.come.put(link.domain(), link);
                }
            }
        }
        Ok(())
    }

    /// Does what is to be done: who has come waits to be asked in, who asks gets an offer. How many wait.
    ///
    /// # Errors
    /// Those of xenstore · `ENOMEM`.
    pub fn go_on(&mut self) -> Result<usize, Errno> {
        self.let_in()?;
        if self.own != FIRST_GUEST && !self.has_left {
            self.has_left = !self.offer(FIRST_GUEST)?;
        }
        let changes = shared::with(|shared| shared.store.changes())?;
        if self.seen != Some(changes) {
            self.answer_wishes()?;
            self.seen = Some(changes);
        }
        Ok(self.come.len())
    }

    fn answer_wishes(&mut self) -> Result<(), Errno> {
        let (own, port) = (self.own, self.port);
        let wishes = shared::with(|shared| places::wishes(&mut shared.store, own, port))?;
        for &client in &wishes.clients {
            // What is offered is there before the wish is away: one of both the client always finds.
            if self.offer(client)? {
                let place = self.place(client);
                shared::with(|shared| {
                    place.remove_wish(&mut shared.store);
                    Ok(())
                })?;
            } else {
                self.has_left = true;
            }
        }
        if wishes.is_flood {
            // Who has a wish makes it again.
            shared::with(|shared| places::clear(&mut shared.store, own, port))?;
        }
        Ok(())
    }

    /// Who had to wait may come now.
    pub fn look_again(&mut self) {
        if core::mem::take(&mut self.has_left) {
            self.seen = None;
        }
    }

    /// Takes who is next.
    pub fn take(&mut self) -> Option<(u32, Box<Link>)> {
        let (domain, link) = self.come.take()?;
        self.look_again();
        Some((domain.into(), Box::new(link)))
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
