//! Who waits for an object to become ready.
//!
//! A call that may wait tries without waiting first, and waits when that answers `EAGAIN`. Nothing runs
//! in between, so no wake is lost. Whoever changes what `poll` would say wakes the object's queue: all
//! that only look, and the first of those that take, the exclusive ones. Who was woken so and leaves
//! something for others wakes the queue again.

use alloc::sync::Arc;

use muslin_abi::Errno;

use super::{Thread, Waiting, block};
use crate::context::Context;
use crate::files::Readiness;
use crate::list::{self, List};
use crate::lock::Mutex;

/// Somebody who is told without being a thread: an epoll instance.
pub trait Watch: Send + Sync {
    /// Whether it would do anything about an object that may be ready so. The queue is locked.
    fn wants(&self, _readiness: Readiness) -> bool {
        true
    }

    /// The object may be ready so. No lock is held. `true` from an exclusive watch: those that wait
    /// behind need not be told.
    fn notify(self: Arc<Self>, readiness: Readiness) -> bool;

    /// Whether one such watch is enough for a wake.
    fn is_exclusive(&self) -> bool {
        false
    }
}

/// Who waits.
#[derive(Clone)]
pub enum Waiter {
    /// A thread, until it is woken once.
    Thread {
        /// Who.
        thread: &'static Thread,
        /// For what.
        interest: Readiness,
        /// Whether one such thread is enough for a wake.
        is_exclusive: bool,
    },
    /// Somebody who is told every time.
    Watch(Arc<dyn Watch>),
}

impl Waiter {
    fn is_exclusive(&self) -> bool {
        match self {
            Self::Thread { is_exclusive, .. } => *is_exclusive,
            Self::Watch(watch) => watch.is_exclusive(),
        }
    }
}

/// Names somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    key: list::Key,
    is_exclusive: bool,
}

/// With whether all are to be woken.
type WakeFn = fn(&WaitQueue, Readiness, bool);

/// Those that wait for one object, in the order in which they came.
///
/// What a wake looks at comes first.
#[repr(C)]
pub struct WaitQueue {
    /// How somebody is woken. Who is added puts it here: every program can wake queues, and only where
    /// somebody waits is there more to do.
    wake: Mutex<Option<WakeFn>>,
    /// Those of whom all are told.
    shared: Mutex<List<Waiter>>,
    /// Those of whom one is enough.
    exclusive: Mutex<List<Waiter>>,
}

impl WaitQueue {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            wake: Mutex::new(None),
            shared: Mutex::new(List::new()),
            exclusive: Mutex::new(List::new()),
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.shared.lock().is_empty() && self.exclusive.lock().is_empty()
    }

    /// Adds somebody.
    pub fn add(&self, waiter: Waiter) -> Key {
        let is_exclusive = waiter.is_exclusive();
        let mut wake = self.wake.lock();
        if is_exclusive {
            *wake = Some(|queue, readiness, is_for_all| {
                wake_in(&queue.shared, readiness, true);
                wake_in(&queue.exclusive, readiness, is_for_all);
            });
        } else if wake.is_none() {
            // Nobody has ever been among the exclusive ones: not a look at memory for them.
            *wake = Some(|queue, readiness, _| wake_in(&queue.shared, readiness, true));
        }
        drop(wake);
        Key {
            key: self.list(is_exclusive).lock().push(waiter),
            is_exclusive,
        }
    }

    /// Takes somebody away; `false` if it was a thread that a wake has taken away.
    pub fn remove(&self, key: Key) -> bool {
        let removed = self.list(key.is_exclusive).lock().remove(key.key);
        removed.is_some()
    }

    /// The object is ready so, or gone: wakes who is interested, of the exclusive ones the first.
    pub fn wake(&self, readiness: Readiness) {
        self.wake_some(readiness, false);
    }

    /// The same, and all exclusive ones: each looks for something else.
    pub fn wake_all(&self, readiness: Readiness) {
        self.wake_some(readiness, true);
    }

    fn wake_some(&self, readiness: Readiness, is_for_all: bool) {
        let wake = *self.wake.lock();
        if let Some(wake) = wake {
            wake(self, readiness, is_for_all);
        }
    }

    fn list(&self, is_exclusive: bool) -> &Mutex<List<Waiter>> {
        if is_exclusive {
            &self.exclusive
        } else {
            &self.shared
        }
    }
}

/// Wakes who is interested: all of them, or up to the first who is enough.
fn wake_in(list: &Mutex<List<Waiter>>, readiness: Readiness, is_for_all: bool) {
    let mut next = list.lock().first();
    while let Some(key) = next {
        let mut waiters = list.lock();
        next = waiters.after(key);
        let is_enough = match waiters.get(key) {
            Some(&Waiter::Thread {
                thread,
                interest,
                is_exclusive,
            }) => {
                if interest.0 & readiness.0 == 0 {
                    continue;
                }
                waiters.remove(key);
                drop(waiters);
                thread.wake();
                is_exclusive
            }
            Some(Waiter::Watch(watch)) if watch.wants(readiness) => {
                let watch = watch.clone();
                drop(waiters);
                let is_exclusive = watch.is_exclusive();
                watch.notify(readiness) && is_exclusive
            }
            _ => false,
        };
        if is_enough && !is_for_all {
            return;
        }
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until the object of a queue may be ready. The caller tries again afterwards, and wakes the queue
/// if it leaves something for others.
///
/// # Errors
/// `ETIMEDOUT` the time is over · [`Errno::RESTART`] a signal is there for the thread.
pub fn wait_on(
    context: &Context<'_>,
    queue: &WaitQueue,
    interest: Readiness,
    deadline_ns: Option<u64>,
    waiting: Waiting,
) -> Result<(), Errno> {
    wait(context, queue, (interest, true), deadline_ns, waiting)
}

/// The same without time, and every wake is for all that wait so.
///
/// # Errors
/// [`Errno::RESTART`] a signal is there for the thread.
pub fn wait_with_others(
    context: &Context<'_>,
    queue: &WaitQueue,
    interest: Readiness,
    waiting: Waiting,
) -> Result<(), Errno> {
    wait(context, queue, (interest, false), None, waiting)
}

/// The same with time, and with the errnos of calls whose waits have limits of their own.
///
/// # Errors
/// `EAGAIN` the time is over · `EINTR` a signal came to a wait with a limit of time ·
/// [`Errno::RESTART`] to one without.
pub fn wait_with_limit(
    context: &Context<'_>,
    queue: &WaitQueue,
    interest: Readiness,
    deadline_ns: Option<u64>,
    waiting: Waiting,
) -> Result<(), Errno> {
    let ended = wait(context, queue, (interest, false), deadline_ns, waiting);
    ended.map_err(|errno| match errno {
        Errno::ETIMEDOUT => Errno::EAGAIN,
        Errno::RESTART if deadline_ns.is_some() => Errno::EINTR,
        errno => errno,
    })
}

/// For what a thread waits, and whether it takes the wake alone.
type Interest = (Readiness, bool);

/// What a wait needs once somebody could end it.
pub(super) type WaitFn =
    fn(&Context<'_>, &WaitQueue, Interest, Option<u64>, Waiting) -> Result<(), Errno>;

fn wait(
    context: &Context<'_>,
    queue: &WaitQueue,
    interest: Interest,
    deadline_ns: Option<u64>,
    waiting: Waiting,
) -> Result<(), Errno> {
    match context.process.threads.complete() {
        Some(complete) => (complete.wait)(context, queue, interest, deadline_ns, waiting),
        // Nobody wakes the only thread.
        None => block(context, waiting, deadline_ns).into_result(),
    }
}

pub(super) fn wait_among_others(
    context: &Context<'_>,
    queue: &WaitQueue,
    (interest, is_exclusive): Interest,
    deadline_ns: Option<u64>,
    waiting: Waiting,
) -> Result<(), Errno> {
    let key = queue.add(Waiter::Thread {
        thread: context.process.threads.current(),
        interest,
        is_exclusive,
    });
    let woken = block(context, waiting, deadline_ns);
    // A wake that came is used, whatever else came as well: it was taken from others.
    if !queue.remove(key) {
        return Ok(());
    }
    woken.into_result()
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::vec::Vec;

    use super::*;

    /// Somebody who counts, and is enough or not.
    struct Counter {
        count: AtomicUsize,
        is_exclusive: bool,
        is_enough: bool,
    }

    impl Watch for Counter {
        fn notify(self: Arc<Self>, _: Readiness) -> bool {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.is_enough
        }

        fn is_exclusive(&self) -> bool {
            self.is_exclusive
        }
    }

    #[test]
    fn all_that_share_are_told_and_of_the_others_the_first_who_takes_it() {
        let queue = WaitQueue::new();
        let kinds = [
            (true, false),
            (false, true),
            (true, true),
            (false, false),
            (true, true),
        ];
        let counters: Vec<Arc<Counter>> = kinds
            .iter()
            .map(|&(is_exclusive, is_enough)| {
                Arc::new(Counter {
                    count: AtomicUsize::new(0),
                    is_exclusive,
                    is_enough,
                })
            })
            .collect();
        assert!(queue.is_empty());
        let add = |counter: &Arc<Counter>| queue.add(Waiter::Watch(counter.clone()));
        let keys: Vec<Key> = counters.iter().map(add).collect();
        let told = || -> Vec<usize> {
            let counts = counters.iter();
            counts
                .map(|counter| counter.count.swap(0, Ordering::Relaxed))
                .collect()
        };
        queue.wake(Readiness::READABLE);
        assert_eq!(told(), [1, 1, 1, 1, 0]);
        queue.wake_all(Readiness::READABLE);
        assert_eq!(told(), [1, 1, 1, 1, 1]);
        assert!(queue.remove(keys[2]) && !queue.remove(keys[2]));
        queue.wake(Readiness::READABLE);
        assert_eq!(told(), [1, 1, 0, 1, 1]);
        for key in [keys[0], keys[1], keys[3], keys[4]] {
            assert!(queue.remove(key));
        }
        assert!(queue.is_empty());
        queue.wake(Readiness::READABLE);
        assert_eq!(told(), [0; 5]);
    }
}
