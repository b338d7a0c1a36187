//! The region map: what is mapped where, and what may be done there.
//!
//! Regions do not overlap and are kept by their start, so that a look-up costs O(log n). Regions
//! within the platform's memory own their pages; the image and the boot stack do not. Memory that a
//! change of the map itself needs is asked for before anything is changed, so that `ENOMEM` leaves
//! all as it was.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use crate::lock::Mutex;
use muslin_abi::Errno;
use muslin_platform::{Platform, Protection};

use super::pages::{Owner, Pages};

/// Readable and writable.
const READ_WRITE: Protection = Protection {
    read: true,
    write: true,
    execute: false,
};

/// What a change of the map may need of the kernel's heap at most: nodes of the tree, two regions
/// that are split off at the ends and one that is put in between.
const CHANGE_NODES: usize = 12;

/// Size of a node of the tree in bytes, not less.
const NODE_BYTES: usize = 400;

/// What a handler wants to do with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load from it.
    Read,
    /// Store to it.
    Write,
}

/// What a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A segment of the image.
    Image,
    /// The boot stack.
    Stack,
    /// Between the start and the end of the break.
    Break,
    /// From `mmap` without a file.
    Anonymous,
    /// From `mmap` with a file, whose bytes were read in.
    File,
}

/// Where a mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where there is room; there, if it is not 0 and free.
    Hint(usize),
    /// There, in place of what is there: `MAP_FIXED`.
    Replace(usize),
    /// There, if it is free: `MAP_FIXED_NOREPLACE`.
    Free(usize),
}

/// How `mremap` may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveFlags {
    /// Where it is.
    Stay,
    /// Where there is room.
    MayMove,
    /// To that address, in place of what is there.
    To(usize),
}

/// Who holds how much, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All memory that the library OS manages.
    pub total: usize,
    /// Nobody's.
    pub free: usize,
    /// The program's, by `mmap` and `brk`.
    pub program: usize,
    /// The most that was in use at once when a mapping was made.
    pub peak: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region {
    end: usize,
    protection: Protection,
    kind: Kind,
}

/// What is mapped where.
pub struct AddressSpace {
    pages: &'static Pages,
    map: Mutex<Map>,
}

struct Map {
    regions: BTreeMap<usize, Region>,
    /// Where the break starts: chosen when it is first asked for.
    break_start: Option<usize>,
    break_end: usize,
    program_bytes: usize,
    peak_bytes: usize,
}

impl AddressSpace {
    /// A map with nothing but the platform's boot stack.
    pub fn new(platform: &dyn Platform, pages: &'static Pages) -> Self {
        let stack = platform.memory().stack();
        let space = Self {
            pages,
            map: Mutex::new(Map {
                regions: BTreeMap::new(),
                break_start: None,
                break_end: 0,
                program_bytes: 0,
                peak_bytes: 0,
            }),
        };
        if !stack.is_empty() {
            space.add(stack, READ_WRITE, Kind::Stack);
        }
        space
    }

    /// Tells of a segment of the image: whole pages that are already as `protection` says.
    pub fn add_image(&self, addresses: Range<usize>, protection: Protection) {
        self.add(addresses, protection, Kind::Image);
    }

    fn add(&self, addresses: Range<usize>, protection: Protection, kind: Kind) {
        self.map.lock().insert(
            addresses.start,
            Region::new(addresses.end, protection, kind),
        );
    }

    /// Size of a page in bytes.
    pub fn page_bytes(&self) -> usize {
        self.pages.page_bytes()
    }

    /// Who holds how much.
    pub fn usage(&self) -> Usage {
        let map = self.map.lock();
        let (count, free) = self.pages.count();
        Usage {
            total: count * self.page_bytes(),
            free: free * self.page_bytes(),
            program: map.program_bytes,
            peak: map.peak_bytes,
        }
    }

    /// Whether the library OS has memory for a few small things of its own: a name in a directory, a
    /// pipe. Whoever makes such things for the program asks first.
    ///
    /// # Errors
    /// `ENOMEM`: half of what is kept for the library OS is used.
    pub fn has_room_for_kernel(&self) -> Result<(), Errno> {
        self.pages.has_room_for_kernel()
    }

    /// All regions, lowest first: the addresses, what may be done there, and what it is.
    pub fn regions(&self) -> Vec<(Range<usize>, Protection, Kind)> {
        let map = self.map.lock();
        map.regions
            .iter()
            .map(|(&start, region)| (start..region.end, region.protection, region.kind))
            .collect()
    }

    /// Whether the program may do this with all of `len_bytes` bytes at `address`.
    ///
    /// # Errors
    /// `EFAULT`: not with all of them.
    pub fn check(&self, address: usize, len_bytes: usize, access: Access) -> Result<(), Errno> {
        if len_bytes == 0 {
            return Ok(());
        }
        let end = address.checked_add(len_bytes).ok_or(Errno::EFAULT)?;
        let is_allowed = |region: &Region| match access {
            Access::Read => region.protection.read,
            Access::Write => region.protection.write,
        };
        if self.map.lock().covers(address..end, is_allowed) {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Whether all of these addresses are mapped, whatever may be done there.
    pub fn is_mapped(&self, addresses: Range<usize>) -> bool {
        self.map.lock().covers(addresses, |_| true)
    }

    /// Maps `len_bytes` bytes, rounded up to whole pages, which read as zeros; the address.
    ///
    /// # Errors
    /// `EINVAL` no bytes, or a fixed address that is not a page's · `ENOMEM` no room, or a fixed
    /// address outside the memory · `EEXIST` for [`Place::Free`] · `EACCES` the platform cannot
    /// make memory executable.
    pub fn map(
        &self,
        place: Place,
        len_bytes: usize,
        protection: Protection,
        kind: Kind,
    ) -> Result<usize, Errno> {
        let len_bytes = self.whole_pages(len_bytes)?;
        has_heap_for_change()?;
        let mut map = self.map.lock();
        let start = match place {
            Place::Hint(hint) => self.take_near(hint, len_bytes)?,
            Place::Replace(start) | Place::Free(start) => {
                let end = self.end_of(start, len_bytes)?;
                if matches!(place, Place::Free(_)) && map.first_in(start..end).is_some() {
                    return Err(Errno::EEXIST);
                }
                self.take_gaps(&map, start..end)?;
                // What was there goes; its pages stay and are cleared.
                while let Some((piece, region)) = map.carve(start..end) {
                    self.make_writable(piece.clone(), region.protection)?;
                    self.pages.clear(piece.clone());
                    map.program_bytes -= piece.len();
                }
                start
            }
        };
        let end = start + len_bytes;
        map.program_bytes += len_bytes;
        map.insert(start, Region::new(end, READ_WRITE, kind));
        self.note_peak(&mut map);
        if let Err(errno) = self.change(&mut map, start..end, protection) {
            self.drop_range(&mut map, start..end)?;
            return Err(errno);
        }
        Ok(start)
    }

    /// Unmaps all that is mapped in these pages.
    ///
    /// # Errors
    /// `EINVAL` no bytes, or not a page's address · `ENOMEM` no memory to note it.
    pub fn unmap(&self, start: usize, len_bytes: usize) -> Result<(), Errno> {
        let len_bytes = self.whole_pages(len_bytes).map_err(|_| Errno::EINVAL)?;
        self.page(start)?;
        let end = start.checked_add(len_bytes).ok_or(Errno::EINVAL)?;
        has_heap_for_change()?;
        self.drop_range(&mut self.map.lock(), start..end)
    }

    /// Changes what may be done with these pages.
    ///
    /// # Errors
    /// `EINVAL` not a page's address · `ENOMEM` not all of it is mapped, or no memory to note it ·
    /// `EACCES` the platform cannot make memory executable.
    pub fn protect(
        &self,
        start: usize,
        len_bytes: usize,
        protection: Protection,
    ) -> Result<(), Errno> {
        self.page(start)?;
        if len_bytes == 0 {
            return Ok(());
        }
        let len_bytes = self.whole_pages(len_bytes)?;
        let end = start.checked_add(len_bytes).ok_or(Errno::ENOMEM)?;
        has_heap_for_change()?;
        let mut map = self.map.lock();
        if !map.covers(start..end, |_| true) {
            return Err(Errno::ENOMEM);
        }
        self.change(&mut map, start..end, protection)
    }

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
        has_heap_for_change()?;
        let mut map = self.map.lock();
        let (_, region) = map
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
        if region.end < old_end {
            return Err(Errno::EFAULT);
        }
        let kept_bytes = old_bytes.min(new_bytes);
        if let MoveFlags::To(new_start) = flags {
            let new_end = new_start + new_bytes;
            self.is_ours(old_start..old_end)?;
            self.take_gaps(&map, new_start..new_end)?;
            while let Some((piece, replaced)) = map.carve(new_start..new_end) {
                self.make_writable(piece.clone(), replaced.protection)?;
                self.pages.clear(piece.clone());
                map.program_bytes -= piece.len();
            }
            return self.move_to(
                &mut map,
                old_start..old_end,
                kept_bytes,
                new_start..new_end,
                region,
            );
        }
        // Longer: where it is, if the region ends here and the pages behind it are free.
        let new_end = old_start.checked_add(new_bytes).ok_or(Errno::ENOMEM)?;
        if region.end == old_end && self.take(old_end..new_end).is_ok() {
            map.program_bytes += new_end - old_end;
            map.insert(old_end, Region::new(new_end, READ_WRITE, region.kind));
            self.note_peak(&mut map);
            self.change(&mut map, old_end..new_end, region.protection)?;
            return Ok(old_start);
        }
        if flags == MoveFlags::Stay {
            return Err(Errno::ENOMEM);
        }
        self.is_ours(old_start..old_end)?;
        let new_start = self
            .pages
            .allocate(new_bytes / self.page_bytes(), Owner::Program)?;
        let new_end = new_start + new_bytes;
        self.move_to(
            &mut map,
            old_start..old_end,
            kept_bytes,
            new_start..new_end,
            region,
        )
    }

    /// Moves a mapping to pages that are taken, writable and zero.
    fn move_to(
        &self,
        map: &mut Map,
        old: Range<usize>,
        kept_bytes: usize,
        new: Range<usize>,
        region: Region,
    ) -> Result<usize, Errno> {
        let readable = Protection {
            read: true,
            ..region.protection
        };
        self.pages.protect(old.clone(), readable)?;
        self.pages
            .copy(old.start..old.start + kept_bytes, new.start);
        map.program_bytes += new.len();
        map.insert(new.start, Region::new(new.end, READ_WRITE, region.kind));
        self.note_peak(map);
        self.change(map, new.clone(), region.protection)?;
        self.drop_range(map, old)?;
        Ok(new.start)
    }

    /// Moves the end of the break, if it can be moved there; where it is then.
    pub fn set_break(&self, wanted: usize) -> usize {
        if has_heap_for_change().is_err() {
            return self.map.lock().break_end;
        }
        let mut map = self.map.lock();
        let start = match map.break_start {
            Some(start) => start,
            None => {
                let start = self.pages.lowest_free().unwrap_or(self.pages.range().end);
                map.break_start = Some(start);
                map.break_end = start;
                start
            }
        };
        if wanted < start || wanted > self.pages.range().end {
            return map.break_end;
        }
        let page_bytes = self.page_bytes();
        let old_end = map.break_end.next_multiple_of(page_bytes);
        let new_end = wanted.next_multiple_of(page_bytes);
        if new_end > old_end {
            if self.take(old_end..new_end).is_err() {
                return map.break_end;
            }
            map.program_bytes += new_end - old_end;
            map.insert(old_end, Region::new(new_end, READ_WRITE, Kind::Break));
            self.note_peak(&mut map);
        } else if new_end < old_end && self.drop_range(&mut map, new_end..old_end).is_err() {
            return map.break_end;
        }
        map.break_end = wanted;
        wanted
    }

    /// Makes anonymous pages read as zeros: their content is not needed any more.
    ///
    /// # Errors
    /// `EINVAL` not a page's address · `ENOMEM` not all of it is mapped; what is, was cleared.
    pub fn discard(&self, start: usize, len_bytes: usize) -> Result<(), Errno> {
        self.page(start)?;
        if len_bytes == 0 {
            return Ok(());
        }
        let len_bytes = self.whole_pages(len_bytes)?;
        let end = start.checked_add(len_bytes).ok_or(Errno::EINVAL)?;
        let map = self.map.lock();
        let mut at = start;
        while let Some((piece, region)) = map.first_in(at..end) {
            at = piece.end;
            if matches!(region.kind, Kind::Anonymous | Kind::Break) {
                self.make_writable(piece.clone(), region.protection)?;
                self.pages.clear(piece.clone());
                if region.protection != READ_WRITE {
                    self.pages.protect(piece, region.protection)?;
                }
            }
        }
        if map.covers(start..end, |_| true) {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// A number of bytes as whole pages.
    fn whole_pages(&self, len_bytes: usize) -> Result<usize, Errno> {
        match len_bytes.checked_next_multiple_of(self.page_bytes()) {
            Some(0) => Err(Errno::EINVAL),
            Some(len_bytes) => Ok(len_bytes),
            None => Err(Errno::ENOMEM),
        }
    }

    fn page(&self, address: usize) -> Result<(), Errno> {
        if address.is_multiple_of(self.page_bytes()) {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// Where a fixed mapping ends; it must be in our memory.
    fn end_of(&self, start: usize, len_bytes: usize) -> Result<usize, Errno> {
        self.page(start)?;
        let end = start.checked_add(len_bytes).ok_or(Errno::ENOMEM)?;
        self.is_ours(start..end)?;
        Ok(end)
    }

    fn is_ours(&self, addresses: Range<usize>) -> Result<(), Errno> {
        let ours = self.pages.range();
        if addresses.start >= ours.start && addresses.end <= ours.end {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// Takes pages where there is room, at the hint if that is free.
    fn take_near(&self, hint: usize, len_bytes: usize) -> Result<usize, Errno> {
        let page_bytes = self.page_bytes();
        if hint != 0
            && let Some(start) = hint.checked_next_multiple_of(page_bytes)
            && let Some(end) = start.checked_add(len_bytes)
            && self.take(start..end).is_ok()
        {
            return Ok(start);
        }
        self.pages.allocate(len_bytes / page_bytes, Owner::Program)
    }

    fn take(&self, addresses: Range<usize>) -> Result<(), Errno> {
        self.pages.claim(addresses, Owner::Program)
    }

    /// Takes the pages between the regions of a range: all or none.
    fn take_gaps(&self, map: &Map, addresses: Range<usize>) -> Result<(), Errno> {
        let gap_after = |at: usize| {
            let next = map.first_in(at..addresses.end);
            let gap_end = next
                .as_ref()
                .map_or(addresses.end, |(piece, _)| piece.start);
            (
                at..gap_end,
                next.map_or(addresses.end, |(piece, _)| piece.end),
            )
        };
        let mut at = addresses.start;
        while at < addresses.end {
            let (gap, next) = gap_after(at);
            if !gap.is_empty() && self.take(gap.clone()).is_err() {
                let mut taken = addresses.start;
                while taken < at {
                    let (gap, next) = gap_after(taken);
                    if !gap.is_empty() {
                        self.pages.free(gap);
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
    fn drop_range(&self, map: &mut Map, addresses: Range<usize>) -> Result<(), Errno> {
        while let Some((piece, region)) = map.carve(addresses.clone()) {
            if self.is_ours(piece.clone()).is_err() || region.kind == Kind::Stack {
                continue;
            }
            self.make_writable(piece.clone(), region.protection)?;
            map.program_bytes -= piece.len();
            self.pages.free(piece);
        }
        Ok(())
    }

    fn make_writable(&self, pages: Range<usize>, protection: Protection) -> Result<(), Errno> {
        if protection != READ_WRITE {
            self.pages.protect(pages, READ_WRITE)?;
        }
        Ok(())
    }

    /// Changes the protection of a range that is mapped throughout.
    fn change(
        &self,
        map: &mut Map,
        addresses: Range<usize>,
        protection: Protection,
    ) -> Result<(), Errno> {
        if map.covers(addresses.clone(), |region| region.protection == protection) {
            return Ok(());
        }
        let is_enforced = self.pages.protect(addresses.clone(), protection)?;
        let was_executable =
            |map: &Map| map.covers(addresses.clone(), |region| region.protection.execute);
        if protection.execute && !is_enforced && !was_executable(map) {
            return Err(Errno::EACCES);
        }
        let mut at = addresses.start;
        while let Some((piece, region)) = map.carve(at..addresses.end) {
            at = piece.end;
            map.insert(
                piece.start,
                Region {
                    end: piece.end,
                    protection,
                    ..region
                },
            );
        }
        Ok(())
    }

    fn note_peak(&self, map: &mut Map) {
        let (count, free) = self.pages.count();
        map.peak_bytes = map.peak_bytes.max((count - free) * self.page_bytes());
    }
}

impl Region {
    fn new(end: usize, protection: Protection, kind: Kind) -> Self {
        Self {
            end,
            protection,
            kind,
        }
    }

    fn joins(&self, other: &Self) -> bool {
        self.protection == other.protection && self.kind == other.kind
    }
}

impl Map {
    /// The first region that has addresses in the range, cut to the range. The region's own end is
    /// not cut.
    fn first_in(&self, addresses: Range<usize>) -> Option<(Range<usize>, Region)> {
        let before = self.regions.range(..=addresses.start).next_back();
        let (&start, &region) = before
            .filter(|(_, region)| region.end > addresses.start)
            .or_else(|| self.regions.range(addresses.clone()).next())?;
        let piece = start.max(addresses.start)..region.end.min(addresses.end);
        (!piece.is_empty()).then_some((piece, region))
    }

    /// Whether regions for which `is_fine` holds cover the range without gaps.
    fn covers(&self, addresses: Range<usize>, is_fine: impl Fn(&Region) -> bool) -> bool {
        let mut at = addresses.start;
        while at < addresses.end {
            match self.first_in(at..addresses.end) {
                Some((piece, region)) if piece.start == at && is_fine(&region) => at = piece.end,
                _ => return false,
            }
        }
        true
    }

    /// Takes the first piece of a range out of the map.
    fn carve(&mut self, addresses: Range<usize>) -> Option<(Range<usize>, Region)> {
        let (piece, region) = self.first_in(addresses)?;
        let (&start, _) = self.regions.range(..=piece.start).next_back()?;
        self.regions.remove(&start);
        if start < piece.start {
            self.regions.insert(
                start,
                Region {
                    end: piece.start,
                    ..region
                },
            );
        }
        if piece.end < region.end {
            self.regions.insert(piece.end, region);
        }
        Some((piece, region))
    }

    /// Puts a region where there is none, joined with its neighbours if they are alike.
    fn insert(&mut self, mut start: usize, mut region: Region) {
        if let Some((&below, neighbour)) = self.regions.range(..start).next_back()
            && neighbour.end == start
            && neighbour.joins(&region)
        {
            self.regions.remove(&below);
            start = below;
        }
        if let Some(neighbour) = self.regions.get(&region.end)
            && neighbour.joins(&region)
        {
            let end = neighbour.end;
            self.regions.remove(&region.end);
            region.end = end;
        }
        self.regions.insert(start, region);
    }
}

/// Makes sure that the heap has room for a change of the map, before anything is changed.
fn has_heap_for_change() -> Result<(), Errno> {
    // Blocks of a node's size: a heap may have others and yet none of these.
    let mut nodes = [const { Vec::<u8>::new() }; CHANGE_NODES];
    for node in &mut nodes {
        node.try_reserve_exact(NODE_BYTES)
            .map_err(|_| Errno::ENOMEM)?;
    }
    // Otherwise the compiler may leave it out, since nothing uses them.
    core::hint::black_box(&nodes);
    Ok(())
}
