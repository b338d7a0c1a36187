//! Futexes with several threads: queues of those that wait, found by the word's address.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::futex::{Command, check, check_pair, deadline, parse};
use super::pi_locks::PiLocks;
use super::{Thread, Waiting, Woken, block};
use crate::context::Context;
use crate::list::{Key, List};
use crate::lock::Mutex;
use crate::user_mem;

/// Queues. Words that share one are told apart by their addresses.
const QUEUES: usize = 256;

/// All that wait for a word.
pub struct Futexes {
    /// Empty until somebody waits.
    queues: Mutex<Vec<List<Waiter>>>,
    /// Threads that wait to be moved to a lock with priority inheritance.
    moving: AtomicUsize,
}

struct Waiter {
    thread: &'static Thread,
    word: usize,
    /// A wake for none of these bits is not for this one.
    set: u32,
    /// The lock with priority inheritance that it is to be moved to, or 0.
    pi_word: usize,
}

/// Where a thread waits.
#[derive(Clone, Copy)]
pub struct Place {
    queue: usize,
    key: Key,
}

/// As [`sys_futex`](super::sys_futex), with several threads.
pub fn sys_futex(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let threads = &context.process.threads;
    let (futexes, locks) = (&threads.futexes, &threads.pi_locks);
    let (command, is_by_wall) = parse(args)?;
    let (word, count, other) = (args.addr(0), args.int(2), args.addr(4));
    match command {
        Command::Wait | Command::WaitBits => {
            let deadline_ns = deadline(context, args, command, is_by_wall)?;
            check(context, word, args.int(2) as u32)?;
            let set = match command {
                Command::Wait => u32::MAX,
                _ => args.int(5) as u32,
            };
            futexes.wait(context, word, set, deadline_ns)
        }
        Command::Wake | Command::WakeBits => {
            futexes.check_plain(locks, word)?;
            let set = match command {
                Command::Wake => u32::MAX,
                _ => args.int(5) as u32,
            };
            Ok(futexes.wake(word, count, set))
        }
        Command::Requeue | Command::CompareRequeue => {
            futexes.check_plain(locks, word)?;
            check_pair(args, command)?;
            if command == Command::CompareRequeue {
                check(context, word, args.int(5) as u32)?;
            }
            Ok(futexes.requeue(word, other, count as usize, args.int(3) as usize))
        }
        Command::WakeOp => {
            let may_wake_other = operate(context, other, args.int(5))?;
            let woken = futexes.wake(word, count, u32::MAX);
            let also = match may_wake_other {
                true => futexes.wake(other, args.int(3), u32::MAX),
                false => 0,
            };
            Ok(woken + also)
        }
        Command::LockPi => {
            let deadline_ns = deadline(context, args, command, is_by_wall)?;
            locks.lock(context, word, deadline_ns, true)
        }
        Command::TryLockPi => locks.lock(context, word, None, false),
        Command::UnlockPi => locks.unlock(context, word),
        Command::WaitRequeuePi => {
            check_pair(args, command)?;
            let deadline_ns = deadline(context, args, command, is_by_wall)?;
            check(context, word, args.int(2) as u32)?;
            futexes.wait_to_be_moved(context, word, other, deadline_ns)
        }
        Command::CompareRequeuePi => {
            check_pair(args, command)?;
            check(context, word, args.int(5) as u32)?;
            futexes.move_to_lock(context, word, other, args.int(3) as usize)
        }
    }
}

/// Changes a word as an operation says; whether the old value is what it asks for.
pub(super) fn operate(context: &Context<'_>, word: usize, operation: i32) -> Result<bool, Errno> {
    const SHIFTED: u32 = 8;
    let bits = operation as u32;
    let mut argument = operation << 8 >> 20;
    if bits >> 28 & SHIFTED != 0 {
        argument = 1_i32.wrapping_shl(argument as u32);
    }
    let compared = operation << 20 >> 20;
    if !word.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let old: i32 = user_mem::read(context, word)?;
    let new = match bits >> 28 & 7 {
        0 => argument,
        1 => old.wrapping_add(argument),
        2 => old | argument,
        3 => old & !argument,
        4 => old ^ argument,
        _ => return Err(Errno::ENOSYS),
    };
    user_mem::write(context, word, &new)?;
    match bits >> 24 & 15 {
        0 => Ok(old == compared),
        1 => Ok(old != compared),
        2 => Ok(old < compared),
        3 => Ok(old <= compared),
        4 => Ok(old > compared),
        5 => Ok(old >= compared),
        _ => Err(Errno::ENOSYS),
    }
}

/// The queue of a word.
fn queue_of(word: usize) -> usize {
    const SPREAD: usize = 0x9e37_79b9_7f4a_7c15;
    (word >> 2).wrapping_mul(SPREAD) >> (usize::BITS - QUEUES.ilog2())
}

impl Futexes {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            queues: Mutex::new(Vec::new()),
            moving: AtomicUsize::new(0),
        }
    }

    /// Whether nobody waits.
    #[cfg(test)]
    pub fn are_empty(&self) -> bool {
        self.queues.lock().iter().all(List::is_empty)
    }

    fn wait(
        &self,
        context: &Context<'_>,
        word: usize,
        set: u32,
        deadline_ns: Option<u64>,
    ) -> SyscallResult {
        let thread = context.process.threads.current();
        self.add(Waiter {
            thread,
            word,
            set,
            pi_word: 0,
        });
        let waiting = Waiting {
            what: "a futex",
            object: word,
        };
        let woken = block(context, waiting, deadline_ns);
        if !self.remove(thread) {
            // A wake took it away.
            return Ok(0);
        }
        match woken {
            Woken::ByWake => Ok(0),
            Woken::ByTime => Err(Errno::ETIMEDOUT),
            Woken::BySignal if deadline_ns.is_some() => Err(Errno::EINTR),
            Woken::BySignal => Err(Errno::RESTART),
        }
    }

    /// Waits for a word until [`move_to_lock`](Self::move_to_lock), and then for the lock.
    fn wait_to_be_moved(
        &self,
        context: &Context<'_>,
        word: usize,
        pi_word: usize,
        deadline_ns: Option<u64>,
    ) -> SyscallResult {
        let thread = context.process.threads.current();
        self.add(Waiter {
            thread,
            word,
            set: u32::MAX,
            pi_word,
        });
        self.moving.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting {
            what: "a futex, then a lock with priority inheritance",
            object: word,
        };
        let locks = &context.process.threads.pi_locks;
        let result = loop {
            let woken = block(context, waiting, deadline_ns);
            let has_moved = !self.is_there(thread);
            if has_moved && !thread.waits_for_pi() {
                // With the lock.
                break Ok(0);
            }
            break match woken {
                Woken::ByWake => continue,
                Woken::ByTime => Err(Errno::ETIMEDOUT),
                Woken::BySignal if has_moved => Err(Errno::EAGAIN),
                Woken::BySignal => Err(Errno::RESTART_ALWAYS),
            };
        };
        self.moving.fetch_sub(1, Ordering::Relaxed);
        self.remove(thread);
        if result.is_err() && thread.waits_for_pi() {
            locks.give_up(thread);
        }
        result
    }

    /// Lets those that wait so for a word take a lock or wait for it, one and `moves` more; how many.
    fn move_to_lock(
        &self,
        context: &Context<'_>,
        word: usize,
        pi_word: usize,
        moves: usize,
    ) -> SyscallResult {
        let locks = &context.process.threads.pi_locks;
        let mut count = 0;
        while count <= moves {
            let Some(thread) = self.first_to_move(word, pi_word)? else {
                break;
            };
            let has_lock = locks.take_or_queue(context, pi_word, thread)?;
            self.remove(thread);
            if has_lock {
                thread.wake();
            }
            count += 1;
        }
        Ok(count)
    }

    /// Who has waited longest for a word to be moved to a lock.
    ///
    /// # Errors
    /// `EINVAL` it does not wait to be moved, or to another lock.
    fn first_to_move(&self, word: usize, pi_word: usize) -> Result<Option<&'static Thread>, Errno> {
        let queues = self.queues.lock();
        let Some(queue) = queues.get(queue_of(word)) else {
            return Ok(None);
        };
        let mut next = queue.first();
        while let Some(key) = next {
            next = queue.after(key);
            match queue.get(key) {
                Some(waiter) if waiter.word == word && waiter.pi_word == pi_word => {
                    return Ok(Some(waiter.thread));
                }
                Some(waiter) if waiter.word == word => return Err(Errno::EINVAL),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Whether those that wait for a word may be woken as they are.
    ///
    /// # Errors
    /// `EINVAL` they wait for a lock with priority inheritance.
    fn check_plain(&self, locks: &PiLocks, word: usize) -> Result<(), Errno> {
        let is_moving = || matches!(self.first_to_move(word, 0), Err(Errno::EINVAL));
        if locks.has_waiters(word) || self.moving.load(Ordering::Relaxed) != 0 && is_moving() {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Whether a thread waits in a queue.
    fn is_there(&self, thread: &Thread) -> bool {
        let Some(Place { queue, key }) = *thread.futex.lock() else {
            return false;
        };
        self.queues.lock()[queue].get(key).is_some()
    }

    fn add(&self, waiter: Waiter) {
        let mut queues = self.queues.lock();
        if queues.is_empty() {
            queues.resize_with(QUEUES, List::new);
        }
        let (thread, queue) = (waiter.thread, queue_of(waiter.word));
        let key = queues[queue].push(waiter);
        *thread.futex.lock() = Some(Place { queue, key });
    }

    /// Takes a thread out of the queue that it waits in; `false` if it is in none.
    fn remove(&self, thread: &Thread) -> bool {
        let Some(Place { queue, key }) = thread.futex.lock().take() else {
            return false;
        };
        let mut queues = self.queues.lock();
        queues[queue].remove(key).is_some()
    }

    /// Wakes up to `count` threads that wait for a word with one of these bits, but at least one, as
    /// Linux does; how many.
    pub fn wake(&self, word: usize, count: i32, set: u32) -> usize {
        let count = count.max(1) as usize;
        self.take(word, count, set, |thread| thread.wake())
    }

    /// Wakes some of those that wait for a word, and lets the next ones wait for another word; how many
    /// both are.
    fn requeue(&self, word: usize, other: usize, wakes: usize, moves: usize) -> usize {
        let woken = match wakes {
            0 => 0,
            wakes => self.take(word, wakes, u32::MAX, |thread| thread.wake()),
        };
        if moves == 0 {
            return woken;
        }
        let mut moved = Vec::new();
        let count = self.take_waiters(word, moves, u32::MAX, |waiter| moved.push(waiter));
        for waiter in moved {
            self.add(Waiter {
                word: other,
                ..waiter
            });
        }
        woken + count
    }

    fn take(&self, word: usize, count: usize, set: u32, then: impl Fn(&'static Thread)) -> usize {
        self.take_waiters(word, count, set, |waiter| then(waiter.thread))
    }

    /// Takes up to `count` of those that wait for a word with one of these bits.
    fn take_waiters(
        &self,
        word: usize,
        count: usize,
        set: u32,
        mut then: impl FnMut(Waiter),
    ) -> usize {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(queue_of(word)) else {
            return 0;
        };
        let mut taken = 0;
        let mut next = queue.first();
        while let Some(key) = next {
            if taken == count {
                break;
            }
            next = queue.after(key);
            let is_meant = |waiter: &Waiter| waiter.word == word && waiter.set & set != 0;
            if queue.get(key).is_some_and(is_meant)
                && let Some(waiter) = queue.remove(key)
            {
                taken += 1;
                then(waiter);
            }
        }
        taken
    }
}
