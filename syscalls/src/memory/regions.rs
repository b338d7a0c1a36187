//! The regions: ranges of addresses that do not overlap, each with what may be done there.
//!
//! They are kept by their ends: mappings are made from the top down, so one that is made below its
//! like only moves that one's start.

use core::ops::Range;

use muslin_platform::Protection;

use super::kinds::Kind;
use super::treap::Treap;

/// A region without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub start: usize,
    pub protection: Protection,
    pub kind: Kind,
    /// All its memory is there or promised.
    pub is_promised: bool,
}

impl Region {
    fn joins(&self, other: &Self) -> bool {
        self.protection == other.protection
            && self.kind == other.kind
            && self.is_promised == other.is_promised
    }
}

/// How many regions that were asked for are remembered.
const LATEST_COUNT: usize = 4;

/// All regions.
pub struct Regions {
    by_end: Treap,
    /// The newest, which often is the first to go again, and its end. Not among the others yet, nor
    /// joined with its neighbours.
    newest: Option<(usize, Region)>,
    /// The regions that were asked for last, which most questions are about again, or no addresses: a
    /// call names the stack, the heap and the program's data in turn.
    latest: [(Range<usize>, Protection); LATEST_COUNT],
    /// Whose place the next one takes.
    oldest: usize,
}

impl Default for Regions {
    fn default() -> Self {
        let nothing = Protection {
            read: false,
            write: false,
            execute: false,
        };
        Self {
            by_end: Treap::default(),
            newest: None,
            latest: [const { 0..0 }; LATEST_COUNT].map(|no_addresses| (no_addresses, nothing)),
            oldest: 0,
        }
    }
}

impl Regions {
    /// All of them, lowest first.
    pub fn iter(&mut self) -> impl Iterator<Item = (Range<usize>, Region)> {
        self.settle();
        let regions = self.by_end.iter();
        regions.map(|(end, &region)| (region.start..end, region))
    }

    /// The first region that has addresses in the range: the addresses that it has in common with
    /// it, the region, and its end.
    pub fn first_in(&mut self, addresses: Range<usize>) -> Option<(Range<usize>, Region, usize)> {
        self.settle();
        let (end, &region) = self.by_end.first_from(addresses.start + 1)?;
        let piece = region.start.max(addresses.start)..end.min(addresses.end);
        (!piece.is_empty()).then_some((piece, region, end))
    }

    /// What may be done with some bytes, if a region that was asked for lately has them all.
    #[inline]
    pub fn latest(&self, address: usize, len_bytes: usize) -> Option<&Protection> {
        // An address before the start becomes one far behind the end.
        let has_all = |region: &Range<usize>| {
            address.wrapping_sub(region.start) < region.end - region.start
                && len_bytes <= region.end - address
        };
        let found = self.latest.iter().find(|(region, _)| has_all(region));
        found.map(|(_, protection)| protection)
    }

    fn remember(&mut self, region: Range<usize>, protection: Protection) {
        self.latest[self.oldest] = (region, protection);
        self.oldest = (self.oldest + 1) % LATEST_COUNT;
    }

    /// What is remembered of these addresses is so no more.
    fn forget(&mut self, addresses: &Range<usize>) {
        for (region, _) in &mut self.latest {
            if region.start < addresses.end && addresses.start < region.end {
                *region = 0..0;
            }
        }
    }

    /// Whether the protection of all these addresses is as it should be.
    pub fn allow(
        &mut self,
        addresses: Range<usize>,
        is_fine: impl Fn(&Protection) -> bool,
    ) -> bool {
        if let Some((end, region)) = &self.newest
            && region.start <= addresses.start
            && addresses.end <= *end
        {
            let (region, protection) = (region.start..*end, region.protection);
            self.remember(region, protection);
            return is_fine(&protection);
        }
        let Some((piece, region, end)) = self.first_in(addresses.clone()) else {
            return false;
        };
        self.remember(region.start..end, region.protection);
        if piece == addresses {
            return is_fine(&region.protection);
        }
        self.covers(addresses, |region| is_fine(&region.protection))
    }

    /// Whether regions for which `is_fine` holds cover the range without gaps.
    pub fn covers(&mut self, addresses: Range<usize>, is_fine: impl Fn(&Region) -> bool) -> bool {
        let mut at = addresses.start;
        while at < addresses.end {
            match self.first_in(at..addresses.end) {
                Some((piece, region, _)) if piece.start == at && is_fine(&region) => at = piece.end,
                _ => return false,
            }
        }
        true
    }

    /// Takes the first piece of a range out.
    pub fn carve(&mut self, addresses: Range<usize>) -> Option<(Range<usize>, Region)> {
        if addresses.is_empty() {
            return None;
        }
        self.forget(&addresses);
        if let Some((end, region)) = self.newest
            && region.start == addresses.start
            && end == addresses.end
        {
            self.newest = None;
            return Some((addresses, region));
        }
        self.settle();
        let (end, &whole) = self.by_end.first_from(addresses.start + 1)?;
        let piece = whole.start.max(addresses.start)..end.min(addresses.end);
        if piece.is_empty() {
            return None;
        }
        if piece.end == end {
            self.by_end.remove(end);
        } else if let Some(region) = self.by_end.get_mut(end) {
            region.start = piece.end;
        }
        if whole.start < piece.start {
            self.by_end.insert(piece.start, whole);
        }
        Some((piece, whole))
    }

    /// Puts a region where there is none, joined with its neighbours if they are alike.
    pub fn insert(&mut self, end: usize, region: Region) {
        self.settle();
        self.newest = Some((end, region));
    }

    /// The newest is a region like all others.
    #[inline]
    fn settle(&mut self) {
        if let Some((end, region)) = self.newest.take() {
            self.join(end, region);
        }
    }

    fn join(&mut self, end: usize, mut region: Region) {
        if let Some((below_end, below)) = self.by_end.first_from(region.start)
            && below_end == region.start
            && below.joins(&region)
        {
            region.start = below.start;
            self.by_end.remove(below_end);
        }
        if let Some((above_end, above)) = self.by_end.first_from(end + 1)
            && above.start == end
            && above.joins(&region)
            && let Some(above) = self.by_end.get_mut(above_end)
        {
            above.start = region.start;
            return;
        }
        self.by_end.insert(end, region);
    }
}
