//! Mappings that become longer, shorter, or lie elsewhere: `mremap`, and the break.

use core::ops::Range;

use muslin_abi::Errno;
use muslin_platform::Protection;

use super::kinds::{Kind, MoveFlags, Place, READ_WRITE};
use super::map::{AddressSpace, Map};
use super::pages::Owner;
use super::regions::Region;

impl AddressSpace {
    /// Makes a mapping longer or shorter, or moves it; its address.
    ///
    /// # Errors
    /// `EINVAL` not pages, or they overlap · `EFAULT` the old range is not one mapping · `ENOMEM`
    /// no room.
    pub fn remap(
        &self,
        old_start: usize,
        old_bytes: usize,
        new_bytes: usize,
        flags: MoveFlags,
    ) -> Result<usize, Errno> {
        self.page(old_start)?;
        let old_bytes = self.whole_pages(old_bytes).map_err(|_| Errno::EINVAL)?;
        if new_bytes == 0 {
            return Err(Errno::EINVAL);
        }
        let new_bytes = self.whole_pages(new_bytes)?;
        let old_end = old_start.checked_add(old_bytes).ok_or(Errno::EINVAL)?;
        self.has_heap_for_change()?;
        let mut map = self.map.lock();
        let (_, region, region_end) = map
            .regions
            .first_in(old_start..old_start + 1)
            .ok_or(Errno::EFAULT)?;
        if let MoveFlags::To(new_start) = flags {
            let new_end = self.end_of(new_start, new_bytes)?;
            if new_start < old_end && old_start < new_end {
                return Err(Errno::EINVAL);
            }
        }
        if new_bytes <= old_bytes && !matches!(flags, MoveFlags::To(_)) {
            // The rest goes, whatever it is.
            if new_bytes < old_bytes {
                self.drop_range(&mut map, old_start + new_bytes..old_end)?;
            }
            return Ok(old_start);
        }
        if region_end < old_end {
            return Err(Errno::EFAULT);
        }
        // The pages behind those of a file are none of the file's, and where addresses are memory
        // a file's pages cannot be elsewhere.
        let is_shared = matches!(region.kind, Kind::Shared { .. });
        if is_shared && (new_bytes > old_bytes || self.paging.is_none()) {
            return Err(Errno::ENOMEM);
        }
        if new_bytes > old_bytes && region_end == old_end {
            let added = old_end..old_end + (new_bytes - old_bytes);
            if !matches!(flags, MoveFlags::To(_)) && self.extend(&mut map, added, region).is_ok() {
                return Ok(old_start);
            }
        }
        if flags == MoveFlags::Stay {
            return Err(Errno::ENOMEM);
        }
        self.is_ours(old_start..old_end)?;
        let to = match flags {
            MoveFlags::To(new_start) => Some(new_start),
            _ => None,
        };
        if let Some(paging) = self.paging {
            return self.move_lazily(&mut map, paging, old_start..old_end, new_bytes, region, to);
        }
        let new_start = match to {
            Some(new_start) => {
                self.take_place(&mut map, new_start..new_start + new_bytes)?;
                new_start
            }
            None => self
                .pages
                .allocate_zeroed(new_bytes / self.page_bytes(), Owner::Program)?,
        };
        let kept_bytes = old_bytes.min(new_bytes);
        let readable = Protection {
            read: true,
            ..region.protection
        };
        self.pages.protect(old_start..old_end, readable)?;
        self.pages
            .copy(old_start..old_start + kept_bytes, new_start);
        let new_end = new_start + new_bytes;
        map.program_bytes += new_bytes;
        map.regions
            .insert(new_end, Region::new(new_start, READ_WRITE, region.kind));
        self.note_peak(&mut map);
        self.change(&mut map, new_start..new_end, region.protection)?;
        self.drop_range(&mut map, old_start..old_end)?;
        Ok(new_start)
    }

    /// Makes a region longer, if the addresses behind it are free.
    fn extend(&self, map: &mut Map, added: Range<usize>, region: Region) -> Result<(), Errno> {
        if added.end < added.start {
            return Err(Errno::ENOMEM);
        }
        if let Some(paging) = self.paging {
            let place = Place::Free(added.start);
            let (protection, kind) = (region.protection, region.kind);
            self.map_lazily(map, paging, place, added.len(), protection, kind)?;
            return Ok(());
        }
        self.take(added.clone())?;
        map.program_bytes += added.len();
        let longer = Region::new(added.start, READ_WRITE, region.kind);
        map.regions.insert(added.end, longer);
        self.note_peak(map);
        self.change(map, added, region.protection)
    }

    /// Moves the end of the break, if it can be moved there; where it is then.
    pub fn set_break(&self, wanted: usize) -> usize {
        if self.has_heap_for_change().is_err() {
            return self.map.lock().break_end;
        }
        let mut map = self.map.lock();
        let ours = self.addresses();
        let start = match map.break_start {
            Some(start) => start,
            None => {
                let start = match self.paging {
                    Some(_) => ours.start,
                    None => self.pages.lowest_free().unwrap_or(ours.end),
                };
                map.break_start = Some(start);
                map.break_end = start;
                start
            }
        };
        if wanted < start || wanted > ours.end {
            return map.break_end;
        }
        let page_bytes = self.page_bytes();
        let old_end = map.break_end.next_multiple_of(page_bytes);
        let new_end = wanted.next_multiple_of(page_bytes);
        if new_end > old_end {
            let region = Region::new(old_end, READ_WRITE, Kind::Break);
            if self.extend(&mut map, old_end..new_end, region).is_err() {
                return map.break_end;
            }
        } else if new_end < old_end && self.drop_range(&mut map, new_end..old_end).is_err() {
            return map.break_end;
        }
        map.break_end = wanted;
        wanted
    }
}
