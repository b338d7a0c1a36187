//! An end of a channel with all that belongs to it: pages and an event channel.

use muslin_abi::Errno;
use muslin_platform::{Channel as OfPlatform, ChannelState};

use super::channel::{
    self, Broken, Channel, Lengths, RING_PAGES_MAX, State, Tell, lay_out, put_grant,
};
use super::linger::{Kept, LINGER};
use super::memory::{Borrowed, Lent};
use crate::xenstore::decimal;
use crate::{PAGE_BYTES, console, events, hypercall};

/// This end of an event channel; it is closed when this is dropped.
#[derive(Debug)]
pub struct Port(u32);

impl Port {
    /// A channel that a guest may join.
    ///
    /// # Errors
    /// `ENOSPC`.
    fn for_guest(domain: u16) -> Result<Self, Errno> {
        let port = Self(events::allocate_unbound(domain)?);
        events::watch(port.0)?;
        Ok(port)
    }

    /// The other end of a channel that a guest has made.
    ///
    /// # Errors
    /// `EINVAL` there is none, or somebody has joined it · `ENOSPC`.
    fn of_guest(domain: u16, port: u32) -> Result<Self, Errno> {
        let port = Self(events::bind(domain, port)?);
        events::watch(port.0)?;
        Ok(port)
    }
}

impl Tell for Port {
    fn tell(&self) {
        // Who is gone cannot be told.
        let _ = hypercall::notify(self.0);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        events::close(self.0);
    }
}

/// Whose pages they are.
#[derive(Debug)]
enum Pages {
    Own(Option<Lent>),
    Others(#[allow(dead_code, reason = "held until the end")] Borrowed),
}

/// An end of a channel.
#[derive(Debug)]
pub struct Link {
    // First, as it uses the pages.
    channel: Channel<Port>,
    domain: u16,
    pages: Pages,
    /// What is wrong, once it is.
    lost: Option<Errno>,
}

impl Link {
    /// The server's end of a new channel for a guest.
    ///
    /// # Errors
    /// `ENOMEM` `ENOSPC` · `ENOBUFS` the guest keeps too many pages of others.
    pub fn offer(domain: u16, lengths: Lengths) -> Result<Self, Errno> {
        LINGER.get().check(domain)?;
        let [left, right] = lengths.pages();
        let lent = Lent::new(domain, 1 + left + right)?;
        let port = Port::for_guest(domain)?;
        let page = lent.page(0);
        // SAFETY: the pages are there until the other guest has let go of them, and the channel is dropped
        // before.
        let channel = unsafe {
            lay_out(page, lengths);
            for index in 0..left + right {
                put_grant(page, index, lent.grant(1 + index));
            }
            let rings = [lent.page(1), lent.page(1 + left)];
            Channel::new(page, rings, lengths, true, port)
        };
        Ok(Self {
            channel,
            domain,
            pages: Pages::Own(Some(lent)),
            lost: None,
        })
    }

    /// The client's end of a channel that a guest offers.
    ///
    /// # Errors
    /// `ESTALE` it is not offered any more · `EPROTO` the guest breaks the rules · `ENOMEM` `ENOSPC`.
    pub fn join(domain: u16, grant: u32, port: u32) -> Result<Self, Errno> {
        let port = Port::of_guest(domain, port).map_err(|errno| match errno {
            Errno::ENOSPC => errno,
            _ => Errno::ESTALE,
        })?;
        let mut first = Borrowed::room(domain, 1)?;
        first.add(grant).map_err(|errno| match errno {
            Errno::EPROTO => Errno::ESTALE,
            _ => errno,
        })?;
        let mut grants = [0; 2 * RING_PAGES_MAX];
        // SAFETY: the page is there.
        let lengths = unsafe { channel::look(first.page(0), &mut grants) };
        let lengths = lengths.map_err(|broken| complain(domain, broken))?;
        let [left, right] = lengths.pages();
        let pages = if left + right == 0 {
            first
        } else {
            drop(first);
            let mut all = Borrowed::room(domain, 1 + left + right)?;
            all.add(grant)?;
            for &grant in grants.iter().take(left + right) {
                all.add(grant)?;
            }
            all
        };
        let rings = [1, 1 + left].map(|index| pages.page(0).wrapping_add(index * PAGE_BYTES));
        // SAFETY: the pages are there as long as `pages` is.
        let channel = unsafe { Channel::new(pages.page(0), rings, lengths, false, port) };
        let link = Self {
            channel,
            domain,
            pages: Pages::Others(pages),
            lost: None,
        };
        if link.look()?.is_gone {
            return Err(Errno::ESTALE);
        }
        link.channel.come();
        Ok(link)
    }

    /// The guest at the other end.
    pub fn domain(&self) -> u16 {
        self.domain
    }

    /// The numbers that a client must know: of the first page's grant, and of the port.
    pub fn numbers(&self) -> Option<(u32, u32)> {
        match &self.pages {
            Pages::Own(Some(lent)) => Some((lent.grant(0), self.channel.other().0)),
            _ => None,
        }
    }

    /// Has the client come?
    ///
    /// # Errors
    /// `EPROTO` the guest breaks the rules.
    pub fn has_come(&self) -> Result<bool, Errno> {
        Ok(!self.look()?.is_awaited)
    }

    fn look(&self) -> Result<State, Errno> {
        let state = self.channel.state();
        state.map_err(|broken| complain(self.domain, broken))
    }

    /// Does something, unless it is known that the other end is of no use any more.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Channel<Port>) -> Result<T, Broken>,
    ) -> Result<T, Errno> {
        if self.lost == Some(Errno::EPROTO) {
            return Err(Errno::EPROTO);
        }
        work(&mut self.channel).map_err(|broken| {
            self.lost = Some(Errno::EPROTO);
            complain(self.domain, broken)
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.channel.go();
        if let Pages::Own(lent) = &mut self.pages
            && let Some(mut lent) = lent.take()
            && lent.take_back() > 0
        {
            LINGER.get().keep(self.domain, lent);
        }
    }
}

impl OfPlatform for Link {
    fn state(&mut self, is_thorough: bool) -> Result<ChannelState, Errno> {
        let mut state = self.with(|channel| channel.state())?;
        if is_thorough && !state.is_gone && !events::is_joined(self.channel.other().0) {
            // It may have written, and said that it goes, since it was looked.
            state = self.with(|channel| channel.state())?;
            self.lost.get_or_insert(Errno::ECONNRESET);
        }
        if let Some(errno) = self.lost
            && !state.is_gone
            && state.ready == 0
        {
            return Err(errno);
        }
        Ok(ChannelState {
            ready: state.ready as usize,
            room: state.room as usize,
            is_silent: state.is_silent,
            is_gone: state.is_gone,
            come: state.written,
        })
    }

    fn read(&mut self, to: &mut [u8]) -> Result<usize, Errno> {
        self.with(|channel| channel.read(to))
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Errno> {
        self.with(|channel| channel.write(from))
    }

    fn fall_silent(&mut self) {
        self.channel.fall_silent();
    }
}

/// Says what another guest did that it must not.
fn complain(domain: u16, broken: Broken) -> Errno {
    let mut digits = [0; 20];
    let number = decimal(domain.into(), &mut digits);
    for text in [
        "muslin: a channel to guest ",
        number,
        " is lost: that guest ",
        broken.name(),
        "\n",
    ] {
        console::write(text.as_bytes());
    }
    Errno::EPROTO
}
