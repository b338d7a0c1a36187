//! Minted descriptors: the C symbols of `muslin.h`.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use muslin_abi::args::{from_raw, to_raw};
use muslin_abi::file::{FOR_EVER_NS, FileOps};
use muslin_abi::flags::{O_CLOEXEC, O_NONBLOCK, O_RDWR};
use muslin_abi::handler::Call;
use muslin_abi::{Errno, Sysno};

use crate::chain;
use crate::ending;
use crate::fd_calls;
use crate::fd_table::{self, Entry, File, World};
use crate::hidden;
use crate::kernel::{self, FUTEX_BITSET_MATCH_ANY, FUTEX_WAIT_BITSET_PRIVATE, futex_wake};
use crate::lead;
use crate::lead_waits;
use crate::lock;
use crate::raw;
use crate::restarts;

/// Makes what minted descriptors and the runtime's own need. Any number of times.
pub fn start() -> Result<(), Errno> {
    static STARTING: lock::Word = lock::Word::new();
    static IS_STARTED: AtomicBool = AtomicBool::new(false);
    if IS_STARTED.load(Ordering::Acquire) {
        return Ok(());
    }
    STARTING.locked(|| {
        fd_table::start()?;
        hidden::start()?;
        fd_calls::register()?;
        restarts::begin();
        IS_STARTED.store(true, Ordering::Release);
        Ok(())
    })
}

/// Makes a descriptor for an object; see `muslin.h`.
///
/// # Safety
/// `ops` live for ever and take `object`; `file` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_fd_mint(
    ops: *const FileOps,
    object: *mut c_void,
    flags: u32,
    readiness: u32,
    file: *mut *const File,
) -> i32 {
    // SAFETY: as the caller promises.
    match unsafe { mint(ops, object, flags, readiness) } {
        Ok((fd, minted)) => {
            // SAFETY: as the caller promises.
            unsafe { *file = ptr::from_ref(minted) };
            fd
        }
        Err(errno) => -errno.raw(),
    }
}

/// # Safety
/// As [`muslin_fd_mint`].
unsafe fn mint(
    ops: *const FileOps,
    object: *mut c_void,
    flags: u32,
    readiness: u32,
) -> Result<(i32, &'static File), Errno> {
    // SAFETY: as the caller promises.
    if !unsafe { &*ops }.can_be_minted(flags) {
        return Err(Errno::EINVAL);
    }
    start()?;
    if fd_table::world(false) == World::Copy {
        return Err(fd_calls::ELSEWHERE);
    }
    let fd = hidden::socket(flags & O_NONBLOCK)?;
    if fd as usize >= fd_table::NUMBERS {
        kernel::close(fd);
        return Err(Errno::EMFILE);
    }
    let file = match File::new(ops, object, flags & O_NONBLOCK != 0) {
        Ok(file) => file,
        Err(errno) => {
            kernel::close(fd);
            return Err(errno);
        }
    };
    file.mirror.set_fd(fd);
    file.told.store(readiness, Ordering::Relaxed);
    file.mirror.set(readiness, 0);
    fd_table::put(fd, file, flags & O_CLOEXEC != 0);
    Ok((fd, file))
}

/// The object of a descriptor with a reference, or null; see `muslin.h`.
#[unsafe(no_mangle)]
extern "C" fn muslin_fd_get(fd: i32, ops: *const FileOps) -> *mut c_void {
    match fd_table::look_up(fd) {
        Entry::Minted(file)
            if ptr::eq(file.ops(), ops) && fd_table::world(false) != World::Copy =>
        {
            ending::stay();
            file.retain_object();
            file.object()
        }
        _ => ptr::null_mut(),
    }
}

/// The flags of an open descriptor, or -EBADF.
#[unsafe(no_mangle)]
extern "C" fn muslin_fd_flags(fd: i32) -> isize {
    const F_GETFL: usize = 3;
    match fd_table::look_up(fd) {
        Entry::Hidden => -(Errno::EBADF.raw() as isize),
        // Asked before every call that may wait: not a call of the kernel's each time.
        Entry::Minted(file) if file.is_nonblocking.load(Ordering::Relaxed) => {
            (O_RDWR | O_NONBLOCK) as isize
        }
        Entry::Minted(_) => O_RDWR as isize,
        // SAFETY: asks only.
        Entry::Host => unsafe { raw::call(Sysno::fcntl, [fd as usize, F_GETFL, 0, 0, 0, 0]) },
    }
}

fn file<'a>(file: *const File) -> &'a File {
    // SAFETY: callers have it from `muslin_fd_mint` and have not released it.
    unsafe { &*file }
}

/// The object is ready for this; see `muslin.h`.
///
/// # Safety
/// `changed` is a file that the caller has.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_changed(changed: *const File, readiness: u32, events: u32) {
    if fd_table::world(false) == World::Copy {
        return;
    }
    let file = file(changed);
    let before = file.told.swap(readiness, Ordering::SeqCst);
    // Who waits for what it has no longer goes on waiting.
    if (readiness & !before) | events != 0 {
        file.happened.fetch_add(1, Ordering::SeqCst);
        if file.sleepers.load(Ordering::SeqCst) != 0 {
            futex_wake(&file.happened, i32::MAX);
        }
        lead::wake(file);
    }
    file.mirror.set(readiness, events);
}

/// How often something has happened to a file.
///
/// # Safety
/// As [`muslin_file_changed`].
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_seen(seen: *const File) -> u32 {
    file(seen).happened.load(Ordering::SeqCst)
}

/// Waits until something has happened; see `muslin.h`.
///
/// # Safety
/// As [`muslin_file_changed`]; `call` is null or a call that came to a handler.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_wait(
    call: *const Call,
    waited: *const File,
    seen: u32,
    _events: u32,
    deadline_ns: u64,
) -> isize {
    // SAFETY: as the caller promises.
    let call = unsafe { call.as_ref() };
    to_raw(wait(call, file(waited), seen, deadline_ns).map(|()| 0))
}

/// Waits until something has happened to a file since `seen`.
///
/// The kernel decides what a signal does to the wait: one without a deadline it makes again if the
/// signal's function is SA_RESTART.
pub fn wait(call: Option<&Call>, file: &File, seen: u32, deadline_ns: u64) -> Result<(), Errno> {
    if deadline_ns == 0 {
        // The service's own thread looks at the devices.
        let has_happened = file.happened.load(Ordering::SeqCst) != seen;
        return has_happened.then_some(()).ok_or(Errno::EAGAIN);
    }
    if let Some(result) = lead_waits::file(call, file, seen, deadline_ns) {
        return result;
    }
    let deadline = [deadline_ns / 1_000_000_000, deadline_ns % 1_000_000_000];
    let deadline = if deadline_ns == FOR_EVER_NS {
        0
    } else {
        &raw const deadline as usize
    };
    let args = [
        file.happened.as_ptr() as usize,
        FUTEX_WAIT_BITSET_PRIVATE,
        seen as usize,
        deadline,
        0,
        FUTEX_BITSET_MATCH_ANY,
    ];
    file.sleepers.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the word and the deadline are alive.
    let raw = lead::follow(|| unsafe { chain::wait(call, Sysno::futex, &args) });
    file.sleepers.fetch_sub(1, Ordering::SeqCst);
    ending::stay();
    match from_raw(raw) {
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(Errno::ETIMEDOUT) => Err(Errno::EAGAIN),
        Err(errno) => Err(errno),
    }
}

/// Gives a file back that was minted.
///
/// # Safety
/// As [`muslin_file_changed`]; the caller does not have it any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_release(released: *const File) {
    if !released.is_null() {
        // SAFETY: files are never freed.
        unsafe { &*released }.drop_reference();
    }
}
