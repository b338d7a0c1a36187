//! Address translation of a guest that has ring 0.
//!
//! Frames of memory are at their own address, with the protection of what lies there, and once more from
//! [`EVERYTHING`] on, where only this file looks. Between lies the window whose pages are backed when they
//! are first touched. Where tables lie is the guest's affair: it hands in places for as many as it takes
//! to protect each page of memory differently ([`tables_max`]), so changing a protection never fails.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::Errno;
use muslin_platform::{Paging, Protection};

use crate::control;
use crate::paging::{LARGE_BYTES, NOTHING, PAGE_BYTES, Tables};

/// Where all frames are once more.
pub const EVERYTHING: usize = 0xffff_8000_0000_0000;
/// Addresses without memory of their own.
pub const WINDOW: Range<usize> = 0x1000_0000_0000..0x7000_0000_0000;

/// What a table above large pages covers.
const GIB: usize = 1 << 30;

/// Read.
pub const READ: Protection = Protection {
    read: true,
    ..NOTHING
};
/// Read and write.
pub const READ_WRITE: Protection = Protection {
    write: true,
    ..READ
};
/// All.
pub const ALL: Protection = Protection {
    execute: true,
    ..READ_WRITE
};

/// Ranges of frames for tables.
pub const POOLS: usize = 3;

/// The guest's tables.
#[derive(Debug, Default)]
pub struct Space {
    root: AtomicUsize,
    offset: AtomicUsize,
    /// Tables in use.
    used: AtomicUsize,
    /// Frames for tables: where each range starts and ends.
    pools: [[AtomicUsize; 2]; POOLS],
}

fn pages(range: &Range<usize>) -> usize {
    range.len() / PAGE_BYTES
}

/// Tables that it takes to protect each page of `memory_end` bytes differently: the root, two above,
/// what is behind memory, an archive and a ring, large pages twice, pages once.
pub fn tables_max(memory_end: usize) -> usize {
    let few = 7;
    few + 2 * memory_end.div_ceil(GIB) + memory_end.div_ceil(LARGE_BYTES)
}

impl Space {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            root: AtomicUsize::new(0),
            offset: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            pools: [const { [const { AtomicUsize::new(0) }; 2] }; POOLS],
        }
    }

    /// Begins a tree, which no processor uses yet: all frames below `memory_end` are at
    /// [`EVERYTHING`]. Its tables come from `pools`.
    ///
    /// # Safety
    /// These frames are for this alone, and at their own addresses, readable and writable, up to
    /// [`take_over`](Self::take_over).
    pub unsafe fn begin(&self, pools: [Range<usize>; POOLS], memory_end: usize) {
        for (place, pool) in self.pools.iter().zip(&pools) {
            place[0].store(pool.start, Ordering::Relaxed);
            place[1].store(pool.end, Ordering::Relaxed);
        }
        self.root
            .store(self.new_table().unwrap_or_default(), Ordering::Relaxed);
        let everything = EVERYTHING..EVERYTHING + memory_end.next_multiple_of(LARGE_BYTES);
        self.map(everything, 0, READ_WRITE);
    }

    /// The frame of the root.
    pub fn root(&self) -> usize {
        self.root.load(Ordering::Relaxed)
    }

    /// Makes the processor use the tree.
    ///
    /// # Safety
    /// It translates all that is in use, this code and the stack among it.
    pub unsafe fn take_over(&self) {
        // SAFETY: as the caller promises.
        unsafe { control::set_tables(self.root()) };
        self.offset.store(EVERYTHING, Ordering::Relaxed);
    }

    fn tables(&self) -> Tables {
        let root = self.root.load(Ordering::Relaxed);
        // SAFETY: all tables come from `new_table` or are frames of zeros that the library OS gives
        // for good; frames are at this offset.
        unsafe { Tables::new(root, self.offset.load(Ordering::Relaxed)) }
    }

    /// A frame of zeros for a table.
    fn new_table(&self) -> Option<usize> {
        let mut index = self.used.fetch_add(1, Ordering::Relaxed);
        for pool in &self.pools {
            let [start, end] = [&pool[0], &pool[1]].map(|end| end.load(Ordering::Relaxed));
            let range = start..end;
            if index < pages(&range) {
                let frame = range.start + index * PAGE_BYTES;
                self.clear(frame);
                return Some(frame);
            }
            index -= pages(&range);
        }
        None
    }

    /// Makes a frame that nobody uses read as zeros.
    pub fn clear(&self, frame: usize) {
        let at = frame.wrapping_add(self.offset.load(Ordering::Relaxed));
        // SAFETY: a frame for tables, which nobody uses.
        unsafe { core::ptr::write_bytes(at as *mut u8, 0, PAGE_BYTES) };
    }

    /// Puts the frames from `frame` on behind pages.
    pub fn map(&self, pages: Range<usize>, frame: usize, protection: Protection) {
        let mapped = self
            .tables()
            .map(pages, frame, protection, &mut || self.new_table());
        assert!(mapped.is_ok(), "the reserve of tables is too small");
    }

    /// Changes what may be done with frames at their own addresses.
    pub fn protect_frames(&self, pages: Range<usize>, protection: Protection) {
        self.map(pages.clone(), pages.start, protection);
        flush(pages);
    }

    /// What may be done at an address, if something is there.
    pub fn protection_at(&self, address: usize) -> Option<Protection> {
        // The tables know 48 bits, the processor wants the others to be like the highest of these.
        let is_canonical = ((address << 16) as isize >> 16) as usize == address;
        if !is_canonical {
            return None;
        }
        let page = address & !(PAGE_BYTES - 1);
        let (_, found) = self.tables().first(page..page.checked_add(PAGE_BYTES)?)?;
        Some(found.protection)
    }
}

fn flush(pages: Range<usize>) {
    // SAFETY: this guest has ring 0.
    unsafe { control::flush(pages) };
}

impl Paging for Space {
    fn addresses(&self) -> Range<usize> {
        WINDOW
    }
    fn prepare(
        &self,
        pages: Range<usize>,
        table_page: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<(), Errno> {
        self.tables()
            .prepare(pages, table_page)
            .map_err(|_| Errno::ENOMEM)
    }
    fn back(&self, page: usize, frame: usize, protection: Protection) {
        self.tables().back(page, frame, protection);
    }
    fn unback(&self, page: usize) -> Option<usize> {
        let frame = self.tables().unback(page)?;
        flush(page..page + PAGE_BYTES);
        Some(frame)
    }
    fn protect(&self, pages: Range<usize>, protection: Protection) {
        self.tables().protect(pages.clone(), protection);
        flush(pages);
    }
    fn first_backed(&self, pages: Range<usize>) -> Option<(usize, usize)> {
        let (page, found) = self.tables().first(pages)?;
        Some((page, found.frame))
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::vec;

    use super::*;

    const MIB: usize = 1 << 20;

    /// Each page protected differently, all frames once more, and an archive and a ring behind memory.
    #[test]
    fn the_reserve_is_enough() {
        for memory_end in [
            2 * MIB,
            30 * MIB,
            512 * MIB,
            GIB - 22 * MIB,
            GIB,
            GIB + 2 * MIB,
            4 * GIB,
        ] {
            let frames = tables_max(memory_end);
            let mut words = vec![0u64; (frames + 1) * PAGE_BYTES / 8];
            let offset = (words.as_mut_ptr() as usize).next_multiple_of(PAGE_BYTES);
            let mut used = 0;
            let mut new_table = || {
                used += 1;
                (used < frames).then_some(used * PAGE_BYTES)
            };
            // SAFETY: the words live as long as the tables, and are zero.
            let tables = unsafe { Tables::new(0, offset) };
            let everything = EVERYTHING..EVERYTHING + memory_end;
            let archive = memory_end + PAGE_BYTES..memory_end + 20 * MIB + PAGE_BYTES;
            let start = archive.end.next_multiple_of(LARGE_BYTES);
            let ring = start..start + LARGE_BYTES;
            let done = tables
                .map(everything, 0, READ_WRITE, &mut new_table)
                .and_then(|()| tables.prepare(0..memory_end, &mut new_table))
                .and_then(|()| tables.map(archive.clone(), archive.start, READ, &mut new_table))
                .and_then(|()| tables.map(ring.clone(), ring.start, READ_WRITE, &mut new_table));
            assert!(done.is_ok(), "{memory_end:#x}");
            assert!(
                tables
                    .first(archive)
                    .is_some_and(|(page, _)| page > memory_end)
            );
        }
    }
}
