//! The guest's own address translation.
//!
//! Every frame is at its own address, with the protection of what lies there, and once more from
//! [`EVERYTHING`] on, where only this file looks. Between lies the window whose pages are backed when
//! they are first touched.
//!
//! Low memory, where the tender's own tables are until the guest has some, holds what this needs:
//!
//! | frames | at their own address |
//! |---|---|
//! | 0 to 0x10000 | nothing: null pointers; tables |
//! | to 0x14000 | what the tender says, read-only |
//! | to 0x15000 | the processor's descriptors, read-only |
//! | to 0x1a000 | the stack of exceptions |
//! | to 0x20000 | nothing: the guard of the program's stack; tables |
//!
//! Tables that find no room there take the first pages behind the image: as many as it takes to
//! protect each page of memory differently, so changing a protection never fails.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::Errno;
use muslin_arch::code::Code;
use muslin_arch::control;
use muslin_arch::paging::{LARGE_BYTES, NOTHING, PAGE_BYTES, Tables};
use muslin_arch::traps::{Descriptors, Handler};
use muslin_platform::{Paging, Protection};

use super::boot_info::BootInfo;

/// What the tender says, and where that ends.
const SAID: Range<usize> = 0x1_0000..0x1_4000;
const DESCRIPTORS: Range<usize> = 0x1_4000..0x1_5000;
const TRAP_STACK: Range<usize> = 0x1_5000..0x1_a000;
/// The lowest bytes of that stack are for the last words to the tender.
pub const LAST_WORDS: usize = TRAP_STACK.start;
/// Where nothing is, below the program's stack.
pub const STACK_GUARD: Range<usize> = TRAP_STACK.end..STACK_START;
/// The first address of the program's stack.
pub const STACK_START: usize = 0x2_0000;

/// Frames of low memory for tables. Frame 0 is left alone.
const LOW_TABLES: [Range<usize>; 2] = [PAGE_BYTES..0x1_0000, 0x1_a000..0x2_0000];

/// Where all frames are once more.
const EVERYTHING: usize = 0xffff_8000_0000_0000;
/// Addresses without memory of their own.
const WINDOW: Range<usize> = 0x1000_0000_0000..0x7000_0000_0000;

/// What a table above large pages covers.
const GIB: usize = 1 << 30;

pub const READ: Protection = Protection {
    read: true,
    ..NOTHING
};
const READ_WRITE: Protection = Protection {
    write: true,
    ..READ
};
const ALL: Protection = Protection {
    execute: true,
    ..READ_WRITE
};

/// The guest's tables.
#[derive(Debug)]
pub struct Space {
    root: AtomicUsize,
    offset: AtomicUsize,
    /// Tables in use.
    used: AtomicUsize,
    /// Pages behind the image for tables.
    reserve: [AtomicUsize; 2],
}

fn pages(range: &Range<usize>) -> usize {
    range.len() / PAGE_BYTES
}

/// Tables that it takes to protect each page of `memory_end` bytes differently: the root, two above,
/// what is behind memory and shown, large pages twice, pages once.
fn tables_max(memory_end: usize) -> usize {
    let few = 7;
    few + 2 * memory_end.div_ceil(GIB) + memory_end.div_ceil(LARGE_BYTES)
}

/// Frames behind the image at `image_end` that are for tables.
pub fn reserve(image_end: usize, memory_end: usize) -> Range<usize> {
    let low: usize = LOW_TABLES.iter().map(pages).sum();
    let start = image_end.next_multiple_of(PAGE_BYTES);
    start..start + tables_max(memory_end).saturating_sub(low) * PAGE_BYTES
}

impl Space {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            root: AtomicUsize::new(0),
            offset: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            reserve: [const { AtomicUsize::new(0) }; 2],
        }
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
        let [start, end] =
            [&self.reserve[0], &self.reserve[1]].map(|end| end.load(Ordering::Relaxed));
        for range in LOW_TABLES.into_iter().chain(core::iter::once(start..end)) {
            if index < pages(&range) {
                let frame = range.start + index * PAGE_BYTES;
                self.clear(frame);
                return Some(frame);
            }
            index -= pages(&range);
        }
        None
    }

    fn clear(&self, frame: usize) {
        let at = frame.wrapping_add(self.offset.load(Ordering::Relaxed));
        // SAFETY: a frame for tables, which nobody uses.
        unsafe { core::ptr::write_bytes(at as *mut u8, 0, PAGE_BYTES) };
    }

    fn map(&self, pages: Range<usize>, frame: usize, protection: Protection) {
        let mapped = self
            .tables()
            .map(pages, frame, protection, &mut || self.new_table());
        assert!(mapped.is_ok(), "the reserve of tables is too small");
    }

    /// Takes translation over from the tender, and then the exceptions: they go to `handler`, and
    /// `syscall` to `call`. `false`: there is no memory for it.
    ///
    /// # Safety
    /// The tender just entered the image, which lies at `image` and is what `segments` says.
    pub unsafe fn take_over(
        &self,
        info: &BootInfo,
        image: &Range<usize>,
        segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
        handler: Handler,
        call: Code,
    ) -> bool {
        let memory_end = info.memory_end;
        let reserve = reserve(image.end, memory_end);
        // SAFETY: every processor that runs 64-bit guests can forbid execution.
        unsafe {
            let efer = control::read_msr(control::EFER);
            control::write_msr(control::EFER, efer | control::EFER_NO_EXECUTE);
        }
        // The tender's tables do not let the guest write to low memory. So a first tree, behind the
        // image, lets it.
        let first = reserve.end;
        let mut first_end = first;
        let mut new_table = || {
            let frame = first_end;
            first_end += PAGE_BYTES;
            (first_end < memory_end).then(|| {
                self.clear(frame);
                frame
            })
        };
        let _ = new_table();
        // SAFETY: nobody has this memory yet, and it is at its own address.
        let tables = unsafe { Tables::new(first, 0) };
        let whole = 0..memory_end.next_multiple_of(LARGE_BYTES);
        if tables.map(whole.clone(), 0, ALL, &mut new_table).is_err() {
            return false;
        }
        // SAFETY: all that is in use is where it was.
        unsafe { control::set_tables(first) };

        self.reserve[0].store(reserve.start, Ordering::Relaxed);
        self.reserve[1].store(reserve.end, Ordering::Relaxed);
        self.root
            .store(self.new_table().unwrap_or_default(), Ordering::Relaxed);
        let everything = EVERYTHING..EVERYTHING + whole.end;
        self.map(everything, 0, READ_WRITE);
        let same =
            |pages: Range<usize>, protection| self.map(pages.clone(), pages.start, protection);
        same(SAID, READ);
        same(DESCRIPTORS, READ_WRITE);
        same(TRAP_STACK, READ_WRITE);
        same(STACK_START..image.start, READ_WRITE);
        for (pages, protection) in segments {
            same(pages, protection);
        }
        same(first..memory_end & !(PAGE_BYTES - 1), READ_WRITE);
        // SAFETY: all that is in use is where it was; tables are reached at their new place as well.
        unsafe { control::set_tables(self.root.load(Ordering::Relaxed)) };
        self.offset.store(EVERYTHING, Ordering::Relaxed);
        for frame in (first..first_end).step_by(PAGE_BYTES) {
            self.clear(frame);
        }
        let descriptors = DESCRIPTORS.start as *mut Descriptors;
        // SAFETY: the page is for this, and so is the stack.
        unsafe { Descriptors::install(descriptors, TRAP_STACK.end, handler, call) };
        self.protect_frames(DESCRIPTORS, READ);
        true
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
    // SAFETY: a guest of hvt is in ring 0.
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

    #[test]
    fn small_memory_needs_no_tables_behind_the_image() {
        for mib in [2, 4, 16, 24] {
            assert!(reserve(0x12_3456, mib * MIB).is_empty(), "{mib}");
        }
        let behind = reserve(0x12_3456, 512 * MIB);
        assert_eq!(behind.start, 0x12_4000);
        assert!(behind.len() < 512 * MIB / 500, "{behind:x?}");
    }

    /// Each page protected differently, all frames once more, and an archive behind memory.
    #[test]
    fn the_reserve_is_enough() {
        for memory_end in [2 * MIB, 30 * MIB, 512 * MIB, GIB, GIB + 2 * MIB, 4 * GIB] {
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
            let done = tables
                .map(everything, 0, READ_WRITE, &mut new_table)
                .and_then(|()| tables.prepare(0..memory_end, &mut new_table))
                .and_then(|()| tables.map(archive.clone(), archive.start, READ, &mut new_table));
            assert!(done.is_ok(), "{memory_end:#x}");
            assert!(
                tables
                    .first(archive)
                    .is_some_and(|(page, _)| page > memory_end)
            );
        }
    }
}
