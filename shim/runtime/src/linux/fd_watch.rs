//! The calls that ask the kernel about descriptors: from then on it is shown what minted ones are ready
//! for.

use muslin_abi::SyscallResult;
use muslin_abi::handler::Call;

use crate::fd_calls::next;
use crate::fd_table::{self, Entry, World};
use crate::lead_waits;
use crate::service::Pollfd;

fn watch(fd: i32, has_edges: bool) {
    if let Entry::Minted(file) = fd_table::look_up(fd)
        && fd_table::world(false) != World::Copy
    {
        file.mirror.watch(has_edges);
    }
}

/// `poll(fds, nfds, timeout)`
pub fn poll(call: &Call) -> SyscallResult {
    watch_polled(call);
    lead_waits::poll(call)
}

/// `ppoll(fds, nfds, timeout, sigmask, …)`
pub fn ppoll(call: &Call) -> SyscallResult {
    watch_polled(call);
    lead_waits::ppoll(call)
}

fn watch_polled(call: &Call) {
    /// More than that the kernel refuses.
    const COUNT_MAX: usize = 1 << 20;
    let [fds, count, ..] = call.args;
    if fds != 0 && count <= COUNT_MAX {
        for i in 0..count {
            // SAFETY: the program says that there are as many; a bad address is its own fault.
            let fd = unsafe { (*(fds as *const Pollfd).add(i)).fd };
            watch(fd, false);
        }
    }
}

/// `select(nfds, readfds, writefds, exceptfds, timeout)`
pub fn select(call: &Call) -> SyscallResult {
    watch_selected(call);
    lead_waits::select(call)
}

/// `pselect6(nfds, readfds, writefds, exceptfds, timeout, sigmask)`
pub fn pselect6(call: &Call) -> SyscallResult {
    watch_selected(call);
    lead_waits::pselect6(call)
}

fn watch_selected(call: &Call) {
    const WORD_BITS: usize = 64;
    let end = usize::try_from(call.args[0] as i32).unwrap_or(0);
    for &set in call.args[1..4].iter().filter(|&&set| set != 0) {
        for at in 0..end.div_ceil(WORD_BITS) {
            // SAFETY: as in `poll`.
            let mut word = unsafe { *(set as *const u64).add(at) };
            while word != 0 {
                watch(
                    (at * WORD_BITS) as i32 + word.trailing_zeros() as i32,
                    false,
                );
                word &= word - 1;
            }
        }
    }
}

/// `epoll_ctl(epfd, op, fd, event)`.
pub fn epoll_ctl(call: &Call) -> SyscallResult {
    const EPOLL_CTL_DEL: usize = 2;
    const EPOLLET: u32 = 1 << 31;
    let [_, op, fd, event, ..] = call.args;
    if op != EPOLL_CTL_DEL && event != 0 {
        // SAFETY: as in `poll`; the events are what it begins with.
        let events = unsafe { *(event as *const u32) };
        watch(fd as i32, events & EPOLLET != 0);
    }
    next(call)
}
