//! Mappings where the platform translates addresses: they get memory when they are touched.
//!
//! What may be read or written is promised when it is mapped: its pages, which are set aside among
//! the free ones, and the tables that it takes to put them there. So `ENOMEM` is said by a call and
//! never by a fault. What has no access yet (`PROT_NONE`) and what shall not be promised
//! (`MAP_NORESERVE`) costs nothing until then.

use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::Errno;
use muslin_platform::{Paging, Protection};

use super::kinds::{Kind, Place};
use super::map::{AddressSpace, Map};
use super::pages::Owner;
use super::regions::Region;
use super::shared::SharedPage;

impl AddressSpace {
    /// Puts memory behind the page of an address that was touched and has none yet. `false`: the
    /// program may not touch it so, or there is no memory for what was never promised. Handlers, of
    /// which one `is_call`, may go on behind the end of a file.
    pub fn fault(&self, address: usize, is_write: bool, is_call: bool) -> bool {
        let Some(paging) = self.paging else {
            return false;
        };
        // Before the lock: the library OS itself may have met the end of a stack while it held it.
        if !paging.addresses().contains(&address) {
            return false;
        }
        let page = address - address % self.page_bytes();
        let pages = page..page + self.page_bytes();
        let mut map = self.map.lock();
        let Some((_, region, _)) = map.regions.first_in(pages.clone()) else {
            return false;
        };
        let protection = region.protection;
        let is_allowed = if is_write {
            protection.write
        } else {
            protection.read
        };
        if !is_allowed || paging.first_backed(pages.clone()).is_some() {
            return false;
        }
        let frame = match region.kind {
            _ if region.is_promised => Some(self.pages.redeem()),
            Kind::Shared { .. } => {
                let shared = map.shared_at(page);
                let may_be_shown = |page: &&SharedPage| is_call || page.is_in_file();
                shared.filter(may_be_shown).map(SharedPage::address)
            }
            Kind::BehindFile if !is_call => None,
            Kind::Sparse | Kind::BehindFile if self.prepare(paging, pages.clone()).is_ok() => {
                self.pages.allocate_zeroed(1, Owner::Program).ok()
            }
            _ => None,
        };
        if let Some(frame) = frame {
            paging.back(page, frame, protection);
        }
        frame.is_some()
    }

    /// Whether an address is mapped, and behind the end of the file that is mapped there.
    pub fn is_behind_file(&self, address: usize) -> bool {
        let page = address - address % self.page_bytes();
        let mut map = self.map.lock();
        let region = map.regions.first_in(page..page + 1);
        match region.map(|(_, region, _)| region.kind) {
            Some(Kind::BehindFile) => true,
            Some(Kind::Shared { .. }) => map.shared_at(page).is_some_and(|page| !page.is_in_file()),
            _ => false,
        }
    }

    /// Shows pages no more that the end of a file has left behind.
    pub fn hide_behind_files(&self) {
        if let Some(paging) = self.paging {
            let map = self.map.lock();
            let behind = map.shared.iter().filter(|(_, page)| !page.is_in_file());
            for &(address, _) in behind {
                paging.unback(address);
            }
        }
    }

    /// See [`AddressSpace::map`].
    pub(super) fn map_lazily(
        &self,
        map: &mut Map,
        paging: &dyn Paging,
        place: Place,
        len_bytes: usize,
        protection: Protection,
        kind: Kind,
    ) -> Result<usize, Errno> {
        let is_promised = is_promised(kind, protection);
        let need = if is_promised {
            len_bytes / self.page_bytes()
        } else {
            0
        };
        let is_replacing = matches!(place, Place::Replace(_));
        let start = match place {
            Place::Hint(hint) => self.take_addresses(map, hint, len_bytes)?,
            Place::Replace(start) => {
                self.end_of(start, len_bytes)?;
                start
            }
            Place::Free(start) => {
                let end = self.end_of(start, len_bytes)?;
                if !map.gaps.as_mut().is_some_and(|gaps| gaps.claim(start..end)) {
                    return Err(Errno::EEXIST);
                }
                start
            }
        };
        let addresses = start..start + len_bytes;
        // What goes gives its promise back, but only when nothing can fail any more.
        let replaced = if is_replacing {
            self.promised_in(map, addresses.clone())
        } else {
            0
        };
        let more = need.saturating_sub(replaced);
        let granted = self.promise(
            paging,
            more,
            addresses.clone(),
            is_promised || is_shared(kind),
        );
        if let Err(errno) = granted {
            if !is_replacing {
                self.give_addresses(map, addresses);
            }
            return Err(errno);
        }
        if is_replacing {
            self.drop_range(map, addresses.clone())?;
            self.pages.promise(need - more)?;
            if let Some(gaps) = &mut map.gaps {
                gaps.claim(addresses.clone());
            }
        }
        map.program_bytes += len_bytes;
        let region = Region {
            start,
            protection,
            kind,
            is_promised,
        };
        map.regions.insert(addresses.end, region);
        self.note_peak(map);
        Ok(start)
    }

    /// See [`AddressSpace::protect`].
    pub(super) fn change_lazily(
        &self,
        map: &mut Map,
        paging: &dyn Paging,
        addresses: Range<usize>,
        protection: Protection,
    ) -> Result<(), Errno> {
        let becomes = |region: &Region| is_promised(region.kind, protection);
        let mut need = 0;
        let mut at = addresses.start;
        while let Some((piece, region, _)) = map.regions.first_in(at..addresses.end) {
            at = piece.end;
            if !region.is_promised && becomes(&region) {
                need += piece.len() / self.page_bytes();
            }
        }
        self.promise(paging, need, addresses.clone(), need > 0)?;
        at = addresses.start;
        while let Some((piece, region)) = map.regions.carve(at..addresses.end) {
            at = piece.end;
            let changed = Region {
                start: piece.start,
                protection,
                is_promised: region.is_promised || becomes(&region),
                ..region
            };
            map.regions.insert(piece.end, changed);
        }
        paging.protect(addresses, protection);
        Ok(())
    }

    /// Moves a mapping with the memory behind it; see [`AddressSpace::remap`].
    pub(super) fn move_lazily(
        &self,
        map: &mut Map,
        paging: &dyn Paging,
        old: Range<usize>,
        new_bytes: usize,
        region: Region,
        to: Option<usize>,
    ) -> Result<usize, Errno> {
        let page_bytes = self.page_bytes();
        let mut shared = Vec::new();
        shared
            .try_reserve(map.shared_in(old.clone()).len())
            .map_err(|_| Errno::ENOMEM)?;
        if new_bytes < old.len() {
            self.drop_range(map, old.start + new_bytes..old.end)?;
        }
        let old = old.start..old.end.min(old.start + new_bytes);
        let more = if region.is_promised {
            (new_bytes - old.len()) / page_bytes
        } else {
            0
        };
        let start = match to {
            Some(start) => start,
            None => self.take_addresses(map, 0, new_bytes)?,
        };
        let new = start..start + new_bytes;
        let has_backed = paging.first_backed(old.clone()).is_some();
        let granted = self.promise(paging, more, new.clone(), region.is_promised || has_backed);
        if let Err(errno) = granted {
            if to.is_none() {
                self.give_addresses(map, new);
            }
            return Err(errno);
        }
        if to.is_some() {
            self.drop_range(map, new.clone())?;
            if let Some(gaps) = &mut map.gaps {
                gaps.claim(new.clone());
            }
        }
        while let Some((page, frame)) = paging.first_backed(old.clone()) {
            paging.unback(page);
            let new_page = new.start + (page - old.start);
            paging.back(new_page, frame, region.protection);
        }
        let at_old = map.shared_in(old.clone());
        shared.extend(map.shared.drain(at_old));
        for (page, _) in &mut shared {
            *page = new.start + (*page - old.start);
        }
        map.share(shared);
        while map.regions.carve(old.clone()).is_some() {}
        map.program_bytes = map.program_bytes - old.len() + new.len();
        self.give_addresses(map, old);
        let moved = Region { start, ..region };
        map.regions.insert(new.end, moved);
        self.note_peak(map);
        Ok(start)
    }

    /// Gives back a piece of a region that was carved out.
    pub(super) fn drop_lazily(
        &self,
        map: &mut Map,
        paging: &dyn Paging,
        piece: Range<usize>,
        region: Region,
    ) {
        let page_bytes = self.page_bytes();
        let mut backed = 0;
        let mut at = piece.start;
        while let Some((page, frame)) = paging.first_backed(at..piece.end) {
            paging.unback(page);
            if !is_shared(region.kind) {
                self.pages.free(frame..frame + page_bytes, Owner::Program);
            }
            backed += 1;
            at = page + page_bytes;
        }
        if is_shared(region.kind) {
            let shared = map.shared_in(piece.clone());
            map.shared.drain(shared);
        }
        if region.is_promised {
            self.pages
                .release_promise(piece.len() / page_bytes - backed);
        }
        map.program_bytes -= piece.len();
        self.give_addresses(map, piece);
    }

    /// See [`AddressSpace::discard`].
    pub(super) fn discard_lazily(&self, paging: &dyn Paging, piece: Range<usize>, region: Region) {
        let page_bytes = self.page_bytes();
        let mut at = piece.start;
        while let Some((page, frame)) = paging.first_backed(at..piece.end) {
            paging.unback(page);
            if region.is_promised {
                self.pages.undo_redeem(frame);
            } else {
                self.pages.free(frame..frame + page_bytes, Owner::Program);
            }
            at = page + page_bytes;
        }
    }

    /// Sets `need` pages aside, and makes the tables of a range if it `has_memory`: both or nothing.
    fn promise(
        &self,
        paging: &dyn Paging,
        need: usize,
        addresses: Range<usize>,
        has_memory: bool,
    ) -> Result<(), Errno> {
        self.pages.promise(need)?;
        if has_memory && let Err(errno) = self.prepare(paging, addresses) {
            self.pages.release_promise(need);
            return Err(errno);
        }
        Ok(())
    }

    fn prepare(&self, paging: &dyn Paging, addresses: Range<usize>) -> Result<(), Errno> {
        paging.prepare(addresses, &mut || {
            self.pages.allocate_zeroed(1, Owner::Tables).ok()
        })
    }

    /// How many pages of a range are promised.
    fn promised_in(&self, map: &mut Map, addresses: Range<usize>) -> usize {
        let mut count = 0;
        let mut at = addresses.start;
        while let Some((piece, region, _)) = map.regions.first_in(at..addresses.end) {
            at = piece.end;
            if region.is_promised {
                count += piece.len() / self.page_bytes();
            }
        }
        count
    }

    /// Takes addresses where there is room, at the hint if that is free.
    fn take_addresses(&self, map: &mut Map, hint: usize, len_bytes: usize) -> Result<usize, Errno> {
        let gaps = map.gaps.as_mut().ok_or(Errno::ENOMEM)?;
        if hint != 0
            && let Some(start) = hint.checked_next_multiple_of(self.page_bytes())
            && let Some(end) = start.checked_add(len_bytes)
            && gaps.claim(start..end)
        {
            return Ok(start);
        }
        gaps.take(len_bytes).ok_or(Errno::ENOMEM)
    }

    fn give_addresses(&self, map: &mut Map, addresses: Range<usize>) {
        if let Some(gaps) = &mut map.gaps {
            gaps.give(addresses);
        }
    }
}

/// Whether a region of this kind and protection has its memory promised.
fn is_promised(kind: Kind, protection: Protection) -> bool {
    protection.read && !matches!(kind, Kind::Sparse | Kind::BehindFile) && !is_shared(kind)
}

fn is_shared(kind: Kind) -> bool {
    matches!(kind, Kind::Shared { .. })
}
