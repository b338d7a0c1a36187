//! Counting: `MUSLIN_COUNT=FILE` makes a process count its calls in a file that it maps shared.
//!
//! While counting is on, every slot holds `__muslin_enter_counted`, and what the slot would hold
//! stands in `COUNTED_CODE`.

use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::counters::{ENTERED_WORD, FILE_BYTES, MAGIC, NUMBERS_WORD, PASSED_WORD};
use muslin_abi::{SYSNO_MAX, Sysno};

use crate::console;
use crate::raw;

/// The mapped file, or null. The stubs in assembly read it.
#[unsafe(no_mangle)]
static __muslin_counters: AtomicPtr<AtomicU64> = AtomicPtr::new(core::ptr::null_mut());

/// What each slot would hold if counting were off. The stubs in assembly read it.
#[unsafe(no_mangle)]
static __muslin_counted_code: [AtomicUsize; SYSNO_MAX] = [const { AtomicUsize::new(0) }; SYSNO_MAX];

/// The code behind the counter of number `index`.
pub fn counted_code(index: usize) -> Option<&'static AtomicUsize> {
    __muslin_counted_code.get(index)
}

/// Whether counting is on.
pub fn is_on() -> bool {
    !__muslin_counters.load(Ordering::Relaxed).is_null()
}

/// The counters as words of the file, if counting is on.
fn words() -> Option<&'static [AtomicU64]> {
    let words = __muslin_counters.load(Ordering::Relaxed);
    // SAFETY: the mapping is FILE_BYTES long and stays for ever.
    (!words.is_null()).then(|| unsafe { core::slice::from_raw_parts(words, FILE_BYTES / 8) })
}

fn add(word: usize, nr: Sysno) {
    if let (Some(words), Some(index)) = (words(), nr.index())
        && let Some(counter) = words.get(word + index)
    {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts a call that the runtime makes for itself.
#[inline(never)] // in every image, and rarely called: small, not fast
pub fn count_own(nr: Sysno) {
    add(ENTERED_WORD, nr);
    add(PASSED_WORD, nr);
}

const O_RDWR_CREAT_CLOEXEC: usize = 0o2 | 0o100 | 0o2_000_000;
const MODE_USER: usize = 0o600;
const PROT_READ_WRITE: usize = 3;
const MAP_SHARED: usize = 1;

/// Maps the file at `path` (a C string) and turns counting on. A file that cannot be had, or that
/// holds something else than counters, is one line on the console, and the program runs uncounted.
///
/// # Safety
/// `path` is the address of a C string. No other thread runs yet.
pub unsafe fn turn_on(path: *const u8) {
    // SAFETY: as the caller promises.
    let Some(mapped) = (unsafe { map(path) }) else {
        return console::print(
            b"muslin: MUSLIN_COUNT must name a writable file that is empty or holds counters; not counting\n",
        );
    };
    __muslin_counters.store(mapped, Ordering::Relaxed);
    if let Some(words) = words() {
        words[0].store(MAGIC, Ordering::Relaxed);
        words[NUMBERS_WORD].store(SYSNO_MAX as u64, Ordering::Relaxed);
    }
    for nr in [
        Sysno::open,
        Sysno::pread64,
        Sysno::fallocate,
        Sysno::mmap,
        Sysno::close,
    ] {
        count_own(nr);
    }
}

/// Opens the file, looks at its first word, makes room for all counters (never cutting what is
/// there) and maps it.
///
/// # Safety
/// As [`turn_on`].
unsafe fn map(path: *const u8) -> Option<*mut AtomicU64> {
    let mut first = 0u64;
    // SAFETY: plain calls on a new descriptor and a new mapping.
    let mapped = unsafe {
        let open = [path as usize, O_RDWR_CREAT_CLOEXEC, MODE_USER, 0, 0, 0];
        let fd = raw::call(Sysno::open, open);
        if fd < 0 {
            return None;
        }
        let fd = fd as usize;
        let read = raw::call(Sysno::pread64, [fd, &raw mut first as usize, 8, 0, 0, 0]);
        let is_ours = read == 0 || read == 8 && (first == 0 || first == MAGIC);
        let has_room = is_ours && raw::call(Sysno::fallocate, [fd, 0, 0, FILE_BYTES, 0, 0]) == 0;
        let map = [0, FILE_BYTES, PROT_READ_WRITE, MAP_SHARED, fd, 0];
        let mapped = if has_room {
            raw::call(Sysno::mmap, map)
        } else {
            -1
        };
        raw::call(Sysno::close, [fd, 0, 0, 0, 0, 0]);
        mapped
    };
    let address = muslin_abi::args::from_raw(mapped).ok()?;
    Some(address as *mut AtomicU64)
}
