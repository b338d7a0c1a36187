//! The page allocator: which pages of the platform's memory are in use, and by whom.
//!
//! What it knows is kept in the pages before those that it manages, so that the kernel's heap can grow
//! by it before there is a heap: a bit a page for "in use", one for "holds something", and a tree of
//! the runs of free pages ([`Runs`]). The break grows from the bottom up, all else is taken from the
//! top down. The last run that was taken from stays at hand, outside of the tree, so that taking pages
//! and giving them back costs no more than moving its end.
//!
//! Pages are cleared when they are handed out and only if they hold something. Nothing is called
//! while the lock is held.

use core::ops::Range;

use muslin_abi::Errno;
use muslin_platform::{Memory, Paging, Protection};

use super::runs::{Lack, Runs};
use crate::lock::Mutex;

const BITS: usize = u64::BITS as usize;

/// The program leaves one page in this many to the library OS, so that answering `ENOMEM` never
/// runs out of memory itself.
const RESERVE_SHARE: usize = 64;

/// Least and most pages that are kept for the library OS.
pub(super) const RESERVE_PAGES_MIN: usize = 16;
const RESERVE_PAGES_MAX: usize = 256;

/// Free pages below those that were asked for, which are kept at hand with them.
const AT_HAND_PAGES: usize = 64;

/// From this many pages in a row on, a platform that takes pages back is asked to.
const DISCARD_PAGES_MIN: usize = 16;

/// From this many pages in a row on, a page is looked at before it is cleared: writing to one that
/// was never touched makes the host find memory. Looking takes longer than clearing.
const LOOK_PAGES_MIN: usize = 1024;

/// Words of a page that are looked at together.
const LOOK_WORDS: usize = 16;

/// Who asks for pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The program, by `mmap` or `brk`.
    Program,
    /// The content of files.
    Files,
    /// The library OS, for its heap.
    Kernel,
    /// The library OS, for tables of address translation.
    Tables,
}

/// The pages of the platform's memory.
pub struct Pages {
    memory: &'static dyn Memory,
    start: usize,
    count: usize,
    /// Pages before these, which hold what is known of them.
    own_count: usize,
    page_bytes: usize,
    reserve: usize,
    /// Has the library OS give back what it holds and does not use; whether there was any.
    reclaim: fn() -> bool,
    map: Mutex<Map>,
}

struct Map {
    /// A set bit is a page in use, or one at hand.
    used: &'static mut [u64],
    /// A set bit is a page that may hold something else than zeros.
    dirty: &'static mut [u64],
    runs: Runs,
    /// The tree of runs has begun: not before it is needed, which many programs do without.
    has_runs: bool,
    free: usize,
    /// Free pages that mappings may still ask for: see [`Pages::promise`].
    promised: usize,
    /// Free pages that pages are taken from first.
    at_hand: Range<usize>,
    /// There are no runs of so many pages above those at hand.
    at_hand_fits: usize,
    /// By [`Owner`].
    held: [usize; 4],
}

impl Pages {
    /// The pages of `memory`, all free but those of the boot stack, if that is among them. They read
    /// as zeros. The first few hold what this knows of the others.
    ///
    /// # Safety
    /// Nothing else uses the memory's range, and no second `Pages` is made of it.
    pub unsafe fn new(memory: &'static dyn Memory) -> Self {
        let page_bytes = memory.page_bytes();
        let own_start = memory.range().start.next_multiple_of(page_bytes);
        let all = memory.range().end.saturating_sub(own_start) / page_bytes;
        let words_count = all.div_ceil(BITS);
        let nodes_count = Runs::nodes_count(words_count);
        let words_bytes = words_count * size_of::<u64>();
        let own_bytes = 2 * words_bytes + nodes_count * size_of::<Lack>();
        let own_pages = own_bytes.div_ceil(page_bytes);
        assert!(all > own_pages, "the platform has no memory to manage");
        let (start, count) = (own_start + own_pages * page_bytes, all - own_pages);
        let words_count = count.div_ceil(BITS);
        // SAFETY: 1. The range is ours alone, says the caller, and these are parts of its first
        // pages that do not overlap. 2. Pages are aligned for u64, and so are the parts. 3. Every
        // pattern of bits is a value.
        let (used, dirty, nodes) = unsafe {
            (
                core::slice::from_raw_parts_mut(own_start as *mut u64, words_count),
                core::slice::from_raw_parts_mut((own_start + words_bytes) as *mut u64, words_count),
                core::slice::from_raw_parts_mut(
                    (own_start + 2 * words_bytes) as *mut Lack,
                    nodes_count,
                ),
            )
        };
        let beyond = count % BITS;
        if beyond != 0 {
            used[words_count - 1] = u64::MAX << beyond;
        }
        let mut map = Map {
            runs: Runs::new(nodes, words_count),
            has_runs: false,
            used,
            dirty,
            free: count,
            promised: 0,
            at_hand: 0..0,
            at_hand_fits: usize::MAX,
            held: [0; 4],
        };
        let stack = memory.stack();
        let stack_start = (stack.start.max(start) - start) / page_bytes;
        let stack_end = (stack.end.max(start) - start).div_ceil(page_bytes);
        let stack = stack_start..stack_end.min(count);
        if stack.is_empty() {
            let top = count.saturating_sub(AT_HAND_PAGES)..count;
            map.mark_used(top.clone(), true);
            map.at_hand = top;
            map.at_hand_fits = 0;
        } else {
            map.free -= stack.len();
            map.set(stack, true);
        }
        Self {
            memory,
            start,
            count,
            own_count: own_pages,
            page_bytes,
            reserve: (count / RESERVE_SHARE).clamp(RESERVE_PAGES_MIN, RESERVE_PAGES_MAX),
            reclaim: || false,
            map: Mutex::new(map),
        }
    }

    /// The same, with what to call when there are too few pages: it gives back pages that the library
    /// OS holds and does not use, and says whether there were any. No lock of ours is held then.
    #[must_use]
    pub fn reclaiming(self, reclaim: fn() -> bool) -> Self {
        Self { reclaim, ..self }
    }

    /// What `attempt` answers, again if it lacked memory and some came back.
    fn with_reclaim<T>(&self, attempt: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        match attempt() {
            Err(Errno::ENOMEM) if (self.reclaim)() => attempt(),
            answer => answer,
        }
    }

    /// Takes `count` pages in a row, as near to the top as there are; the address of the first.
    /// They hold what whoever had them before left there.
    ///
    /// # Errors
    /// `ENOMEM`: there are not as many in a row, or the program asks for what is kept for the
    /// library OS.
    pub fn allocate(&self, count: usize, owner: Owner) -> Result<usize, Errno> {
        self.take(count, owner, false)
    }

    /// As [`allocate`](Self::allocate), but they read as zeros.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    pub fn allocate_zeroed(&self, count: usize, owner: Owner) -> Result<usize, Errno> {
        self.take(count, owner, true)
    }

    fn take(&self, count: usize, owner: Owner, is_zeroed: bool) -> Result<usize, Errno> {
        self.with_reclaim(|| {
            let mut map = self.map.lock();
            if count == 0 || count > self.available(&map, owner) {
                return Err(Errno::ENOMEM);
            }
            let first = map.take(count).ok_or(Errno::ENOMEM)?;
            Ok(self.hand_out(&mut map, first..first + count, owner, is_zeroed))
        })
    }

    /// Takes these pages, if all of them are free. They read as zeros.
    ///
    /// # Errors
    /// `EEXIST` one of them is in use · `ENOMEM` they are not pages of the memory, or the program
    /// asks for what is kept for the library OS.
    pub fn claim(&self, addresses: Range<usize>, owner: Owner) -> Result<(), Errno> {
        if addresses.start < self.start || addresses.end > self.range().end {
            return Err(Errno::ENOMEM);
        }
        self.with_reclaim(|| self.claim_pages(self.numbers(&addresses), owner))
    }

    fn claim_pages(&self, pages: Range<usize>, owner: Owner) -> Result<(), Errno> {
        let mut map = self.map.lock();
        let is_available = pages.len() <= self.available(&map, owner);
        if pages.start == map.at_hand.start && pages.end <= map.at_hand.end && is_available {
            map.at_hand.start = pages.end;
        } else {
            map.put_back();
            if map.has_used(pages.clone()) {
                return Err(Errno::EEXIST);
            }
            if !is_available {
                return Err(Errno::ENOMEM);
            }
            map.set(pages.clone(), true);
        }
        self.hand_out(&mut map, pages, owner, true);
        Ok(())
    }

    fn hand_out(&self, map: &mut Map, pages: Range<usize>, owner: Owner, is_zeroed: bool) -> usize {
        map.free -= pages.len();
        map.held[owner as usize] += pages.len();
        if is_zeroed {
            let looks_first = pages.len() >= LOOK_PAGES_MIN;
            for page in pages.clone().filter(|&page| map.is_dirty(page)) {
                self.zero(page, looks_first);
            }
        }
        self.start + pages.start * self.page_bytes
    }

    /// Gives pages back. They must be writable.
    pub fn free(&self, addresses: Range<usize>, owner: Owner) {
        let pages = self.numbers(&addresses);
        let is_clean =
            pages.len() >= DISCARD_PAGES_MIN && self.memory.discard(addresses.clone()).is_ok();
        let mut map = self.map.lock();
        let is_at_hand = pages.start < map.at_hand.end && map.at_hand.start < pages.end;
        assert!(
            !is_at_hand && !map.has_free(pages.clone()),
            "pages {addresses:x?} are free already"
        );
        map.free += pages.len();
        map.held[owner as usize] -= pages.len();
        map.mark(pages.clone(), !is_clean);
        map.give(pages);
    }

    /// Sets `count` free pages aside, which [`redeem`](Self::redeem) gives one by one and never
    /// fails to.
    ///
    /// # Errors
    /// `ENOMEM`: the program asks for what is kept for the library OS.
    pub fn promise(&self, count: usize) -> Result<(), Errno> {
        self.with_reclaim(|| {
            let mut map = self.map.lock();
            if count > self.available(&map, Owner::Program) {
                return Err(Errno::ENOMEM);
            }
            map.promised += count;
            Ok(())
        })
    }

    /// Pages that were set aside are not needed any more.
    pub fn release_promise(&self, count: usize) {
        self.map.lock().promised -= count;
    }

    /// One of the pages that were set aside: zeros. It is the program's.
    pub fn redeem(&self) -> usize {
        let mut map = self.map.lock();
        assert!(map.promised > 0, "a page was not promised");
        map.promised -= 1;
        let page = map.take(1).unwrap_or_else(|| unreachable!("it is free"));
        self.hand_out(&mut map, page..page + 1, Owner::Program, true)
    }

    /// A page of the program's goes back to those that are set aside.
    pub fn undo_redeem(&self, frame: usize) {
        self.free(frame..frame + self.page_bytes, Owner::Program);
        self.map.lock().promised += 1;
    }

    /// Pages of the program become those of files.
    pub(super) fn hand_to_files(&self, count: usize) {
        let mut map = self.map.lock();
        map.held[Owner::Program as usize] -= count;
        map.held[Owner::Files as usize] += count;
    }

    /// Makes pages read as zeros. They must be writable, and in use by whoever asks.
    pub(super) fn clear(&self, addresses: Range<usize>) {
        let pages = self.numbers(&addresses);
        assert!(pages.end <= self.count, "{addresses:x?} are not our pages");
        if pages.len() >= DISCARD_PAGES_MIN && self.memory.discard(addresses).is_ok() {
            return;
        }
        let looks_first = pages.len() >= LOOK_PAGES_MIN;
        for page in pages {
            self.zero(page, looks_first);
        }
    }

    /// Clears a page of ours.
    fn zero(&self, page: usize, looks_first: bool) {
        let words_count = self.page_bytes / size_of::<u64>();
        let start = (self.start + page * self.page_bytes) as *mut u64;
        // SAFETY: 1. A page of ours, aligned for u64. 2. In use by the caller, or just taken; nobody
        // uses it meanwhile: one thread runs at a time.
        let words = unsafe { core::slice::from_raw_parts_mut(start, words_count) };
        let mut groups = words.chunks_exact(LOOK_WORDS);
        let holds = |group: &[u64]| group.iter().fold(0, |all, &word| all | word) != 0;
        if !looks_first || groups.any(holds) {
            words.fill(0);
        }
    }

    /// Copies whole pages, which do not overlap. Both sides must be in use by whoever asks.
    pub(super) fn copy(&self, from: Range<usize>, to: usize) {
        let within =
            |pages: Range<usize>| pages.start >= self.start && pages.end <= self.range().end;
        assert!(within(from.clone()) && within(to..to + from.len()));
        // SAFETY: 1. Both are in our memory and in use by the caller, who does not use them
        // meanwhile. 2. The caller says that they do not overlap.
        unsafe {
            core::ptr::copy_nonoverlapping(from.start as *const u8, to as *mut u8, from.len());
        }
    }

    /// The bytes of a page that is in use by whoever asks.
    pub(super) fn bytes(&self, address: usize) -> *mut [u8] {
        let page = self.numbers(&(address..address + self.page_bytes));
        assert!(page.end <= self.count, "{address:#x} is not our page");
        core::ptr::slice_from_raw_parts_mut(address as *mut u8, self.page_bytes)
    }

    /// Has `write` change a page that is in use by whoever asks.
    pub(super) fn with_bytes<T>(&self, address: usize, write: impl FnOnce(&mut [u8]) -> T) -> T {
        // SAFETY: 1. A page of ours, in use by the caller. 2. Nobody else touches it meanwhile: one
        // thread runs at a time.
        write(unsafe { &mut *self.bytes(address) })
    }

    /// Changes what may be done with pages. `Ok(false)`: the platform cannot.
    pub(crate) fn protect(
        &self,
        addresses: Range<usize>,
        protection: Protection,
    ) -> Result<bool, Errno> {
        match self.memory.protect(addresses, protection) {
            Ok(()) => Ok(true),
            Err(Errno::ENOSYS) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Address translation, where there is some.
    pub(crate) fn paging(&self) -> Option<&'static dyn Paging> {
        self.memory.paging()
    }

    /// The addresses of all pages.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.count * self.page_bytes
    }

    /// Size of a page in bytes.
    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Pages, and how many of them are free and not set aside.
    pub fn count(&self) -> (usize, usize) {
        let map = self.map.lock();
        (self.own_count + self.count, map.free - map.promised)
    }

    /// How many pages someone holds.
    pub fn held(&self, owner: Owner) -> usize {
        self.map.lock().held[owner as usize]
    }

    /// Whether `count` free pages are left for the library OS.
    pub(super) fn has_for_kernel(&self, count: usize) -> bool {
        self.available(&self.map.lock(), Owner::Kernel) >= count
    }

    /// Whether at least half of the pages that are kept for the library OS are free.
    pub(super) fn has_room_for_kernel(&self) -> Result<(), Errno> {
        self.with_reclaim(|| {
            let is_enough = self.has_for_kernel(self.reserve / 2);
            is_enough.then_some(()).ok_or(Errno::ENOMEM)
        })
    }

    /// The lowest page that is free, if any is.
    pub(super) fn lowest_free(&self) -> Option<usize> {
        let mut map = self.map.lock();
        map.put_back();
        let word = map.used.iter().position(|&word| word != u64::MAX)?;
        let page = word * BITS + map.used[word].trailing_ones() as usize;
        Some(self.start + page * self.page_bytes)
    }

    fn available(&self, map: &Map, owner: Owner) -> usize {
        let free = map.free - map.promised;
        match owner {
            Owner::Kernel => free,
            Owner::Program | Owner::Files | Owner::Tables => free.saturating_sub(self.reserve),
        }
    }

    fn numbers(&self, addresses: &Range<usize>) -> Range<usize> {
        assert!(
            addresses.start >= self.start
                && addresses.start.is_multiple_of(self.page_bytes)
                && addresses.end.is_multiple_of(self.page_bytes),
            "{addresses:x?} are not whole pages of ours"
        );
        (addresses.start - self.start) / self.page_bytes
            ..(addresses.end - self.start) / self.page_bytes
    }
}

impl Map {
    fn is_dirty(&self, page: usize) -> bool {
        self.dirty[page / BITS] >> (page % BITS) & 1 == 1
    }

    /// The highest `count` free pages in a row: the first of them. They are in use from here on.
    fn take(&mut self, count: usize) -> Option<usize> {
        if count < self.at_hand_fits || count > self.at_hand.len() {
            self.put_back();
            self.begin_runs();
            let first = self.runs.find_highest(self.used, count)?;
            let mut low = first;
            // Word by word, so there may be a few more.
            while low > 0 && first - low < AT_HAND_PAGES {
                let word = (low - 1) / BITS;
                let bits = low - word * BITS;
                let free = (self.used[word] << (BITS - bits)).leading_zeros() as usize;
                low -= free.min(bits);
                if free < bits {
                    break;
                }
            }
            self.set(low..first + count, true);
            self.at_hand = low..first + count;
            self.at_hand_fits = count;
        }
        self.at_hand.end -= count;
        Some(self.at_hand.end)
    }

    /// Pages are not in use any more.
    fn give(&mut self, pages: Range<usize>) {
        if pages.start == self.at_hand.end {
            self.at_hand.end = pages.end;
        } else if pages.end == self.at_hand.start {
            self.at_hand.start = pages.start;
        } else {
            if pages.start > self.at_hand.end {
                self.at_hand_fits = usize::MAX;
            }
            self.set(pages, false);
        }
    }

    /// What is at hand is in the tree again.
    fn put_back(&mut self) {
        let pages = core::mem::replace(&mut self.at_hand, 0..0);
        self.at_hand_fits = usize::MAX;
        if !pages.is_empty() {
            self.set(pages, false);
        }
    }

    /// The pages as words: index, and the bits that are meant.
    fn masks(pages: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let mut page = pages.start;
        core::iter::from_fn(move || {
            if page >= pages.end {
                return None;
            }
            let bit = page % BITS;
            let bits = (BITS - bit).min(pages.end - page);
            let item = (page / BITS, (u64::MAX >> (BITS - bits)) << bit);
            page += bits;
            Some(item)
        })
    }

    fn has_used(&self, pages: Range<usize>) -> bool {
        Self::masks(pages).any(|(word, mask)| self.used[word] & mask != 0)
    }

    fn has_free(&self, pages: Range<usize>) -> bool {
        Self::masks(pages).any(|(word, mask)| self.used[word] & mask != mask)
    }

    fn mark(&mut self, pages: Range<usize>, is_dirty: bool) {
        for (word, mask) in Self::masks(pages) {
            if is_dirty {
                self.dirty[word] |= mask;
            } else {
                self.dirty[word] &= !mask;
            }
        }
    }

    fn set(&mut self, pages: Range<usize>, is_used: bool) {
        self.begin_runs();
        self.mark_used(pages.clone(), is_used);
        self.runs
            .note(self.used, pages.start / BITS..pages.end.div_ceil(BITS));
    }

    /// Before the first use of the tree: until then pages come from those at hand, at the very top.
    fn begin_runs(&mut self) {
        if !self.has_runs {
            self.has_runs = true;
            self.runs.begin(self.used);
        }
    }

    fn mark_used(&mut self, pages: Range<usize>, is_used: bool) {
        for (word, mask) in Self::masks(pages) {
            if is_used {
                self.used[word] |= mask;
            } else {
                self.used[word] &= !mask;
            }
        }
    }
}
