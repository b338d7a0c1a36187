//! Registration from outside: the C symbols of `muslin.h`.
//!
//! One lock orders all changes of the table. It is never held while a handler or the program runs,
//! its holder takes no signals, and a child of fork takes it over from a thread that it does not
//! have: so registration works in signal handlers and after fork.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::handler::{OWN_STACK, REENTRANT};
use muslin_abi::{Errno, Sysno};

use crate::chain::{self, Function, Handler};
use crate::console;
use crate::dispatch::{self, address};
use crate::entry;
use crate::heap;
use crate::raw::{self, __muslin_passthrough, __muslin_passthrough_base};
use crate::seal;

/// Process and thread of the lock's holder; 0 while it is free.
static LOCK: AtomicU64 = AtomicU64::new(0);

/// Runs `change` with the lock held, all signals blocked and the table writable. `None`, and nothing
/// was changed: the sealed table cannot be opened.
fn locked<T>(change: impl FnOnce() -> T) -> Option<T> {
    let before = raw::set_signal_mask(u64::MAX);
    let (process, thread) = raw::identity();
    let mine = u64::from(process) << 32 | u64::from(thread);
    while let Err(holder) = LOCK.compare_exchange(0, mine, Ordering::Acquire, Ordering::Relaxed) {
        // A holder of another process is the parent's thread that this child of fork lacks.
        if (holder >> 32) as u32 != process
            && LOCK
                .compare_exchange(holder, mine, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            break;
        }
        raw::give_way();
    }
    let result = seal::with_writable(change);
    LOCK.store(0, Ordering::Release);
    raw::set_signal_mask(before);
    result
}

/// The table's index of `nr`, if handlers can be registered for it: the kernel jumps to
/// rt_sigreturn itself, so that call never comes through a table.
fn index(nr: isize) -> Option<usize> {
    let nr = Sysno(u32::try_from(nr).ok()?);
    (nr != Sysno::rt_sigreturn).then(|| nr.index()).flatten()
}

/// The code below all handlers of a number: what answers it now, in its form for the bottom.
fn bottom_code(index: usize) -> usize {
    let code = dispatch::code(index);
    if index == Sysno::vfork.0 as usize {
        address(entry::fork_for_vfork)
    } else if code == address(__muslin_passthrough) {
        address(__muslin_passthrough_base)
    } else {
        code
    }
}

/// Puts `handler` on top of its chain; the handler that was the top, or null. `None`: the sealed
/// table cannot be opened.
fn push(handler: &'static Handler) -> Option<*const Handler> {
    let chain = chain::chain(handler.nr)?;
    locked(|| {
        let top = chain.load(Ordering::Relaxed);
        // SAFETY: registrations live for ever.
        let bottom = match unsafe { top.as_ref() } {
            Some(top) => top.bottom.load(Ordering::Relaxed),
            None => bottom_code(handler.nr),
        };
        handler.bottom.store(bottom, Ordering::Relaxed);
        handler.next.store(top, Ordering::Relaxed);
        chain.store(ptr::from_ref(handler).cast_mut(), Ordering::Release);
        let is_alone = top.is_null() && handler.direct != 0 && raw::HAS_DIRECT;
        let enter = if is_alone {
            handler.direct
        } else {
            address(chain::__muslin_enter)
        };
        dispatch::set_code(handler.nr, enter);
        top.cast_const()
    })
}

/// Puts a handler of the runtime's own below all of the program's, where it stays. `EPERM`: the sealed
/// table cannot be opened.
#[cfg(feature = "platform-linux")]
pub fn put_below(handler: &'static Handler) -> Result<(), Errno> {
    let chain = chain::chain(handler.nr).ok_or(Errno::EINVAL)?;
    let put = locked(|| {
        let mut above = chain.load(Ordering::Relaxed);
        // SAFETY: registrations live for ever.
        let Some(mut last) = (unsafe { above.as_ref() }) else {
            handler
                .bottom
                .store(bottom_code(handler.nr), Ordering::Relaxed);
            chain.store(ptr::from_ref(handler).cast_mut(), Ordering::Release);
            dispatch::set_code(handler.nr, address(chain::__muslin_enter));
            return;
        };
        loop {
            if ptr::eq(last, handler) {
                return;
            }
            above = last.next.load(Ordering::Relaxed);
            // SAFETY: as above.
            match unsafe { above.as_ref() } {
                Some(next) => last = next,
                None => break,
            }
        }
        let bottom = last.bottom.load(Ordering::Relaxed);
        handler.bottom.store(bottom, Ordering::Relaxed);
        last.next
            .store(ptr::from_ref(handler).cast_mut(), Ordering::Release);
    });
    put.ok_or(Errno::EPERM)
}

const KNOWN_FLAGS: u32 = REENTRANT | OWN_STACK;

fn negative(errno: Errno) -> i32 {
    -errno.raw()
}

/// Registers a handler; see `muslin.h`. 0, -EINVAL, -ENOMEM or -EPERM.
///
/// # Safety
/// `function` is a handler for ever; `previous` is null or writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_register(
    nr: isize,
    function: Option<Function>,
    context: *mut c_void,
    flags: u32,
    previous: *mut *const Handler,
) -> i32 {
    let (Some(nr), Some(function)) = (index(nr), function) else {
        return negative(Errno::EINVAL);
    };
    if flags & !KNOWN_FLAGS != 0 {
        return negative(Errno::EINVAL);
    }
    let Some(place) = heap::allocate(size_of::<Handler>(), align_of::<Handler>()) else {
        return negative(Errno::ENOMEM);
    };
    let place = place.cast::<Handler>();
    // SAFETY: new memory of the right size, never freed once a handler is in it.
    let handler: &'static Handler = unsafe {
        place.write(Handler {
            function,
            context,
            nr,
            flags: flags as usize,
            next: AtomicPtr::new(ptr::null_mut()),
            bottom: AtomicUsize::new(0),
            direct: 0,
        });
        &*place
    };
    let Some(top) = push(handler) else {
        return negative(Errno::EPERM);
    };
    // SAFETY: null or writable, by the caller's promise.
    if let Some(previous) = unsafe { previous.as_mut() } {
        *previous = top;
    }
    0
}

/// Registers one handler for all numbers of a list that ends with -1: all of them or, with an
/// error, none.
///
/// # Safety
/// As [`muslin_register`]; `family` ends with -1.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_register_family(
    family: *const isize,
    function: Option<Function>,
    context: *mut c_void,
    flags: u32,
) -> i32 {
    // SAFETY: reads up to and with the -1.
    let nr = |i: usize| unsafe { *family.add(i) };
    let numbers = || (0..).map(nr).take_while(|&nr| nr != -1);
    if numbers().any(|nr| index(nr).is_none()) {
        return negative(Errno::EINVAL);
    }
    for nr in numbers() {
        // SAFETY: as the caller promises.
        let result = unsafe { muslin_register(nr, function, context, flags, ptr::null_mut()) };
        if result != 0 {
            return result;
        }
    }
    0
}

/// Registers a handler that lies in the image itself: what `MUSLIN_STATIC` runs before the first
/// call. A number out of range ends the process with one line.
///
/// # Safety
/// `handler` is a static of the image whose first four fields are set.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_register_static(handler: *const Handler) {
    // SAFETY: as the caller promises.
    let handler: &'static Handler = unsafe { &*handler };
    let nr = handler.nr as isize;
    let wrong: &[u8] = if index(nr).is_none() {
        b"; numbers go from 0 to 511 without 15 (rt_sigreturn)"
    } else if handler.flags & !(KNOWN_FLAGS as usize) != 0 {
        b" with unknown flags; muslin.h has those that there are"
    } else {
        push(handler);
        return;
    };
    let sign: &[u8] = if nr < 0 { b"-" } else { b"" };
    let mut digits = [0; 20];
    console::refuse(&[
        b"muslin: a static handler is registered for call ",
        sign,
        console::decimal(nr.unsigned_abs(), &mut digits),
        wrong,
    ]);
}

/// The platform's own code answers `nr` again. 0, -EINVAL or -EPERM.
#[unsafe(no_mangle)]
extern "C" fn muslin_restore(nr: isize) -> i32 {
    let Some((nr, chain)) = index(nr).and_then(|nr| Some((nr, chain::chain(nr)?))) else {
        return negative(Errno::EINVAL);
    };
    let changed = locked(|| {
        let top = chain.load(Ordering::Relaxed);
        // SAFETY: registrations live for ever.
        if let Some(top) = unsafe { top.as_ref() } {
            #[cfg(feature = "platform-linux")]
            if let Some(own) = chain::of_platform(top) {
                dispatch::set_code(nr, address(chain::__muslin_enter));
                chain.store(ptr::from_ref(own).cast_mut(), Ordering::Release);
                return;
            }
            let bottom = top.bottom.load(Ordering::Relaxed);
            let passes = [
                address(__muslin_passthrough_base),
                address(entry::fork_for_vfork),
            ];
            let code = if passes.contains(&bottom) {
                dispatch::passthrough_code()
            } else {
                bottom
            };
            dispatch::set_code(nr, code);
            chain.store(ptr::null_mut(), Ordering::Release);
        }
    });
    zero_or_refused(changed)
}

/// Makes `handler`, which a registration gave back as the previous one, the top again. 0, -EINVAL
/// or -EPERM.
///
/// # Safety
/// `handler` is null or came from a registration.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_reinstate(handler: *const Handler) -> i32 {
    // SAFETY: as the caller promises.
    let Some(handler) = (unsafe { handler.as_ref() }) else {
        return negative(Errno::EINVAL);
    };
    let Some(chain) = chain::chain(handler.nr) else {
        return negative(Errno::EINVAL);
    };
    let changed = locked(|| {
        chain.store(ptr::from_ref(handler).cast_mut(), Ordering::Release);
        dispatch::set_code(handler.nr, address(chain::__muslin_enter));
    });
    zero_or_refused(changed)
}

fn zero_or_refused(changed: Option<()>) -> i32 {
    changed.map_or(negative(Errno::EPERM), |()| 0)
}

/// Writes a C string to file descriptor 2: no lock, no buffer, past the table.
///
/// # Safety
/// `text` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_print(text: *const core::ffi::c_char) {
    // SAFETY: as the caller promises.
    console::print(unsafe { core::ffi::CStr::from_ptr(text) }.to_bytes());
}

/// Writes a line to file descriptor 2 and ends the process as abort(3) does, past the table.
///
/// # Safety
/// `why` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_abort(why: *const core::ffi::c_char) -> ! {
    // SAFETY: as the caller promises.
    console::fatal(&[unsafe { core::ffi::CStr::from_ptr(why) }.to_bytes()])
}
