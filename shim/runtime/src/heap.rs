//! The runtime's heap: for registrations, and for handlers that cannot use the program's malloc.
//!
//! Free blocks of one size hang in a lock-free list, so an allocation never waits: not for a thread
//! that a signal handler interrupted, not for one that a child of fork does not have. Memory comes
//! from the platform in chunks that are kept; classes of small blocks share one, page by page. Blocks
//! larger than the largest class are mappings. Without a kernel below, pages of free small blocks go
//! back when memory is short.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::raw;
#[cfg(feature = "bare")]
use crate::sorted;

/// Before each block that is handed out.
#[repr(C)]
struct Header {
    /// Index of the class, or `MAPPED`.
    class: u32,
    /// From the start of the block to what was handed out, in bytes.
    offset_bytes: u32,
    /// Length of the block in bytes.
    len_bytes: usize,
}

const HEADER_BYTES: usize = size_of::<Header>();
/// Sizes of the classes in bytes: a page with its header fits one of them closely.
const CLASS_BYTES: [usize; CLASSES] =
    [64, 128, 192, 256, 512, 1024, 2048, 4160, 8192, 16384, 32768];
const CLASSES: usize = 11;
const MAPPED: u32 = u32::MAX;
const PAGE_BYTES: usize = 4096;
/// What a header can tell of a block's start.
const ALIGN_BYTES_MAX: usize = 1 << 30;

/// A list of free blocks. The word holds the first block's address and, in the 16 bits above an
/// address, a count of changes, so that a list which changed and changed back is noticed.
pub struct FreeList(AtomicU64);

const ADDRESS_BITS: u64 = (1 << 48) - 1;
const CHANGE: u64 = 1 << 48;

impl FreeList {
    /// An empty list.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes a block.
    pub fn pop(&self) -> Option<*mut u8> {
        let mut head = self.0.load(Ordering::Acquire);
        loop {
            let block = (head & ADDRESS_BITS) as *const AtomicUsize;
            if block.is_null() {
                return None;
            }
            // SAFETY: chunks are never unmapped. If another thread took the block meanwhile, the
            // word is not a link, and the exchange below fails.
            let next = unsafe { (*block).load(Ordering::Relaxed) } as u64;
            let new = (head & !ADDRESS_BITS).wrapping_add(CHANGE) | (next & ADDRESS_BITS);
            match self
                .0
                .compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some(block as *mut u8),
                Err(current) => head = current,
            }
        }
    }

    /// Adds a block, whose first word becomes the list's.
    ///
    /// # Safety
    /// The block is free, of this list's size, and stays memory for ever.
    pub unsafe fn push(&self, block: *mut u8) {
        let link = block.cast::<AtomicUsize>();
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: as the caller promises.
            unsafe { (*link).store((head & ADDRESS_BITS) as usize, Ordering::Relaxed) };
            let new = (head & !ADDRESS_BITS).wrapping_add(CHANGE) | block as u64;
            match self
                .0
                .compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(current) => head = current,
            }
        }
    }
}

/// The blocks of a chunk that were never handed out. The word holds the first one's address and, in
/// the 16 bits above, how many there are: a chunk costs nothing until it is used.
struct Fresh(AtomicU64);

const COUNT: u64 = 1 << 48;

impl Fresh {
    fn take(&self, block_bytes: usize) -> Option<*mut u8> {
        let mut word = self.0.load(Ordering::Relaxed);
        while word >= COUNT {
            let new = word - COUNT + block_bytes as u64;
            match self
                .0
                .compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Some((word & ADDRESS_BITS) as *mut u8),
                Err(current) => word = current,
            }
        }
        None
    }

    /// Takes over blocks in a row, if there are none here; whether it did.
    fn put(&self, start: *mut u8, count: usize) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        let new = start as u64 | (count as u64 * COUNT);
        word < COUNT
            && self
                .0
                .compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }
}

/// Free blocks, and where new ones come from.
pub struct Heap {
    free: [FreeList; CLASSES],
    fresh: [Fresh; CLASSES],
    /// The pages of a chunk that no class has yet.
    pages: Fresh,
    map: fn(usize) -> Option<*mut u8>,
    unmap: unsafe fn(usize, usize),
}

/// The heap of registrations and handlers.
static HEAP: Heap = Heap::over(raw::map, raw::unmap);

impl Heap {
    /// A heap that takes whole pages by `map` and gives large blocks back by `unmap`.
    pub const fn over(map: fn(usize) -> Option<*mut u8>, unmap: unsafe fn(usize, usize)) -> Self {
        Self {
            free: [const { FreeList::new() }; CLASSES],
            fresh: [const { Fresh(AtomicU64::new(0)) }; CLASSES],
            pages: Fresh(AtomicU64::new(0)),
            map,
            unmap,
        }
    }

    /// `size_bytes` of memory at a multiple of `align_bytes` (a power of two), zeroed only by chance.
    pub fn allocate(&self, size_bytes: usize, align_bytes: usize) -> Option<*mut u8> {
        if !align_bytes.is_power_of_two() || align_bytes > ALIGN_BYTES_MAX {
            return None;
        }
        let slack_bytes = align_bytes.max(HEADER_BYTES);
        // Every block starts at a multiple of the header's size: the header fits into the slack.
        let need_bytes = size_bytes.checked_add(slack_bytes)?;
        let class = CLASS_BYTES.iter().position(|&bytes| need_bytes <= bytes);
        let (block, len_bytes) = match class {
            Some(class) => (self.take(class)?, CLASS_BYTES[class]),
            None => {
                let len_bytes = need_bytes.checked_next_multiple_of(PAGE_BYTES)?;
                ((self.map)(len_bytes)?, len_bytes)
            }
        };
        let start = block as usize;
        // The next multiple of what is a power of two, without a division.
        let at = (start + HEADER_BYTES + slack_bytes - 1) & !(slack_bytes - 1);
        let header = Header {
            class: class.map_or(MAPPED, |class| class as u32),
            offset_bytes: (at - start) as u32,
            len_bytes,
        };
        // SAFETY: the block has room for the slack, the header and the size.
        unsafe { ((at - HEADER_BYTES) as *mut Header).write(header) };
        Some(at as *mut u8)
    }

    /// A block of a class, from its list or from a new chunk.
    fn take(&self, class: usize) -> Option<*mut u8> {
        let (list, fresh) = (self.free.get(class)?, self.fresh.get(class)?);
        let bytes = CLASS_BYTES[class];
        if let Some(block) = list.pop().or_else(|| fresh.take(bytes)) {
            return Some(block);
        }
        let (chunk, chunk_bytes) = if bytes < PAGE_BYTES {
            (self.page()?, PAGE_BYTES)
        } else {
            let chunk_bytes = raw::chunk_bytes().max(bytes.next_multiple_of(PAGE_BYTES));
            ((self.map)(chunk_bytes)?, chunk_bytes)
        };
        if fresh.put(chunk.wrapping_add(bytes), chunk_bytes / bytes - 1) {
            return Some(chunk);
        }
        // Another thread has just brought a chunk, too.
        for at in (bytes..=chunk_bytes - bytes).step_by(bytes) {
            // SAFETY: a part of the new chunk that nobody else knows.
            unsafe { list.push(chunk.add(at)) };
        }
        Some(chunk)
    }

    /// A page for one of the classes of small blocks.
    fn page(&self) -> Option<*mut u8> {
        if let Some(page) = self.pages.take(PAGE_BYTES) {
            return Some(page);
        }
        // Where memory is in pieces, there may still be a page.
        let chunk_bytes = raw::chunk_bytes();
        let Some(chunk) = (self.map)(chunk_bytes) else {
            return (self.map)(PAGE_BYTES);
        };
        let count = chunk_bytes / PAGE_BYTES - 1;
        if !self.pages.put(chunk.wrapping_add(PAGE_BYTES), count) {
            // Another thread has just brought a chunk, too.
            // SAFETY: the rest of it, which nobody else knows.
            unsafe { (self.unmap)(chunk as usize + PAGE_BYTES, count * PAGE_BYTES) };
        }
        Some(chunk)
    }

    /// Gives pages back all of whose blocks are free; whether there were any. Only of blocks smaller
    /// than a page.
    ///
    /// # Safety
    /// Nobody else is inside the heap.
    #[cfg(feature = "bare")]
    pub unsafe fn trim(&self) -> bool {
        let mut has_given = false;
        for (list, &bytes) in self.free.iter().zip(&CLASS_BYTES) {
            if bytes >= PAGE_BYTES {
                break;
            }
            let all = (list.0.swap(0, Ordering::Relaxed) & ADDRESS_BITS) as usize;
            // SAFETY: the list's blocks, which are ours alone from here on.
            let mut rest = unsafe { sorted::sorted(all) };
            while rest != 0 {
                let page = rest & !(PAGE_BYTES - 1);
                let (first, mut count) = (rest, 0);
                while rest & !(PAGE_BYTES - 1) == page {
                    count += 1;
                    // SAFETY: a block of the list.
                    rest = unsafe { sorted::next(rest) };
                }
                if count == PAGE_BYTES / bytes {
                    // SAFETY: all of the page is free, and no list knows it any more.
                    unsafe { (self.unmap)(page, PAGE_BYTES) };
                    has_given = true;
                    continue;
                }
                let mut block = first;
                for _ in 0..count {
                    // SAFETY: as above; pushing overwrites the link.
                    let next = unsafe { sorted::next(block) };
                    // SAFETY: a free block of this class.
                    unsafe { list.push(block as *mut u8) };
                    block = next;
                }
            }
        }
        has_given
    }

    /// Gives memory back.
    ///
    /// # Safety
    /// `address` came from [`allocate`](Self::allocate) of this heap and is not used any more.
    pub unsafe fn free(&self, address: *mut u8) {
        // SAFETY: `allocate` wrote the header there.
        let header = unsafe { address.sub(HEADER_BYTES).cast::<Header>().read() };
        let block = address.wrapping_sub(header.offset_bytes as usize);
        match self.free.get(header.class as usize) {
            // SAFETY: the block is of this class and free from here on.
            Some(list) => unsafe { list.push(block) },
            // SAFETY: the block is a mapping of its own.
            None => unsafe { (self.unmap)(block as usize, header.len_bytes) },
        }
    }
}

/// Memory of the heap of registrations and handlers: see [`Heap::allocate`].
pub fn allocate(size_bytes: usize, align_bytes: usize) -> Option<*mut u8> {
    HEAP.allocate(size_bytes, align_bytes)
}

/// Gives memory of that heap back.
///
/// # Safety
/// As [`Heap::free`].
#[cfg(feature = "platform-linux")]
pub unsafe fn free(address: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { HEAP.free(address) };
}

/// `muslin_alloc`: null when there is no memory.
#[unsafe(no_mangle)]
extern "C" fn muslin_alloc(size_bytes: usize, align_bytes: usize) -> *mut u8 {
    allocate(size_bytes, align_bytes).unwrap_or(core::ptr::null_mut())
}

/// `muslin_free`: null is nothing.
///
/// # Safety
/// `address` came from `muslin_alloc` and is not used any more, or is null.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_free(address: *mut u8) {
    if !address.is_null() {
        // SAFETY: as the caller promises.
        unsafe { HEAP.free(address) };
    }
}
