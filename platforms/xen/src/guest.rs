//! What the front end of a device needs of the guest that it is in: xenstore, grants, channels, and waiting.
//!
//! The guest is [`Shared`](crate::shared::Shared); tests have one whose other side is hostile.

use muslin_abi::Errno;

use crate::grants::Grant;
use crate::shared::Page;
use crate::xenstore::{Bell, Store};

/// A guest with others beside it.
pub trait Guest {
    /// How it tells xenstore something.
    type Bell: Bell;

    /// xenstore.
    fn store(&mut self) -> &mut Store<Self::Bell>;

    /// Lets guest `domain` use a page.
    ///
    /// # Errors
    /// `ENOSPC`: as many are let as can be.
    fn grant(
        &mut self,
        domain: u16,
        page: &'static Page,
        is_read_only: bool,
    ) -> Result<Grant, Errno>;

    /// Takes a page back, unless the other guest still has it: then the entry is lost. Whether it is back.
    fn take_back(&mut self, grant: Grant) -> bool;

    /// Makes a channel for guest `domain`, whose events end waits.
    ///
    /// # Errors
    /// `ENOSPC`: the guest has no channels left.
    fn channel(&mut self, domain: u16) -> Result<u32, Errno>;

    /// Ends a channel.
    fn close(&mut self, port: u32);

    /// Tells the other side of a channel that there is something to do.
    ///
    /// # Errors
    /// `EINVAL`: nobody is there.
    fn notify(&mut self, port: u32) -> Result<(), Errno>;

    /// Nanoseconds of a clock that does not go back.
    fn now_ns(&self) -> u64;

    /// Waits until something may have happened, or until then.
    fn wait(&mut self, until_ns: Option<u64>);
}

/// What a front end has of its guest, to be given back if the device does not come to work.
#[derive(Debug)]
pub struct Taken<const GRANTS: usize> {
    grants: [Option<Grant>; GRANTS],
    count: usize,
    port: Option<u32>,
}

impl<const GRANTS: usize> Taken<GRANTS> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            grants: [None; GRANTS],
            count: 0,
            port: None,
        }
    }

    /// As [`Guest::grant`].
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn grant(
        &mut self,
        guest: &mut impl Guest,
        domain: u16,
        page: &'static Page,
        is_read_only: bool,
    ) -> Result<Grant, Errno> {
        let place = self.grants.get_mut(self.count).ok_or(Errno::ENOSPC)?;
        let grant = guest.grant(domain, page, is_read_only)?;
        *place = Some(grant);
        self.count += 1;
        Ok(grant)
    }

    /// As [`Guest::channel`].
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn channel(&mut self, guest: &mut impl Guest, domain: u16) -> Result<u32, Errno> {
        let port = guest.channel(domain)?;
        self.port = Some(port);
        Ok(port)
    }

    /// Gives everything back.
    pub fn give_back(&mut self, guest: &mut impl Guest) {
        for grant in self.grants.iter_mut().filter_map(Option::take) {
            guest.take_back(grant);
        }
        if let Some(port) = self.port.take() {
            guest.close(port);
        }
    }
}
