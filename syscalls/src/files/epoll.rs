//! epoll: a set of open files that says which of them are ready.
//!
//! Each watch of the set stands in its file's wait queue. When the file wakes its queue, the watch puts
//! itself into the set's list of what may be ready, once, and wakes those that wait for the set. They
//! look at that list alone: what an event costs does not depend on how many files are watched.
//!
//! A set is a file as well and has a queue, so sets can watch sets. No lock is held while a file is
//! polled or a queue is woken or changed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use muslin_abi::flags::*;
use muslin_abi::layout::{Pod, Stat};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::devices::Device;
use super::file::{AtClose, File};
use super::file_ops::{FileOps, Readiness, anonymous_stat};
use super::new_descriptor;
use super::poll::{deadline, deadline_of_timespec, with_mask};
use super::regular::OpenDirectory;
use crate::context::Context;
use crate::list::{self, List};
use crate::lock::Mutex;
use crate::threads::{self, WaitQueue, Waiter, Waiting, Watch, wait_on};
use crate::user_mem;

const EPOLL_CTL_ADD: i32 = 1;
const EPOLL_CTL_DEL: i32 = 2;
const EPOLL_CTL_MOD: i32 = 3;

const EPOLLEXCLUSIVE: u32 = 1 << 28;
const EPOLLWAKEUP: u32 = 1 << 29;
const EPOLLONESHOT: u32 = 1 << 30;
const EPOLLET: u32 = 1 << 31;
/// What a watch keeps once its one shot is over.
const HOW: u32 = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
/// What is always told.
const ALWAYS: u32 = POLLERR as u32 | POLLHUP as u32;
/// What an exclusive watch may ask for.
const EXCLUSIVE_KNOWN: u32 =
    POLLIN as u32 | POLLOUT as u32 | ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// How many sets may be in one another.
const NESTED_MAX: usize = 5;

/// `struct epoll_event`, which has no gap on x86_64: events, then both halves of the data.
type Event = [u32; 3];

/// Which file, and by which descriptor it was added: one file may be added by several.
type Name = (i32, u64);

/// An open set.
struct Epoll(Arc<Set>);

struct Set {
    watches: Mutex<BTreeMap<Name, Arc<FileWatch>>>,
    /// Those that may be ready, and how many.
    ready: Mutex<(List<Arc<FileWatch>>, usize)>,
    queue: WaitQueue,
    /// The sets that watch this one, and some that did.
    outer: Mutex<Vec<Weak<Set>>>,
}

/// A file in a set.
#[repr(C)]
struct FileWatch {
    set: Weak<Set>,
    file: Weak<File>,
    state: Mutex<State>,
    name: Name,
}

#[repr(C)]
struct State {
    /// What is asked for and how; the data that comes back.
    event: Event,
    /// Where it stands in the set's list.
    ready_key: Option<list::Key>,
    /// Where it stands in its file's queue.
    queue_key: Option<threads::Key>,
}

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
        inner.outer_sets();
        inner.outer.lock().push(Arc::downgrade(set));
    }
    let name = (args.fd(2), file.id());
    let found = set.watches.lock().get(&name).cloned();
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
            let mut state = watch.state.lock();
            if state.event[0] & EPOLLEXCLUSIVE != 0 {
                return Err(Errno::EINVAL);
            }
            state.event = event;
            drop(state);
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
    let set = Set {
        watches: Mutex::default(),
        ready: Mutex::default(),
        queue: WaitQueue::new(),
        outer: Mutex::default(),
    };
    new_descriptor(context, Box::new(Epoll(Arc::new(set))), O_RDWR | flags)
}

fn deadline_of_milliseconds(context: &Context<'_>, args: &SyscallArgs) -> Option<u64> {
    let timeout = u64::try_from(args.int(3)).ok();
    timeout.map(|ms| deadline(context, ms.saturating_mul(1_000_000)))
}

fn set_of(file: &File) -> Option<&Arc<Set>> {
    let epoll: Option<&Epoll> = file.ops.as_any().downcast_ref();
    epoll.map(|Epoll(set)| set)
}

/// Whether a set may watch a file: not those that are always ready.
fn can_be_watched(ops: &dyn FileOps) -> bool {
    let kind = ops.as_any();
    match kind.downcast_ref() {
        Some(device) => matches!(device, Device::Random | Device::Urandom),
        None => !ops.has_places() && !kind.is::<OpenDirectory>(),
    }
}

/// Whether one set may watch another.
///
/// # Errors
/// `ELOOP` the outer would be in itself, or more than [`NESTED_MAX`] in one another.
fn check_nesting(outer: &Arc<Set>, inner: &Arc<Set>) -> Result<(), Errno> {
    let below = inner.depth(outer, NESTED_MAX)?;
    if below + outer.height() > NESTED_MAX {
        return Err(Errno::ELOOP);
    }
    Ok(())
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
            if set.ready.lock().1 > 0 {
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

impl Set {
    /// Adds a file.
    fn add(self: &Arc<Self>, file: &Arc<File>, name: Name, event: Event) -> Arc<FileWatch> {
        let watch = Arc::new(FileWatch {
            set: Arc::downgrade(self),
            file: Arc::downgrade(file),
            name,
            state: Mutex::new(State {
                event,
                queue_key: None,
                ready_key: None,
            }),
        });
        self.watches.lock().insert(name, watch.clone());
        watch.remember(file);
        let key = file
            .ops
            .queue()
            .map(|queue| queue.add(Waiter::Watch(watch.clone())));
        watch.state.lock().queue_key = key;
        watch
    }

    /// Notes that a file may be ready.
    fn push(&self, watch: Arc<FileWatch>) {
        let mut state = watch.state.lock();
        if state.ready_key.is_none() {
            let mut ready = self.ready.lock();
            ready.1 += 1;
            state.ready_key = Some(ready.0.push(watch.clone()));
        }
    }

    /// Takes the next one that may be ready.
    fn pop(&self) -> Option<Arc<FileWatch>> {
        let mut ready = self.ready.lock();
        let first = ready.0.first()?;
        let watch = ready.0.remove(first)?;
        ready.1 -= 1;
        watch.state.lock().ready_key = None;
        Some(watch)
    }

    /// Takes a watch out of the list.
    fn take_out(&self, watch: &FileWatch) {
        if let Some(key) = watch.state.lock().ready_key.take() {
            let mut ready = self.ready.lock();
            ready.0.remove(key);
            ready.1 -= 1;
        }
    }

    /// Tells what is ready, at most `max` events to `address` and on; how many.
    fn tell(&self, context: &Context<'_>, address: usize, max: usize) -> SyscallResult {
        let mut told = 0;
        // What is put back meanwhile is for the next time.
        let count = self.ready.lock().1;
        for _ in 0..count {
            if told == max {
                break;
            }
            let Some(watch) = self.pop() else {
                break;
            };
            let Some(file) = watch.file.upgrade() else {
                continue;
            };
            let bits = u32::from(file.ops.poll(context).0);
            let [events, low, high] = watch.state.lock().event;
            if bits & events == 0 {
                continue;
            }
            let place = address.wrapping_add(told * Event::BYTES);
            if let Err(errno) = user_mem::write(context, place, &[bits & events, low, high]) {
                self.push(watch);
                return if told > 0 { Ok(told) } else { Err(errno) };
            }
            told += 1;
            if events & EPOLLONESHOT != 0 {
                watch.state.lock().event[0] &= HOW;
            } else if events & EPOLLET == 0 {
                self.push(watch);
            }
        }
        Ok(told)
    }

    /// Whether a file of the set is ready. Those that turn out not to be leave the list.
    fn is_ready(&self, context: &Context<'_>) -> bool {
        let count = self.ready.lock().1;
        for _ in 0..count {
            let Some(watch) = self.pop() else {
                return false;
            };
            let Some(file) = watch.file.upgrade() else {
                continue;
            };
            let bits = u32::from(file.ops.poll(context).0);
            if bits & watch.state.lock().event[0] != 0 {
                self.push(watch);
                return true;
            }
        }
        false
    }

    /// The files of the set that are sets.
    fn inner(&self) -> Vec<Arc<File>> {
        let watches = self.watches.lock();
        let files = watches.values().filter_map(|watch| watch.file.upgrade());
        files.filter(|file| set_of(file).is_some()).collect()
    }

    /// How many sets are in one another from this one on.
    ///
    /// # Errors
    /// `ELOOP` `forbidden` is among them, or they are more than `max`.
    fn depth(self: &Arc<Self>, forbidden: &Arc<Set>, max: usize) -> Result<usize, Errno> {
        if Arc::ptr_eq(self, forbidden) || max == 0 {
            return Err(Errno::ELOOP);
        }
        let mut below = 0;
        for file in self.inner() {
            if let Some(set) = set_of(&file) {
                below = below.max(set.depth(forbidden, max - 1)?);
            }
        }
        Ok(1 + below)
    }

    /// The sets that watch this one. Those that do no more are forgotten.
    fn outer_sets(self: &Arc<Self>) -> Vec<Arc<Set>> {
        let is_this = |file: &Arc<File>| set_of(file).is_some_and(|set| Arc::ptr_eq(set, self));
        let noted = core::mem::take(&mut *self.outer.lock());
        let mut outer: Vec<Arc<Set>> = noted.iter().filter_map(Weak::upgrade).collect();
        outer.retain(|set| set.inner().iter().any(is_this));
        *self.outer.lock() = outer.iter().map(Arc::downgrade).collect();
        outer
    }

    /// How many sets are around one another up to this one.
    fn height(self: &Arc<Self>) -> usize {
        let outer = self.outer_sets();
        1 + outer.iter().map(Self::height).max().unwrap_or(0)
    }
}

impl FileWatch {
    /// Has the file tell it when it goes.
    fn remember(self: &Arc<Self>, file: &File) {
        let mut at_close = file.at_close.lock();
        let all = at_close.get_or_insert_with(|| Box::new(Watches::default()));
        if let Some(Watches(all)) = all.as_any().downcast_mut() {
            all.push(self.clone());
        }
    }

    /// Takes that back.
    fn forget(self: &Arc<Self>, file: &File) {
        let mut at_close = file.at_close.lock();
        let all = at_close
            .as_mut()
            .and_then(|all| all.as_any().downcast_mut());
        if let Some(Watches(all)) = all {
            all.retain(|watch| !Arc::ptr_eq(watch, self));
        }
    }

    /// Looks at its file for the first time, or anew.
    fn look(self: Arc<Self>, context: &Context<'_>, file: &File) {
        let bits = u32::from(file.ops.poll(context).0);
        let events = self.state.lock().event[0];
        if bits & events != 0 && self.wants(Readiness::default()) {
            self.notify(Readiness::default());
        }
    }

    /// Leaves its set.
    fn leave(&self, file: &File) {
        let key = self.state.lock().queue_key.take();
        if let (Some(queue), Some(key)) = (file.ops.queue(), key) {
            queue.remove(key);
        }
        if let Some(set) = self.set.upgrade() {
            set.take_out(self);
            let own = set.watches.lock().remove(&self.name);
            // Dropped when no lock is held.
            drop(own);
        }
    }
}

impl Watch for FileWatch {
    fn wants(&self, readiness: Readiness) -> bool {
        let events = self.state.lock().event[0];
        let told = u32::from(readiness.0);
        events & !HOW != 0 && (told == 0 || told & events != 0)
    }

    fn notify(self: Arc<Self>, _: Readiness) -> bool {
        let Some(set) = self.set.upgrade() else {
            return false;
        };
        set.push(self);
        let is_waited_for = !set.queue.is_empty();
        set.queue.wake(Readiness::READABLE);
        is_waited_for
    }

    fn is_exclusive(&self) -> bool {
        self.state.lock().event[0] & EPOLLEXCLUSIVE != 0
    }
}

/// All watches of one file.
#[derive(Default)]
struct Watches(Vec<Arc<FileWatch>>);

impl AtClose for Watches {
    fn closed(self: Box<Self>, file: &File) {
        for watch in self.0 {
            watch.leave(file);
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

impl FileOps for Epoll {
    fn poll(&self, context: &Context<'_>) -> Readiness {
        if self.0.is_ready(context) {
            Readiness::READABLE
        } else {
            Readiness::default()
        }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anonymous_stat())
    }

    fn name(&self) -> &'static str {
        "[eventpoll]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        let watches = core::mem::take(&mut *self.0.watches.lock());
        for watch in watches.values() {
            if let Some(file) = watch.file.upgrade() {
                watch.forget(&file);
                watch.leave(&file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::vec::Vec;

    use super::*;
    use crate::files::{sys_close, sys_dup, sys_eventfd2};
    use crate::testing::World;

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
            assert!(set_of(&file).unwrap().watches.lock().is_empty());
        }
    }
}
