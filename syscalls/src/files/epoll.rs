//! The calls of epoll: a set of open files ([`epoll_set`](super::epoll_set)) says which of them are ready.

use alloc::boxed::Box;
use alloc::sync::Arc;

use muslin_abi::flags::*;
use muslin_abi::layout::Pod;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::devices::Device;
use super::epoll_set::*;
use super::file_ops::{FileOps, Readiness};
use super::new_descriptor;
use super::poll::{deadline, deadline_of_timespec, with_mask};
use super::regular::OpenDirectory;
use crate::context::Context;
use crate::threads::{self, Waiting, wait_on};
use crate::user_mem;

const EPOLL_CTL_ADD: i32 = 1;
const EPOLL_CTL_DEL: i32 = 2;
const EPOLL_CTL_MOD: i32 = 3;

/// What an exclusive watch may ask for.
const EXCLUSIVE_KNOWN: u32 =
    POLLIN as u32 | POLLOUT as u32 | ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// `epoll_create(size)` — as [`sys_epoll_create1`]; the size says nothing.
///
/// # Errors
/// `EINVAL` a size that is not positive · as [`sys_epoll_create1`].
pub fn sys_epoll_create(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.int(0) <= 0 {
        return Err(Errno::EINVAL);
    }
    make(context, 0)
}

/// `epoll_create1(flags)` — makes a set with a descriptor.
///
/// - `flags`: `EPOLL_CLOEXEC`.
///
/// # Errors
/// `EINVAL` another flag · `EMFILE` · `ENOMEM`.
/// # Source
/// epoll_create(2), man-pages 6.9
pub fn sys_epoll_create1(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args.int(0) as u32)
}

/// `epoll_ctl(epfd, op, fd, event)` — adds a file to a set, changes what is asked of it, or takes it
/// out.
///
/// # Errors
/// `EBADF` · `EEXIST` it is in the set · `ENOENT` it is not · `EINVAL` not a set, the set itself, no
/// such operation, an exclusive watch that is changed or asks for too much · `EPERM` a file or
/// directory, which are always ready · `ELOOP` sets in one another in a ring, or too deep · `EFAULT`.
/// # Source
/// epoll_ctl(2), man-pages 6.9
pub fn sys_epoll_ctl(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let operation = args.int(1);
    let mut event = Event::default();
    if operation != EPOLL_CTL_DEL {
        event = user_mem::read(context, args.addr(3))?;
    }
    let files = &context.process.files;
    let (own, file) = (files.file(args.fd(0))?, files.file(args.fd(2))?);
    if !can_be_watched(&*file.ops) {
        return Err(Errno::EPERM);
    }
    let set = set_of(&own).ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(&own, &file) {
        return Err(Errno::EINVAL);
    }
    if event[0] & EPOLLEXCLUSIVE != 0 {
        let asks_too_much = event[0] & !EXCLUSIVE_KNOWN != 0 || set_of(&file).is_some();
        if operation == EPOLL_CTL_MOD || (operation == EPOLL_CTL_ADD && asks_too_much) {
            return Err(Errno::EINVAL);
        }
    }
    if operation == EPOLL_CTL_ADD
        && let Some(inner) = set_of(&file)
    {
        check_nesting(set, inner)?;
        inner.be_watched_by(set);
    }
    let name = (args.fd(2), file.id());
    let found = set.find(name);
    event[0] |= ALWAYS;
    match (operation, found) {
        (EPOLL_CTL_ADD, Some(_)) => return Err(Errno::EEXIST),
        (EPOLL_CTL_ADD, None) => {
            context.process.memory.has_room_for_kernel()?;
            set.add(&file, name, event).look(context, &file);
        }
        (EPOLL_CTL_DEL, Some(watch)) => {
            watch.forget(&file);
            watch.leave(&file);
        }
        (EPOLL_CTL_MOD, Some(watch)) => {
            watch.change(event)?;
            watch.look(context, &file);
        }
        (EPOLL_CTL_DEL | EPOLL_CTL_MOD, None) => return Err(Errno::ENOENT),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `epoll_wait(epfd, events, maxevents, timeout)` — waits until a file of a set is ready.
///
/// - `timeout`: milliseconds; negative waits for ever.
///
/// Returns how many events were told, at most `maxevents`; 0 when the time is over.
///
/// # Errors
/// `EBADF` · `EINVAL` not a set, or no room for an event · `EINTR` a signal came · `EFAULT`.
/// # Source
/// epoll_wait(2), man-pages 6.9
pub fn sys_epoll_wait(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    wait(context, args, deadline_of_milliseconds(context, args))
}

/// `epoll_pwait(epfd, events, maxevents, timeout, sigmask, sigsetsize)` — [`sys_epoll_wait`] with
/// another mask of signals meanwhile.
///
/// # Errors
/// `EINVAL` a mask of another size · as [`sys_epoll_wait`].
/// # Source
/// epoll_wait(2), man-pages 6.9
pub fn sys_epoll_pwait(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let deadline = deadline_of_milliseconds(context, args);
    with_mask(context, (args.addr(4), args.size(5)), || {
        wait(context, args, deadline)
    })
}

/// `epoll_pwait2(epfd, events, maxevents, timeout, sigmask, sigsetsize)` — [`sys_epoll_pwait`] in
/// nanoseconds; without a time it waits for ever.
///
/// # Errors
/// `EINVAL` a wrong time · as [`sys_epoll_pwait`].
/// # Source
/// epoll_wait(2), man-pages 6.9
pub fn sys_epoll_pwait2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let deadline = deadline_of_timespec(context, args.addr(3))?;
    with_mask(context, (args.addr(4), args.size(5)), || {
        wait(context, args, deadline)
    })
}

fn make(context: &Context<'_>, flags: u32) -> SyscallResult {
    if flags & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    new_descriptor(context, Box::new(Epoll::new()), O_RDWR | flags)
}

fn deadline_of_milliseconds(context: &Context<'_>, args: &SyscallArgs) -> Option<u64> {
    let timeout = u64::try_from(args.int(3)).ok();
    timeout.map(|ms| deadline(context, ms.saturating_mul(1_000_000)))
}

/// Whether a set may watch a file: not those that are always ready.
fn can_be_watched(ops: &dyn FileOps) -> bool {
    let kind = ops.as_any();
    match kind.downcast_ref() {
        Some(device) => matches!(device, Device::Random | Device::Urandom),
        None => !ops.has_places() && !kind.is::<OpenDirectory>(),
    }
}

fn wait(context: &Context<'_>, args: &SyscallArgs, deadline: Option<u64>) -> SyscallResult {
    const EVENTS_MAX: usize = i32::MAX as usize / Event::BYTES;
    let max = match usize::try_from(args.int(2)) {
        Ok(max @ 1..=EVENTS_MAX) => max,
        _ => return Err(Errno::EINVAL),
    };
    let file = context.process.files.file(args.fd(0))?;
    let set = set_of(&file).ok_or(Errno::EINVAL)?;
    let waiting = Waiting {
        what: file.ops.name(),
        object: args.fd(0) as usize,
    };
    let is_over = |at: u64| context.platform.clock().monotonic_ns() >= at;
    let mut has_yielded = false;
    loop {
        let told = set.tell(context, args.addr(1), max)?;
        if told > 0 {
            // Whoever took this wake may have left something for the next.
            if set.has_more() {
                set.queue.wake(Readiness::READABLE);
            }
            return Ok(told);
        }
        if deadline.is_some_and(is_over) {
            if has_yielded {
                return Ok(0);
            }
            // Who only asks again and again lets others run, and timers be due.
            has_yielded = true;
            threads::yield_now(context);
            continue;
        }
        match wait_on(context, &set.queue, Readiness::READABLE, deadline, waiting) {
            Err(Errno::RESTART) => return Err(Errno::EINTR),
            // The last look follows.
            Err(_) => has_yielded = true,
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use core::any::Any;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::vec::Vec;

    use super::*;
    use crate::files::{sys_close, sys_dup, sys_eventfd2};
    use crate::lock::Mutex;
    use crate::testing::World;
    use crate::threads::WaitQueue;

    /// A file that counts how often it is looked at.
    struct Counted {
        is_ready: Mutex<bool>,
        looks: Arc<AtomicUsize>,
        queue: WaitQueue,
    }

    impl FileOps for Counted {
        fn poll(&self, _context: &Context<'_>) -> Readiness {
            self.looks.fetch_add(1, Ordering::Relaxed);
            Readiness(if *self.is_ready.lock() { POLLIN } else { 0 })
        }

        fn queue(&self) -> Option<&WaitQueue> {
            Some(&self.queue)
        }

        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    fn counted(world: &World, looks: &Arc<AtomicUsize>) -> usize {
        let ops = Counted {
            is_ready: Mutex::new(false),
            looks: looks.clone(),
            queue: WaitQueue::new(),
        };
        new_descriptor(&world.context(), Box::new(ops), O_RDWR).unwrap()
    }

    fn set_ready(world: &World, fd: usize, is_ready: bool) {
        let file = world.process.files.file(fd as i32).unwrap();
        let counted: &Counted = file.ops.as_any().downcast_ref().unwrap();
        *counted.is_ready.lock() = is_ready;
        if is_ready {
            counted.queue.wake(Readiness(POLLIN));
        }
    }

    fn add(world: &World, set: usize, fd: usize, events: u32) -> SyscallResult {
        let event = world.value(&[events, fd as u32, 0]);
        world.call(sys_epoll_ctl, [set, 1, fd, event])
    }

    #[test]
    fn an_event_is_looked_for_where_it_came_from_alone() {
        let world = World::new();
        let looks = Arc::new(AtomicUsize::new(0));
        let set = world.call(sys_epoll_create1, [0]).unwrap();
        let fds: Vec<usize> = (0..900).map(|_| counted(&world, &looks)).collect();
        for &fd in &fds {
            assert_eq!(add(&world, set, fd, POLLIN.into()), Ok(0));
        }
        let room = world.room(16 * Event::BYTES);
        looks.store(0, Ordering::Relaxed);
        for &fd in fds.iter().step_by(100) {
            set_ready(&world, fd, true);
            assert_eq!(world.call(sys_epoll_wait, [set, room, 16, 0]), Ok(1));
            assert_eq!(world.get_value::<Event>(room), [1, fd as u32, 0]);
            assert_eq!(looks.swap(0, Ordering::Relaxed), 1);
            set_ready(&world, fd, false);
            assert_eq!(world.call(sys_epoll_wait, [set, room, 16, 0]), Ok(0));
            assert_eq!(looks.swap(0, Ordering::Relaxed), 1);
            assert_eq!(world.call(sys_epoll_wait, [set, room, 16, 0]), Ok(0));
            assert_eq!(looks.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn a_file_leaves_all_sets_with_its_last_descriptor() {
        let world = World::new();
        let event = world.call(sys_eventfd2, [1, 0]).unwrap();
        let copy = world.call(sys_dup, [event]).unwrap();
        let sets: Vec<usize> = (0..3)
            .map(|_| world.call(sys_epoll_create1, [0]).unwrap())
            .collect();
        for &set in &sets {
            assert_eq!(add(&world, set, event, POLLIN.into()), Ok(0));
        }
        let room = world.room(16 * Event::BYTES);
        let ready = |set: usize| world.call(sys_epoll_wait, [set, room, 16, 0]).unwrap();
        assert_eq!(world.call(sys_close, [event]), Ok(0));
        assert_eq!(sets.iter().map(|&set| ready(set)).sum::<usize>(), 3);
        // A set that goes first is not told afterwards.
        assert_eq!(world.call(sys_close, [sets[0]]), Ok(0));
        assert_eq!(world.call(sys_close, [copy]), Ok(0));
        for &set in &sets[1..] {
            assert_eq!(ready(set), 0);
            let file = world.process.files.file(set as i32).unwrap();
            assert!(set_of(&file).unwrap().is_empty());
        }
    }
}
