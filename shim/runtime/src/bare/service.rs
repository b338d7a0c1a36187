//! What runs beside the calls, and the lock for what it shares with handlers: C symbols of `muslin.h`.

use alloc::boxed::Box;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::below::net;
use muslin_abi::Errno;
use muslin_abi::file::{FOR_EVER_NS, ServiceFn};
use muslin_arch::stack;
use muslin_syscalls::memory::Owner;
use muslin_syscalls::threads::Serve;

use crate::console;
use crate::process;

/// What the stack of a service has. It comes by on any thread's stack, also on the small one on which a thread
/// ends, and a packet goes through many hands.
const STACK_BYTES: usize = 64 * 1024;

struct Foreign {
    run: ServiceFn,
    context: *mut c_void,
    stack_top: *mut u8,
}

// SAFETY: whoever registered it promises that it may run in any thread.
unsafe impl Send for Foreign {}
// SAFETY: as above.
unsafe impl Sync for Foreign {}

impl Serve for Foreign {
    fn run(&self, now_ns: u64) -> Option<u64> {
        let mut turn = Turn {
            run: self.run,
            context: self.context,
            at_ns: now_ns,
        };
        // SAFETY: 1. the stack is this service's, which runs once at a time and never waits. 2. The function
        // takes the address of a turn, and nothing else.
        unsafe {
            stack::call_on(
                take,
                core::ptr::null(),
                (&raw mut turn).cast(),
                self.stack_top,
            );
        }
        let next_ns = turn.at_ns;
        (next_ns != FOR_EVER_NS).then_some(next_ns)
    }
}

/// One run of a service: when it is, and then when it wants the next.
struct Turn {
    run: ServiceFn,
    context: *mut c_void,
    at_ns: u64,
}

/// Runs it on the stack it is called on.
///
/// # Safety
/// `turn` is the address of a [`Turn`] whose function takes its context.
unsafe extern "C" fn take(_: *const u8, turn: *mut u8) -> isize {
    // SAFETY: as above.
    unsafe {
        let turn = &mut *turn.cast::<Turn>();
        turn.at_ns = (turn.run)(turn.context, turn.at_ns);
    }
    0
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
    let Some(stack) = process::take_pages(STACK_BYTES, Owner::Kernel) else {
        HAS_BEGUN.store(false, Ordering::Relaxed);
        return -Errno::ENOMEM.raw();
    };
    let has_devices = net::device(0).is_some();
    let serve = Box::new(Foreign {
        run,
        context,
        stack_top: stack.wrapping_add(STACK_BYTES),
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
