//! The pages that a file has of its own, by number.
//!
//! Rows of pages in a list, in order: the row of a file without holes is found at once, any other
//! by halving, and a new row moves no more than two words for each row behind it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::Errno;

use crate::memory::SharedPage;

/// The unit of storage, in bytes.
pub const PAGE_BYTES: usize = 4096;
/// Pages in a row.
const ROW_PAGES: usize = 32;

/// A page. Its alignment tells the heap to take it from the platform and to give it back there, so
/// that what files had is there for mappings again.
#[repr(C, align(4096))]
#[derive(Clone, Copy)]
struct Page([u8; PAGE_BYTES]);

/// A page, and who may have it besides.
enum Stored {
    Own(Box<[Page; 1]>),
    /// Mappings may show it, and write to it at any time.
    Shared(Arc<SharedPage>),
}

impl Stored {
    #[inline]
    fn bytes(&self) -> Option<&[u8; PAGE_BYTES]> {
        match self {
            Self::Own(page) => Some(&page[0].0),
            Self::Shared(page) => page.bytes().first_chunk(),
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> Option<&mut [u8; PAGE_BYTES]> {
        match self {
            Self::Own(page) => Some(&mut page[0].0),
            Self::Shared(page) => SharedPage::bytes_mut(page).first_chunk_mut(),
        }
    }

    /// Whether a mapping shows it now.
    fn is_mapped(&self) -> bool {
        matches!(self, Self::Shared(page) if Arc::strong_count(page) > 1)
    }
}

type Row = [Option<Stored>; ROW_PAGES];

/// The pages.
#[derive(Default)]
pub struct PageMap {
    /// By the number of the row; none is empty.
    rows: Vec<(u64, Box<[Row; 1]>)>,
    /// Pages that are there.
    count: u64,
}

impl PageMap {
    /// The page of that number.
    #[inline]
    pub fn get(&self, index: u64) -> Option<&[u8; PAGE_BYTES]> {
        let (row, slot) = split(index);
        let [row] = &*self.rows[self.place(row).ok()?].1;
        row[slot].as_ref()?.bytes()
    }

    /// The page of that number, to write to it.
    #[inline]
    pub fn get_mut(&mut self, index: u64) -> Option<&mut [u8; PAGE_BYTES]> {
        let (row, slot) = split(index);
        let place = self.place(row).ok()?;
        let [row] = &mut *self.rows[place].1;
        row[slot].as_mut()?.bytes_mut()
    }

    /// Gives the number a new page, with zeros.
    ///
    /// # Errors
    /// `ENOSPC` no memory.
    pub fn add(&mut self, index: u64) -> Result<&mut [u8; PAGE_BYTES], Errno> {
        let page = boxed(Page([0; PAGE_BYTES]))?;
        self.set(index, Stored::Own(page))?;
        self.get_mut(index).ok_or(Errno::ENOSPC)
    }

    /// Gives the number a page that mappings may show, in place of any that it has.
    ///
    /// # Errors
    /// `ENOSPC` no memory.
    pub fn put_shared(&mut self, index: u64, page: Arc<SharedPage>) -> Result<(), Errno> {
        self.set(index, Stored::Shared(page))
    }

    fn set(&mut self, index: u64, page: Stored) -> Result<(), Errno> {
        let is_new = self.slot(index)?.replace(page).is_none();
        self.count += u64::from(is_new);
        Ok(())
    }

    /// Whether there is a page of that number.
    pub fn has(&self, index: u64) -> bool {
        self.first_from(index) == Some(index)
    }

    /// How many pages there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The page of that number, if it is one that mappings may show.
    pub fn shared(&self, index: u64) -> Option<&Arc<SharedPage>> {
        let (row, slot) = split(index);
        let [row] = &*self.rows[self.place(row).ok()?].1;
        match row[slot].as_ref()? {
            Stored::Shared(page) => Some(page),
            Stored::Own(_) => None,
        }
    }

    /// Where the page of that number is or will be.
    fn slot(&mut self, index: u64) -> Result<&mut Option<Stored>, Errno> {
        let (row, slot) = split(index);
        let place = match self.place(row) {
            Ok(place) => place,
            Err(place) => {
                let empty = boxed([const { None }; ROW_PAGES])?;
                self.rows.try_reserve(1).map_err(|_| Errno::ENOSPC)?;
                self.rows.insert(place, (row, empty));
                place
            }
        };
        let [row] = &mut *self.rows[place].1;
        Ok(&mut row[slot])
    }

    /// Gives back the pages of these numbers, those that are there. What a mapping shows stays, with
    /// zeros: it is the file's again when that grows.
    pub fn remove(&mut self, numbers: Range<u64>) {
        if numbers.is_empty() {
            return;
        }
        let (Ok(first) | Err(first)) = self.place(split(numbers.start).0);
        let mut is_empty = false;
        for (number, row) in self.rows.iter_mut().skip(first) {
            let start = *number * ROW_PAGES as u64;
            if start >= numbers.end {
                break;
            }
            let [row] = &mut **row;
            for (slot, index) in row.iter_mut().zip(start..) {
                if !numbers.contains(&index) {
                    continue;
                }
                match slot {
                    Some(page) if page.is_mapped() => {
                        page.bytes_mut().into_iter().for_each(|bytes| bytes.fill(0));
                    }
                    _ => self.count -= u64::from(slot.take().is_some()),
                }
            }
            is_empty |= row.iter().all(Option::is_none);
        }
        if is_empty {
            self.rows
                .retain(|(_, row)| row[0].iter().any(Option::is_some));
        }
    }

    /// The number of the first page from `index` on.
    pub fn first_from(&self, index: u64) -> Option<u64> {
        let (Ok(first) | Err(first)) = self.place(split(index).0);
        for (number, row) in self.rows.get(first..)? {
            let start = number * ROW_PAGES as u64;
            for (slot, at) in row[0].iter().zip(start..) {
                if at >= index && slot.is_some() {
                    return Some(at);
                }
            }
        }
        None
    }

    /// The numbers of the pages from `index` on, in order.
    pub fn numbers_from(&self, index: u64) -> impl Iterator<Item = u64> {
        core::iter::successors(self.first_from(index), |index| self.first_from(index + 1))
    }

    /// Where a row is in the list, or else belongs.
    #[inline]
    fn place(&self, row: u64) -> Result<usize, usize> {
        match self.rows.get(row as usize) {
            Some(&(number, _)) if number == row => Ok(row as usize),
            _ => self.search(row),
        }
    }

    /// Apart, since only files with holes have it, and there are many callers.
    #[inline(never)]
    fn search(&self, row: u64) -> Result<usize, usize> {
        self.rows.binary_search_by_key(&row, |&(number, _)| number)
    }
}

/// The row of a page, and its place there.
#[inline]
fn split(index: u64) -> (u64, usize) {
    let row_pages = ROW_PAGES as u64;
    (index / row_pages, (index % row_pages) as usize)
}

/// A box that can be asked for without a panic; a list can.
fn boxed<T>(value: T) -> Result<Box<[T; 1]>, Errno> {
    let mut list = Vec::new();
    list.try_reserve_exact(1).map_err(|_| Errno::ENOSPC)?;
    list.push(value);
    list.try_into().map_err(|_| Errno::ENOSPC)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::numbers;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_an_ordered_map_over_seeded_operations() {
        let mut next = numbers(1);
        let (mut pages, mut model) = (PageMap::default(), BTreeMap::new());
        for step in 0..4000_u64 {
            // Some far away, as in a file with holes.
            let index = next(300) + if next(5) == 0 { 1 << 40 } else { 0 };
            match next(3) {
                0 => {
                    let end = index + next(40);
                    pages.remove(index..end);
                    model.retain(|number, _| !(index..end).contains(number));
                }
                _ => {
                    pages.add(index).unwrap()[0] = step as u8;
                    model.insert(index, step as u8);
                }
            }
            let from = next(300);
            let expected: Vec<u64> = model.range(from..).map(|(&number, _)| number).collect();
            assert_eq!(pages.numbers_from(from).collect::<Vec<_>>(), expected);
            assert_eq!(pages.count(), model.len() as u64);
            for (&number, &byte) in &model {
                assert_eq!(pages.get(number).unwrap()[0], byte, "step {step}");
                assert_eq!(pages.get_mut(number).unwrap()[0], byte);
            }
            assert!(pages.get(500).is_none() && pages.get_mut(u64::MAX).is_none());
        }
        pages.remove(0..u64::MAX);
        assert!(pages.rows.is_empty());
    }
}
