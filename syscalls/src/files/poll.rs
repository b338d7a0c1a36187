//! Waiting for files: poll, ppoll, select, pselect6.

use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::layout::{Pod, Pollfd, Timespec, Timeval};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use crate::context::Context;
use crate::process::exit_by_deadlock;
use crate::signals;
use crate::time::duration_ns;
use crate::user_mem::{self, UserBuf, UserBufMut};

/// Descriptors in an `fd_set`.
const WORD_BITS: usize = 64;

/// What says "ready" in each of `select`'s three sets.
const SELECT_READ: u16 = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR;
const SELECT_WRITE: u16 = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR;
const SELECT_EXCEPT: u16 = POLLPRI;

/// `poll(fds, nfds, timeout)` — waits until a file is ready.
///
/// - `timeout`: milliseconds; negative waits for ever.
///
/// Returns how many are ready; 0 when the time is over.
///
/// # Errors
/// `EINVAL` more than descriptors can be · `EFAULT`.
/// # Source
/// poll(2)
pub fn sys_poll(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let timeout = u64::try_from(args.int(2)).ok();
    let deadline = timeout.map(|ms| deadline(context, ms.saturating_mul(1_000_000)));
    poll(context, args.addr(0), args.size(1), deadline)
}

/// `ppoll(fds, nfds, tmo_p, sigmask, sigsetsize)` — as [`sys_poll`], in nanoseconds.
///
/// # Errors
/// `EINVAL` a wrong time or size · as [`sys_poll`].
/// # Differs from Linux
/// The time left is not written back.
/// # Source
/// ppoll(2)
pub fn sys_ppoll(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let deadline = deadline_of_timespec(context, args.addr(2))?;
    with_mask(context, (args.addr(3), args.size(4)), || {
        poll(context, args.addr(0), args.size(1), deadline)
    })
}

/// `select(nfds, readfds, writefds, exceptfds, timeout)` — waits until a file is ready.
///
/// Returns how many bits are set in all three sets.
///
/// # Errors
/// `EBADF` one is not open · `EINVAL` a negative number or time · `EFAULT`.
/// # Differs from Linux
/// The time left is not written back.
/// # Source
/// select(2)
pub fn sys_select(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let mut until = None;
    if args.addr(4) != 0 {
        let time: Timeval = user_mem::read(context, args.addr(4))?;
        let time = Timespec {
            tv_sec: time.tv_sec.saturating_add(time.tv_usec / 1_000_000),
            tv_nsec: time.tv_usec % 1_000_000 * 1000,
        };
        until = Some(deadline(context, duration_ns(&time)?));
    }
    select(context, args, until)
}

/// `pselect6(nfds, readfds, writefds, exceptfds, timeout, sigmask)` — as [`sys_select`], in
/// nanoseconds.
///
/// # Errors
/// As [`sys_select`].
/// # Differs from Linux
/// The time left is not written back.
/// # Source
/// select(2)
pub fn sys_pselect6(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let deadline = deadline_of_timespec(context, args.addr(4))?;
    let mask = match args.addr(5) {
        0 => [0; 2],
        address => user_mem::read::<[usize; 2]>(context, address)?,
    };
    with_mask(context, (mask[0], mask[1]), || {
        select(context, args, deadline)
    })
}

/// Where another thread would run until a file is ready. While there is none, nothing here can ever
/// become ready: the program is told so and ends.
pub(super) fn wait_for_ever(context: &Context<'_>, what: &str) {
    exit_by_deadlock(context, what)
}

fn deadline(context: &Context<'_>, ns: u64) -> u64 {
    context.platform.clock().monotonic_ns().saturating_add(ns)
}

fn deadline_of_timespec(context: &Context<'_>, address: usize) -> Result<Option<u64>, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let time: Timespec = user_mem::read(context, address)?;
    Ok(Some(deadline(context, duration_ns(&time)?)))
}

/// Waits with another mask of signals, where the program names one.
fn with_mask(
    context: &Context<'_>,
    (address, size): (usize, usize),
    wait: impl FnOnce() -> SyscallResult,
) -> SyscallResult {
    let mask = signals::read_mask(context, address, size)?;
    signals::with_mask(context, mask, wait)
}

/// Repeats `look` until it counts something or the time is over.
fn wait_until(
    context: &Context<'_>,
    deadline: Option<u64>,
    what: &str,
    mut look: impl FnMut() -> Result<usize, Errno>,
) -> SyscallResult {
    loop {
        let ready = look()?;
        if ready > 0 {
            return Ok(ready);
        }
        match deadline {
            Some(at) if context.platform.clock().monotonic_ns() >= at => return Ok(0),
            Some(_) => context.platform.wait().wait_until(deadline),
            None => wait_for_ever(context, what),
        }
    }
}

fn readiness(context: &Context<'_>, fd: i32) -> Option<u16> {
    let file = context.process.files.file(fd).ok()?;
    Some(file.ops.poll(context).0)
}

fn poll(
    context: &Context<'_>,
    address: usize,
    count: usize,
    deadline: Option<u64>,
) -> SyscallResult {
    let count = count as u32 as usize;
    if count > context.process.files.table().lock().max() {
        return Err(Errno::EINVAL);
    }
    let len = count * Pollfd::BYTES;
    let bytes = UserBuf::new(context, address, len)?.to_vec()?;
    let mut dst = UserBufMut::new(context, address, len)?;
    let mut list: Vec<Pollfd> = bytes
        .chunks(Pollfd::BYTES)
        .map(Pollfd::from_bytes)
        .collect();
    let ready = wait_until(context, deadline, "poll", || {
        for entry in &mut list {
            entry.revents = match readiness(context, entry.fd) {
                _ if entry.fd < 0 => 0,
                Some(bits) => bits & (entry.events | POLLERR | POLLHUP),
                None => POLLNVAL,
            };
        }
        Ok(list.iter().filter(|entry| entry.revents != 0).count())
    })?;
    for (i, entry) in list.iter().enumerate() {
        let mut bytes = [0; Pollfd::BYTES];
        entry.to_bytes(&mut bytes);
        dst.copy_in(i * Pollfd::BYTES, &bytes);
    }
    Ok(ready)
}

fn select(context: &Context<'_>, args: &SyscallArgs, deadline: Option<u64>) -> SyscallResult {
    let count = usize::try_from(args.int(0)).map_err(|_| Errno::EINVAL)?;
    let count = count.min(context.process.files.table().lock().max());
    let words = count.div_ceil(WORD_BITS);
    let mut asked: [Vec<u64>; 3] = Default::default();
    for (set, &address) in asked.iter_mut().zip(&args.0[1..4]) {
        if address != 0 {
            let bytes = UserBuf::new(context, address, words * 8)?.to_vec()?;
            UserBufMut::new(context, address, words * 8)?;
            *set = bytes.chunks(8).map(u64::from_bytes).collect();
        }
    }
    let mut found: [Vec<u64>; 3] = Default::default();
    let ready = wait_until(context, deadline, "select", || {
        found = asked.clone().map(|set| alloc::vec![0; set.len()]);
        let mut ready = 0;
        for fd in 0..count {
            let (word, bit) = (fd / WORD_BITS, 1 << (fd % WORD_BITS));
            let is_asked = |set: &Vec<u64>| set.get(word).is_some_and(|bits| bits & bit != 0);
            if !asked.iter().any(is_asked) {
                continue;
            }
            let bits = readiness(context, fd as i32).ok_or(Errno::EBADF)?;
            let meant = [SELECT_READ, SELECT_WRITE, SELECT_EXCEPT];
            for ((asked, found), meant) in asked.iter().zip(&mut found).zip(meant) {
                if is_asked(asked) && bits & meant != 0 {
                    found[word] |= bit;
                    ready += 1;
                }
            }
        }
        Ok(ready)
    })?;
    for (set, &address) in found.iter().zip(&args.0[1..4]) {
        let bytes: Vec<u8> = set.iter().flat_map(|word| word.to_le_bytes()).collect();
        UserBufMut::new(context, address, bytes.len())?.copy_in(0, &bytes);
    }
    Ok(ready)
}
