//! Addresses that nothing is mapped at, where addresses are more than memory: by place and by
//! length, so that each question costs O(log n).

use core::ops::Range;

use muslin_platform::Protection;

use super::kinds::Kind;
use super::regions::Region;
use super::treap::Treap;

const NOTHING: Protection = Protection {
    read: false,
    write: false,
    execute: false,
};
/// The unit of lengths.
const PAGE_BYTES: usize = 4096;
/// Bits of a page's number.
const PAGE_BITS: u32 = 36;
/// Gaps of more pages than this are all one length in the order.
const LENGTH_MAX: usize = usize::MAX >> PAGE_BITS;

/// The gaps between regions.
///
/// Both are of the type that regions are kept in, so that an image holds the code once.
#[derive(Default)]
pub struct Gaps {
    /// The gaps by their ends.
    by_end: Treap,
    /// The same, the shortest first: see [`key`].
    by_length: Treap,
}

/// Length and end in one number.
fn key(len_bytes: usize, end: usize) -> usize {
    ((len_bytes / PAGE_BYTES).min(LENGTH_MAX) << PAGE_BITS) | (end / PAGE_BYTES)
}

impl Gaps {
    /// One gap.
    pub fn new(addresses: Range<usize>) -> Self {
        let mut gaps = Self::default();
        gaps.insert(addresses);
        gaps
    }

    /// Takes addresses from the top of the shortest gap that is long enough; the lowest of them.
    pub fn take(&mut self, len_bytes: usize) -> Option<usize> {
        let mut from = key(len_bytes, 0);
        let (start, end) = loop {
            let (key, gap) = self.by_length.first_from(from)?;
            let end = (key & ((1 << PAGE_BITS) - 1)) * PAGE_BYTES;
            if end - gap.start >= len_bytes {
                break (gap.start, end);
            }
            from = key + 1;
        };
        self.remove(start..end);
        self.insert(start..end - len_bytes);
        Some(end - len_bytes)
    }

    /// Takes these addresses, if all of them are in a gap.
    pub fn claim(&mut self, addresses: Range<usize>) -> bool {
        let Some((end, gap)) = self.by_end.first_from(addresses.end) else {
            return false;
        };
        let start = gap.start;
        if start > addresses.start {
            return false;
        }
        self.remove(start..end);
        self.insert(start..addresses.start);
        self.insert(addresses.end..end);
        true
    }

    /// Gives addresses back.
    pub fn give(&mut self, addresses: Range<usize>) {
        let Range { mut start, mut end } = addresses;
        if let Some(below) = self.by_end.get_mut(start).map(|gap| gap.start) {
            self.remove(below..start);
            start = below;
        }
        if let Some((above_end, gap)) = self.by_end.first_from(end)
            && gap.start == end
        {
            self.remove(end..above_end);
            end = above_end;
        }
        self.insert(start..end);
    }

    fn insert(&mut self, gap: Range<usize>) {
        if !gap.is_empty() {
            let nothing = Region::new(gap.start, NOTHING, Kind::Anonymous);
            self.by_length.insert(key(gap.len(), gap.end), nothing);
            self.by_end.insert(gap.end, nothing);
        }
    }

    fn remove(&mut self, gap: Range<usize>) {
        self.by_length.remove(key(gap.len(), gap.end));
        self.by_end.remove(gap.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(pages: Range<usize>) -> Range<usize> {
        pages.start * PAGE_BYTES..pages.end * PAGE_BYTES
    }

    fn take(gaps: &mut Gaps, count: usize) -> Option<usize> {
        Some(gaps.take(count * PAGE_BYTES)? / PAGE_BYTES)
    }

    #[test]
    fn gaps_are_taken_from_the_top_and_joined_again() {
        let mut gaps = Gaps::new(pages(100..200));
        assert_eq!(take(&mut gaps, 10), Some(190));
        assert_eq!(take(&mut gaps, 20), Some(170));
        assert_eq!(take(&mut gaps, 71), None);
        gaps.give(pages(190..200));
        // The shortest that is long enough.
        assert_eq!(take(&mut gaps, 4), Some(196));
        assert!(gaps.claim(pages(120..130)));
        assert!(!gaps.claim(pages(119..121)));
        assert!(!gaps.claim(pages(169..171)));
        assert!(!gaps.claim(pages(195..201)));
        gaps.give(pages(170..190));
        gaps.give(pages(120..130));
        gaps.give(pages(196..200));
        assert_eq!(take(&mut gaps, 100), Some(100));
        assert_eq!(take(&mut gaps, 1), None);
    }

    #[test]
    fn of_gaps_beyond_the_longest_length_one_that_is_long_enough_is_taken() {
        let mut gaps = Gaps::new(pages(0..1 << 35));
        assert!(gaps.claim(pages(1 << 30..(1 << 30) + 1)));
        let count = (1 << 34) + 7;
        assert_eq!(take(&mut gaps, count), Some((1 << 35) - count));
        assert_eq!(take(&mut gaps, count), None);
        assert_eq!(take(&mut gaps, 1 << 30), Some(0));
    }
}
