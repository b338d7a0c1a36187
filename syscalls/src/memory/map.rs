//! The region map: what is mapped where, and what may be done there.
//!
//! A look-up costs O(log n). Where addresses are memory, regions own their pages from the start;
//! where the platform translates addresses, `lazy` says when they get some. The image and the boot
//! stack do not own theirs. Memory that a change of the map itself needs is looked for before
//! anything is changed, so that `ENOMEM` leaves all as it was.

use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::Errno;
use muslin_platform::{Paging, Platform, Protection};

use super::gaps::Gaps;
use super::kinds::{Access, Kind, Place, READ_WRITE, Usage};
use super::pages::{Owner, Pages};
use super::regions::{Region, Regions};
use super::report::Report;
use super::shared::{SharedPage, Shown};
use crate::lock::Mutex;

/// Free pages that hold what a change of the map may need of the kernel's heap: nodes of the trees,
/// for regions that are split off at the ends, one that is put in between, and gaps.
const CHANGE_PAGES: usize = 4;

/// What is mapped where.
pub struct AddressSpace {
    pub(super) pages: &'static Pages,
    /// Where the platform translates addresses: mappings get memory when they are touched.
    pub(super) paging: Option<&'static dyn Paging>,
    pub(super) map: Mutex<Map>,
    pub(super) report: Report,
}

pub(super) struct Map {
    pub regions: Regions,
    /// Addresses without a region, where addresses are more than memory.
    pub gaps: Option<Gaps>,
    /// The pages of files that are mapped, by address; as often as they are mapped there.
    pub shared: Vec<Shown>,
    /// Where the break starts: chosen when it is first asked for.
    pub break_start: Option<usize>,
    pub break_end: usize,
    pub program_bytes: usize,
    pub peak_bytes: usize,
}

impl AddressSpace {
    /// A map with nothing but the platform's boot stack.
    pub fn new(platform: &dyn Platform, pages: &'static Pages) -> Self {
        let stack = platform.memory().stack();
        let paging = pages.paging();
        let space = Self {
            pages,
            paging,
            map: Mutex::new(Map {
                regions: Regions::default(),
                gaps: paging.map(|paging| Gaps::new(paging.addresses())),
                shared: Vec::new(),
                break_start: None,
                break_end: 0,
                program_bytes: 0,
                peak_bytes: 0,
            }),
            report: Report::default(),
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

    pub(super) fn add(&self, addresses: Range<usize>, protection: Protection, kind: Kind) {
        let region = Region::new(addresses.start, protection, kind);
        self.map.lock().regions.insert(addresses.end, region);
    }

    /// Size of a page in bytes.
    pub fn page_bytes(&self) -> usize {
        self.pages.page_bytes()
    }

    /// Who holds how much.
    pub fn usage(&self) -> Usage {
        let (count, free) = self.pages.count();
        let held_bytes = |owner| self.pages.held(owner) * self.page_bytes();
        Usage {
            total: count * self.page_bytes(),
            free: free * self.page_bytes(),
            program: held_bytes(Owner::Program),
            files: held_bytes(Owner::Files),
            kernel: held_bytes(Owner::Kernel),
            tables: held_bytes(Owner::Tables),
            peak: self.map.lock().peak_bytes,
        }
    }

    /// Addresses that are the program's by `mmap` and `brk`, in bytes.
    pub fn mapped_bytes(&self) -> usize {
        self.map.lock().program_bytes
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
        let mut map = self.map.lock();
        let regions = map.regions.iter();
        regions
            .map(|(addresses, region)| (addresses, region.protection, region.kind))
            .collect()
    }

    /// Whether the program may do this with all of `len_bytes` bytes at `address`.
    ///
    /// # Errors
    /// `EFAULT`: not with all of them.
    pub fn check(&self, address: usize, len_bytes: usize, access: Access) -> Result<(), Errno> {
        let is_allowed = |protection: &Protection| match access {
            Access::Read => protection.read,
            Access::Write => protection.write,
        };
        let mut map = self.map.lock();
        if let Some(protection) = map.regions.latest(address, len_bytes) {
            return is_allowed(protection).then_some(()).ok_or(Errno::EFAULT);
        }
        if len_bytes == 0 {
            return Ok(());
        }
        let end = address.checked_add(len_bytes).ok_or(Errno::EFAULT)?;
        if map.regions.allow(address..end, is_allowed) {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Whether all of these addresses are mapped, whatever may be done there.
    pub fn is_mapped(&self, addresses: Range<usize>) -> bool {
        self.map.lock().regions.covers(addresses, |_| true)
    }

    /// Whether the mapping at an address shows pages of a file that others see as well.
    pub fn is_of_file(&self, address: usize) -> bool {
        let is_shared = |region: &Region| matches!(region.kind, Kind::Shared { .. });
        let page = address..address.saturating_add(1);
        self.map.lock().regions.covers(page, is_shared)
    }

    /// Maps `len_bytes` bytes, rounded up to whole pages, which read as zeros; the address.
    ///
    /// # Errors
    /// `EINVAL` no bytes, or a fixed address that is not a page's · `ENOMEM` no room, or a fixed
    /// address where there can be no mapping · `EEXIST` for [`Place::Free`] · `EACCES` the platform
    /// cannot make memory executable.
    pub fn map(
        &self,
        place: Place,
        len_bytes: usize,
        protection: Protection,
        kind: Kind,
    ) -> Result<usize, Errno> {
        let len_bytes = self.whole_pages(len_bytes)?;
        self.has_heap_for_change()?;
        let mut map = self.map.lock();
        if let Some(paging) = self.paging {
            return self.map_lazily(&mut map, paging, place, len_bytes, protection, kind);
        }
        let start = match place {
            Place::Hint(hint) => self.take_near(hint, len_bytes)?,
            Place::Replace(start) | Place::Free(start) => {
                let end = self.end_of(start, len_bytes)?;
                if matches!(place, Place::Free(_)) && map.regions.first_in(start..end).is_some() {
                    return Err(Errno::EEXIST);
                }
                self.take_place(&mut map, start..end)?;
                start
            }
        };
        let end = start + len_bytes;
        map.program_bytes += len_bytes;
        map.regions
            .insert(end, Region::new(start, READ_WRITE, kind));
        self.note_peak(&mut map);
        if protection != READ_WRITE
            && let Err(errno) = self.change(&mut map, start..end, protection)
        {
            self.drop_range(&mut map, start..end)?;
            return Err(errno);
        }
        Ok(start)
    }

    /// Shows pages of a file at new addresses, one behind the other, where the platform translates
    /// them; the lowest.
    ///
    /// # Errors
    /// As [`map`](Self::map); `ENODEV` addresses are memory here.
    pub fn map_shared(
        &self,
        place: Place,
        protection: Protection,
        can_write: bool,
        mut pages: Vec<Shown>,
    ) -> Result<usize, Errno> {
        let paging = self.paging.ok_or(Errno::ENODEV)?;
        let len_bytes = self.whole_pages(pages.len() * self.page_bytes())?;
        self.has_heap_for_change()?;
        let mut map = self.map.lock();
        map.has_room_to_share(&pages)?;
        let kind = Kind::Shared { can_write };
        let start = self.map_lazily(&mut map, paging, place, len_bytes, protection, kind)?;
        let mut next = start;
        for (address, page) in &mut pages {
            if page.is_in_file() {
                paging.back(next, page.address(), protection);
            }
            *address = next;
            next += self.page_bytes();
        }
        map.share(pages);
        Ok(start)
    }

    /// Has a region be the place of pages of a file, one behind the other, where addresses are
    /// memory: once more if it is already.
    ///
    /// # Errors
    /// `ENOMEM` no memory to note it.
    pub fn adopt_shared(
        &self,
        protection: Protection,
        can_write: bool,
        pages: Vec<Shown>,
    ) -> Result<usize, Errno> {
        let start = pages.first().ok_or(Errno::EINVAL)?.0;
        self.has_heap_for_change()?;
        let mut map = self.map.lock();
        map.has_room_to_share(&pages)?;
        let end = start + pages.len() * self.page_bytes();
        let mut at = start;
        let mut allowed = protection;
        while let Some((piece, before)) = map.regions.carve(at..end) {
            at = piece.end;
            allowed = union(allowed, before.protection);
        }
        let region = Region::new(start, allowed, Kind::Shared { can_write });
        map.regions.insert(end, region);
        map.share(pages);
        Ok(start)
    }

    /// Pages that were mapped for the content of a file are the file's from here on, and not mapped.
    pub fn give_to_files(&self, start: usize, len_bytes: usize) -> Result<(), Errno> {
        let len_bytes = self.whole_pages(len_bytes)?;
        self.has_heap_for_change()?;
        let mut map = self.map.lock();
        while map.regions.carve(start..start + len_bytes).is_some() {}
        map.program_bytes -= len_bytes;
        self.pages.hand_to_files(len_bytes / self.page_bytes());
        Ok(())
    }

    /// The allocator of the pages.
    pub fn pages(&self) -> &'static Pages {
        self.pages
    }

    /// Whether the platform translates addresses.
    pub fn is_translated(&self) -> bool {
        self.paging.is_some()
    }

    /// Has `write` fill a page that is mapped, readable and writable.
    ///
    /// # Errors
    /// `EFAULT` it is not · what `write` answers.
    pub fn fill_page(
        &self,
        page: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.check(page, self.page_bytes(), Access::Write)?;
        let frame = match self.paging {
            Some(paging) => {
                let pages = page..page + self.page_bytes();
                if paging.first_backed(pages.clone()).is_none() {
                    self.fault(page, true, true);
                }
                paging.first_backed(pages).ok_or(Errno::EFAULT)?.1
            }
            None => page,
        };
        self.pages.with_bytes(frame, write)
    }

    /// Unmaps all that is mapped in these pages.
    ///
    /// # Errors
    /// `EINVAL` no bytes, or not a page's address · `ENOMEM` no memory to note it.
    pub fn unmap(&self, start: usize, len_bytes: usize) -> Result<(), Errno> {
        let len_bytes = self.whole_pages(len_bytes).map_err(|_| Errno::EINVAL)?;
        self.page(start)?;
        let end = start.checked_add(len_bytes).ok_or(Errno::EINVAL)?;
        // Less than a change asks for: this one leaves more.
        self.has_heap(1)?;
        self.drop_range(&mut self.map.lock(), start..end)
    }

    /// Changes what may be done with these pages.
    ///
    /// # Errors
    /// `EINVAL` not a page's address · `ENOMEM` not all of it is mapped, or no memory for it or to
    /// note it · `EACCES` the platform cannot make memory executable, or the file is not open for
    /// writing.
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
        self.has_heap_for_change()?;
        let mut map = self.map.lock();
        if !map.regions.covers(start..end, |_| true) {
            return Err(Errno::ENOMEM);
        }
        let is_read_only = |region: &Region| region.kind == Kind::Shared { can_write: false };
        let can_be = |region: &Region| !protection.write || !is_read_only(region);
        if !map.regions.covers(start..end, can_be) {
            return Err(Errno::EACCES);
        }
        match self.paging {
            Some(paging) if self.is_ours(start..end).is_ok() => {
                self.change_lazily(&mut map, paging, start..end, protection)
            }
            _ => self.change(&mut map, start..end, protection),
        }
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
        let mut map = self.map.lock();
        let mut at = start;
        while let Some((piece, region, _)) = map.regions.first_in(at..end) {
            at = piece.end;
            if !matches!(region.kind, Kind::Anonymous | Kind::Sparse | Kind::Break) {
                continue;
            }
            if let Some(paging) = self.paging {
                self.discard_lazily(paging, piece, region);
                continue;
            }
            self.make_writable(piece.clone(), region.protection)?;
            self.pages.clear(piece.clone());
            if region.protection != READ_WRITE {
                self.pages.protect(piece, region.protection)?;
            }
        }
        if map.regions.covers(start..end, |_| true) {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// Where mappings can be.
    pub(super) fn addresses(&self) -> Range<usize> {
        match self.paging {
            Some(paging) => paging.addresses(),
            None => self.pages.range(),
        }
    }

    /// A number of bytes as whole pages.
    pub(super) fn whole_pages(&self, len_bytes: usize) -> Result<usize, Errno> {
        match len_bytes.checked_next_multiple_of(self.page_bytes()) {
            Some(0) => Err(Errno::EINVAL),
            Some(len_bytes) => Ok(len_bytes),
            None => Err(Errno::ENOMEM),
        }
    }

    pub(super) fn page(&self, address: usize) -> Result<(), Errno> {
        if address.is_multiple_of(self.page_bytes()) {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// Where a fixed mapping ends; it must be where mappings can be.
    pub(super) fn end_of(&self, start: usize, len_bytes: usize) -> Result<usize, Errno> {
        self.page(start)?;
        let end = start.checked_add(len_bytes).ok_or(Errno::ENOMEM)?;
        self.is_ours(start..end)?;
        Ok(end)
    }

    pub(super) fn is_ours(&self, addresses: Range<usize>) -> Result<(), Errno> {
        let ours = self.addresses();
        if addresses.start >= ours.start && addresses.end <= ours.end {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// Changes the protection of a range that is mapped throughout.
    pub(super) fn change(
        &self,
        map: &mut Map,
        addresses: Range<usize>,
        protection: Protection,
    ) -> Result<(), Errno> {
        let is_so = |region: &Region| region.protection == protection;
        if map.regions.covers(addresses.clone(), is_so) {
            return Ok(());
        }
        // Pages of files stay writable below: the library OS writes to them as well.
        let has_shared = !map.shared_in(addresses.clone()).is_empty();
        let is_enforced = !has_shared && self.pages.protect(addresses.clone(), protection)?;
        let was_executable = |region: &Region| region.protection.execute;
        if protection.execute
            && !is_enforced
            && !map.regions.covers(addresses.clone(), was_executable)
        {
            return Err(Errno::EACCES);
        }
        let mut at = addresses.start;
        while let Some((piece, region)) = map.regions.carve(at..addresses.end) {
            at = piece.end;
            let changed = Region {
                start: piece.start,
                protection,
                ..region
            };
            map.regions.insert(piece.end, changed);
        }
        Ok(())
    }

    pub(super) fn note_peak(&self, map: &mut Map) {
        let (count, free) = self.pages.count();
        map.peak_bytes = map.peak_bytes.max((count - free) * self.page_bytes());
    }

    /// Makes sure that the heap has room for a change of the map, before anything is changed.
    pub(super) fn has_heap_for_change(&self) -> Result<(), Errno> {
        self.has_heap(CHANGE_PAGES)
    }

    pub(super) fn has_heap(&self, pages: usize) -> Result<(), Errno> {
        if self.pages.has_for_kernel(pages) {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }
}

impl Map {
    /// Has room for the notes that these pages are mapped.
    pub fn has_room_to_share(&mut self, pages: &[Shown]) -> Result<(), Errno> {
        self.shared
            .try_reserve(pages.len())
            .map_err(|_| Errno::ENOMEM)
    }

    /// Notes that pages are mapped, which are in the order of their addresses; also where they are
    /// mapped already. The list is gone through once, from its end.
    pub fn share(&mut self, pages: Vec<Shown>) {
        let mut left = self.shared.len();
        // Places for as many, to which the last entries move.
        self.shared.extend_from_slice(&pages);
        let mut free = self.shared.len();
        for page in pages.into_iter().rev() {
            while left > 0 && self.shared[left - 1].0 > page.0 {
                left -= 1;
                free -= 1;
                self.shared.swap(left, free);
            }
            free -= 1;
            self.shared[free] = page;
        }
    }

    /// Where the pages of files that are mapped in a range are in the list.
    pub fn shared_in(&self, addresses: Range<usize>) -> Range<usize> {
        let from = |end: usize| self.shared.partition_point(|&(address, _)| address < end);
        from(addresses.start)..from(addresses.end)
    }

    /// The page of a file that is mapped at an address.
    pub fn shared_at(&self, page: usize) -> Option<&SharedPage> {
        let (address, shared) = self.shared.get(self.shared_in(page..page).start)?;
        (*address == page).then_some(&**shared)
    }
}

/// What either allows.
fn union(one: Protection, other: Protection) -> Protection {
    Protection {
        read: one.read || other.read,
        write: one.write || other.write,
        execute: one.execute || other.execute,
    }
}

impl Region {
    /// A region whose memory is there.
    pub fn new(start: usize, protection: Protection, kind: Kind) -> Self {
        Self {
            start,
            protection,
            kind,
            is_promised: true,
        }
    }
}
