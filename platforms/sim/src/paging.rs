//! Address translation as a list: who reads and writes through it is a test.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use muslin_abi::Errno;
use muslin_platform::{Paging, Protection};

use crate::{PAGE_BYTES, locked};

/// The addresses: far from anything that a test's process has.
const ADDRESSES: Range<usize> = 0x1000_0000_0000..0x1800_0000_0000;
/// What one table covers, in bytes.
const TABLE_BYTES: usize = 512 * PAGE_BYTES;

/// Translation of the simulated platform.
#[derive(Debug)]
pub struct SimPaging(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    /// Which parts of the addresses have a table.
    made: BTreeSet<usize>,
    backed: BTreeMap<usize, (usize, Protection)>,
}

impl SimPaging {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Tables::default()))
    }

    /// The frame behind a page, and what may be done with it.
    pub fn translation(&self, page: usize) -> Option<(usize, Protection)> {
        locked(&self.0).backed.get(&page).copied()
    }

    /// How many tables were made.
    pub fn tables(&self) -> usize {
        locked(&self.0).made.len()
    }
}

impl Paging for SimPaging {
    fn addresses(&self) -> Range<usize> {
        ADDRESSES
    }

    fn prepare(
        &self,
        pages: Range<usize>,
        table_page: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<(), Errno> {
        assert!(pages.start >= ADDRESSES.start && pages.end <= ADDRESSES.end);
        for table in pages.start / TABLE_BYTES..pages.end.div_ceil(TABLE_BYTES) {
            if !locked(&self.0).made.contains(&table) {
                table_page().ok_or(Errno::ENOMEM)?;
                locked(&self.0).made.insert(table);
            }
        }
        Ok(())
    }

    fn back(&self, page: usize, frame: usize, protection: Protection) {
        assert!(page.is_multiple_of(PAGE_BYTES) && frame.is_multiple_of(PAGE_BYTES));
        let mut tables = locked(&self.0);
        assert!(
            tables.made.contains(&(page / TABLE_BYTES)),
            "{page:#x} is not prepared"
        );
        let before = tables.backed.insert(page, (frame, protection));
        assert!(before.is_none(), "{page:#x} is backed already");
    }

    fn unback(&self, page: usize) -> Option<usize> {
        let before = locked(&self.0).backed.remove(&page)?;
        Some(before.0)
    }

    fn protect(&self, pages: Range<usize>, protection: Protection) {
        for (_, backed) in locked(&self.0).backed.range_mut(pages) {
            backed.1 = protection;
        }
    }

    fn first_backed(&self, pages: Range<usize>) -> Option<(usize, usize)> {
        let tables = locked(&self.0);
        let (&page, &(frame, _)) = tables.backed.range(pages).next()?;
        Some((page, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_backed_protected_and_taken_away() {
        let paging = SimPaging::new();
        let start = ADDRESSES.start;
        let read = Protection {
            read: true,
            write: false,
            execute: false,
        };
        let two_tables = start..start + TABLE_BYTES + PAGE_BYTES;
        assert_eq!(
            paging.prepare(two_tables.clone(), &mut || None),
            Err(Errno::ENOMEM)
        );
        assert_eq!(
            paging.prepare(two_tables.clone(), &mut || Some(PAGE_BYTES)),
            Ok(())
        );
        assert_eq!(paging.prepare(two_tables.clone(), &mut || None), Ok(()));
        assert_eq!(paging.tables(), 2);
        let last = start + TABLE_BYTES;
        paging.back(last, 0x5000, read);
        assert_eq!(
            paging.first_backed(two_tables.clone()),
            Some((last, 0x5000))
        );
        let write = Protection {
            write: true,
            ..read
        };
        paging.protect(two_tables.clone(), write);
        assert_eq!(paging.translation(last), Some((0x5000, write)));
        assert_eq!(paging.unback(last), Some(0x5000));
        assert_eq!(paging.unback(last), None);
        assert_eq!(paging.first_backed(two_tables), None);
    }
}
