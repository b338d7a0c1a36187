//! The front end of a block device: requests to a back end, and its answers.
//!
//! One transfer is under way at a time, through pages that all disks of one guest's back ends share (`pools`): a
//! back end that lets more than eleven pages be named outside of a request gets one for all of them, another gets
//! several.
//!
//! Source: Xen 4.17 `xen/include/public/io/blkif.h`.

use core::mem::offset_of;
use core::ops::Range;
use core::sync::atomic::{Ordering, fence};

use muslin_abi::Errno;

use super::pools::{POOL, Pool, Pools};
use crate::PAGE_BYTES;
use crate::abi::{
    self, blkif_request, blkif_request_discard, blkif_request_indirect, blkif_response,
};
use crate::grants::Grant;
use crate::guest::{Guest, Taken};
use crate::ring::{Broken, Full, Open, Ring};
use crate::shared::Page;
use crate::xenbus::{Front, State};

/// What places on a disk and parts of a page are counted in, however large its sectors are.
pub const UNIT_BYTES: usize = 512;
/// Pages of a request that names them itself.
const SEGMENTS: usize = abi::BLKIF_MAX_SEGMENTS_PER_REQUEST;
/// Requests at a time.
const REQUESTS: usize = POOL.div_ceil(SEGMENTS);
/// What is granted: the pages of a transfer, their list, and the ring.
const GRANTS: usize = POOL + 2;

/// How long a back end that is given up may take to end what it was asked for, and how often that is looked at.
const LET_GO_NS_MAX: u64 = 5_000_000_000;
const LET_GO_STEP_NS: u64 = 50_000_000;

/// A request of any kind, without holes that what is left in memory would show through. What stands in some
/// places depends on the operation: for [`abi::BLKIF_OP_INDIRECT`] it is what `count` says, `handle` is the
/// number of pages, and the handle is in `rest` with the grant of their list; for
/// [`abi::BLKIF_OP_DISCARD`] the number of units is in `rest`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Request {
    operation: u8,
    count: u8,
    handle: u16,
    pad: u32,
    id: u64,
    unit: u64,
    rest: [u64; SEGMENTS],
}

const _: () = {
    assert!(size_of::<Request>() == size_of::<blkif_request>());
    assert!(offset_of!(Request, operation) == offset_of!(blkif_request, operation));
    assert!(offset_of!(Request, count) == offset_of!(blkif_request, nr_segments));
    assert!(offset_of!(Request, handle) == offset_of!(blkif_request, handle));
    assert!(offset_of!(Request, id) == offset_of!(blkif_request, id));
    assert!(offset_of!(Request, unit) == offset_of!(blkif_request, sector_number));
    assert!(offset_of!(Request, rest) == offset_of!(blkif_request, seg));
    assert!(offset_of!(Request, rest) == offset_of!(blkif_request_discard, nr_sectors));
    assert!(offset_of!(Request, count) == offset_of!(blkif_request_indirect, indirect_op));
    assert!(offset_of!(Request, handle) == offset_of!(blkif_request_indirect, nr_segments));
    assert!(offset_of!(Request, rest) == offset_of!(blkif_request_indirect, handle));
    assert!(offset_of!(Request, rest) + 4 == offset_of!(blkif_request_indirect, indirect_grefs));
    assert!(Ring::<Request, blkif_response>::SIZE == abi::blkif_ring_size);
};

/// A disk that works, or did.
#[derive(Debug)]
pub struct Disk {
    front: Front,
    ring: Ring<Request, blkif_response>,
    open: Open<(), REQUESTS>,
    port: u32,
    handle: u16,
    pool: Pool,
    pages: [Grant; POOL],
    list: *mut u8,
    list_grant: Grant,
    /// Its size.
    pub capacity_bytes: u64,
    /// The size of its sectors.
    pub sector_bytes: usize,
    /// It cannot be written.
    pub is_read_only: bool,
    /// The operation that makes writes durable.
    flush: Option<u8>,
    can_discard: bool,
    /// A request can name all pages of a transfer.
    has_lists: bool,
    is_lost: bool,
    /// Changes in xenstore when the back end was looked at last.
    seen: u32,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// This call failed.
    Errno(Errno),
    /// The device is of no use any more.
    Broken(Broken),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Disk {
    /// Connects the disk of this number.
    ///
    /// # Errors
    /// `ENODEV` there is none · those of xenstore and of its back end (`xenbus::why`).
    pub fn connect(
        guest: &mut impl Guest,
        pools: &'static Pools,
        number: u64,
    ) -> Result<Self, Errno> {
        let front = Front::find(guest.store(), "vbd", number).map_err(|errno| match errno {
            Errno::ENOENT => Errno::ENODEV,
            errno => errno,
        })?;
        let mut taken = Taken::new();
        let pool = pools.of(front.domain)?;
        let disk = Self::agree(guest, front, pool, number as u16, &mut taken);
        disk.inspect_err(|_| {
            // It shall not hold what was granted.
            let _ = front.enter(guest.store(), State::CLOSED);
            taken.give_back(guest);
        })
    }

    fn agree(
        guest: &mut impl Guest,
        front: Front,
        pool: Pool,
        handle: u16,
        taken: &mut Taken<GRANTS>,
    ) -> Result<Self, Errno> {
        front.wait_for(guest, State::INIT_WAIT)?;
        // The list is of a request's pages that do not fit into it.
        let [ring_page, list] = Page::several()?;
        // SAFETY: the page is this ring's.
        let ring = unsafe { Ring::new(ring_page.pointer()) };
        let ring_grant = taken.grant(guest, front.domain, ring_page, false)?;
        let list_grant = taken.grant(guest, front.domain, list, true)?;
        let mut grants = [ring_grant; POOL];
        for (grant, page) in grants.iter_mut().zip(pool.pages) {
            *grant = taken.grant(guest, front.domain, page, false)?;
        }
        let port = taken.channel(guest, front.domain)?;
        let store = guest.store();
        front.say_number(store, "ring-ref", ring_grant.0.into())?;
        front.say_number(store, "event-channel", port.into())?;
        front.say(store, "protocol", b"x86_64-abi")?;
        front.enter(store, State::INITIALISED)?;
        front.wait_for(guest, State::CONNECTED)?;
        let store = guest.store();
        let capacity_bytes = front
            .number(store, "sectors")?
            .checked_mul(UNIT_BYTES as u64);
        let sector_bytes = match front.number(store, "sector-size") {
            Err(Errno::ENOENT) => UNIT_BYTES as u64,
            said => said?,
        };
        let is_size = (UNIT_BYTES as u64..=PAGE_BYTES as u64).contains(&sector_bytes);
        if !is_size || !sector_bytes.is_power_of_two() {
            return Err(Errno::EPROTO);
        }
        let mut offers = |name| front.number(store, name).unwrap_or(0);
        let disk = Self {
            front,
            ring,
            open: Open::new(),
            port,
            handle,
            pool,
            pages: grants,
            list: list.pointer(),
            list_grant,
            capacity_bytes: capacity_bytes.ok_or(Errno::EPROTO)? & !(sector_bytes - 1),
            sector_bytes: sector_bytes as usize,
            is_read_only: offers("info") & abi::VDISK_READONLY != 0,
            flush: match (offers("feature-flush-cache"), offers("feature-barrier")) {
                (1, _) => Some(abi::BLKIF_OP_FLUSH_DISKCACHE),
                (_, 1) => Some(abi::BLKIF_OP_WRITE_BARRIER),
                _ => None,
            },
            can_discard: offers("feature-discard") == 1,
            has_lists: offers("feature-max-indirect-segments") >= POOL as u64,
            is_lost: false,
            seen: 0,
        };
        front.enter(store, State::CONNECTED)?;
        Ok(disk)
    }

    /// Does it still work?
    ///
    /// # Errors
    /// `EIO`.
    pub fn check(&self) -> Result<(), Errno> {
        if self.is_lost || self.pool.is_lost() {
            return Err(Errno::EIO);
        }
        Ok(())
    }

    /// Gives it up. Its ring it may still use. The pages of transfers are other disks' as well, and what it was asked
    /// for may still be done: so they are taken back, and where that cannot be, no disk of that guest's works any more.
    pub fn give_up(&mut self, guest: &mut impl Guest) {
        self.is_lost = true;
        let _ = self.front.enter(guest.store(), State::CLOSED);
        let deadline_ns = guest.now_ns().saturating_add(LET_GO_NS_MAX);
        for grant in self.pages {
            while !guest.take_back(grant) {
                let now_ns = guest.now_ns();
                if now_ns >= deadline_ns {
                    self.pool.lose();
                    break;
                }
                guest.wait(Some(now_ns + LET_GO_STEP_NS));
            }
        }
    }

    /// Reads whole sectors.
    ///
    /// # Errors
    /// `EINVAL` they are none, or behind the end · `EIO` · the back end breaks the rules.
    pub fn read(
        &mut self,
        guest: &mut impl Guest,
        offset_bytes: u64,
        bytes: &mut [u8],
    ) -> Result<(), Trouble> {
        self.check_place(offset_bytes, bytes.len() as u64)?;
        let mut at = offset_bytes;
        for part in bytes.chunks_mut(POOL * PAGE_BYTES) {
            self.transfer(guest, abi::BLKIF_OP_READ, at, part.len())?;
            for (page, piece) in self.pool.pages.iter().zip(part.chunks_mut(PAGE_BYTES)) {
                // SAFETY: the page is this transfer's; the back end may write it, and that is all.
                unsafe {
                    page.pointer()
                        .copy_to_nonoverlapping(piece.as_mut_ptr(), piece.len())
                };
            }
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Writes whole sectors.
    ///
    /// # Errors
    /// As [`read`](Self::read) · `EPERM` the disk cannot be written.
    pub fn write(
        &mut self,
        guest: &mut impl Guest,
        offset_bytes: u64,
        bytes: &[u8],
    ) -> Result<(), Trouble> {
        self.check_place(offset_bytes, bytes.len() as u64)?;
        self.check_writable()?;
        let mut at = offset_bytes;
        for part in bytes.chunks(POOL * PAGE_BYTES) {
            for (page, piece) in self.pool.pages.iter().zip(part.chunks(PAGE_BYTES)) {
                // SAFETY: the page is this transfer's.
                unsafe {
                    page.pointer()
                        .copy_from_nonoverlapping(piece.as_ptr(), piece.len())
                };
            }
            self.transfer(guest, abi::BLKIF_OP_WRITE, at, part.len())?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Makes what was written outlast the machine, if the back end can.
    ///
    /// # Errors
    /// `EIO` · the back end breaks the rules.
    pub fn flush(&mut self, guest: &mut impl Guest) -> Result<(), Trouble> {
        let Some(operation) = self.flush else {
            return Ok(());
        };
        self.ask(operation, 0, 0, 0, [0; SEGMENTS])?;
        match self.answers(guest) {
            Err(Trouble::Errno(Errno::EOPNOTSUPP)) => {
                // It promised more than it has.
                self.flush = None;
                Ok(())
            }
            done => done,
        }
    }

    /// What is in these sectors is not needed any more.
    ///
    /// # Errors
    /// As [`write`](Self::write) · `EOPNOTSUPP` the back end has no use for that.
    pub fn discard(
        &mut self,
        guest: &mut impl Guest,
        offset_bytes: u64,
        len_bytes: u64,
    ) -> Result<(), Trouble> {
        self.check_place(offset_bytes, len_bytes)?;
        self.check_writable()?;
        if !self.can_discard {
            return Err(Errno::EOPNOTSUPP.into());
        }
        if len_bytes == 0 {
            return Ok(());
        }
        let mut rest = [0; SEGMENTS];
        rest[0] = len_bytes / UNIT_BYTES as u64;
        self.ask(abi::BLKIF_OP_DISCARD, 0, self.handle, offset_bytes, rest)?;
        self.answers(guest)
    }

    fn check_place(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), Errno> {
        let sector = self.sector_bytes as u64;
        let end = offset_bytes.checked_add(len_bytes);
        let is_whole = offset_bytes.is_multiple_of(sector)
            && len_bytes.is_multiple_of(sector)
            && end.is_some_and(|end| end <= self.capacity_bytes);
        if is_whole { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn check_writable(&self) -> Result<(), Errno> {
        if self.is_read_only {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// Moves as many bytes between the disk and the pages.
    fn transfer(
        &mut self,
        guest: &mut impl Guest,
        operation: u8,
        at: u64,
        len_bytes: usize,
    ) -> Result<(), Trouble> {
        let done = self
            .ask_for(operation, at, len_bytes)
            .and_then(|()| self.answers(guest));
        match done {
            // That is no answer here.
            Err(Trouble::Errno(Errno::EOPNOTSUPP)) => Err(Errno::EIO.into()),
            done => done,
        }
    }

    fn ask_for(&mut self, operation: u8, at: u64, len_bytes: usize) -> Result<(), Trouble> {
        if self.has_lists && len_bytes > SEGMENTS * PAGE_BYTES {
            return Ok(self.ask_with_list(operation, at, len_bytes)?);
        }
        for start in (0..len_bytes).step_by(SEGMENTS * PAGE_BYTES) {
            let end = len_bytes.min(start + SEGMENTS * PAGE_BYTES);
            let mut segments = [0; SEGMENTS];
            let mut count = 0;
            for (place, segment) in segments.iter_mut().zip(self.segments(start..end)) {
                *place = segment;
                count += 1;
            }
            self.ask(operation, count, self.handle, at + start as u64, segments)?;
        }
        Ok(())
    }

    /// The parts of pages that hold these bytes, of which the first begins a page, as requests have them: the
    /// grant, the first unit and the last one.
    fn segments(&self, bytes: Range<usize>) -> impl Iterator<Item = u64> {
        let pages = self.pages;
        let end = bytes.end;
        bytes.step_by(PAGE_BYTES).map(move |start| {
            let len = (end - start).min(PAGE_BYTES);
            let last = len / UNIT_BYTES - 1;
            u64::from(pages[start / PAGE_BYTES].0) | (last as u64) << 40
        })
    }

    fn ask_with_list(&mut self, operation: u8, at: u64, len_bytes: usize) -> Result<(), Errno> {
        let mut count = 0;
        for segment in self.segments(0..len_bytes) {
            // SAFETY: in the page, which has room for 512; the back end only reads it.
            unsafe { self.list.cast::<u64>().add(count).write(segment) };
            count += 1;
        }
        let mut rest = [0; SEGMENTS];
        rest[0] = u64::from(self.handle) | u64::from(self.list_grant.0) << 32;
        self.ask(abi::BLKIF_OP_INDIRECT, operation, count as u16, at, rest)
    }

    fn ask(
        &mut self,
        operation: u8,
        count: u8,
        handle: u16,
        at: u64,
        rest: [u64; SEGMENTS],
    ) -> Result<(), Errno> {
        let full = |_: Full| Errno::EIO;
        let id = self.open.put(()).map_err(full)?;
        let request = Request {
            operation,
            count,
            handle,
            pad: 0,
            id: id as u64,
            unit: at / UNIT_BYTES as u64,
            rest,
        };
        self.ring.push(request).map_err(full)
    }

    /// Waits for all answers.
    fn answers(&mut self, guest: &mut impl Guest) -> Result<(), Trouble> {
        if self.ring.publish() {
            guest.notify(self.port).map_err(|_| Broken::Gone)?;
        }
        let mut failed = None;
        while self.ring.open() > 0 {
            let Some(response) = self.ring.pop()? else {
                if !self.ring.ask_to_be_told() {
                    self.front.look_after(guest.store(), &mut self.seen)?;
                    guest.wait(None);
                }
                continue;
            };
            self.open.take(response.id)?;
            match response.status {
                abi::BLKIF_RSP_OKAY => {}
                abi::BLKIF_RSP_EOPNOTSUPP => failed = failed.or(Some(Errno::EOPNOTSUPP)),
                _ => failed = Some(Errno::EIO),
            }
        }
        // What the back end has written is read after its answer.
        fence(Ordering::Acquire);
        failed.map_or(Ok(()), |errno| Err(errno.into()))
    }
}
