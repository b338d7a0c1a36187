//! What runs beside the calls: a network stack, for example.

use core::ffi::c_void;

use muslin_abi::Errno;
use muslin_abi::args::from_raw;
use muslin_abi::file::FOR_EVER_NS;

use crate::ffi;

/// What runs, given the monotonic clock in nanoseconds: when that clock says so it wants to run again,
/// or never of itself.
pub type RunFn = fn(now_ns: u64) -> Option<u64>;

/// Runs `run` from now on when a network device may be ready, when the clock has passed what it answered
/// last, and after a [`kick`].
///
/// It makes no calls and does not wait, and runs in one thread at a time. On Linux that is a thread of the
/// runtime, or one of the program's that waits for events. It must not come to libc there: neither std nor
/// thread-locals, and of allocators only [`Heap`](crate::Heap). Elsewhere it runs in whichever thread waits
/// or has made many calls.
///
/// # Errors
/// `EBUSY` there is a service already · `ENOMEM`.
pub fn start(run: RunFn) -> Result<(), Errno> {
    // SAFETY: `serve` gets what it takes.
    let raw = unsafe { ffi::muslin_service(serve, run as *mut c_void) };
    from_raw(raw as isize).map(|_| ())
}

/// There is something for the service to do: it runs soon.
pub fn kick() {
    // SAFETY: tells only.
    unsafe { ffi::muslin_service_kick() };
}

/// # Safety
/// `run` is a [`RunFn`].
unsafe extern "C" fn serve(run: *mut c_void, now_ns: u64) -> u64 {
    // SAFETY: as the caller promises.
    let run = unsafe { core::mem::transmute::<*mut c_void, RunFn>(run) };
    run(now_ns).unwrap_or(FOR_EVER_NS)
}
