//! Pages of this guest that another one may use, by entries of the grant table (version 1).
//!
//! An entry is free again only when Xen says that the other side has let go of the page: a backend that
//! never does costs an entry, not memory that is used for something else.
//!
//! Source: Xen 4.17 `xen/include/public/grant_table.h`.

use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use muslin_abi::Errno;

use crate::PAGE_BYTES;
use crate::abi::{
    GNTTAB_NR_RESERVED_ENTRIES, GTF_permit_access, GTF_reading, GTF_readonly, GTF_writing,
    grant_entry_v1,
};

/// Bytes of an entry: flags, the other guest, the frame.
const ENTRY_BYTES: usize = size_of::<grant_entry_v1>();
/// Entries in a page of the table.
pub const ENTRIES_PER_PAGE: usize = PAGE_BYTES / ENTRY_BYTES;
/// The first entries are for Xen's own tools.
const RESERVED: u32 = GNTTAB_NR_RESERVED_ENTRIES;
/// In the flags: the other guest reads or writes the page now.
const IN_USE: u16 = GTF_reading | GTF_writing;

/// An entry of the table: what is told to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant(pub u32);

/// The table.
#[derive(Debug)]
pub struct Grants {
    table: *mut u8,
    entries: u32,
    /// Entries from here on were never used.
    fresh: u32,
    /// The first of those that were; each holds the number of the next where the frame was.
    free: Option<u32>,
}

// SAFETY: the table is this value's; threads take turns.
unsafe impl Send for Grants {}

impl Grants {
    /// A table of `pages` pages.
    ///
    /// # Safety
    /// The pages at `table` are the guest's grant table, and nobody else's but Xen's.
    pub const unsafe fn new(table: *mut u8, pages: usize) -> Self {
        Self {
            table,
            entries: (pages * ENTRIES_PER_PAGE) as u32,
            fresh: RESERVED,
            free: None,
        }
    }

    /// Lets guest `domain` use the frame.
    ///
    /// # Errors
    /// `ENOSPC`: all entries are taken.
    pub fn grant(&mut self, domain: u16, frame: u64, is_read_only: bool) -> Result<Grant, Errno> {
        let frame = u32::try_from(frame).map_err(|_| Errno::ERANGE)?;
        let number = match self.free {
            Some(number) => {
                let next = self.frame(number).load(Ordering::Relaxed);
                self.free = (next != 0).then_some(next);
                number
            }
            None if self.fresh < self.entries => {
                self.fresh += 1;
                self.fresh - 1
            }
            None => return Err(Errno::ENOSPC),
        };
        self.frame(number).store(frame, Ordering::Relaxed);
        self.domain(number).store(domain, Ordering::Relaxed);
        let read_only = if is_read_only { GTF_readonly } else { 0 };
        // From here on the other guest can use it.
        self.flags(number)
            .store(GTF_permit_access | read_only, Ordering::Release);
        Ok(Grant(number))
    }

    /// Takes the frame back.
    ///
    /// # Errors
    /// `EBUSY`: the other guest still has it; the entry stays as it is.
    pub fn end(&mut self, grant: Grant) -> Result<(), Errno> {
        let Grant(number) = grant;
        if !(RESERVED..self.fresh).contains(&number) {
            return Err(Errno::EINVAL);
        }
        let flags = self.flags(number);
        let mut seen = flags.load(Ordering::Relaxed);
        loop {
            if seen & IN_USE != 0 {
                return Err(Errno::EBUSY);
            }
            // The other guest may begin to use it just now.
            match flags.compare_exchange_weak(seen, 0, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        self.frame(number)
            .store(self.free.unwrap_or(0), Ordering::Relaxed);
        self.free = Some(number);
        Ok(())
    }

    fn flags(&self, number: u32) -> &AtomicU16 {
        // SAFETY: in an entry of the table, for as long as that is there.
        unsafe { AtomicU16::from_ptr(&raw mut (*self.entry(number)).flags) }
    }

    fn domain(&self, number: u32) -> &AtomicU16 {
        // SAFETY: as above.
        unsafe { AtomicU16::from_ptr(&raw mut (*self.entry(number)).domid) }
    }

    fn frame(&self, number: u32) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.entry(number)).frame) }
    }

    fn entry(&self, number: u32) -> *mut grant_entry_v1 {
        debug_assert!(number < self.entries);
        // SAFETY: inside the table.
        unsafe { self.table.cast::<grant_entry_v1>().add(number as usize) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;
    use crate::hostile::Page;

    fn entry(page: &mut Page, Grant(number): Grant) -> [u8; 8] {
        page.bytes()[number as usize * 8..][..8].try_into().unwrap()
    }

    #[test]
    fn entries_say_who_may_use_which_frame() {
        let mut page = Page::new();
        // SAFETY: the page is the test's.
        let mut grants = unsafe { Grants::new(page.pointer(), 1) };
        let first = grants.grant(0, 0x1234_5678, false).unwrap();
        let second = grants.grant(7, 2, true).unwrap();
        assert!(first.0 >= 8 && second.0 >= 8 && first != second);
        assert_eq!(
            entry(&mut page, first),
            [1, 0, 0, 0, 0x78, 0x56, 0x34, 0x12]
        );
        assert_eq!(entry(&mut page, second), [5, 0, 7, 0, 2, 0, 0, 0]);
        assert_eq!(grants.grant(0, 1 << 32, false), Err(Errno::ERANGE));
    }

    #[test]
    fn an_entry_is_free_when_the_other_guest_has_let_go() {
        let mut page = Page::new();
        // SAFETY: the page is the test's.
        let mut grants = unsafe { Grants::new(page.pointer(), 1) };
        let grant = grants.grant(0, 1, false).unwrap();
        page.bytes()[grant.0 as usize * 8] |= 1 << 3;
        assert_eq!(grants.end(grant), Err(Errno::EBUSY));
        assert_eq!(entry(&mut page, grant)[0], 9);
        page.bytes()[grant.0 as usize * 8] &= !(1 << 3);
        assert_eq!(grants.end(grant), Ok(()));
        assert_eq!(entry(&mut page, grant)[0], 0);
        assert_eq!(grants.end(Grant(3)), Err(Errno::EINVAL));
    }

    #[test]
    fn a_table_that_is_full_says_so_and_is_used_again() {
        let page = Page::new();
        // SAFETY: the page is the test's.
        let mut grants = unsafe { Grants::new(page.pointer(), 1) };
        let mut all = std::vec::Vec::new();
        while let Ok(grant) = grants.grant(0, 1, false) {
            all.push(grant);
        }
        assert_eq!(all.len(), ENTRIES_PER_PAGE - 8);
        assert_eq!(grants.grant(0, 1, false), Err(Errno::ENOSPC));
        for &grant in all.iter().step_by(3) {
            grants.end(grant).unwrap();
        }
        let again = all.iter().step_by(3).count();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..again {
            assert!(seen.insert(grants.grant(0, 2, false).unwrap().0));
        }
        assert_eq!(grants.grant(0, 1, false), Err(Errno::ENOSPC));
    }
}
