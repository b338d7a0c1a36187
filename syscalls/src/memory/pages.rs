//! The page allocator: which pages of the platform's memory are in use.
//!
//! One bit a page, kept in the first pages of the memory itself, so that the kernel's heap can grow
//! by it before there is a heap. Free pages read as zeros; the break grows from the bottom up, all
//! else is taken from the top down. Nothing is called while the lock is held.

use core::ops::Range;

use crate::lock::Mutex;
use muslin_abi::Errno;
use muslin_platform::{Memory, Protection};

const BITS: usize = u64::BITS as usize;

/// The program leaves one page in this many to the library OS, so that answering `ENOMEM` never
/// runs out of memory itself.
const RESERVE_SHARE: usize = 64;

/// Most pages that are kept for the library OS.
const RESERVE_PAGES_MAX: usize = 256;

/// Who asks for pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The program, by `mmap` or `brk`.
    Program,
    /// The library OS, for its heap.
    Kernel,
}

/// The pages of the platform's memory.
pub struct Pages {
    memory: &'static dyn Memory,
    start: usize,
    count: usize,
    page_bytes: usize,
    reserve: usize,
    map: Mutex<Map>,
}

struct Map {
    /// A set bit is a page in use.
    words: &'static mut [u64],
    free: usize,
    /// Pages from here on are in use, all of them.
    top: usize,
}

impl Pages {
    /// The pages of `memory`, all free but those of the boot stack, if that is among them.
    ///
    /// # Safety
    /// Nothing else uses the memory's range, and no second `Pages` is made of it.
    pub unsafe fn new(memory: &'static dyn Memory) -> Self {
        let page_bytes = memory.page_bytes();
        let start = memory.range().start.next_multiple_of(page_bytes);
        let count = memory.range().end.saturating_sub(start) / page_bytes;
        let words_count = count.div_ceil(BITS);
        let own_pages = (words_count * size_of::<u64>()).div_ceil(page_bytes);
        assert!(count > own_pages, "the platform has no memory to manage");
        // SAFETY: 1. The range is ours alone, says the caller, and these are its first pages.
        // 2. Pages are aligned for u64, and every pattern of bits is one.
        let words = unsafe { core::slice::from_raw_parts_mut(start as *mut u64, words_count) };
        words.fill(0);
        let mut map = Map {
            words,
            free: count,
            top: count,
        };
        map.set(0..own_pages, true);
        let stack = memory.stack();
        let stack_start = (stack.start.max(start) - start) / page_bytes;
        let stack_end = (stack.end.max(start) - start).div_ceil(page_bytes);
        for page in stack_start..stack_end.min(count) {
            if !map.is_used(page) {
                map.set(page..page + 1, true);
            }
        }
        Self {
            memory,
            start,
            count,
            page_bytes,
            reserve: (count / RESERVE_SHARE).min(RESERVE_PAGES_MAX),
            map: Mutex::new(map),
        }
    }

    /// Takes `count` pages in a row, as near to the top as there are; the address of the first.
    /// They read as zeros.
    ///
    /// # Errors
    /// `ENOMEM`: there are not as many in a row, or the program asks for what is kept for the
    /// library OS.
    pub fn allocate(&self, count: usize, owner: Owner) -> Result<usize, Errno> {
        let mut map = self.map.lock();
        if count == 0 || count > self.available(&map, owner) {
            return Err(Errno::ENOMEM);
        }
        let first = map.find_from_top(count).ok_or(Errno::ENOMEM)?;
        map.set(first..first + count, true);
        Ok(self.start + first * self.page_bytes)
    }

    /// Takes these pages, if all of them are free. They read as zeros.
    ///
    /// # Errors
    /// `EEXIST` one of them is in use · `ENOMEM` they are not pages of the memory, or the program
    /// asks for what is kept for the library OS.
    pub fn claim(&self, addresses: Range<usize>, owner: Owner) -> Result<(), Errno> {
        if addresses.start < self.start || addresses.end > self.range().end {
            return Err(Errno::ENOMEM);
        }
        let pages = self.numbers(&addresses);
        let mut map = self.map.lock();
        if map.has_used(pages.clone()) {
            return Err(Errno::EEXIST);
        }
        if pages.len() > self.available(&map, owner) {
            return Err(Errno::ENOMEM);
        }
        map.set(pages, true);
        Ok(())
    }

    /// Gives pages back. They must be writable.
    pub fn free(&self, addresses: Range<usize>) {
        self.clear(addresses.clone());
        let pages = self.numbers(&addresses);
        let mut map = self.map.lock();
        assert!(
            !map.has_free(pages.clone()),
            "pages {addresses:x?} are free already"
        );
        map.set(pages, false);
    }

    /// Makes pages read as zeros. They must be writable, and in use by whoever asks.
    pub(super) fn clear(&self, addresses: Range<usize>) {
        let pages = self.numbers(&addresses);
        assert!(pages.end <= self.count, "{addresses:x?} are not our pages");
        if self.memory.discard(addresses.clone()).is_ok() {
            return;
        }
        for page in addresses.step_by(self.page_bytes) {
            let words_count = self.page_bytes / size_of::<u64>();
            // SAFETY: 1. A page of ours, aligned for u64. 2. In use by the caller, who does not use
            // it meanwhile: one thread runs at a time.
            let words = unsafe { core::slice::from_raw_parts_mut(page as *mut u64, words_count) };
            // Writing to a page that was never touched would make the host find memory for it.
            if words.iter().any(|&word| word != 0) {
                words.fill(0);
            }
        }
    }

    /// Copies whole pages, which do not overlap. Both sides must be in use by whoever asks.
    pub(super) fn copy(&self, from: Range<usize>, to: usize) {
        let within =
            |pages: Range<usize>| pages.start >= self.start && pages.end <= self.range().end;
        assert!(within(from.clone()) && within(to..to + from.len()));
        // SAFETY: 1. Both are in our memory and in use by the caller, who does not use them
        // meanwhile. 2. The caller says that they do not overlap.
        unsafe {
            core::ptr::copy_nonoverlapping(from.start as *const u8, to as *mut u8, from.len());
        }
    }

    /// Changes what may be done with pages. `Ok(false)`: the platform cannot.
    pub(super) fn protect(
        &self,
        addresses: Range<usize>,
        protection: Protection,
    ) -> Result<bool, Errno> {
        match self.memory.protect(addresses, protection) {
            Ok(()) => Ok(true),
            Err(Errno::ENOSYS) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// The addresses of all pages.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.count * self.page_bytes
    }

    /// Size of a page in bytes.
    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Pages, and how many of them are free.
    pub fn count(&self) -> (usize, usize) {
        (self.count, self.map.lock().free)
    }

    /// Whether at least half of the pages that are kept for the library OS are free.
    pub(super) fn has_room_for_kernel(&self) -> Result<(), Errno> {
        if self.map.lock().free >= self.reserve / 2 {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// The lowest page that is free, if any is.
    pub(super) fn lowest_free(&self) -> Option<usize> {
        let map = self.map.lock();
        let page = (0..self.count).find(|&page| !map.is_used(page))?;
        Some(self.start + page * self.page_bytes)
    }

    fn available(&self, map: &Map, owner: Owner) -> usize {
        match owner {
            Owner::Program => map.free.saturating_sub(self.reserve),
            Owner::Kernel => map.free,
        }
    }

    fn numbers(&self, addresses: &Range<usize>) -> Range<usize> {
        assert!(
            addresses.start >= self.start
                && addresses.start.is_multiple_of(self.page_bytes)
                && addresses.end.is_multiple_of(self.page_bytes),
            "{addresses:x?} are not whole pages of ours"
        );
        (addresses.start - self.start) / self.page_bytes
            ..(addresses.end - self.start) / self.page_bytes
    }
}

impl Map {
    fn is_used(&self, page: usize) -> bool {
        self.words[page / BITS] >> (page % BITS) & 1 == 1
    }

    /// The pages as words: index, and the bits that are meant.
    fn masks(pages: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let mut page = pages.start;
        core::iter::from_fn(move || {
            if page >= pages.end {
                return None;
            }
            let bit = page % BITS;
            let bits = (BITS - bit).min(pages.end - page);
            let item = (page / BITS, (u64::MAX >> (BITS - bits)) << bit);
            page += bits;
            Some(item)
        })
    }

    fn has_used(&self, pages: Range<usize>) -> bool {
        Self::masks(pages).any(|(word, mask)| self.words[word] & mask != 0)
    }

    fn has_free(&self, pages: Range<usize>) -> bool {
        Self::masks(pages).any(|(word, mask)| self.words[word] & mask != mask)
    }

    fn set(&mut self, pages: Range<usize>, is_used: bool) {
        for (word, mask) in Self::masks(pages.clone()) {
            if is_used {
                self.words[word] |= mask;
            } else {
                self.words[word] &= !mask;
            }
        }
        if is_used {
            self.free -= pages.len();
        } else {
            self.free += pages.len();
            self.top = self.top.max(pages.end);
        }
    }

    /// The highest `count` free pages in a row: the first of them.
    fn find_from_top(&mut self, count: usize) -> Option<usize> {
        let mut page = self.top;
        let mut run = 0;
        let mut has_seen_free = false;
        while page > 0 {
            let bits = (page - 1) % BITS + 1;
            // The page below `page` as the highest bit.
            let word = self.words[(page - 1) / BITS] << (BITS - bits);
            let free = (word.leading_zeros() as usize).min(bits);
            if free == 0 {
                page -= (word.leading_ones() as usize).min(bits);
                run = 0;
                continue;
            }
            if !has_seen_free {
                has_seen_free = true;
                self.top = page;
            }
            page -= free;
            run += free;
            if run >= count {
                return Some(page + run - count);
            }
        }
        None
    }
}
