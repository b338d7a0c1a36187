//! Pages that mappings take and give back: where addresses are memory, a region owns its own.

use core::ops::Range;

use muslin_abi::Errno;
use muslin_platform::Protection;

use super::kinds::{Kind, READ_WRITE};
use super::map::{AddressSpace, Map};
use super::pages::Owner;
use super::regions::Region;

impl AddressSpace {
    /// Takes pages where there is room, at the hint if that is free.
    pub(super) fn take_near(&self, hint: usize, len_bytes: usize) -> Result<usize, Errno> {
        let page_bytes = self.page_bytes();
        if hint != 0
            && let Some(start) = hint.checked_next_multiple_of(page_bytes)
            && let Some(end) = start.checked_add(len_bytes)
            && self.take(start..end).is_ok()
        {
            return Ok(start);
        }
        self.pages
            .allocate_zeroed(len_bytes / page_bytes, Owner::Program)
    }

    pub(super) fn take(&self, addresses: Range<usize>) -> Result<(), Errno> {
        self.pages.claim(addresses, Owner::Program)
    }

    /// Takes all pages of a range, in place of what is mapped there, which goes; all or none. They
    /// read as zeros.
    pub(super) fn take_place(&self, map: &mut Map, addresses: Range<usize>) -> Result<(), Errno> {
        let mut at = addresses.start;
        while let Some((piece, region, _)) = map.regions.first_in(at..addresses.end) {
            // They are the file's, so nothing else can be there.
            if matches!(region.kind, Kind::Shared { .. }) {
                return Err(Errno::ENOMEM);
            }
            at = piece.end;
        }
        self.take_gaps(map, addresses.clone())?;
        // What was there goes; its pages stay and are cleared.
        while let Some((piece, region)) = map.regions.carve(addresses.clone()) {
            self.make_writable(piece.clone(), region.protection)?;
            self.pages.clear(piece.clone());
            map.program_bytes -= piece.len();
        }
        Ok(())
    }

    /// Takes the pages between the regions of a range: all or none.
    pub(super) fn take_gaps(&self, map: &mut Map, addresses: Range<usize>) -> Result<(), Errno> {
        let mut gap_after = |at: usize| {
            let next = map.regions.first_in(at..addresses.end);
            let piece = next.map_or(addresses.end..addresses.end, |(piece, ..)| piece);
            (at..piece.start, piece.end)
        };
        let mut at = addresses.start;
        while at < addresses.end {
            let (gap, next) = gap_after(at);
            if !gap.is_empty() && self.take(gap.clone()).is_err() {
                let mut taken = addresses.start;
                while taken < at {
                    let (gap, next) = gap_after(taken);
                    if !gap.is_empty() {
                        self.pages.free(gap, Owner::Program);
                    }
                    taken = next;
                }
                return Err(Errno::ENOMEM);
            }
            at = next;
        }
        Ok(())
    }

    /// Gives back what is mapped in a range.
    pub(super) fn drop_range(&self, map: &mut Map, addresses: Range<usize>) -> Result<(), Errno> {
        let mut at = addresses.start;
        while let Some((piece, region)) = map.regions.carve(at..addresses.end) {
            at = piece.end;
            if self.is_ours(piece.clone()).is_err() || region.kind == Kind::Stack {
                continue;
            }
            if let Some(paging) = self.paging {
                self.drop_lazily(map, paging, piece, region);
            } else if matches!(region.kind, Kind::Shared { .. }) {
                self.drop_shared(map, piece, region);
            } else {
                self.make_writable(piece.clone(), region.protection)?;
                map.program_bytes -= piece.len();
                self.pages.free(piece, Owner::Program);
            }
        }
        Ok(())
    }

    /// Pages of a file are mapped once less: the region stays where they still are.
    pub(super) fn drop_shared(&self, map: &mut Map, piece: Range<usize>, region: Region) {
        let mut latest = 0;
        map.shared.retain(|&(address, _)| {
            let is_another = core::mem::replace(&mut latest, address) != address;
            !is_another || !piece.contains(&address)
        });
        for i in map.shared_in(piece) {
            let start = map.shared[i].0;
            let kept = Region { start, ..region };
            if i == 0 || map.shared[i - 1].0 != start {
                map.regions.insert(start + self.page_bytes(), kept);
            }
        }
    }

    pub(super) fn make_writable(
        &self,
        pages: Range<usize>,
        protection: Protection,
    ) -> Result<(), Errno> {
        if protection != READ_WRITE {
            self.pages.protect(pages, READ_WRITE)?;
        }
        Ok(())
    }
}
