//! The waits in which a thread may lead (see `lead`): for a file, by `epoll_wait`, by `poll` and by `select`. What the
//! kernel has to tell is taken behind each sleep, by the program's own call without a wait.

use core::sync::atomic::Ordering;

use muslin_abi::file::FOR_EVER_NS;
use muslin_abi::flags::{POLLIN, POLLOUT, POLLPRI};
use muslin_abi::handler::Call;
use muslin_abi::{Errno, SyscallResult, Sysno};

use crate::fd_calls::{next, wait_below};
use crate::fd_table::{self, Entry, File};
use crate::kernel;
use crate::lead::{self, DESCRIPTORS_MAX, NOTHING, Sleep};
use crate::mirror::looking;
use crate::restarts;
use crate::service::{self, Pollfd};

/// The mask stays as it is.
const SAME_MASK: [usize; 2] = [0; 2];
const NS_PER_SECOND: u64 = 1_000_000_000;
/// When a wait is over that is none.
const NOW: u64 = 0;

/// Waits until something has happened to a file since `seen`. `None`: others have to move frames.
pub fn file(
    call: Option<&Call>,
    file: &File,
    seen: u32,
    deadline_ns: u64,
) -> Option<Result<(), Errno>> {
    let is_endless = deadline_ns == FOR_EVER_NS;
    // `ppoll` cannot tell which function of a signal ended it.
    if is_endless && !restarts::are_usual() {
        return None;
    }
    let sleep = Sleep {
        call,
        descriptors: &[],
        file: Some((file, seen)),
        ends_at_ns: deadline_ns,
        mask: SAME_MASK,
    };
    let led = lead::lead(|| {
        loop {
            let is_over = match sleep.round() {
                Ok(is_over) => is_over,
                Err(Errno::EINTR) if is_endless => false,
                Err(errno) => return Some(Err(errno)),
            };
            if file.happened.load(Ordering::SeqCst) != seen {
                return Some(Ok(()));
            }
            if is_over {
                return Some(Err(Errno::EAGAIN));
            }
            // A function of a signal may have waited in its place, and ended.
            if !lead::take() {
                return None;
            }
        }
    });
    led.flatten()
}

/// Leads until `take` has something to tell, or the time is over; `None` as for [`lead::lead`].
fn until_told(
    call: &Call,
    descriptors: &[Pollfd],
    ends_at_ns: u64,
    mask: [usize; 2],
    mut take: impl FnMut() -> SyscallResult,
) -> Option<SyscallResult> {
    let sleep = Sleep {
        call: Some(call),
        descriptors,
        file: None,
        ends_at_ns,
        mask,
    };
    lead::lead(|| {
        // What has come meanwhile is told together with what the kernel has.
        service::look_here();
        // What is wrong with the call is found out before the wait.
        let mut told = looking(&mut take);
        let mut is_over = false;
        while told == Ok(0) && !is_over {
            is_over = sleep.round()?;
            told = looking(&mut take);
        }
        told
    })
}

/// Waits as the kernel does, and others move frames.
fn follow(call: &Call) -> SyscallResult {
    lead::follow(|| looking(|| wait_below(call)))
}

/// When a wait of so many milliseconds is over; less than 0 is never.
fn end_of_milliseconds(timeout: usize) -> u64 {
    match u64::try_from(timeout as i32) {
        Ok(0) => NOW,
        Ok(milliseconds) => kernel::now_ns() + milliseconds * 1_000_000,
        Err(_) => u64::MAX,
    }
}

/// When a wait is over whose time lies there, in seconds and parts of a second; nothing there is never. `None`: it
/// is wrong.
fn end_of_time(place: usize, parts: u64) -> Option<u64> {
    // SAFETY: where the program says that its time is.
    let Some(&[seconds, part]) = (unsafe { (place as *const [i64; 2]).as_ref() }) else {
        return Some(u64::MAX);
    };
    let (seconds, part) = (u64::try_from(seconds).ok()?, u64::try_from(part).ok()?);
    let part_ns = part.checked_mul(NS_PER_SECOND / parts)?;
    if part >= parts {
        return None;
    }
    match seconds
        .saturating_mul(NS_PER_SECOND)
        .saturating_add(part_ns)
    {
        0 => Some(NOW),
        rest_ns => Some(kernel::now_ns().saturating_add(rest_ns)),
    }
}

/// `epoll_pwait2(epfd, events, maxevents, timeout, sigmask, …)`
pub fn epoll_pwait2(call: &Call) -> SyscallResult {
    follow(call)
}

/// `epoll_wait(epfd, events, maxevents, timeout)`
pub fn epoll_wait(call: &Call) -> SyscallResult {
    epoll(call, SAME_MASK)
}

/// `epoll_pwait(epfd, events, maxevents, timeout, sigmask, …)`
pub fn epoll_pwait(call: &Call) -> SyscallResult {
    let [.., mask, mask_bytes] = call.args;
    epoll(call, [mask, mask_bytes])
}

fn epoll(call: &Call, mask: [usize; 2]) -> SyscallResult {
    let [set, events, max, timeout, ..] = call.args;
    let ends_at_ns = end_of_milliseconds(timeout);
    if ends_at_ns == NOW {
        return looking(|| next(call));
    }
    let told = match fd_table::look_up(set as i32) {
        Entry::Host => {
            let own = [Pollfd {
                fd: set as i32,
                ..NOTHING
            }];
            // SAFETY: the program's own call, but for the wait.
            let take = || unsafe { kernel::call(Sysno::epoll_wait, [set, events, max, 0, 0, 0]) };
            until_told(call, &own, ends_at_ns, mask, take)
        }
        _ => None,
    };
    told.unwrap_or_else(|| follow(call))
}

/// `poll(fds, nfds, timeout)`
pub fn poll(call: &Call) -> SyscallResult {
    polled(call, Some(end_of_milliseconds(call.args[2])), SAME_MASK)
}

/// `ppoll(fds, nfds, timeout, sigmask, …)`
pub fn ppoll(call: &Call) -> SyscallResult {
    let [_, _, time, mask, mask_bytes, _] = call.args;
    polled(call, end_of_time(time, NS_PER_SECOND), [mask, mask_bytes])
}

fn polled(call: &Call, ends_at_ns: Option<u64>, mask: [usize; 2]) -> SyscallResult {
    if ends_at_ns == Some(NOW) {
        return looking(|| next(call));
    }
    let [fds, count, ..] = call.args;
    let mut own = [NOTHING; DESCRIPTORS_MAX];
    let told = match (own.get_mut(..count), ends_at_ns) {
        (Some(own), Some(ends_at_ns)) if fds != 0 => {
            for (at, place) in own.iter_mut().enumerate() {
                // SAFETY: the program says that there are as many; a bad address is its own fault.
                *place = unsafe { *(fds as *const Pollfd).add(at) };
            }
            // SAFETY: the program's own call, but for the wait.
            let take = || unsafe { kernel::call(Sysno::poll, [fds, count, 0, 0, 0, 0]) };
            until_told(call, own, ends_at_ns, mask, take)
        }
        _ => None,
    };
    told.unwrap_or_else(|| follow(call))
}

/// `select(nfds, readfds, writefds, exceptfds, timeout)`
pub fn select(call: &Call) -> SyscallResult {
    selected(call, end_of_time(call.args[4], 1_000_000), SAME_MASK)
}

/// `pselect6(nfds, readfds, writefds, exceptfds, timeout, sigmask)`
pub fn pselect6(call: &Call) -> SyscallResult {
    let [.., time, mask] = call.args;
    // SAFETY: null, or where the program says that the mask's address and length are.
    let mask = unsafe { (mask as *const [usize; 2]).as_ref() };
    let ends_at_ns = end_of_time(time, NS_PER_SECOND);
    selected(call, ends_at_ns, *mask.unwrap_or(&SAME_MASK))
}

const WORD_BITS: usize = 64;
/// As many numbers `fd_set` has.
const NUMBERS: usize = 1024;
type Set = [u64; NUMBERS / WORD_BITS];

fn selected(call: &Call, ends_at_ns: Option<u64>, mask: [usize; 2]) -> SyscallResult {
    if ends_at_ns == Some(NOW) {
        return looking(|| next(call));
    }
    let [end, places @ .., _, _] = call.args;
    let count = usize::try_from(end as i32).ok().filter(|&it| it <= NUMBERS);
    let mut own = [NOTHING; DESCRIPTORS_MAX];
    let told = match (count, ends_at_ns) {
        (Some(count), Some(ends_at_ns)) => {
            let words = count.div_ceil(WORD_BITS);
            // SAFETY: null, or a set of the program's of as many words; a bad address is its own fault.
            let sets = places.map(|place| unsafe { copy_of(place, words) });
            descriptors_of(&sets, count, &mut own).and_then(|own| {
                let take = || {
                    let mut asked = sets;
                    let told = take_selected(end, places, &mut asked)?;
                    for (&place, set) in places.iter().zip(&asked) {
                        // The kernel's answer counts if it is one, or the last.
                        if place != 0 && (told != 0 || ends_at_ns <= kernel::now_ns()) {
                            // SAFETY: as above.
                            unsafe { (place as *mut u64).copy_from(set.as_ptr(), words) };
                        }
                    }
                    Ok(told)
                };
                until_told(call, own, ends_at_ns, mask, take)
            })
        }
        _ => None,
    };
    told.unwrap_or_else(|| follow(call))
}

/// # Safety
/// `place` is null or readable for as many words, of which a set has room for.
unsafe fn copy_of(place: usize, words: usize) -> Set {
    let mut set: Set = [0; NUMBERS / WORD_BITS];
    if place != 0 {
        // SAFETY: as the caller promises.
        unsafe { set.as_mut_ptr().copy_from(place as *const u64, words) };
    }
    set
}

/// The descriptors of three sets for `ppoll`. `None`: there are too many.
fn descriptors_of<'a>(
    sets: &[Set; 3],
    count: usize,
    own: &'a mut [Pollfd; DESCRIPTORS_MAX],
) -> Option<&'a [Pollfd]> {
    let mut len = 0;
    for fd in 0..count {
        let mut events = 0;
        for (set, event) in sets.iter().zip([POLLIN, POLLOUT, POLLPRI]) {
            let word = set.get(fd / WORD_BITS)?;
            if word >> (fd % WORD_BITS) & 1 != 0 {
                events |= event;
            }
        }
        if events != 0 {
            *own.get_mut(len)? = Pollfd {
                fd: fd as i32,
                events,
                revents: 0,
            };
            len += 1;
        }
    }
    own.get(..len)
}

/// Asks without a wait, for sets of which the program has those at `places`.
fn take_selected(end: usize, places: [usize; 3], sets: &mut [Set; 3]) -> SyscallResult {
    let now = [0i64; 2];
    let mut at = [0; 3];
    for ((at, set), place) in at.iter_mut().zip(sets).zip(places) {
        if place != 0 {
            *at = set.as_mut_ptr() as usize;
        }
    }
    let [read, write, except] = at;
    let args = [end, read, write, except, &raw const now as usize, 0];
    // SAFETY: the sets are ours, and large enough for as many numbers.
    unsafe { kernel::call(Sysno::select, args) }
}
