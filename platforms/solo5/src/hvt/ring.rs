//! The ring by which tenders of Solo5 0.11 and later take frames without a hypercall for each: a thread of theirs
//! looks for entries, and wants to be told of one only when it has gone to sleep. Frames that come are still asked
//! for by hypercalls: the ring has no way to wait for them.
//!
//! Source: Solo5 0.12.1 `include/hvt_ring.h`.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

/// The port that tells of entries, and what is written there.
pub const KICK_PORT: u16 = 0x600;
pub const KICK: u32 = 0;

/// What one entry's frame may have at most.
pub const FRAME_BYTES_MAX: usize = 2048;
/// How many frames may be on their way. The ring has room for more; this much memory there is.
const PLACES: u32 = 32;
/// The memory for frames on their way.
pub const PLACES_BYTES: usize = PLACES as usize * FRAME_BYTES_MAX;

const SLOTS: usize = 1024;
const WRITE: u32 = 1;

/// The ring, as far as this side uses it: behind the entries are answers to reads.
#[repr(C)]
pub struct Shared {
    /// How many entries the guest put there.
    put: AtomicU32,
    _answers_read: AtomicU32,
    _guests: [u8; 56],
    /// How many of them the tender took.
    taken: AtomicU32,
    _answers: AtomicU32,
    /// Not 0: the tender wants to be told.
    tell: AtomicU32,
    _tenders: [u8; 52],
    entries: [UnsafeCell<Entry>; SLOTS],
}

const _: () = assert!(size_of::<Entry>() == 32 && size_of::<Shared>() == 128 + SLOTS * 32);

#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    operation: u32,
    handle: u32,
    data: u64,
    len_bytes: u32,
    id: u32,
    _reserved: u64,
}

/// This side of the ring, if there is one.
#[derive(Debug)]
pub struct Ring {
    shared: AtomicPtr<Shared>,
    put: AtomicU32,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is on its way, and whether the tender wants to be told.
    There { tell: bool },
    /// Too many are on their way.
    Full,
    /// There is no ring, or it is not for this frame.
    Not,
}

impl Ring {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            shared: AtomicPtr::new(ptr::null_mut()),
            put: AtomicU32::new(0),
        }
    }

    /// Uses the one at this address.
    ///
    /// # Safety
    /// It is there for good, and nobody else puts entries there.
    pub unsafe fn begin(&self, shared: *mut Shared) {
        self.shared.store(shared, Ordering::Relaxed);
    }

    /// Whether there is one.
    pub fn is_used(&self) -> bool {
        !self.shared.load(Ordering::Relaxed).is_null()
    }

    fn shared(&self) -> Option<&Shared> {
        // SAFETY: as whoever began with it promised.
        unsafe { self.shared.load(Ordering::Relaxed).as_ref() }
    }

    /// How many frames the tender has not taken.
    pub fn open(&self) -> u32 {
        let Some(shared) = self.shared() else {
            return 0;
        };
        let put = self.put.load(Ordering::Relaxed);
        let open = put.wrapping_sub(shared.taken.load(Ordering::Acquire));
        if open > PLACES {
            // It counts what nobody put there: hypercalls are left.
            self.shared.store(ptr::null_mut(), Ordering::Relaxed);
            return 0;
        }
        open
    }

    /// Puts a copy of a frame there. `places` are the [`PLACES_BYTES`] of all that are on their way, at their own
    /// addresses.
    pub fn put(&self, handle: usize, frame: &[u8], places: &mut [u8]) -> Put {
        let open = self.open();
        let Some(shared) = self.shared() else {
            return Put::Not;
        };
        if open == PLACES {
            return Put::Full;
        }
        let put = self.put.load(Ordering::Relaxed);
        let at = (put % PLACES) as usize * FRAME_BYTES_MAX;
        let place = places.get_mut(at..at + FRAME_BYTES_MAX);
        let Some(place) = place.and_then(|place| place.get_mut(..frame.len())) else {
            return Put::Not;
        };
        place.copy_from_slice(frame);
        let entry = Entry {
            operation: WRITE,
            handle: handle as u32,
            data: place.as_ptr() as u64,
            len_bytes: frame.len() as u32,
            id: put,
            _reserved: 0,
        };
        // SAFETY: the tender reads no entry that is not counted yet.
        unsafe {
            shared.entries[put as usize % SLOTS]
                .get()
                .write_volatile(entry)
        };
        let put = put.wrapping_add(1);
        self.put.store(put, Ordering::Relaxed);
        shared.put.store(put, Ordering::Release);
        // The tender asks to be told, and then looks for entries: one of both sees the other.
        fence(Ordering::SeqCst);
        Put::There {
            tell: shared.tell.load(Ordering::Relaxed) != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

    use super::*;
    extern crate std;
    use std::boxed::Box;
    use std::vec;

    fn shared() -> Box<Shared> {
        // SAFETY: numbers, of which zero is one.
        unsafe { Box::new(core::mem::zeroed()) }
    }

    /// What the tender finds in an entry.
    fn frame(shared: &Shared, index: usize) -> (u32, &[u8]) {
        // SAFETY: the entry's frame is in memory that the test has.
        unsafe {
            let entry = shared.entries[index % SLOTS].get().read();
            assert_eq!((entry.operation, entry.id), (WRITE, index as u32));
            let data = entry.data as *const u8;
            let bytes = core::slice::from_raw_parts(data, entry.len_bytes as usize);
            (entry.handle, bytes)
        }
    }

    #[test]
    fn frames_are_there_in_order_and_no_more_than_there_is_memory_for() {
        let shared = shared();
        let mut places = vec![0; PLACES_BYTES];
        let ring = Ring::new();
        assert_eq!(ring.put(1, &[1; 60], &mut places), Put::Not);
        // SAFETY: it outlives the ring.
        unsafe { ring.begin(ptr::from_ref(&*shared).cast_mut()) };
        let mut taken = 0;
        for index in 0..5000_u32 {
            shared.tell.store(index % 2, Ordering::Relaxed);
            let bytes = index.to_le_bytes();
            let there = Put::There {
                tell: index % 2 == 1,
            };
            assert_eq!(ring.put(3, &bytes, &mut places), there);
            assert_eq!(shared.put.load(Ordering::Relaxed), index + 1);
            if ring.open() == PLACES {
                assert_eq!(ring.put(3, &bytes, &mut places), Put::Full);
                while taken <= index {
                    let found = frame(&shared, taken as usize);
                    assert_eq!(found, (3, &taken.to_le_bytes()[..]));
                    taken += 1;
                }
                shared.taken.store(taken, Ordering::Relaxed);
            }
        }
        let long = [0; FRAME_BYTES_MAX + 1];
        assert_eq!(ring.put(3, &long, &mut places), Put::Not);
    }

    #[test]
    fn a_tender_that_counts_wrongly_is_left_alone() {
        for wrong in [1, u32::MAX - PLACES, 1 << 31] {
            let shared = shared();
            let mut places = vec![0; PLACES_BYTES];
            let ring = Ring::new();
            // SAFETY: it outlives the ring.
            unsafe { ring.begin(ptr::from_ref(&*shared).cast_mut()) };
            shared.taken.store(wrong, Ordering::Relaxed);
            assert_eq!(ring.put(1, &[1; 60], &mut places), Put::Not);
            assert!(!ring.is_used() && ring.open() == 0);
            assert_eq!(shared.put.load(Ordering::Relaxed), 0);
        }
    }
}
