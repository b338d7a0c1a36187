//! Disks of another guest: the front end of a block device.
//!
//! A transfer goes through pages that the back end may use for good, a few requests at a time, and has ended when the
//! call returns. A back end that breaks the rules loses the device: every call then says `EIO`.
//!
//! Source: Xen 4.17 `xen/include/public/io/blkif.h`.

use core::cell::UnsafeCell;
use core::sync::atomic::{Ordering, fence};

use muslin_abi::Errno;
use muslin_platform::BlockDevice;

use crate::grants::Grant;
use crate::ring::{Broken, Full, Open, Ring};
use crate::shared::{self, Page};
use crate::xenbus::{Front, State};
use crate::{PAGE_BYTES, console, events, hypercall};

/// The unit of places on a disk, and of parts of a page.
const SECTOR_BYTES: usize = 512;
/// Pages of a request.
const SEGMENTS: usize = 11;
/// Requests at a time.
const REQUESTS: usize = 3;
/// Disks that are looked for.
const DISKS_MAX: usize = 4;
/// The first disk's number, `xvda`, and from one to the next.
const FIRST_NUMBER: u64 = 202 << 8;
const NUMBER_STEP: u64 = 16;

const READ: u8 = 0;
const WRITE: u8 = 1;
const FLUSH: u8 = 3;
const OKAY: i16 = 0;

/// In what the back end says of a disk: it cannot be written.
const READ_ONLY: u64 = 4;

/// A part of a page.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Segment {
    grant: u32,
    first_sector: u8,
    last_sector: u8,
    pad: u16,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Request {
    operation: u8,
    segments: u8,
    handle: u16,
    pad: u32,
    id: u64,
    sector: u64,
    segment: [Segment; SEGMENTS],
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Response {
    id: u64,
    operation: u8,
    pad: u8,
    status: i16,
    pad2: u32,
}

/// A disk that works, or did.
#[derive(Debug)]
struct Disk {
    front: Front,
    ring: Ring<Request, Response>,
    open: Open<u8, REQUESTS>,
    port: u32,
    handle: u16,
    grants: [Grant; SEGMENTS * REQUESTS],
    capacity_bytes: u64,
    is_read_only: bool,
    can_flush: bool,
    is_lost: bool,
    /// Changes in xenstore when the back end was looked at last.
    seen: u32,
}

/// A disk's place.
#[derive(Debug)]
pub struct Place {
    name: &'static str,
    ring: Page,
    disk: Cell,
}

#[derive(Debug)]
struct Cell(UnsafeCell<Option<Disk>>);

// SAFETY: threads take turns, and none is taken away while it is in a device's call.
unsafe impl Sync for Cell {}

static PLACES: [Place; DISKS_MAX] = [
    Place::new("xvda"),
    Place::new("xvdb"),
    Place::new("xvdc"),
    Place::new("xvdd"),
];

/// The pages of transfers, all disks' one after the other.
static PAGES: [Page; SEGMENTS * REQUESTS] = [const { Page::new() }; SEGMENTS * REQUESTS];

/// The disk of this number, counted from 0 without gaps, and its name.
pub fn device(index: usize) -> Option<(&'static str, &'static dyn BlockDevice)> {
    let place = PLACES
        .iter()
        .enumerate()
        .filter(|(number, place)| place.is_there(*number))
        .nth(index)?;
    Some((place.1.name, place.1))
}

impl Place {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            ring: Page::new(),
            disk: Cell(UnsafeCell::new(None)),
        }
    }

    #[allow(
        clippy::mut_from_ref,
        reason = "threads take turns, and calls do not nest"
    )]
    fn disk(&self) -> &mut Option<Disk> {
        // SAFETY: as the reason says.
        unsafe { &mut *self.disk.0.get() }
    }

    /// Is the disk there? It is connected by the first who asks.
    fn is_there(&'static self, number: usize) -> bool {
        let disk = self.disk();
        if disk.is_none() {
            let number = FIRST_NUMBER + number as u64 * NUMBER_STEP;
            match Disk::connect(&self.ring, number) {
                Ok(found) => *disk = Some(found),
                Err(Errno::ENOENT | Errno::ENODEV) => {}
                Err(errno) => self.complain(errno.name().unwrap_or("it cannot be connected")),
            }
        }
        disk.is_some()
    }

    fn complain(&self, why: &str) {
        for text in ["muslin: the disk ", self.name, " is lost: ", why, "\n"] {
            console::write(text.as_bytes());
        }
    }

    /// Does something with the disk, and gives it up if its back end breaks the rules.
    fn with(&self, work: impl FnOnce(&mut Disk) -> Result<(), Trouble>) -> Result<(), Errno> {
        let disk = self.disk().as_mut().ok_or(Errno::ENXIO)?;
        if disk.is_lost {
            return Err(Errno::EIO);
        }
        match work(disk) {
            Ok(()) => Ok(()),
            Err(Trouble::Errno(errno)) => Err(errno),
            Err(Trouble::Broken(broken)) => {
                disk.is_lost = true;
                self.complain(broken.name());
                Err(Errno::EIO)
            }
        }
    }
}

/// Why something was not done.
enum Trouble {
    Errno(Errno),
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

impl BlockDevice for Place {
    fn sector_bytes(&self) -> usize {
        SECTOR_BYTES
    }
    fn capacity_bytes(&self) -> u64 {
        self.disk().as_ref().map_or(0, |disk| disk.capacity_bytes)
    }
    fn read_at(&self, offset_bytes: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        self.with(|disk| {
            disk.check(offset_bytes, bytes.len())?;
            let mut at = offset_bytes;
            for part in bytes.chunks_mut(PAGES.len() * PAGE_BYTES) {
                disk.transfer(READ, at, part.len())?;
                for (page, piece) in PAGES.iter().zip(part.chunks_mut(PAGE_BYTES)) {
                    // SAFETY: the page is this transfer's; the back end may write it, and that is all.
                    unsafe {
                        page.pointer()
                            .copy_to_nonoverlapping(piece.as_mut_ptr(), piece.len())
                    };
                }
                at += part.len() as u64;
            }
            Ok(())
        })
    }
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.with(|disk| {
            disk.check(offset_bytes, bytes.len())?;
            if disk.is_read_only {
                return Err(Errno::EROFS.into());
            }
            let mut at = offset_bytes;
            for part in bytes.chunks(PAGES.len() * PAGE_BYTES) {
                for (page, piece) in PAGES.iter().zip(part.chunks(PAGE_BYTES)) {
                    // SAFETY: the page is this transfer's.
                    unsafe {
                        page.pointer()
                            .copy_from_nonoverlapping(piece.as_ptr(), piece.len())
                    };
                }
                disk.transfer(WRITE, at, part.len())?;
                at += part.len() as u64;
            }
            Ok(())
        })
    }
    fn flush(&self) -> Result<(), Errno> {
        self.with(|disk| {
            if disk.can_flush {
                disk.ask(FLUSH, 0, 0..0)?;
                disk.answers()?;
            }
            Ok(())
        })
    }
}

impl Disk {
    fn connect(ring_page: &'static Page, number: u64) -> Result<Self, Errno> {
        shared::with(|shared| {
            let front = Front::find(&mut shared.store, "vbd", number)?;
            front.wait_for(&mut shared.store, State::INIT_WAIT)?;
            // SAFETY: the page is this ring's.
            let ring = unsafe { Ring::new(ring_page.pointer()) };
            let ring_grant = shared.grant(front.domain, ring_page, false)?;
            let mut grants = [ring_grant; SEGMENTS * REQUESTS];
            for (grant, page) in grants.iter_mut().zip(&PAGES) {
                *grant = shared.grant(front.domain, page, false)?;
            }
            let port = events::allocate_unbound(front.domain)?;
            events::watch(port)?;
            let store = &mut shared.store;
            front.say_number(store, "ring-ref", ring_grant.0.into())?;
            front.say_number(store, "event-channel", port.into())?;
            front.say(store, "protocol", b"x86_64-abi")?;
            front.enter(store, State::INITIALISED)?;
            front.wait_for(store, State::CONNECTED)?;
            let sectors = front.number(store, "sectors")?;
            let capacity_bytes = sectors.checked_mul(SECTOR_BYTES as u64);
            let disk = Self {
                front,
                ring,
                open: Open::new(),
                port,
                handle: number as u16,
                grants,
                capacity_bytes: capacity_bytes.ok_or(Errno::EPROTO)?,
                is_read_only: front.number(store, "info").unwrap_or(0) & READ_ONLY != 0,
                can_flush: front.number(store, "feature-flush-cache") == Ok(1),
                is_lost: false,
                seen: 0,
            };
            front.enter(store, State::CONNECTED)?;
            Ok(disk)
        })
    }

    fn check(&self, offset_bytes: u64, len_bytes: usize) -> Result<(), Errno> {
        let sector = SECTOR_BYTES as u64;
        let end = offset_bytes.checked_add(len_bytes as u64);
        let is_whole = offset_bytes.is_multiple_of(sector)
            && (len_bytes as u64).is_multiple_of(sector)
            && end.is_some_and(|end| end <= self.capacity_bytes);
        if is_whole { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Moves as many bytes between the disk and the pages.
    fn transfer(&mut self, operation: u8, at: u64, len_bytes: usize) -> Result<(), Trouble> {
        const REQUEST_BYTES: usize = SEGMENTS * PAGE_BYTES;
        for start in (0..len_bytes).step_by(REQUEST_BYTES) {
            let end = len_bytes.min(start + REQUEST_BYTES);
            self.ask(operation, at + start as u64, start..end)?;
        }
        self.answers()
    }

    /// Makes a request for these bytes of the pages, of which the first begins a page.
    fn ask(
        &mut self,
        operation: u8,
        at: u64,
        bytes: core::ops::Range<usize>,
    ) -> Result<(), Trouble> {
        let mut segment = [Segment::default(); SEGMENTS];
        let mut segments = 0;
        for (place, start) in segment.iter_mut().zip(bytes.clone().step_by(PAGE_BYTES)) {
            let len = (bytes.end - start).min(PAGE_BYTES);
            *place = Segment {
                grant: self.grants[start / PAGE_BYTES].0,
                first_sector: 0,
                last_sector: (len / SECTOR_BYTES - 1) as u8,
                pad: 0,
            };
            segments += 1;
        }
        let full = |_: Full| Errno::EIO;
        let id = self.open.put(operation).map_err(full)?;
        let request = Request {
            operation,
            segments,
            handle: self.handle,
            pad: 0,
            id: id as u64,
            sector: at / SECTOR_BYTES as u64,
            segment,
        };
        self.ring.push(request).map_err(full)?;
        Ok(())
    }

    /// Waits for all answers.
    fn answers(&mut self) -> Result<(), Trouble> {
        if self.ring.publish() {
            hypercall::notify(self.port).map_err(|_| Broken::Gone)?;
        }
        let mut has_failed = false;
        while self.ring.open() > 0 {
            let Some(response) = self.ring.pop()? else {
                if !self.ring.ask_to_be_told() {
                    self.look_after()?;
                    events::wait(None);
                }
                continue;
            };
            self.open.take(response.id)?;
            has_failed |= response.status != OKAY;
        }
        // What the back end has written is read after its answer.
        fence(Ordering::Acquire);
        if has_failed {
            return Err(Errno::EIO.into());
        }
        Ok(())
    }

    /// Is the back end still there?
    fn look_after(&mut self) -> Result<(), Trouble> {
        let state = shared::with(|shared| {
            let changes = shared.store.changes()?;
            if changes == self.seen {
                return Ok(State::CONNECTED);
            }
            self.seen = changes;
            self.front.state(&mut shared.store)
        })?;
        match state {
            State::CONNECTED => Ok(()),
            _ => Err(Broken::Gone.into()),
        }
    }
}
