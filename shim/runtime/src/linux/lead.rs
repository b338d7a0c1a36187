//! A thread of the program that waits for events moves frames meanwhile, as long as no other waits for something
//! of the network: then a frame wakes one thread, not the service's and behind it the program's.
//!
//! It waits by `ppoll` for its `epoll` set and for the devices, and takes events out of the set afterwards. The
//! service's thread stands by (see `service`): it sees to what comes while the program does something else.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use muslin_abi::flags::POLLIN;
use muslin_abi::handler::Call;
use muslin_abi::{Errno, SyscallResult, Sysno};

use crate::chain;
use crate::ending;
use crate::fd_calls::{next, wait_below};
use crate::fd_table::{self, Entry, World};
use crate::kernel;
use crate::net_device;
use crate::service::{self, Pollfd};

/// Whether a thread moves frames where it waits.
static IS_LED: AtomicBool = AtomicBool::new(false);
/// How many others wait.
static FOLLOWERS: AtomicU32 = AtomicU32::new(0);

/// Waits for something of the network that others have to move.
pub fn follow<T>(wait: impl FnOnce() -> T) -> T {
    FOLLOWERS.fetch_add(1, Ordering::SeqCst);
    if !IS_LED.load(Ordering::SeqCst) {
        service::attend();
    }
    let result = wait();
    FOLLOWERS.fetch_sub(1, Ordering::SeqCst);
    result
}

/// Whether somebody waits for what others have to move.
pub fn has_followers() -> bool {
    FOLLOWERS.load(Ordering::SeqCst) != 0
}

/// `epoll_pwait2(epfd, events, maxevents, timeout, sigmask, …)`
pub fn epoll_pwait2(call: &Call) -> SyscallResult {
    follow(|| wait_below(call))
}

/// `epoll_wait(epfd, events, maxevents, timeout)`
pub fn epoll_wait(call: &Call) -> SyscallResult {
    wait(call, [0; 2])
}

/// `epoll_pwait(epfd, events, maxevents, timeout, sigmask, …)`
pub fn epoll_pwait(call: &Call) -> SyscallResult {
    let [.., mask, mask_bytes] = call.args;
    wait(call, [mask, mask_bytes])
}

fn wait(call: &Call, mask: [usize; 2]) -> SyscallResult {
    let [set, _, _, timeout, ..] = call.args;
    if timeout as i32 == 0 {
        return next(call);
    }
    let can_lead = service::has_devices()
        && matches!(fd_table::look_up(set as i32), Entry::Host)
        && fd_table::world(false) == World::Own
        && !has_followers();
    if !can_lead || IS_LED.swap(true, Ordering::SeqCst) {
        return follow(|| wait_below(call));
    }
    let result = lead(call, mask);
    IS_LED.store(false, Ordering::SeqCst);
    if has_followers() {
        service::attend();
    }
    ending::stay();
    result
}

fn lead(call: &Call, [mask, mask_bytes]: [usize; 2]) -> SyscallResult {
    let [set, events, max, timeout, ..] = call.args;
    // What is wrong with the call is found out before the wait.
    // SAFETY: the program's own call, but for the wait.
    let take = || unsafe { kernel::call(Sysno::epoll_wait, [set, events, max, 0, 0, 0]) };
    let told = take();
    if told != Ok(0) {
        return told;
    }
    let ends_at_ns = match u64::try_from(timeout as i32) {
        Ok(milliseconds) => kernel::now_ns() + milliseconds * 1_000_000,
        Err(_) => u64::MAX,
    };
    loop {
        let has_frames = sleep(call, set, ends_at_ns, [mask, mask_bytes])?;
        let now_ns = kernel::now_ns();
        if has_frames || service::deadline_ns() <= now_ns {
            service::run_here();
        }
        let told = take();
        if told != Ok(0) || ends_at_ns <= now_ns {
            return told;
        }
    }
}

/// Sleeps until the set or a device is ready, or the time has come. Whether a device is.
fn sleep(call: &Call, set: usize, ends_at_ns: u64, mask: [usize; 2]) -> Result<bool, Errno> {
    let mut fds = [Pollfd {
        fd: set as i32,
        events: POLLIN,
        revents: 0,
    }; 1 + net_device::COUNT_MAX];
    for (place, fd) in fds.iter_mut().skip(1).zip(net_device::descriptors()) {
        place.fd = fd;
    }
    let until_ns = ends_at_ns.min(service::deadline_ns());
    let rest_ns = until_ns.saturating_sub(kernel::now_ns());
    let time = [rest_ns / 1_000_000_000, rest_ns % 1_000_000_000];
    let timeout = if until_ns == u64::MAX {
        0
    } else {
        &raw const time as usize
    };
    let [mask, mask_bytes] = mask;
    let args = [
        &raw mut fds as usize,
        fds.len(),
        timeout,
        mask,
        mask_bytes,
        0,
    ];
    // SAFETY: the structures are alive; the mask is the program's.
    let raw = unsafe { chain::wait(Some(call), Sysno::ppoll, &args) };
    muslin_abi::args::from_raw(raw)?;
    let mut devices = fds.iter().skip(1);
    Ok(devices.any(|device| device.revents != 0))
}
