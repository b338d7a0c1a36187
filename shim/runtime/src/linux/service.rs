//! What runs beside the calls: a thread of the runtime's own, which libc does not know, and which takes no
//! signals. It sleeps until a network device may be ready, its deadline is over, or somebody kicks it.
//! It ends with the process.
//!
//! While a thread of the program moves frames itself (see `lead`), this one only stands by: it looks every other
//! millisecond, until nobody has moved any since it looked last.

use core::ffi::c_void;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::file::{FOR_EVER_NS, ServiceFn};
use muslin_abi::flags::POLLIN;
use muslin_abi::{Errno, Sysno};
use muslin_arch::pthread;
use muslin_linux::thread;

use crate::fd_api;
use crate::fd_table::{self, World};
use crate::hidden;
use crate::kernel;
use crate::lead;
use crate::lock;
use crate::net_device;
use crate::raw;

const GUARD_BYTES: usize = 4096;
const STACK_BYTES: usize = 256 * 1024;
/// Thread-locals of code that a compiler guards the stack in; the runtime and the service have none.
const LOCALS_BYTES: usize = 4096 - pthread::BLOCK_BYTES;
const MAPPING_BYTES: usize = GUARD_BYTES + STACK_BYTES + LOCALS_BYTES + pthread::BLOCK_BYTES;

/// The thread pointer of the service's thread; 0: there is none.
static THREAD: AtomicUsize = AtomicUsize::new(0);
/// What it runs: the address of a `ServiceFn`, and its context.
static RUN: AtomicUsize = AtomicUsize::new(0);
static CONTEXT: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
/// An eventfd that ends its sleep.
static KICK: AtomicI32 = AtomicI32::new(-1);

/// What it does.
static STATE: AtomicU32 = AtomicU32::new(RUNNING);
const RUNNING: u32 = 0;
const SLEEPING: u32 = 1;
/// It is to run once more.
const KICKED: u32 = 2;
/// It stands by: who has something for it need not wake it.
const STANDING: u32 = 3;

/// How long it stands by at once.
const STAND_BY_NS: u64 = 2_000_000;
/// How often threads of the program have moved frames.
static ROUNDS: AtomicU32 = AtomicU32::new(0);
/// When there is something to do, as whoever ran last was told.
static DEADLINE_NS: AtomicU64 = AtomicU64::new(FOR_EVER_NS);
/// When it ran last.
static LAST_NS: AtomicU64 = AtomicU64::new(0);

/// Whether this thread pointer is the service's.
pub fn is_thread(thread_pointer: usize) -> bool {
    thread_pointer == THREAD.load(Ordering::Relaxed)
}

/// Runs `run` from now on; see `muslin.h`. 0, -EBUSY, -ENOMEM or what the kernel answers.
#[unsafe(no_mangle)]
extern "C" fn muslin_service(run: ServiceFn, context: *mut c_void) -> i32 {
    let is_first = RUN
        .compare_exchange(0, run as usize, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok();
    if !is_first {
        return -Errno::EBUSY.raw();
    }
    CONTEXT.store(context, Ordering::Release);
    match start() {
        Ok(()) => 0,
        Err(errno) => {
            RUN.store(0, Ordering::Release);
            -errno.raw()
        }
    }
}

fn start() -> Result<(), Errno> {
    const EFD_NONBLOCK_CLOEXEC: usize = 0o4000 | 0o2000000;
    fd_api::start()?;
    net_device::open();
    let mapping = raw::map(MAPPING_BYTES).ok_or(Errno::ENOMEM)?;
    let kick = || {
        // SAFETY: makes a descriptor.
        unsafe { kernel::call(Sysno::eventfd2, [0, EFD_NONBLOCK_CLOEXEC, 0, 0, 0, 0]) }
            .map(|fd| hidden::hide(fd as i32))
    };
    KICK.store(kick()?, Ordering::Relaxed);
    lead::begin(kick()?);
    // SAFETY: the mapping is ours and as large.
    let raw = unsafe {
        raw::guard(mapping as usize, GUARD_BYTES);
        let stack_top = mapping.add(GUARD_BYTES + STACK_BYTES);
        let block = stack_top.add(LOCALS_BYTES);
        block.cast::<usize>().write(block as usize);
        // What it calls comes from inside a handler: it goes to the platform.
        block
            .add(pthread::MUSLIN_OFFSET)
            .cast::<usize>()
            .write(stack_top as usize);
        THREAD.store(block as usize, Ordering::Release);
        lock::without_signals(|| thread::spawn(serve, stack_top.cast(), block))
    };
    muslin_abi::args::from_raw(raw).map(|_| ())
}

/// Whether there is a service, with a device that threads of the program can look at for it.
pub fn has_devices() -> bool {
    THREAD.load(Ordering::Acquire) != 0 && net_device::descriptors().any(|fd| fd >= 0)
}

/// When the service has something to do.
pub fn deadline_ns() -> u64 {
    DEADLINE_NS.load(Ordering::Relaxed)
}

/// Runs the service on a thread of the program.
pub fn run_here() {
    ROUNDS.fetch_add(1, Ordering::Relaxed);
    run();
}

/// Runs the service on a thread of the program that is about to wait, if it did not run just now: a look at a device is a
/// call.
pub fn look_here() {
    const PAUSE_NS: u64 = 20_000;
    let now_ns = kernel::now_ns();
    let last_ns = LAST_NS.load(Ordering::Relaxed);
    if now_ns.saturating_sub(last_ns) >= PAUSE_NS {
        run_here();
    }
}

/// Nobody else looks at the devices from now on: the thread does not only stand by.
pub fn attend() {
    // It may have been kicked while it stood by, which woke nobody.
    let stands_by = |state| (state == STANDING || state == KICKED).then_some(KICKED);
    let stood_by = STATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, stands_by);
    if stood_by.is_ok() {
        wake();
    }
}

/// Runs what was begun, in one thread at a time and without signals; when it has something to do again.
fn run() -> u64 {
    static IS_RUN: lock::Word = lock::Word::new();
    let run = RUN.load(Ordering::Acquire);
    // SAFETY: it was stored as one.
    let run = unsafe { core::mem::transmute::<usize, ServiceFn>(run) };
    IS_RUN.locked(|| {
        let now_ns = kernel::now_ns();
        LAST_NS.store(now_ns, Ordering::Relaxed);
        // SAFETY: what it was started with.
        let deadline_ns = unsafe { run(CONTEXT.load(Ordering::Acquire), now_ns) };
        DEADLINE_NS.store(deadline_ns, Ordering::Relaxed);
        deadline_ns
    })
}

/// The thread.
extern "C" fn serve() -> ! {
    let mut rounds = 0;
    loop {
        let deadline_ns = run();
        let rounds_before = core::mem::replace(&mut rounds, ROUNDS.load(Ordering::Relaxed));
        let stands_by = rounds != rounds_before && !lead::has_followers();
        let rest = if stands_by { STANDING } else { SLEEPING };
        let rests = STATE.compare_exchange(RUNNING, rest, Ordering::SeqCst, Ordering::SeqCst);
        let is_woken = if rests.is_err() {
            false
        } else if stands_by {
            // Who has begun to wait since then saw that this thread was awake.
            !lead::has_followers() && sleep(kernel::now_ns() + STAND_BY_NS, core::iter::empty())
        } else {
            sleep(deadline_ns, net_device::descriptors())
        };
        STATE.swap(RUNNING, Ordering::AcqRel);
        // Whatever the state says: a wake may come late, or while this thread is awake.
        if is_woken {
            drain(KICK.load(Ordering::Relaxed));
        }
    }
}

/// An eventfd is as if nobody had written to it.
pub fn drain(fd: i32) {
    let mut count = 0u64;
    let args = [fd as usize, &raw mut count as usize, 8, 0, 0, 0];
    // SAFETY: the number is alive.
    unsafe { raw::call(Sysno::read, args) };
}

/// `struct pollfd`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Pollfd {
    pub fd: i32,
    pub events: u16,
    pub revents: u16,
}

/// Sleeps until one of the devices is ready, the time has come, or somebody wakes the thread: whether somebody
/// did.
fn sleep(deadline_ns: u64, devices: impl Iterator<Item = i32>) -> bool {
    let timeout = if deadline_ns == FOR_EVER_NS {
        None
    } else {
        let rest_ns = deadline_ns.saturating_sub(kernel::now_ns());
        Some([rest_ns / 1_000_000_000, rest_ns % 1_000_000_000])
    };
    let mut fds = [Pollfd {
        fd: KICK.load(Ordering::Relaxed),
        events: POLLIN,
        revents: 0,
    }; 1 + net_device::COUNT_MAX];
    // Descriptors below 0 count for nothing.
    for place in fds.iter_mut().skip(1) {
        place.fd = -1;
    }
    for (place, fd) in fds.iter_mut().skip(1).zip(devices) {
        place.fd = fd;
    }
    let timeout = timeout
        .as_ref()
        .map_or(0, |timeout| &raw const *timeout as usize);
    let args = [&raw mut fds as usize, fds.len(), timeout, 0, 0, 0];
    // SAFETY: the structures are alive. Whatever ends the sleep, the service looks.
    unsafe { raw::call(Sysno::ppoll, args) };
    let [kick, ..] = fds;
    kick.revents != 0
}

/// There is something for the service to do.
#[unsafe(no_mangle)]
extern "C" fn muslin_service_kick() {
    if STATE.swap(KICKED, Ordering::AcqRel) == SLEEPING {
        wake();
    }
}

fn wake() {
    // A child of fork's has the descriptor, but the thread is its parent's.
    if fd_table::world(false) == World::Copy {
        return;
    }
    let one = 1u64;
    let kick = KICK.load(Ordering::Relaxed) as usize;
    // SAFETY: the number is alive.
    unsafe { raw::call(Sysno::write, [kick, &raw const one as usize, 8, 0, 0, 0]) };
}
