//! A channel as its two ends see it: two rings of bytes and a few flags in pages that both write.
//!
//! The first page is the server's and has everything but the bytes of long rings. "Left" is what the
//! client writes. Each end counts for itself how far it is and only shows it; of the other end's counts
//! it believes what can be. A flag each says whether an end is there, and another whether it wants to be
//! told of bytes or of room. What libxenvchan does not have is [`SILENT`]: an end that will write no
//! more. To libxenvchan such an end is simply there.
//!
//! Source: Xen 4.17 `xen/include/public/io/libxenvchan.h`, and what libxenvchan does.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering, fence};

use crate::PAGE_BYTES;
use crate::abi::{VCHAN_NOTIFY_READ, VCHAN_NOTIFY_WRITE, vchan_interface};

/// Where in the page the words are: how far the reader and the writer of each ring are.
const LEFT_AT: usize = offset_of!(vchan_interface, left);
const RIGHT_AT: usize = offset_of!(vchan_interface, right);
/// The lengths of the rings, as powers of two.
const LEFT_ORDER_AT: usize = offset_of!(vchan_interface, left_order);
const RIGHT_ORDER_AT: usize = offset_of!(vchan_interface, right_order);
/// Whether the ends are there: client and server.
const CLIENT_AT: usize = offset_of!(vchan_interface, cli_live);
const SERVER_AT: usize = offset_of!(vchan_interface, srv_live);
/// What the client shall tell the server, and the server the client.
const BY_CLIENT_AT: usize = offset_of!(vchan_interface, cli_notify);
const BY_SERVER_AT: usize = offset_of!(vchan_interface, srv_notify);
/// The grants of the pages of long rings, those of the left one first.
const GRANTS_AT: usize = offset_of!(vchan_interface, grants);

/// Rings that lie in the first page, each in a place of its own.
const SMALL_ORDER: u8 = 10;
const MIDDLE_ORDER: u8 = 11;
const SMALL_AT: usize = 1024;
const MIDDLE_AT: usize = 2048;
/// Longer rings have pages of their own.
const PAGE_ORDER: u8 = 12;
/// The grants of two such rings still fit into the page.
const ORDER_MAX: u8 = 20;
/// Pages of one ring at most.
pub const RING_PAGES_MAX: usize = 1 << (ORDER_MAX - PAGE_ORDER);

/// An end's flag: it is not there any more,
const GONE: u8 = 0;
/// it is there,
const THERE: u8 = 1;
/// a client that has not come yet,
const AWAITED: u8 = 2;
/// it is there and will write no more.
const SILENT: u8 = 3;

/// An end wants to be told when bytes were written,
const WRITTEN: u8 = VCHAN_NOTIFY_WRITE;
/// or read.
const READ: u8 = VCHAN_NOTIFY_READ;

/// What the other end did that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It says that it wrote more than there is room for.
    Written {
        /// How many bytes would be there.
        said: u32,
        /// The ring's.
        room: u32,
    },
    /// It says that it read what was not written.
    Read {
        /// How many bytes would be there.
        said: u32,
        /// The ring's.
        room: u32,
    },
    /// Its rings are of lengths that cannot be.
    Lengths {
        /// Powers of two: of the left ring,
        left: u16,
        /// and of the right one.
        right: u16,
    },
}

impl Broken {
    /// What it did, in words.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Written { .. } => "says that it wrote more than there is room for",
            Self::Read { .. } => "says that it read what was not written",
            Self::Lengths { .. } => "offers rings of lengths that cannot be",
        }
    }
}

/// The lengths of the two rings, as powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Of what the client writes.
    left: u8,
    /// Of what the server writes.
    right: u8,
}

impl Lengths {
    /// Rings of at least so many bytes each, as far as there are such.
    pub fn of(bytes: usize) -> Self {
        let order = |bytes: usize| bytes.clamp(1, 1 << ORDER_MAX).next_power_of_two().ilog2() as u8;
        match order(bytes) {
            0..=SMALL_ORDER => Self {
                left: SMALL_ORDER,
                right: MIDDLE_ORDER,
            },
            order => Self {
                left: order.max(PAGE_ORDER),
                right: order.max(PAGE_ORDER),
            },
        }
    }

    fn check(left: u16, right: u16) -> Result<Self, Broken> {
        let orders = u16::from(SMALL_ORDER)..=u16::from(ORDER_MAX);
        let is_same_place = left == right && left < PAGE_ORDER.into();
        if is_same_place || !orders.contains(&left) || !orders.contains(&right) {
            return Err(Broken::Lengths { left, right });
        }
        Ok(Self {
            left: left as u8,
            right: right as u8,
        })
    }

    /// Pages of their own that the left and the right ring have.
    pub fn pages(self) -> [usize; 2] {
        [self.left, self.right].map(|order| match order {
            0..PAGE_ORDER => 0,
            order => 1 << (order - PAGE_ORDER),
        })
    }
}

/// How the other end is told of something.
pub trait Tell {
    /// Tells it.
    fn tell(&self);
}

/// One direction, as this end has it.
#[derive(Debug)]
struct Ring {
    /// Where its two counts are.
    counts_at: usize,
    bytes: *mut u8,
    size: u32,
    /// How far this end is.
    own: u32,
}

/// One end of a channel.
#[derive(Debug)]
pub struct Channel<T> {
    page: *mut u8,
    is_server: bool,
    incoming: Ring,
    outgoing: Ring,
    other: T,
}

// SAFETY: the pages are the channel's for as long as that is there; threads take turns.
unsafe impl<T: Send> Send for Channel<T> {}

/// What can be done with a channel now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Bytes that can be read.
    pub ready: u32,
    /// Bytes that can be written.
    pub room: u32,
    /// The other end has not come yet.
    pub is_awaited: bool,
    /// The other end writes no more.
    pub is_silent: bool,
    /// The other end is not there any more.
    pub is_gone: bool,
    /// How many bytes the other end has written so far, round and round.
    pub written: u32,
}

/// Lays out the first page, of zeros, of a server; where in it the number of a grant goes is
/// [`put_grant`].
///
/// # Safety
/// The page is writable and nobody else's.
pub unsafe fn lay_out(page: *mut u8, lengths: Lengths) {
    // SAFETY: places in the page.
    unsafe {
        half_word(page, LEFT_ORDER_AT).store(lengths.left.into(), Ordering::Relaxed);
        half_word(page, RIGHT_ORDER_AT).store(lengths.right.into(), Ordering::Relaxed);
        byte(page, CLIENT_AT).store(AWAITED, Ordering::Relaxed);
        byte(page, BY_CLIENT_AT).store(WRITTEN, Ordering::Relaxed);
        byte(page, SERVER_AT).store(THERE, Ordering::Release);
    }
}

/// Puts the number of a grant into a server's first page.
///
/// # Safety
/// As [`lay_out`]; there are no more than two rings have pages.
pub unsafe fn put_grant(page: *mut u8, index: usize, grant: u32) {
    // SAFETY: a place in the page.
    unsafe { word(page, GRANTS_AT + index * 4) }.store(grant, Ordering::Relaxed);
}

/// What a client finds in the first page: the lengths of the rings, and the grants of their pages.
///
/// # Errors
/// The lengths cannot be.
///
/// # Safety
/// The page can be read for as long as this takes.
pub unsafe fn look(
    page: *mut u8,
    grants: &mut [u32; 2 * RING_PAGES_MAX],
) -> Result<Lengths, Broken> {
    // SAFETY: places in the page.
    let [left, right] = [LEFT_ORDER_AT, RIGHT_ORDER_AT]
        .map(|at| unsafe { half_word(page, at) }.load(Ordering::Acquire));
    let lengths = Lengths::check(left, right)?;
    let count = lengths.pages().iter().sum();
    for (index, grant) in grants.iter_mut().take(count).enumerate() {
        // SAFETY: the longest list of grants ends in the page.
        *grant = unsafe { word(page, GRANTS_AT + index * 4) }.load(Ordering::Relaxed);
    }
    Ok(lengths)
}

const _: () = assert!(GRANTS_AT + 2 * RING_PAGES_MAX * 4 <= PAGE_BYTES);

unsafe fn word<'a>(page: *mut u8, at: usize) -> &'a AtomicU32 {
    // SAFETY: as the caller promises: an aligned word of a page that is there.
    unsafe { AtomicU32::from_ptr(page.add(at).cast()) }
}

unsafe fn half_word<'a>(page: *mut u8, at: usize) -> &'a AtomicU16 {
    // SAFETY: as the caller promises, of half a word.
    unsafe { AtomicU16::from_ptr(page.add(at).cast()) }
}

unsafe fn byte<'a>(page: *mut u8, at: usize) -> &'a AtomicU8 {
    // SAFETY: as the caller promises, of a byte.
    unsafe { AtomicU8::from_ptr(page.add(at)) }
}

impl<T: Tell> Channel<T> {
    /// An end of a channel whose first page is laid out; `rings` are where the pages of long rings
    /// are, left and right.
    ///
    /// # Safety
    /// All these pages are writable, and nobody else's but the other end's, for as long as the channel is
    /// there.
    pub unsafe fn new(
        page: *mut u8,
        rings: [*mut u8; 2],
        lengths: Lengths,
        is_server: bool,
        other: T,
    ) -> Self {
        let ring = |counts_at, order, own_pages| Ring {
            counts_at,
            bytes: match order {
                SMALL_ORDER => page.wrapping_add(SMALL_AT),
                MIDDLE_ORDER => page.wrapping_add(MIDDLE_AT),
                _ => own_pages,
            },
            size: 1 << order,
            own: 0,
        };
        let left = ring(LEFT_AT, lengths.left, rings[0]);
        let right = ring(RIGHT_AT, lengths.right, rings[1]);
        let (incoming, outgoing) = if is_server {
            (left, right)
        } else {
            (right, left)
        };
        Self {
            page,
            is_server,
            incoming,
            outgoing,
            other,
        }
    }

    /// How the other end is told.
    pub fn other(&self) -> &T {
        &self.other
    }

    fn reader(&self, ring: &Ring) -> &AtomicU32 {
        // SAFETY: a word of the first page, which is there as long as this value.
        unsafe { word(self.page, ring.counts_at) }
    }

    fn writer(&self, ring: &Ring) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { word(self.page, ring.counts_at + 4) }
    }

    fn flag(&self, at: usize) -> &AtomicU8 {
        // SAFETY: a byte of the first page.
        unsafe { byte(self.page, at) }
    }

    fn own_flag(&self) -> &AtomicU8 {
        self.flag(if self.is_server { SERVER_AT } else { CLIENT_AT })
    }

    fn other_flag(&self) -> &AtomicU8 {
        self.flag(if self.is_server { CLIENT_AT } else { SERVER_AT })
    }

    /// The client comes.
    pub fn come(&self) {
        self.flag(BY_SERVER_AT).fetch_or(WRITTEN, Ordering::SeqCst);
        self.own_flag().store(THERE, Ordering::SeqCst);
        self.other.tell();
    }

    /// This end writes no more.
    pub fn fall_silent(&self) {
        self.own_flag().store(SILENT, Ordering::SeqCst);
        self.other.tell();
    }

    /// This end goes. What it has written can still be read.
    pub fn go(&self) {
        self.own_flag().store(GONE, Ordering::SeqCst);
        self.other.tell();
    }

    /// How many bytes are there.
    fn ready(&self) -> Result<u32, Broken> {
        let ring = &self.incoming;
        let said = self.writer(ring).load(Ordering::Acquire);
        let ready = said.wrapping_sub(ring.own);
        if ready > ring.size {
            return Err(Broken::Written {
                said: ready,
                room: ring.size,
            });
        }
        Ok(ready)
    }

    /// For how many bytes there is room.
    fn room(&self) -> Result<u32, Broken> {
        let ring = &self.outgoing;
        let said = self.reader(ring).load(Ordering::Acquire);
        let kept = ring.own.wrapping_sub(said);
        if kept > ring.size {
            return Err(Broken::Read {
                said: kept,
                room: ring.size,
            });
        }
        Ok(ring.size - kept)
    }

    /// What can be done now. Whatever changes is told from now on.
    ///
    /// # Errors
    /// The other end breaks the rules.
    pub fn state(&self) -> Result<State, Broken> {
        self.flag(if self.is_server {
            BY_CLIENT_AT
        } else {
            BY_SERVER_AT
        })
        .fetch_or(WRITTEN | READ, Ordering::SeqCst);
        // The flag before the counts: what was written before the other end went is seen.
        let flag = self.other_flag().load(Ordering::SeqCst);
        let ready = self.ready()?;
        Ok(State {
            ready,
            room: self.room()?,
            is_awaited: self.is_server && flag == AWAITED,
            is_silent: flag == SILENT,
            is_gone: flag == GONE,
            written: self.incoming.own.wrapping_add(ready),
        })
    }

    /// Reads what is there; 0 if nothing is.
    ///
    /// # Errors
    /// The other end breaks the rules.
    pub fn read(&mut self, to: &mut [u8]) -> Result<usize, Broken> {
        let count = (self.ready()? as usize).min(to.len());
        let ring = &self.incoming;
        let (start, first) = ring.parts(count);
        // SAFETY: both parts are in the ring; the other end may write there meanwhile, and nothing is
        // decided by what is copied.
        unsafe {
            let from = ring.bytes.add(start);
            from.copy_to_nonoverlapping(to.as_mut_ptr(), first);
            let rest = to.as_mut_ptr().add(first);
            ring.bytes.copy_to_nonoverlapping(rest, count - first);
        }
        if count > 0 {
            self.incoming.own = self.incoming.own.wrapping_add(count as u32);
            let own = self.incoming.own;
            // The bytes are copied before the other end may write there again.
            self.reader(&self.incoming).store(own, Ordering::Release);
            self.tell_of(READ);
        }
        Ok(count)
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// The other end breaks the rules.
    pub fn write(&mut self, from: &[u8]) -> Result<usize, Broken> {
        let count = (self.room()? as usize).min(from.len());
        let ring = &self.outgoing;
        let (start, first) = ring.parts(count);
        // SAFETY: both parts are in the ring.
        unsafe {
            let to = ring.bytes.add(start);
            to.copy_from_nonoverlapping(from.as_ptr(), first);
            let rest = from.as_ptr().add(first);
            ring.bytes.copy_from_nonoverlapping(rest, count - first);
        }
        if count > 0 {
            self.outgoing.own = self.outgoing.own.wrapping_add(count as u32);
            let own = self.outgoing.own;
            self.writer(&self.outgoing).store(own, Ordering::Release);
            self.tell_of(WRITTEN);
        }
        Ok(count)
    }

    /// Tells the other end, if it wants to be told of this.
    fn tell_of(&self, what: u8) {
        // What was counted must be there before it is looked whether that is wanted.
        fence(Ordering::SeqCst);
        let wishes = self.flag(if self.is_server {
            BY_SERVER_AT
        } else {
            BY_CLIENT_AT
        });
        if wishes.fetch_and(!what, Ordering::SeqCst) & what != 0 {
            self.other.tell();
        }
    }
}

impl Ring {
    /// Where the next `count` bytes begin, and how many of them are before the ring's end.
    fn parts(&self, count: usize) -> (usize, usize) {
        let start = (self.own % self.size) as usize;
        (start, count.min(self.size as usize - start))
    }
}

#[cfg(test)]
mod tests;
