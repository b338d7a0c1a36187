//! Addresses that nothing is mapped at, where addresses are more than memory: by place and by
//! length, so that each question costs O(log n).

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Range;

/// The gaps between regions.
pub struct Gaps {
    /// The start of each gap, by its end.
    starts: BTreeMap<usize, usize>,
    /// Length and end of each gap.
    lengths: BTreeSet<(usize, usize)>,
}

impl Gaps {
    /// One gap.
    pub fn new(addresses: Range<usize>) -> Self {
        let mut gaps = Self {
            starts: BTreeMap::new(),
            lengths: BTreeSet::new(),
        };
        gaps.insert(addresses);
        gaps
    }

    /// Takes addresses from the top of the shortest gap that is long enough; the lowest of them.
    pub fn take(&mut self, len_bytes: usize) -> Option<usize> {
        let &(gap_bytes, end) = self.lengths.range((len_bytes, 0)..).next()?;
        self.remove(end - gap_bytes..end);
        self.insert(end - gap_bytes..end - len_bytes);
        Some(end - len_bytes)
    }

    /// Takes these addresses, if all of them are in a gap.
    pub fn claim(&mut self, addresses: Range<usize>) -> bool {
        let Some((&end, &start)) = self.starts.range(addresses.end..).next() else {
            return false;
        };
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
        if let Some(&below) = self.starts.get(&start) {
            self.remove(below..start);
            start = below;
        }
        let above = self.starts.range(end..).next();
        if let Some((&above_end, &above_start)) = above
            && above_start == end
        {
            self.remove(end..above_end);
            end = above_end;
        }
        self.insert(start..end);
    }

    fn insert(&mut self, gap: Range<usize>) {
        if !gap.is_empty() {
            self.lengths.insert((gap.len(), gap.end));
            self.starts.insert(gap.end, gap.start);
        }
    }

    fn remove(&mut self, gap: Range<usize>) {
        self.lengths.remove(&(gap.len(), gap.end));
        self.starts.remove(&gap.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_taken_from_the_top_and_joined_again() {
        let mut gaps = Gaps::new(100..200);
        assert_eq!(gaps.take(10), Some(190));
        assert_eq!(gaps.take(20), Some(170));
        assert_eq!(gaps.take(71), None);
        gaps.give(190..200);
        // The shortest that is long enough.
        assert_eq!(gaps.take(4), Some(196));
        assert!(gaps.claim(120..130));
        assert!(!gaps.claim(119..121));
        assert!(!gaps.claim(169..171));
        assert!(!gaps.claim(195..201));
        gaps.give(170..190);
        gaps.give(120..130);
        gaps.give(196..200);
        assert_eq!(gaps.take(100), Some(100));
        assert_eq!(gaps.take(1), None);
    }
}
