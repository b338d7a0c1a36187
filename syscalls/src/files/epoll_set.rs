//! A set of open files that says which of them are ready.
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
use muslin_abi::{Errno, SyscallResult};

use super::file::{AtClose, File};
use super::file_ops::{FileOps, Readiness, anonymous_stat};
use crate::context::Context;
use crate::list::{self, List};
use crate::lock::Mutex;
use crate::threads::{self, WaitQueue, Waiter, Watch};
use crate::user_mem;

pub(super) const EPOLLEXCLUSIVE: u32 = 1 << 28;
pub(super) const EPOLLWAKEUP: u32 = 1 << 29;
const EPOLLONESHOT: u32 = 1 << 30;
pub(super) const EPOLLET: u32 = 1 << 31;
/// What a watch keeps once its one shot is over.
const HOW: u32 = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
/// What is always told.
pub(super) const ALWAYS: u32 = POLLERR as u32 | POLLHUP as u32;

/// How many sets may be in one another.
const NESTED_MAX: usize = 5;

/// `struct epoll_event`, which has no gap on x86_64: events, then both halves of the data.
pub(super) type Event = [u32; 3];

/// Which file, and by which descriptor it was added: one file may be added by several.
pub(super) type Name = (i32, u64);

/// An open set.
pub(super) struct Epoll(Arc<Set>);

pub(super) struct Set {
    watches: Mutex<BTreeMap<Name, Arc<FileWatch>>>,
    /// Those that may be ready, and how many.
    ready: Mutex<(List<Arc<FileWatch>>, usize)>,
    pub(super) queue: WaitQueue,
    /// The sets that watch this one, and some that did.
    outer: Mutex<Vec<Weak<Set>>>,
}

/// A file in a set.
#[repr(C)]
pub(super) struct FileWatch {
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

impl Epoll {
    /// A set of no files.
    pub(super) fn new() -> Self {
        Self(Arc::new(Set {
            watches: Mutex::default(),
            ready: Mutex::default(),
            queue: WaitQueue::new(),
            outer: Mutex::default(),
        }))
    }
}

impl Set {
    /// The watch of that name.
    pub(super) fn find(&self, name: Name) -> Option<Arc<FileWatch>> {
        self.watches.lock().get(&name).cloned()
    }

    /// Whether it watches nothing.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.watches.lock().is_empty()
    }

    /// Whether something is left that may be ready.
    pub(super) fn has_more(&self) -> bool {
        self.ready.lock().1 > 0
    }

    /// Adds a file.
    pub(super) fn add(
        self: &Arc<Self>,
        file: &Arc<File>,
        name: Name,
        event: Event,
    ) -> Arc<FileWatch> {
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
    pub(super) fn tell(&self, context: &Context<'_>, address: usize, max: usize) -> SyscallResult {
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

    /// Another set watches this one.
    pub(super) fn be_watched_by(self: &Arc<Self>, outer: &Arc<Set>) {
        self.outer_sets();
        self.outer.lock().push(Arc::downgrade(outer));
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

pub(super) fn set_of(file: &File) -> Option<&Arc<Set>> {
    let epoll: Option<&Epoll> = file.ops.as_any().downcast_ref();
    epoll.map(|Epoll(set)| set)
}

/// Whether one set may watch another.
///
/// # Errors
/// `ELOOP` the outer would be in itself, or more than [`NESTED_MAX`] in one another.
pub(super) fn check_nesting(outer: &Arc<Set>, inner: &Arc<Set>) -> Result<(), Errno> {
    let below = inner.depth(outer, NESTED_MAX)?;
    if below + outer.height() > NESTED_MAX {
        return Err(Errno::ELOOP);
    }
    Ok(())
}

impl FileWatch {
    /// Asks for something else.
    ///
    /// # Errors
    /// `EINVAL` an exclusive watch stays as it is.
    pub(super) fn change(&self, event: Event) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state.event[0] & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        state.event = event;
        Ok(())
    }

    /// Has the file tell it when it goes.
    fn remember(self: &Arc<Self>, file: &File) {
        let mut at_close = file.at_close.lock();
        let all = at_close.get_or_insert_with(|| Box::new(Watches::default()));
        if let Some(Watches(all)) = all.as_any().downcast_mut() {
            all.push(self.clone());
        }
    }

    /// Takes that back.
    pub(super) fn forget(self: &Arc<Self>, file: &File) {
        let mut at_close = file.at_close.lock();
        let all = at_close
            .as_mut()
            .and_then(|all| all.as_any().downcast_mut());
        if let Some(Watches(all)) = all {
            all.retain(|watch| !Arc::ptr_eq(watch, self));
        }
    }

    /// Looks at its file for the first time, or anew.
    pub(super) fn look(self: Arc<Self>, context: &Context<'_>, file: &File) {
        let bits = u32::from(file.ops.poll(context).0);
        let events = self.state.lock().event[0];
        if bits & events != 0 && self.wants(Readiness::default()) {
            self.notify(Readiness::default());
        }
    }

    /// Leaves its set.
    pub(super) fn leave(&self, file: &File) {
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
