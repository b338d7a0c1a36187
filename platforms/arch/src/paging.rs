//! Page tables of x86_64, four levels: which frame is behind a page, and what may be done there.
//!
//! Entries that are not empty keep their frame even if nothing may be done with the page, so that a
//! later change of protection finds it. Nothing here touches the processor: whoever changes an
//! entry that was in use flushes it (`control::flush`). Tables are the guest's own, or another's that is
//! asked ([`Store`]).

use core::ops::Range;

use muslin_platform::Protection;

/// Size of a page in bytes.
pub const PAGE_BYTES: usize = 4096;
/// What one entry of the second lowest level covers: a large page, or a table of pages.
pub const LARGE_BYTES: usize = ENTRIES * PAGE_BYTES;

/// Entries of a table.
pub const ENTRIES: usize = 512;
/// Level of the root; pages are at level 0, large pages at level 1.
const TOP: u32 = 3;

/// In an entry: there is something.
pub const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// At level 1: a page, not a table. At level 0 the bit means something else and is 0.
const LARGE: u64 = 1 << 7;
/// One of the bits that the processor leaves alone: the entry is in use, whatever may be done.
const IN_USE: u64 = 1 << 9;
const NO_EXECUTE: u64 = 1 << 63;
/// In an entry: the frame.
pub const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// Nothing may be done.
pub const NOTHING: Protection = Protection {
    read: false,
    write: false,
    execute: false,
};

/// There was no page for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTable;

/// Gives pages of zeros for tables.
pub type NewTable<'a> = &'a mut dyn FnMut() -> Option<usize>;

/// How entries of tables are read and written. Tables and what entries name are frames.
pub trait Store: Copy {
    /// Whether an entry can be a large page.
    const HAS_LARGE: bool;
    /// An entry that is in place.
    fn read(&self, table: usize, index: usize) -> u64;
    /// Writes an entry, which is in place after [`settle`](Store::settle) at the latest.
    fn write(&self, table: usize, index: usize, entry: u64);
    /// A frame that nobody uses becomes a table.
    fn adopt(&self, _table: usize) {}
    /// Puts in place what was written.
    fn settle(&self) {}
}

/// Tables that are the guest's own: memory at their frame plus an offset.
#[derive(Clone, Copy, Debug)]
pub struct Direct {
    offset: usize,
}

impl Direct {
    fn entry(self, table: usize, index: usize) -> *mut u64 {
        (table.wrapping_add(self.offset) as *mut u64).wrapping_add(index)
    }
}

impl Store for Direct {
    const HAS_LARGE: bool = true;
    fn read(&self, table: usize, index: usize) -> u64 {
        // SAFETY: an entry of a table, by the promise at `new`; `index` is below ENTRIES.
        unsafe { self.entry(table, index).read() }
    }
    fn write(&self, table: usize, index: usize, entry: u64) {
        // SAFETY: as above.
        unsafe { self.entry(table, index).write(entry) };
    }
}

/// A tree of tables.
#[derive(Clone, Copy, Debug)]
pub struct Tables<S = Direct> {
    root: usize,
    store: S,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The frame behind the page.
    pub frame: usize,
    /// What may be done there.
    pub protection: Protection,
}

fn index(address: usize, level: u32) -> usize {
    (address >> (12 + 9 * level)) % ENTRIES
}

fn is_table(entry: u64) -> bool {
    entry & (PRESENT | LARGE) == PRESENT
}

/// An entry for a page. What may be written or executed can be read as well: the processor has no
/// other way.
pub fn leaf(frame: usize, protection: Protection) -> u64 {
    let Protection {
        read,
        write,
        execute,
    } = protection;
    let mut entry = frame as u64 | IN_USE | ACCESSED | DIRTY;
    if read || write || execute {
        entry |= PRESENT;
    }
    if write {
        entry |= WRITE;
    }
    if !execute {
        entry |= NO_EXECUTE;
    }
    entry
}

impl Tables<Direct> {
    /// The tree whose root is at frame `root`. Tables are read and written at their frame plus
    /// `offset`.
    ///
    /// # Safety
    /// `root` is a page of zeros or a tree that was made here, all its tables can be read and
    /// written there for as long as this is used, and nothing else writes to them. The same holds
    /// for every page that a `new_table` gives.
    pub const unsafe fn new(root: usize, offset: usize) -> Self {
        Self {
            root,
            store: Direct { offset },
        }
    }
}

impl<S: Store> Tables<S> {
    /// As [`new`](Tables::new), with tables that are read and written in another way.
    ///
    /// # Safety
    /// As [`new`](Tables::new); `store` reads what it wrote.
    pub const unsafe fn stored(root: usize, store: S) -> Self {
        Self { root, store }
    }

    /// The frame of the root.
    pub const fn root(&self) -> usize {
        self.root
    }

    /// The table of `level` that `address` is in; tables are made on the way.
    fn table(&self, address: usize, level: u32, new_table: NewTable<'_>) -> Result<usize, NoTable> {
        let mut table = self.root;
        for level in (level + 1..=TOP).rev() {
            let index = index(address, level);
            let entry = self.store.read(table, index);
            if is_table(entry) {
                table = (entry & FRAME) as usize;
                continue;
            }
            let below = new_table().ok_or(NoTable)?;
            if entry != 0 {
                // A large page becomes a table of the same pages.
                for i in 0..ENTRIES {
                    self.store
                        .write(below, i, (entry & !LARGE) + (i * PAGE_BYTES) as u64);
                }
            }
            self.store.adopt(below);
            self.store
                .write(table, index, below as u64 | PRESENT | WRITE | ACCESSED);
            self.store.settle();
            table = below;
        }
        Ok(table)
    }

    /// Puts the frames from `frame` on behind the pages of a range, by large pages where that can be.
    ///
    /// # Errors
    /// `NoTable`: pages before the place where a table was missing are mapped.
    pub fn map(
        &self,
        pages: Range<usize>,
        frame: usize,
        protection: Protection,
        new_table: NewTable<'_>,
    ) -> Result<(), NoTable> {
        let shift = frame.wrapping_sub(pages.start);
        let mut at = pages.start;
        while at < pages.end {
            let directory = self.table(at, 1, new_table)?;
            let large_end = self.map_large(directory, at..pages.end, shift, protection);
            if large_end > at {
                at = large_end;
                continue;
            }
            let table = self.table(at, 0, new_table)?;
            let area_end = (at | (LARGE_BYTES - 1)).saturating_add(1).min(pages.end);
            let mut entry = leaf(at.wrapping_add(shift), protection);
            for page in (at..area_end).step_by(PAGE_BYTES) {
                self.store.write(table, index(page, 0), entry);
                entry += PAGE_BYTES as u64;
            }
            at = area_end;
        }
        Ok(())
    }

    /// Maps large pages in one table of them, up to where one cannot be: the address of that place.
    fn map_large(
        &self,
        directory: usize,
        pages: Range<usize>,
        shift: usize,
        protection: Protection,
    ) -> usize {
        let mut at = pages.start;
        let mut entry = leaf(at.wrapping_add(shift), protection) | LARGE;
        if !S::HAS_LARGE || !at.is_multiple_of(LARGE_BYTES) || !shift.is_multiple_of(LARGE_BYTES) {
            return at;
        }
        for index in index(at, 1)..ENTRIES {
            if pages.end - at < LARGE_BYTES || is_table(self.store.read(directory, index)) {
                break;
            }
            self.store.write(directory, index, entry);
            entry += LARGE_BYTES as u64;
            at = at.wrapping_add(LARGE_BYTES);
        }
        at
    }

    /// Makes the tables that the pages of a range need.
    ///
    /// # Errors
    /// `NoTable`: tables that were made stay.
    pub fn prepare(&self, pages: Range<usize>, new_table: NewTable<'_>) -> Result<(), NoTable> {
        let mut at = pages.start;
        while at < pages.end {
            self.table(at, 0, new_table)?;
            at = (at | (LARGE_BYTES - 1)).saturating_add(1);
        }
        Ok(())
    }

    /// Makes `table`, which holds entries for pages already, the one that `address` is in: many pages at
    /// once.
    ///
    /// # Errors
    /// `NoTable`: one above it could not be made.
    pub fn graft(
        &self,
        address: usize,
        table: usize,
        new_table: NewTable<'_>,
    ) -> Result<(), NoTable> {
        let directory = self.table(address, 1, new_table)?;
        self.store.adopt(table);
        let entry = table as u64 | PRESENT | WRITE | ACCESSED;
        self.store.write(directory, index(address, 1), entry);
        self.store.settle();
        Ok(())
    }

    /// Changes what may be done with the pages of a range that have a frame and a table.
    pub fn protect(&self, pages: Range<usize>, protection: Protection) {
        let mut at = pages.start;
        while let Some((page, found)) = self.first(at..pages.end) {
            self.set(page, leaf(found.frame, protection));
            at = page + PAGE_BYTES;
        }
    }

    /// Puts a frame behind a page that has a table.
    pub fn back(&self, page: usize, frame: usize, protection: Protection) {
        self.set(page, leaf(frame, protection));
    }

    /// Takes the frame away that is behind a page with a table.
    pub fn unback(&self, page: usize) -> Option<usize> {
        let (_, found) = self.first(page..page + PAGE_BYTES)?;
        self.set(page, 0);
        Some(found.frame)
    }

    fn set(&self, page: usize, entry: u64) {
        let table = self.table(page, 0, &mut || None);
        let Ok(table) = table else {
            panic!("page {page:#x} has no table");
        };
        self.store.write(table, index(page, 0), entry);
    }

    /// The lowest page of a range that has a frame.
    pub fn first(&self, pages: Range<usize>) -> Option<(usize, Leaf)> {
        let mut at = pages.start;
        'next: while at < pages.end {
            let mut table = self.root;
            let mut level = TOP;
            loop {
                let covered = PAGE_BYTES << (9 * level);
                let entry = self.store.read(table, index(at, level));
                if entry == 0 {
                    at = (at | (covered - 1)).checked_add(1)?;
                    continue 'next;
                }
                if !is_table(entry) || level == 0 {
                    let frame = (entry & FRAME) as usize + (at & (covered - 1));
                    let is_there = entry & PRESENT != 0;
                    let protection = Protection {
                        read: is_there,
                        write: is_there && entry & WRITE != 0,
                        execute: is_there && entry & NO_EXECUTE == 0,
                    };
                    return Some((at, Leaf { frame, protection }));
                }
                table = (entry & FRAME) as usize;
                level -= 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::collections::BTreeMap;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::cell::Cell;

    use super::*;

    const READ_WRITE: Protection = Protection {
        read: true,
        write: true,
        execute: false,
    };
    const READ: Protection = Protection {
        read: true,
        ..NOTHING
    };
    const EXECUTE: Protection = Protection {
        read: true,
        write: false,
        execute: true,
    };

    /// Memory of a machine, whose frames start at 0.
    struct Machine {
        words: Vec<u64>,
        tables: Tables,
        used: Cell<usize>,
    }

    impl Machine {
        fn new(frames: usize) -> Self {
            let mut words = vec![0u64; (frames + 1) * ENTRIES];
            let offset = (words.as_mut_ptr() as usize).next_multiple_of(PAGE_BYTES);
            Self {
                // SAFETY: the memory lives as long as the machine, and is zero.
                tables: unsafe { Tables::new(0, offset) },
                words,
                used: Cell::new(1),
            }
        }

        fn new_table(&self) -> impl FnMut() -> Option<usize> {
            let frames = self.words.len() / ENTRIES - 1;
            move || {
                let frame = self.used.get();
                self.used.set(frame + 1);
                (frame < frames).then_some(frame * PAGE_BYTES)
            }
        }

        fn map(&self, pages: Range<usize>, frame: usize, protection: Protection) {
            let done = self
                .tables
                .map(pages, frame, protection, &mut self.new_table());
            assert_eq!(done, Ok(()));
        }

        /// What the processor makes of an address: the physical one, and what it allows. Written from
        /// the manual, without what is tested here.
        fn translate(&self, address: usize) -> Option<(usize, bool, bool)> {
            let mut table = self.tables.root();
            let (mut can_write, mut can_execute) = (true, true);
            for (shift, page_bits) in [(39, 0), (30, 30), (21, 21), (12, 12)] {
                let at = table + (address >> shift & 0x1ff) * 8;
                // SAFETY: tables lie within the words.
                let entry = unsafe { *((at + self.tables.store.offset) as *const u64) };
                if entry & 1 == 0 {
                    return None;
                }
                can_write &= entry & 2 != 0;
                can_execute &= entry >> 63 == 0;
                let is_page = shift == 12 || shift < 39 && entry & 0x80 != 0;
                let frame = (entry & 0x000f_ffff_ffff_f000) as usize;
                if is_page {
                    assert_eq!(frame % (1 << page_bits), 0, "reserved bits of a large page");
                    let low = address % (1 << page_bits);
                    return Some((frame + low, can_write, can_execute));
                }
                table = frame;
            }
            None
        }
    }

    #[test]
    fn an_empty_tree_translates_nothing() {
        let machine = Machine::new(1);
        assert_eq!(machine.translate(0), None);
        assert_eq!(machine.tables.first(0..1 << 47), None);
    }

    #[test]
    fn large_pages_are_used_and_split() {
        let machine = Machine::new(8);
        machine.map(0..4 * LARGE_BYTES, 0, READ_WRITE);
        assert_eq!(machine.used.get(), 3, "the root and two tables");
        assert_eq!(machine.translate(0x20_1234), Some((0x20_1234, true, false)));
        machine.map(0x20_1000..0x20_3000, 0x20_1000, EXECUTE);
        assert_eq!(machine.used.get(), 4);
        for (address, expected) in [
            (0x20_0fff, Some((0x20_0fff, true, false))),
            (0x20_1000, Some((0x20_1000, false, true))),
            (0x20_2fff, Some((0x20_2fff, false, true))),
            (0x20_3000, Some((0x20_3000, true, false))),
            (0x3f_ffff, Some((0x3f_ffff, true, false))),
            (0x80_0000, None),
        ] {
            assert_eq!(machine.translate(address), expected, "{address:#x}");
        }
    }

    #[test]
    fn large_pages_go_on_behind_a_table_of_them() {
        const GIB: usize = 1 << 30;
        let machine = Machine::new(6);
        let last = GIB + 3 * LARGE_BYTES;
        machine.map(GIB - 2 * LARGE_BYTES..last, GIB, READ);
        assert_eq!(machine.used.get(), 4, "the root and three tables");
        for (address, frame) in [
            (GIB - 2 * LARGE_BYTES, Some(GIB)),
            (GIB - 1, Some(GIB + 2 * LARGE_BYTES - 1)),
            (GIB, Some(GIB + 2 * LARGE_BYTES)),
            (last - 1, Some(GIB + 5 * LARGE_BYTES - 1)),
            (GIB - 2 * LARGE_BYTES - 1, None),
            (last, None),
        ] {
            let expected = frame.map(|frame| (frame, false, false));
            assert_eq!(machine.translate(address), expected, "{address:#x}");
        }
    }

    #[test]
    fn a_forbidden_large_page_comes_back() {
        let machine = Machine::new(8);
        machine.map(LARGE_BYTES..2 * LARGE_BYTES, LARGE_BYTES, NOTHING);
        assert_eq!(machine.translate(LARGE_BYTES), None);
        let page = LARGE_BYTES + 5 * PAGE_BYTES;
        machine.map(page..page + PAGE_BYTES, page, READ);
        assert_eq!(machine.translate(page), Some((page, false, false)));
        assert_eq!(machine.translate(page + PAGE_BYTES), None);
        assert_eq!(machine.translate(page - PAGE_BYTES), None);
    }

    #[test]
    fn without_a_table_it_says_so() {
        let machine = Machine::new(3);
        let done = machine
            .tables
            .map(0..PAGE_BYTES, 0, READ, &mut machine.new_table());
        assert_eq!(done, Err(NoTable));
    }

    #[test]
    fn pages_of_a_window_are_backed_and_found() {
        const WINDOW: usize = 0x1000_0000_0000;
        let machine = Machine::new(12);
        let tables = machine.tables;
        let pages = WINDOW + LARGE_BYTES - PAGE_BYTES..WINDOW + LARGE_BYTES + PAGE_BYTES;
        assert_eq!(
            tables.prepare(pages.clone(), &mut machine.new_table()),
            Ok(())
        );
        assert_eq!(machine.used.get(), 5, "the root, two above, two of pages");
        assert_eq!(tables.first(0..1 << 47), None);
        let last = pages.end - PAGE_BYTES;
        tables.back(last, 0x7000, READ);
        assert_eq!(machine.translate(last + 1), Some((0x7001, false, false)));
        let found = tables.first(0..WINDOW << 1);
        assert_eq!(
            found.map(|(page, leaf)| (page, leaf.frame)),
            Some((last, 0x7000))
        );
        tables.protect(pages.clone(), NOTHING);
        assert_eq!(machine.translate(last), None);
        assert_eq!(tables.first(pages.clone()).map(|found| found.0), Some(last));
        tables.protect(pages, READ_WRITE);
        assert_eq!(machine.translate(last), Some((0x7000, true, false)));
        assert_eq!(tables.unback(last), Some(0x7000));
        assert_eq!(tables.unback(last), None);
        assert_eq!(machine.translate(last), None);
    }

    #[test]
    fn the_upper_half_is_not_a_range_that_wraps() {
        const UPPER: usize = 0xffff_8000_0000_0000;
        let machine = Machine::new(4);
        machine.map(UPPER..UPPER + 2 * LARGE_BYTES, 0, READ_WRITE);
        assert_eq!(
            machine.translate(UPPER + LARGE_BYTES + 7),
            Some((LARGE_BYTES + 7, true, false))
        );
        assert_eq!(machine.translate(LARGE_BYTES), None);
    }

    #[test]
    fn random_changes_agree_with_a_model() {
        let machine = Machine::new(64);
        let mut model: BTreeMap<usize, (usize, Protection)> = BTreeMap::new();
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        const AREAS: usize = 6;
        for _ in 0..200 {
            let start = if random(3) == 0 {
                random(AREAS) * ENTRIES
            } else {
                random(AREAS * ENTRIES)
            };
            let count = if random(2) == 0 { ENTRIES } else { random(700) };
            let end = (start + count).min(AREAS * ENTRIES);
            let protection = [READ, READ_WRITE, EXECUTE, NOTHING][random(4)];
            let frame = if random(2) == 0 {
                start
            } else {
                start + ENTRIES
            };
            let bytes = |page: usize| page * PAGE_BYTES;
            machine.map(bytes(start)..bytes(end), bytes(frame), protection);
            for page in start..end {
                model.insert(page, (frame + page - start, protection));
            }
            for _ in 0..200 {
                let page = random(AREAS * ENTRIES);
                let expected = model.get(&page).and_then(|&(frame, protection)| {
                    protection
                        .read
                        .then_some((bytes(frame), protection.write, protection.execute))
                });
                assert_eq!(machine.translate(bytes(page)), expected, "page {page}");
                let found = machine.tables.first(bytes(page)..bytes(page + 1));
                assert_eq!(
                    found.map(|(_, leaf)| (leaf.frame, leaf.protection)),
                    model
                        .get(&page)
                        .map(|&(frame, protection)| (bytes(frame), protection))
                );
            }
        }
    }
}
