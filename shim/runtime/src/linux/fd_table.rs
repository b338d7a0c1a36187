//! Which descriptors are minted: a number's file, found without a lock.
//!
//! The kernel gives the numbers: a minted descriptor is a socket of the kernel's that shows the object's
//! readiness (see `mirror`), so the table only says what else belongs to it. Files are pooled and
//! never freed, since who looks one up may come a moment late: a count of users that is not 0 is what
//! makes one alive.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::file::{FileOps, TellFn};
use muslin_abi::{Errno, Sysno};

use crate::heap::{self, FreeList};
use crate::hidden;
use crate::kernel;
use crate::raw;

/// Descriptors of higher numbers are not minted.
pub const NUMBERS: usize = 1 << 20;

/// An open file description of a handler's making: `struct muslin_file`.
#[repr(C, align(64))]
pub struct File {
    /// The next one in the pool, while it is there.
    _link: AtomicUsize,
    /// One for whoever minted it, one for all users together.
    references: AtomicU32,
    /// Descriptors, and calls that have it in hand; 0: the object is given back.
    users: AtomicU32,
    /// Descriptors alone.
    descriptors: AtomicU32,
    /// How often something has happened: what waits sleeps on this word.
    pub happened: AtomicU32,
    /// What the object is ready for, as it said last.
    pub told: AtomicU32,
    /// How many sleep there.
    pub sleepers: AtomicU32,
    /// O_NONBLOCK, as the kernel has it, too.
    pub is_nonblocking: AtomicBool,
    /// What is behind it.
    ops: AtomicPtr<FileOps>,
    object: AtomicPtr<c_void>,
    /// What the kernel shows: see `mirror`.
    pub mirror: crate::mirror::Mirror,
}

/// Blocks of this size that are free.
static POOL: FreeList = FreeList::new();
/// How many files are taken from the heap at once.
const FILES: usize = 16;

/// The table; null until something is minted.
static TABLE: AtomicPtr<AtomicUsize> = AtomicPtr::new(ptr::null_mut());
/// One more than the highest number that was ever minted.
static END: AtomicUsize = AtomicUsize::new(0);
/// A word that a child of fork finds to be 0.
static OWN_PROCESS: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
/// The process that mints.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// An entry: a number of the runtime's own.
const HIDDEN: usize = 2;
/// An entry: the number is on its way from one file to another, or to none.
const CHANGING: usize = 4;
/// In an entry with a file: the program has asked for FD_CLOEXEC.
const CLOEXEC: usize = 1;
/// All that is no address in an entry.
const MARKS: usize = 63;
/// How often a number that changes is looked at, a second in all: a signal's function that interrupted the
/// change would wait for ever.
const LOOKS: u32 = 20_000;

/// What a number is.
pub enum Entry {
    /// Not minted: the kernel's affair, or not open.
    Host,
    /// The runtime's own, which the program is not to touch.
    Hidden,
    /// Minted.
    Minted(Held),
}

/// A file in the hand of a call: it and its object stay until this is dropped.
pub struct Held(&'static File);

impl Held {
    /// The file, for whoever gives it a descriptor: files are never freed.
    pub fn file(&self) -> &'static File {
        self.0
    }
}

impl core::ops::Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Whose memory and descriptors these are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Those of the process that mints.
    Own,
    /// A child of fork's: copies, whose objects live on in the parent.
    Copy,
    /// A child that shares the memory but not the descriptors, until it executes something.
    Guest,
}

/// See [`World`]. A guest is told only if this is about to change descriptors.
pub fn world(changes: bool) -> World {
    // SAFETY: null, or a page that stays.
    let own = unsafe { OWN_PROCESS.load(Ordering::Acquire).as_ref() };
    if own.is_none_or(|own| own.load(Ordering::Relaxed) == 0) {
        return World::Copy;
    }
    if !changes {
        return World::Own;
    }
    // SAFETY: only answers.
    let process = unsafe { raw::call(Sysno::getpid, [0; 6]) } as u32;
    if process != PROCESS.load(Ordering::Relaxed) {
        return World::Guest;
    }
    World::Own
}

/// Makes the table. Once.
pub fn start() -> Result<(), Errno> {
    const MADV_WIPEONFORK: usize = 18;
    const PAGE_BYTES: usize = 4096;
    if !TABLE.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    let page = raw::map(PAGE_BYTES).ok_or(Errno::ENOMEM)?;
    let table = raw::map(NUMBERS * size_of::<usize>()).ok_or(Errno::ENOMEM)?;
    // SAFETY: the page is ours.
    unsafe {
        kernel::call(
            Sysno::madvise,
            [page as usize, PAGE_BYTES, MADV_WIPEONFORK, 0, 0, 0],
        )?;
        (*page.cast::<AtomicU32>()).store(1, Ordering::Relaxed);
    }
    PROCESS.store(raw::identity().0, Ordering::Relaxed);
    OWN_PROCESS.store(page.cast(), Ordering::Release);
    TABLE.store(table.cast(), Ordering::Release);
    Ok(())
}

fn place(fd: i32) -> Option<&'static AtomicUsize> {
    let table = TABLE.load(Ordering::Acquire);
    let index = usize::try_from(fd).ok()?;
    // SAFETY: the table has that many words, of zeros at first, and stays.
    (!table.is_null() && index < NUMBERS).then(|| unsafe { &*table.add(index) })
}

fn file(entry: usize) -> Option<&'static File> {
    // SAFETY: an entry is marks alone, or the address of a file, and these are never freed.
    unsafe { ((entry & !MARKS) as *const File).as_ref() }
}

/// What a number is now.
pub fn look_up(fd: i32) -> Entry {
    let Some(place) = place(fd) else {
        return Entry::Host;
    };
    let mut looks = 0;
    loop {
        let entry = place.load(Ordering::Acquire);
        if let Some(file) = file(entry) {
            if file.enter() {
                if place.load(Ordering::Acquire) & !MARKS == entry & !MARKS {
                    return Entry::Minted(Held(file));
                }
                file.leave();
            }
        } else if entry == 0 {
            return Entry::Host;
        } else if entry == HIDDEN {
            return Entry::Hidden;
        }
        looks += 1;
        if looks > LOOKS {
            return Entry::Hidden;
        }
        kernel::pause(looks);
    }
}

/// Makes a number one of the runtime's own; whether the table has room for it.
pub fn hide(fd: i32) -> bool {
    place(fd)
        .map(|place| place.store(HIDDEN, Ordering::Release))
        .is_some()
}

/// The runtime's own number is about to be closed.
pub fn unhide(fd: i32) {
    if let Some(place) = place(fd) {
        let _was = place.compare_exchange(HIDDEN, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// The numbers from `first` to `last` that are the runtime's own or minted: none above.
pub fn taken(first: u32, last: u32) -> impl Iterator<Item = i32> {
    let end = END.load(Ordering::Acquire).max(hidden::end());
    (first as usize..(last as usize).saturating_add(1).min(end))
        .map(|fd| fd as i32)
        .filter(|&fd| place(fd).is_some_and(|place| place.load(Ordering::Acquire) != 0))
}

/// All that is minted.
pub fn minted() -> impl Iterator<Item = Held> {
    taken(0, u32::MAX).filter_map(|fd| match look_up(fd) {
        Entry::Minted(file) => Some(file),
        _ => None,
    })
}

/// A number that is on its way to another file or none. What becomes of it must be said.
pub struct Changing {
    place: &'static AtomicUsize,
    was: usize,
}

impl Changing {
    /// Takes a number, minted or not. `EBUSY`: the runtime's own, or somebody else changes it.
    pub fn begin(fd: i32) -> Result<Self, Errno> {
        let place = place(fd).ok_or(Errno::EBADF)?;
        for looks in 0..LOOKS {
            let was = place.load(Ordering::Acquire);
            if was == HIDDEN {
                break;
            }
            if was == CHANGING {
                kernel::pause(looks);
            } else if place
                .compare_exchange(was, CHANGING, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                return Ok(Self { place, was });
            }
        }
        Err(Errno::EBUSY)
    }

    /// The file whose number it was.
    pub fn file(&self) -> Option<&'static File> {
        file(self.was)
    }

    /// It is as it was.
    pub fn undo(self) {
        self.place.store(self.was, Ordering::Release);
    }

    /// It is this file's number from now on, or none's, and what it was has lost it.
    pub fn end(self, new: Option<(&'static File, bool)>) {
        let entry = new.map_or(0, |(file, is_cloexec)| entry_of(file, is_cloexec));
        match new {
            Some(_) => self.place.store(entry, Ordering::Release),
            // The kernel may have given the number to somebody else by now.
            None => {
                let _given =
                    self.place
                        .compare_exchange(CHANGING, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
        if let Some(file) = file(self.was) {
            file.drop_descriptor();
        }
    }
}

fn entry_of(file: &'static File, is_cloexec: bool) -> usize {
    ptr::from_ref(file) as usize | if is_cloexec { CLOEXEC } else { 0 }
}

/// A new number that the kernel has just given is this file's.
pub fn put(fd: i32, file: &'static File, is_cloexec: bool) {
    if let Some(place) = place(fd) {
        END.fetch_max(fd as usize + 1, Ordering::AcqRel);
        place.store(entry_of(file, is_cloexec), Ordering::Release);
    }
}

/// In a copy of the process: the number is none of the table's any more.
pub fn forget(fd: i32) {
    if let Some(place) = place(fd) {
        place.store(0, Ordering::Relaxed);
    }
}

/// Whether the program has asked for FD_CLOEXEC. (The kernel has it set in any case: what is behind the
/// descriptor does not outlive the memory.)
pub fn is_cloexec(fd: i32) -> bool {
    place(fd).is_some_and(|place| place.load(Ordering::Relaxed) & CLOEXEC != 0)
}

/// Sets what [`is_cloexec`] says.
pub fn set_cloexec(fd: i32, is_cloexec: bool) {
    let Some(place) = place(fd) else { return };
    let _set = place.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |entry| {
        file(entry).map(|file| entry_of(file, is_cloexec))
    });
}

/// A number of this file but `except`.
pub fn another_number(wanted: &File, except: i32) -> Option<i32> {
    let end = END.load(Ordering::Acquire) as u32;
    taken(0, end).find(|&fd| {
        let entry = place(fd).map_or(0, |place| place.load(Ordering::Acquire));
        fd != except && file(entry).is_some_and(|file| ptr::eq(file, wanted))
    })
}

impl File {
    /// A file of one descriptor, which has no number yet. It belongs to the caller, too.
    pub fn new(
        ops: *const FileOps,
        object: *mut c_void,
        is_nonblocking: bool,
    ) -> Result<&'static Self, Errno> {
        let block = match POOL.pop() {
            Some(block) => block,
            None => Self::refill().ok_or(Errno::ENOMEM)?,
        };
        // SAFETY: a block of the pool: it was a file, or all its bytes are 0, which is a file without
        // users as well.
        let file: &'static Self = unsafe { &*block.cast::<Self>() };
        file.references.store(2, Ordering::Relaxed);
        file.descriptors.store(1, Ordering::Relaxed);
        file.sleepers.store(0, Ordering::Relaxed);
        file.is_nonblocking.store(is_nonblocking, Ordering::Relaxed);
        file.ops.store(ops.cast_mut(), Ordering::Relaxed);
        file.object.store(object, Ordering::Relaxed);
        file.mirror.reset();
        file.users.store(1, Ordering::Release);
        Ok(file)
    }

    /// New blocks for the pool, one of them for the caller.
    fn refill() -> Option<*mut u8> {
        let bytes = size_of::<Self>();
        let first = heap::allocate(FILES * bytes, align_of::<Self>())?;
        // SAFETY: the new memory is ours, and large enough for as many blocks.
        unsafe {
            first.write_bytes(0, FILES * bytes);
            for i in 1..FILES {
                POOL.push(first.add(i * bytes));
            }
        }
        Some(first)
    }

    /// What is behind it.
    pub fn ops(&self) -> &'static FileOps {
        // SAFETY: set when the file was made, and ops live for ever.
        unsafe { &*self.ops.load(Ordering::Relaxed) }
    }

    /// The object, as its functions take it.
    pub fn object(&self) -> *mut c_void {
        self.object.load(Ordering::Relaxed)
    }

    fn tell(&self, what: Option<TellFn>) {
        if let Some(tell) = what {
            // SAFETY: a function of the object's, which has not been given back.
            unsafe { tell(self.object()) };
        }
    }

    /// Gives the caller a reference to the object.
    pub fn retain_object(&self) {
        self.tell(self.ops().retain);
    }

    /// One more user, if there are any.
    fn enter(&self) -> bool {
        let more = |users: u32| (users != 0).then_some(users + 1);
        self.users
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, more)
            .is_ok()
    }

    fn leave(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tell(self.ops().release);
            self.drop_reference();
        }
    }

    /// One more descriptor, if there are any.
    pub fn add_descriptor(&self) -> bool {
        let more = |count: u32| (count != 0).then_some(count + 1);
        let is_open = self
            .descriptors
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, more)
            .is_ok();
        is_open && self.enter()
    }

    /// One descriptor less.
    pub fn drop_descriptor(&self) {
        if self.descriptors.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tell(self.ops().closed);
        }
        self.leave();
    }

    /// All descriptors count as closed, and the object hears of it.
    pub fn end(&self) {
        if self.descriptors.swap(0, Ordering::AcqRel) != 0 {
            self.tell(self.ops().closed);
        }
    }

    /// One reference less.
    pub fn drop_reference(&self) {
        if self.references.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.mirror.vacate();
            // SAFETY: nobody has it any more; who comes late finds no users.
            unsafe { POOL.push(ptr::from_ref(self).cast_mut().cast()) };
        }
    }
}

/// A number for the next file, never used again.
pub fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}
