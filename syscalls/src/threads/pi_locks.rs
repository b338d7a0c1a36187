//! Locks with priority inheritance. The word holds its owner's number; who gives such a lock away
//! gives it to who waits with the highest priority, and among those to who has waited longest.
//!
//! Threads take turns here, so an owner that is ready to run does run: there is nothing to inherit.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use muslin_abi::{Errno, SyscallResult};

use super::{Thread, Waiting, Woken, block};
use crate::context::Context;
use crate::lock::Mutex;
use crate::process::PID;
use crate::user_mem;

/// Somebody waits: the owner must ask the kernel.
const WAITERS: u32 = 0x8000_0000;
/// An owner has ended without giving the lock away.
const OWNER_DIED: u32 = 0x4000_0000;
/// The owner's number.
const TID_MASK: u32 = 0x3fff_ffff;

/// The locks that somebody waits for.
pub struct PiLocks {
    /// By their words.
    locks: Mutex<Vec<Lock>>,
}

struct Lock {
    word: usize,
    owner: i32,
    /// In the order in which they came; never empty.
    waiters: Vec<&'static Thread>,
}

impl PiLocks {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            locks: Mutex::new(Vec::new()),
        }
    }

    /// Takes a lock, at once or, if `may_wait`, when its turn comes.
    ///
    /// # Errors
    /// `EAGAIN` it is held and the caller may not wait · `EDEADLK` the caller holds it, or what it waits
    /// for would wait for the caller · `ESRCH` its owner is not there · `ETIMEDOUT` · `EFAULT` ·
    /// [`Errno::RESTART_ALWAYS`].
    pub fn lock(
        &self,
        context: &Context<'_>,
        word: usize,
        deadline_ns: Option<u64>,
        may_wait: bool,
    ) -> SyscallResult {
        let thread = context.process.threads.current();
        if !may_wait {
            let owner = owner_of(user_mem::read(context, word)?);
            if owner != 0 && owner != thread.tid() {
                return Err(Errno::EAGAIN);
            }
        }
        if !self.take_or_queue(context, word, thread)? {
            self.wait(context, word, deadline_ns)?;
        }
        Ok(0)
    }

    /// Gives a lock away.
    ///
    /// # Errors
    /// `EPERM` another thread's, or nobody's · `EFAULT`.
    pub fn unlock(&self, context: &Context<'_>, word: usize) -> SyscallResult {
        let value: u32 = user_mem::read(context, word)?;
        if owner_of(value) != context.process.threads.current().tid() {
            return Err(Errno::EPERM);
        }
        if !self.hand_over(context, word, 0) {
            user_mem::write(context, word, &0_u32)?;
        }
        Ok(0)
    }

    /// Whether somebody waits for this word.
    pub fn has_waiters(&self, word: usize) -> bool {
        place_of(&self.locks.lock(), word).is_ok()
    }

    /// The thread has ended: what it held and others wait for goes to them, who can see why.
    pub fn owner_died(&self, context: &Context<'_>, tid: i32) {
        loop {
            let held = |lock: &&Lock| lock.owner == tid;
            let Some(word) = self.locks.lock().iter().find(held).map(|lock| lock.word) else {
                return;
            };
            self.hand_over(context, word, OWNER_DIED);
        }
    }

    /// Gives a thread the lock if nobody has it, or lets it wait for it; whether it got it.
    ///
    /// # Errors
    /// `EDEADLK`, `ESRCH`, `EFAULT` as for [`lock`](Self::lock).
    pub fn take_or_queue(
        &self,
        context: &Context<'_>,
        word: usize,
        thread: &'static Thread,
    ) -> Result<bool, Errno> {
        let value: u32 = user_mem::read(context, word)?;
        let owner = owner_of(value);
        if owner == 0 {
            let new = thread.tid() as u32 | value & OWNER_DIED;
            user_mem::write(context, word, &new)?;
            return Ok(true);
        }
        if owner == thread.tid() {
            return Err(Errno::EDEADLK);
        }
        self.check_chain(context, owner, thread)?;
        user_mem::write(context, word, &(value | WAITERS))?;
        let mut locks = self.locks.lock();
        match place_of(&locks, word) {
            Ok(place) => locks[place].waiters.push(thread),
            Err(place) => locks.insert(
                place,
                Lock {
                    word,
                    owner,
                    waiters: alloc::vec![thread],
                },
            ),
        }
        thread.pi_word.store(word, Ordering::Relaxed);
        Ok(false)
    }

    /// Whether a thread may wait for an owner: it is there, and does not itself wait for the thread.
    fn check_chain(&self, context: &Context<'_>, owner: i32, thread: &Thread) -> Result<(), Errno> {
        let threads = &context.process.threads;
        let mut next = threads.find(owner).ok_or(Errno::ESRCH)?;
        loop {
            let word = next.pi_word.load(Ordering::Relaxed);
            let locks = self.locks.lock();
            let Ok(place) = place_of(&locks, word) else {
                return Ok(());
            };
            let owner = locks[place].owner;
            if owner == thread.tid() {
                return Err(Errno::EDEADLK);
            }
            match threads.find(owner) {
                Some(thread) => next = thread,
                None => return Ok(()),
            }
        }
    }

    /// Waits for a lock for which the current thread is queued.
    ///
    /// # Errors
    /// `ETIMEDOUT` · [`Errno::RESTART_ALWAYS`].
    pub fn wait(
        &self,
        context: &Context<'_>,
        word: usize,
        deadline_ns: Option<u64>,
    ) -> Result<(), Errno> {
        let thread = context.process.threads.current();
        let waiting = Waiting {
            what: "a lock with priority inheritance",
            object: word,
        };
        loop {
            let woken = block(context, waiting, deadline_ns);
            if !thread.waits_for_pi() {
                return Ok(());
            }
            let errno = match woken {
                Woken::ByWake => continue,
                Woken::ByTime => Errno::ETIMEDOUT,
                Woken::BySignal => Errno::RESTART_ALWAYS,
            };
            self.give_up(thread);
            return Err(errno);
        }
    }

    /// The thread does not wait for a lock any more.
    pub fn give_up(&self, thread: &Thread) {
        let word = thread.pi_word.swap(0, Ordering::Relaxed);
        let mut locks = self.locks.lock();
        let Ok(place) = place_of(&locks, word) else {
            return;
        };
        let waiters = &mut locks[place].waiters;
        waiters.retain(|waiter| !core::ptr::eq(*waiter, thread));
        if waiters.is_empty() {
            locks.remove(place);
        }
    }

    /// Gives a lock to one of those that wait; whether there is one.
    fn hand_over(&self, context: &Context<'_>, word: usize, flags: u32) -> bool {
        let mut locks = self.locks.lock();
        let Ok(place) = place_of(&locks, word) else {
            return false;
        };
        let lock = &mut locks[place];
        let mut chosen = 0;
        for (index, waiter) in lock.waiters.iter().enumerate() {
            if waiter.priority() > lock.waiters[chosen].priority() {
                chosen = index;
            }
        }
        let next = lock.waiters.remove(chosen);
        lock.owner = next.tid();
        if lock.waiters.is_empty() {
            locks.remove(place);
        }
        drop(locks);
        next.pi_word.store(0, Ordering::Relaxed);
        // If the word is gone nobody can tell whose the lock is, but who waits need not.
        let _ = user_mem::write(context, word, &(next.tid() as u32 | WAITERS | flags));
        next.wake();
        true
    }
}

/// Takes or gives away a lock where there is one thread, so that nobody waits.
///
/// # Errors
/// `EDEADLK` somebody holds it: the thread, or one that is not there · `EPERM` the thread does not hold
/// what it gives away · `EFAULT`.
pub fn change_alone(context: &Context<'_>, word: usize, is_unlock: bool) -> SyscallResult {
    let value: u32 = user_mem::read(context, word)?;
    let new = match (owner_of(value), is_unlock) {
        (PID, true) => 0,
        (0, false) => value | PID as u32,
        (_, true) => return Err(Errno::EPERM),
        (_, false) => return Err(Errno::EDEADLK),
    };
    user_mem::write(context, word, &new).map(|()| 0)
}

/// Who owns a lock whose word has this value; 0 for nobody.
fn owner_of(value: u32) -> i32 {
    (value & TID_MASK) as i32
}

fn place_of(locks: &[Lock], word: usize) -> Result<usize, usize> {
    locks.binary_search_by_key(&word, |lock| lock.word)
}
