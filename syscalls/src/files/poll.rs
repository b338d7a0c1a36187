//! Waiting for files: poll, ppoll, select, pselect6.

use alloc::vec::Vec;
use core::mem::offset_of;

use muslin_abi::flags::*;
use muslin_abi::layout::{Pod, Pollfd, Timespec, Timeval};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::file_ops::Readiness;
use super::waiting::{ALWAYS, Looked, wait_for_files};
use crate::context::Context;
use crate::signals;
use crate::time::{duration_ns, timespec_of, timeval_of};
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
/// # Source
/// ppoll(2)
pub fn sys_ppoll(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let deadline = deadline_of_timespec(context, args.addr(2))?;
    let result = with_mask(context, (args.addr(3), args.size(4)), || {
        poll(context, args.addr(0), args.size(1), deadline)
    });
    tell_time_left(context, deadline, args.addr(2), timespec_of);
    result
}

/// `select(nfds, readfds, writefds, exceptfds, timeout)` — waits until a file is ready.
///
/// Returns how many bits are set in all three sets.
///
/// # Errors
/// `EBADF` one is not open · `EINVAL` a negative number or time · `EFAULT`.
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
    let result = select(context, args, until);
    tell_time_left(context, until, args.addr(4), timeval_of);
    result
}

/// `pselect6(nfds, readfds, writefds, exceptfds, timeout, sigmask)` — as [`sys_select`], in
/// nanoseconds.
///
/// # Errors
/// As [`sys_select`].
/// # Source
/// select(2)
pub fn sys_pselect6(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let deadline = deadline_of_timespec(context, args.addr(4))?;
    let mask = match args.addr(5) {
        0 => [0; 2],
        address => user_mem::read::<[usize; 2]>(context, address)?,
    };
    let result = with_mask(context, (mask[0], mask[1]), || {
        select(context, args, deadline)
    });
    tell_time_left(context, deadline, args.addr(4), timespec_of);
    result
}

pub(super) fn deadline(context: &Context<'_>, ns: u64) -> u64 {
    context.platform.clock().monotonic_ns().saturating_add(ns)
}

pub(super) fn deadline_of_timespec(
    context: &Context<'_>,
    address: usize,
) -> Result<Option<u64>, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let time: Timespec = user_mem::read(context, address)?;
    Ok(Some(deadline(context, duration_ns(&time)?)))
}

/// Puts what is left of a time where the time came from, if the program can write there.
fn tell_time_left<T: Pod>(
    context: &Context<'_>,
    deadline: Option<u64>,
    address: usize,
    layout: fn(i128) -> T,
) {
    if let Some(at) = deadline {
        let left = at.saturating_sub(context.platform.clock().monotonic_ns());
        // A program may keep the time where nobody writes.
        let _ = user_mem::write(context, address, &layout(left.into()));
    }
}

/// Waits with another mask of signals, where the program names one.
pub(super) fn with_mask(
    context: &Context<'_>,
    (address, size): (usize, usize),
    wait: impl FnOnce() -> SyscallResult,
) -> SyscallResult {
    let mask = signals::read_mask(context, address, size)?;
    signals::with_mask(context, mask, wait)
}

/// Repeats `look`, which gives what it has looked at to who wants it, until it counts something or the
/// time is over.
///
/// # Errors
/// `EINTR` a signal came · `look`'s own.
fn wait_until(
    context: &Context<'_>,
    deadline: Option<u64>,
    look: &mut dyn FnMut(&mut Vec<Looked>) -> Result<usize, Errno>,
) -> SyscallResult {
    let is_over = |at: u64| context.platform.clock().monotonic_ns() >= at;
    let mut is_last = false;
    loop {
        let mut looked = Vec::new();
        let ready = look(&mut looked)?;
        if ready > 0 || is_last {
            return Ok(ready);
        }
        if deadline.is_some_and(is_over) {
            // Who only asks again and again sees what comes from outside.
            context.process.threads.look_outside(context);
            is_last = true;
            continue;
        }
        match wait_for_files(context, &looked, deadline) {
            Err(Errno::RESTART) => return Err(Errno::EINTR),
            Err(_) => is_last = true,
            Ok(()) => {}
        }
    }
}

/// What a descriptor is ready for; 0 also if nobody asks.
fn look_at(context: &Context<'_>, fd: i32, interest: u16, looked: &mut Vec<Looked>) -> Option<u16> {
    let file = context.process.files.file(fd).ok()?;
    let bits = file.ops.poll(context).0;
    looked.push((file, Readiness(interest)));
    Some(bits)
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
    // Read once, and written once at the end: others may use the list meanwhile, or unmap it.
    let asked = UserBuf::new(context, address, len)?.to_vec()?;
    UserBufMut::new(context, address, len)?;
    let mut entries: Vec<Pollfd> = asked
        .chunks_exact(Pollfd::BYTES)
        .map(Pollfd::from_bytes)
        .collect();
    let result = wait_until(context, deadline, &mut |looked| {
        let mut ready = 0;
        for entry in &mut entries {
            entry.revents = if entry.fd < 0 {
                0
            } else {
                let bits = look_at(context, entry.fd, entry.events, looked);
                bits.map_or(POLLNVAL, |bits| bits & (entry.events | ALWAYS.0))
            };
            ready += usize::from(entry.revents != 0);
        }
        Ok(ready)
    });
    let mut dst = UserBufMut::new(context, address, len)?;
    for (entry, offset) in entries.iter().zip((0..len).step_by(Pollfd::BYTES)) {
        let place = offset + offset_of!(Pollfd, revents);
        dst.copy_in(place, &entry.revents.to_le_bytes());
    }
    result
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
    let ready = wait_until(context, deadline, &mut |looked| {
        found = asked.clone().map(|set| alloc::vec![0; set.len()]);
        let mut ready = 0;
        for fd in 0..count {
            let (word, bit) = (fd / WORD_BITS, 1 << (fd % WORD_BITS));
            let is_asked = |set: &Vec<u64>| set.get(word).is_some_and(|bits| bits & bit != 0);
            if !asked.iter().any(is_asked) {
                continue;
            }
            let meant = [SELECT_READ, SELECT_WRITE, SELECT_EXCEPT];
            let wanted = asked.iter().zip(meant).filter(|(set, _)| is_asked(set));
            let interest = wanted.fold(0, |bits, (_, meant)| bits | meant);
            let bits = look_at(context, fd as i32, interest, looked).ok_or(Errno::EBADF)?;
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
