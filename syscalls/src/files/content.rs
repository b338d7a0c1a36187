//! What a regular file holds: pages that were written, holes between them, and below both what an
//! initrd brought along, which is copied only where it is written to.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::Errno;

use crate::memory::{SharedPage, Shown};

pub use super::page_map::PAGE_BYTES;
use super::page_map::PageMap;

/// The largest size of a file, as on Linux.
pub const FILE_BYTES_MAX: u64 = i64::MAX as u64;

static ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// The bytes of a file.
#[derive(Default)]
pub struct Content {
    len_bytes: u64,
    /// Read where there is no page of our own; never longer than the file has been at its shortest.
    base: &'static [u8],
    pages: PageMap,
    /// Some of the pages are, or were, of the kind that mappings can show.
    is_shared: bool,
}

impl Content {
    /// Bytes that are there already.
    pub fn from_base(base: &'static [u8]) -> Self {
        Self {
            len_bytes: base.len() as u64,
            base,
            ..Self::default()
        }
    }

    /// The size of the file.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// What it takes up, in units of 512 bytes.
    pub fn blocks(&self) -> u64 {
        let base_pages = self.base.len().div_ceil(PAGE_BYTES) as u64;
        let beyond = match base_pages {
            0 => self.pages.count(),
            _ => self.pages.numbers_from(base_pages).count() as u64,
        };
        (base_pages + beyond) * (PAGE_BYTES as u64 / 512)
    }

    /// All of `len` bytes from `offset_bytes` on, if they are in one page: most reads are so.
    #[inline]
    pub fn in_one_page(&self, offset_bytes: u64, len: usize) -> Option<&[u8]> {
        let (index, start) = split(offset_bytes);
        let is_inside = len as u64 <= self.len_bytes.checked_sub(offset_bytes)?;
        if !is_inside || len > PAGE_BYTES - start {
            return None;
        }
        self.pages.get(index)?.get(start..start + len)
    }

    /// Hands up to `len` bytes from `offset_bytes` on to `put`, piece by piece with the place of the
    /// piece; how many there were.
    pub fn read(&self, offset_bytes: u64, len: usize, mut put: impl FnMut(usize, &[u8])) -> usize {
        let len = (self.len_bytes.saturating_sub(offset_bytes)).min(len as u64) as usize;
        let mut done = 0;
        while done < len {
            let at = offset_bytes + done as u64;
            let (index, start) = split(at);
            let piece = (PAGE_BYTES - start).min(len - done);
            match self.pages.get(index) {
                Some(page) => put(done, &page[start..start + piece]),
                None => {
                    let based = tail(self.base, at);
                    let from_base = based.len().min(piece);
                    if from_base > 0 {
                        put(done, &based[..from_base]);
                    }
                    if from_base < piece {
                        put(done + from_base, &ZEROS[..piece - from_base]);
                    }
                }
            }
            done += piece;
        }
        len
    }

    /// Has `take` fill `len` bytes from `offset_bytes` on, piece by piece with the place of the
    /// piece; how many were stored.
    ///
    /// # Errors
    /// `EFBIG` beyond the largest file; `ENOSPC` no memory for even one byte.
    pub fn write(
        &mut self,
        offset_bytes: u64,
        len: usize,
        mut take: impl FnMut(usize, &mut [u8]),
    ) -> Result<usize, Errno> {
        if len == 0 {
            return Ok(0);
        }
        if offset_bytes >= FILE_BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        if offset_bytes > self.len_bytes {
            self.clear_behind_end();
        }
        let len = len.min((FILE_BYTES_MAX - offset_bytes) as usize);
        let mut done = 0;
        while done < len {
            let (index, start) = split(offset_bytes + done as u64);
            let piece = (PAGE_BYTES - start).min(len - done);
            match self.page_mut(index) {
                Ok(page) => take(done, &mut page[start..start + piece]),
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
            done += piece;
        }
        self.end_at(self.len_bytes.max(offset_bytes + done as u64));
        Ok(done)
    }

    /// Cuts the file, or lets it end later with a hole.
    ///
    /// # Errors
    /// `EFBIG` beyond the largest file.
    pub fn set_len(&mut self, len_bytes: u64) -> Result<(), Errno> {
        if len_bytes > FILE_BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        if len_bytes < self.len_bytes {
            let (index, start) = split(len_bytes);
            self.pages
                .remove(len_bytes.div_ceil(PAGE_BYTES as u64)..u64::MAX);
            if let Some(page) = self.pages.get_mut(index) {
                page[start..].fill(0);
            }
            self.base = &self.base[..self
                .base
                .len()
                .min(usize::try_from(len_bytes).unwrap_or(usize::MAX))];
        } else {
            self.clear_behind_end();
        }
        self.end_at(len_bytes);
        Ok(())
    }

    /// Notes where the file ends, and tells pages that mappings may show.
    fn end_at(&mut self, len_bytes: u64) {
        let count = |bytes: u64| bytes.div_ceil(PAGE_BYTES as u64);
        let (before, now) = (count(self.len_bytes), count(len_bytes));
        self.len_bytes = len_bytes;
        if !self.is_shared {
            return;
        }
        let changed = before.min(now)..before.max(now);
        let numbers = self.pages.numbers_from(changed.start);
        for index in numbers.take_while(|index| changed.contains(index)) {
            if let Some(page) = self.pages.shared(index) {
                page.set_in_file(now > before);
            }
        }
    }

    /// Clears what a shared mapping has stored behind the end, in the last page.
    fn clear_behind_end(&mut self) {
        let (index, start) = split(self.len_bytes);
        if start != 0
            && let Some(page) = self.pages.get_mut(index)
        {
            page[start..].fill(0);
        }
    }

    /// Sets memory aside for a range, so that writing there cannot fail. The size stays.
    ///
    /// # Errors
    /// `ENOSPC` no memory for all of it.
    pub fn reserve(&mut self, offset_bytes: u64, len_bytes: u64) -> Result<(), Errno> {
        let (first, _) = split(offset_bytes);
        let end = (offset_bytes + len_bytes).div_ceil(PAGE_BYTES as u64);
        let mut made = Vec::new();
        for index in first..end {
            let is_new = !self.pages.has(index);
            if self.page_mut(index).is_err() || made.try_reserve(1).is_err() {
                for index in made {
                    self.pages.remove(index..index + 1);
                }
                return Err(Errno::ENOSPC);
            }
            if is_new {
                made.push(index);
            }
        }
        Ok(())
    }

    /// Makes a range read as zeros and gives whole pages of it back. The size stays.
    ///
    /// # Errors
    /// `ENOSPC` no memory for a page that keeps what lies beside the range.
    pub fn clear(&mut self, offset_bytes: u64, len_bytes: u64) -> Result<(), Errno> {
        let page_bytes = PAGE_BYTES as u64;
        let end = offset_bytes + len_bytes;
        let base_pages = (self.base.len() as u64).div_ceil(page_bytes);
        let whole = offset_bytes.div_ceil(page_bytes).max(base_pages)..end / page_bytes;
        self.pages.remove(whole);
        // Holes stay what they are, however many there are.
        let touched = offset_bytes / page_bytes..end.div_ceil(page_bytes);
        let mut next = touched.start;
        loop {
            let index = if next < base_pages {
                Some(next)
            } else {
                self.pages.first_from(next)
            };
            let Some(index) = index.filter(|&index| index < touched.end) else {
                return Ok(());
            };
            let first = index * page_bytes;
            let from = offset_bytes.max(first) - first;
            let to = end.min(first + page_bytes) - first;
            self.page_mut(index)?[from as usize..to as usize].fill(0);
            next = index + 1;
        }
    }

    /// The first place at or after `offset_bytes` that holds data.
    ///
    /// # Errors
    /// `ENXIO` there is none before the end.
    pub fn next_data(&self, offset_bytes: u64) -> Result<u64, Errno> {
        let (index, _) = split(offset_bytes);
        let found = if !tail(self.base, offset_bytes).is_empty() {
            Some(offset_bytes)
        } else {
            let page = self.pages.first_from(index);
            page.map(|index| (index * PAGE_BYTES as u64).max(offset_bytes))
        };
        found.filter(|&at| at < self.len_bytes).ok_or(Errno::ENXIO)
    }

    /// The first place at or after `offset_bytes` that holds none; the end is one.
    ///
    /// # Errors
    /// `ENXIO` `offset_bytes` is at or beyond the end.
    pub fn next_hole(&self, offset_bytes: u64) -> Result<u64, Errno> {
        if offset_bytes >= self.len_bytes {
            return Err(Errno::ENXIO);
        }
        let base_end = (self.base.len() as u64).next_multiple_of(PAGE_BYTES as u64);
        let (mut index, _) = split(offset_bytes.max(base_end));
        if offset_bytes >= base_end && !self.pages.has(index) {
            return Ok(offset_bytes);
        }
        while self.pages.has(index) {
            index += 1;
        }
        Ok((index * PAGE_BYTES as u64).min(self.len_bytes))
    }

    /// These pages, if mappings showed all of them before, one behind the other.
    pub fn shared_run(&self, pages: Range<u64>) -> Option<Vec<Shown>> {
        let mut run: Vec<Shown> = Vec::new();
        for index in pages {
            let page = self.pages.shared(index)?;
            let is_next = |last: &Shown| last.0 + PAGE_BYTES == page.address();
            if !run.last().is_none_or(is_next) {
                return None;
            }
            run.try_reserve(1).ok()?;
            run.push((page.address(), page.clone()));
        }
        Some(run)
    }

    /// Whether a mapping shows one of these pages now.
    pub fn is_mapped(&self, mut pages: Range<u64>) -> bool {
        pages.any(|index| {
            let page = self.pages.shared(index);
            page.is_some_and(|page| Arc::strong_count(page) > 1)
        })
    }

    /// How many of these pages are not of the kind that mappings can show.
    pub fn count_own(&self, pages: Range<u64>) -> usize {
        pages
            .filter(|&index| self.pages.shared(index).is_none())
            .count()
    }

    /// Has pages be of the kind that mappings can show, beyond the end of the file as well. `take`
    /// gives new ones for those that are not, or for `all`.
    ///
    /// # Errors
    /// What `take` answers, or `ENOSPC`; pages that were changed stay so.
    pub fn share(
        &mut self,
        pages: Range<u64>,
        all: bool,
        take: &mut dyn FnMut() -> Result<Arc<SharedPage>, Errno>,
    ) -> Result<Vec<Shown>, Errno> {
        let mut shared = Vec::new();
        let count = (pages.end - pages.start) as usize;
        shared.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
        self.is_shared = true;
        let end = self.len_bytes.div_ceil(PAGE_BYTES as u64);
        for index in pages {
            if let Some(page) = self.pages.shared(index)
                && !all
            {
                shared.push((page.address(), page.clone()));
                continue;
            }
            let mut page = take()?;
            let offset_bytes = index * PAGE_BYTES as u64;
            let bytes = SharedPage::bytes_mut(&mut page);
            match self.pages.get(index) {
                Some(before) => bytes.copy_from_slice(before),
                None => {
                    let based = tail(self.base, offset_bytes);
                    let len = based.len().min(PAGE_BYTES);
                    bytes[..len].copy_from_slice(&based[..len]);
                    bytes[len..].fill(0);
                }
            }
            page.set_in_file(index < end);
            self.pages.put_shared(index, page.clone())?;
            shared.push((page.address(), page));
        }
        Ok(shared)
    }

    fn page_mut(&mut self, index: u64) -> Result<&mut [u8; PAGE_BYTES], Errno> {
        if self.pages.get(index).is_none() {
            self.add_page(index)?;
        }
        self.pages.get_mut(index).ok_or(Errno::ENOSPC)
    }

    #[inline(never)]
    fn add_page(&mut self, index: u64) -> Result<(), Errno> {
        let page = self.pages.add(index)?;
        let based = tail(self.base, index * PAGE_BYTES as u64);
        let based = &based[..based.len().min(PAGE_BYTES)];
        page[..based.len()].copy_from_slice(based);
        Ok(())
    }
}

fn split(offset_bytes: u64) -> (u64, usize) {
    let page = PAGE_BYTES as u64;
    (offset_bytes / page, (offset_bytes % page) as usize)
}

fn tail(bytes: &'static [u8], offset_bytes: u64) -> &'static [u8] {
    usize::try_from(offset_bytes)
        .ok()
        .and_then(|at| bytes.get(at..))
        .unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::numbers;
    use alloc::vec;

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0xee; content.len_bytes() as usize];
        let len = bytes.len();
        let got = content.read(0, len, |at, piece| {
            bytes[at..at + piece.len()].copy_from_slice(piece)
        });
        assert_eq!(got, len);
        bytes
    }

    fn put(content: &mut Content, offset: u64, text: &[u8]) {
        let stored = content.write(offset, text.len(), |at, page| {
            page.copy_from_slice(&text[at..at + page.len()]);
        });
        assert_eq!(stored, Ok(text.len()));
    }

    #[test]
    fn agrees_with_a_plain_vector_over_seeded_operations() {
        static BASE: [u8; 10_000] = [7; 10_000];
        for seed in 1..20_u64 {
            let mut next = numbers(seed);
            let mut content = Content::from_base(&BASE);
            let mut model = BASE.to_vec();
            for step in 0..400 {
                let at = next(20_000);
                match next(4) {
                    0 => {
                        let text = vec![step as u8; next(9000) as usize + 1];
                        put(&mut content, at, &text);
                        let end = at as usize + text.len();
                        if model.len() < end {
                            model.resize(end, 0);
                        }
                        model[at as usize..end].copy_from_slice(&text);
                    }
                    1 => {
                        content.set_len(at).unwrap();
                        model.resize(at as usize, 0);
                    }
                    2 => {
                        let len = next(9000) + 1;
                        content.clear(at, len).unwrap();
                        let end = model.len().min((at + len) as usize);
                        if (at as usize) < end {
                            model[at as usize..end].fill(0);
                        }
                    }
                    _ => assert_eq!(content.len_bytes(), model.len() as u64),
                }
                assert_eq!(all(&content), model, "seed {seed}, step {step}");
            }
        }
    }

    #[test]
    fn data_and_holes_are_told_apart() {
        let mut content = Content::default();
        put(&mut content, 0, b"0123456789");
        assert_eq!(content.next_data(0), Ok(0));
        assert_eq!(content.next_hole(0), Ok(10));
        assert_eq!(content.next_data(10), Err(Errno::ENXIO));
        put(&mut content, 5 << 32, b"x");
        assert_eq!(content.next_hole(0), Ok(4096));
        assert_eq!(content.next_hole(5000), Ok(5000));
        assert_eq!(content.next_data(5000), Ok(5 << 32));
        assert_eq!(content.blocks(), 16);
    }

    #[test]
    fn what_a_mapping_stored_behind_the_end_is_not_the_file_s() {
        let stored_behind_end = || {
            let mut content = Content::default();
            put(&mut content, 0, b"abcdef");
            content.page_mut(0).unwrap()[10] = b'q';
            content
        };
        let mut longer = stored_behind_end();
        longer.set_len(20).unwrap();
        assert_eq!(all(&longer), b"abcdef\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let mut written = stored_behind_end();
        put(&mut written, 12, b"z");
        assert_eq!(all(&written), b"abcdef\0\0\0\0\0\0z");
    }

    #[test]
    fn clearing_a_great_hole_takes_no_time() {
        let mut content = Content::default();
        assert_eq!(content.set_len(FILE_BYTES_MAX), Ok(()));
        put(&mut content, 1 << 40, b"x");
        assert_eq!(content.clear(0, FILE_BYTES_MAX), Ok(()));
        assert_eq!(content.blocks(), 0);
    }

    #[test]
    fn what_lies_beyond_the_largest_size_is_refused() {
        let mut content = Content::default();
        assert_eq!(
            content.write(FILE_BYTES_MAX, 1, |_, _| ()),
            Err(Errno::EFBIG)
        );
        assert_eq!(content.set_len(FILE_BYTES_MAX + 1), Err(Errno::EFBIG));
    }
}
