//! Who waits for an object to become ready.
//!
//! A call that may wait tries without waiting first, and waits when that answers `EAGAIN`. Nothing runs
//! in between, so no wake is lost. Whoever changes what `poll` would say wakes the object's queue. An
//! exclusive wait takes the wake from those behind it: who was woken so and leaves something for others
//! wakes the queue again.

use alloc::sync::Arc;

use muslin_abi::Errno;

use super::{Thread, Waiting, Woken, block};
use crate::context::Context;
use crate::files::Readiness;
pub use crate::list::Key;
use crate::list::List;
use crate::lock::Mutex;

/// Somebody who is told without being a thread: an epoll instance.
pub trait Watch: Send + Sync {
    /// The object may be ready so. No lock is held. `true`: those that wait behind need not be told.
    fn notify(&self, readiness: Readiness) -> bool;
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

/// Those that wait for one object, in the order in which they came.
pub struct WaitQueue {
    waiters: Mutex<List<Waiter>>,
}

impl WaitQueue {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            waiters: Mutex::new(List::new()),
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiters.lock().is_empty()
    }

    /// Adds somebody.
    pub fn add(&self, waiter: Waiter) -> Key {
        self.waiters.lock().push(waiter)
    }

    /// Takes somebody away; `false` if it was a thread that a wake has taken away.
    pub fn remove(&self, key: Key) -> bool {
        self.waiters.lock().remove(key).is_some()
    }

    /// The object is ready so, or gone: wakes who is interested, up to the first who is enough.
    pub fn wake(&self, readiness: Readiness) {
        let mut next = self.waiters.lock().first();
        while let Some(key) = next {
            let mut waiters = self.waiters.lock();
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
                Some(Waiter::Watch(watch)) => {
                    let watch = watch.clone();
                    drop(waiters);
                    watch.notify(readiness)
                }
                None => false,
            };
            if is_enough {
                return;
            }
        }
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until the object of a queue may be ready. The caller tries again afterwards.
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
    let key = queue.add(Waiter::Thread {
        thread: context.process.threads.current(),
        interest,
        is_exclusive: true,
    });
    let woken = block(context, waiting, deadline_ns);
    // A wake that came is used, whatever else came as well: it was taken from others.
    if !queue.remove(key) {
        return Ok(());
    }
    match woken {
        Woken::ByWake => Ok(()),
        Woken::ByTime => Err(Errno::ETIMEDOUT),
        Woken::BySignal => Err(Errno::RESTART),
    }
}
