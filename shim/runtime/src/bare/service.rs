//! What runs beside the calls, and the lock for what it shares with handlers: C symbols of `muslin.h`.

use alloc::boxed::Box;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::below::net;
use muslin_abi::Errno;
use muslin_abi::file::{FOR_EVER_NS, ServiceFn};
use muslin_syscalls::threads::Serve;

use crate::console;
use crate::process;
use crate::service_stack::ServiceStack;

/// What a handler runs.
struct Foreign {
    run: ServiceFn,
    context: *mut c_void,
    stack: ServiceStack,
}

// SAFETY: whoever registered it promises that it may run in any thread.
unsafe impl Send for Foreign {}
// SAFETY: as above.
unsafe impl Sync for Foreign {}

impl Serve for Foreign {
    fn run(&self, now_ns: u64) -> Option<u64> {
        let mut next_ns = FOR_EVER_NS;
        // SAFETY: it runs once at a time and never waits, and whoever registered it promises that it takes its
        // context.
        unsafe {
            self.stack
                .run(&mut || next_ns = (self.run)(self.context, now_ns))
        };
        (next_ns != FOR_EVER_NS).then_some(next_ns)
    }
}

/// Whether a handler has begun one.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);

/// Runs a function beside the calls from now on; see `muslin.h`.
///
/// # Safety
/// `run` takes `context`, for ever.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_service(run: ServiceFn, context: *mut c_void) -> c_int {
    let Some(library_os) = process::context() else {
        console::fatal(&[b"muslin: a handler began a service before the process was made"]);
    };
    if HAS_BEGUN.swap(true, Ordering::Relaxed) {
        return -Errno::EBUSY.raw();
    }
    let Some(stack) = ServiceStack::take() else {
        HAS_BEGUN.store(false, Ordering::Relaxed);
        return -Errno::ENOMEM.raw();
    };
    let has_devices = net::device(0).is_some();
    let serve = Box::new(Foreign {
        run,
        context,
        stack,
    });
    library_os.process.threads.begin_service(serve, has_devices);
    0
}

/// The service has something to do; see `muslin.h`.
#[unsafe(no_mangle)]
extern "C" fn muslin_service_kick() {
    if let Some(context) = process::context() {
        context.process.threads.kick_service();
    }
}

/// Locks. Threads take turns and do not wait while they hold it, so one that is locked already is a
/// mistake.
///
/// # Safety
/// The word is one for locks.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_lock(word: *const AtomicU32) {
    // SAFETY: as the caller promises.
    if unsafe { &*word }.load(Ordering::Relaxed) != 0 {
        console::fatal(&[
            b"muslin: a handler locked what is locked: it waited or made a call meanwhile, or locked it twice",
        ]);
    }
    // SAFETY: as the caller promises.
    unsafe { &*word }.store(1, Ordering::Relaxed);
}

/// Unlocks.
///
/// # Safety
/// As [`muslin_lock`], and it is locked.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_unlock(word: *const AtomicU32) {
    // SAFETY: as the caller promises.
    unsafe { &*word }.store(0, Ordering::Relaxed);
}
