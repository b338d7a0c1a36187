//! Futexes with several threads: queues of those that wait, found by the word's address.

use alloc::vec::Vec;

use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::futex::{Command, check, deadline, parse};
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
}

struct Waiter {
    thread: &'static Thread,
    word: usize,
    /// A wake for none of these bits is not for this one.
    set: u32,
}

/// Where a thread waits.
#[derive(Clone, Copy)]
pub struct Place {
    queue: usize,
    key: Key,
}

/// As [`sys_futex`](super::sys_futex), with several threads.
pub fn sys_futex(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let futexes = &context.process.threads.futexes;
    let (command, is_by_wall) = parse(context, args)?;
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
        Command::Wake => Ok(futexes.wake(word, count, u32::MAX)),
        Command::WakeBits => Ok(futexes.wake(word, count, args.int(5) as u32)),
        Command::Requeue | Command::CompareRequeue => {
            if count < 0 || args.int(3) < 0 || !other.is_multiple_of(4) {
                return Err(Errno::EINVAL);
            }
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
    }
}

/// Changes a word as an operation says; whether the old value is what it asks for.
fn operate(context: &Context<'_>, word: usize, operation: i32) -> Result<bool, Errno> {
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
        }
    }

    fn wait(
        &self,
        context: &Context<'_>,
        word: usize,
        set: u32,
        deadline_ns: Option<u64>,
    ) -> SyscallResult {
        let thread = context.process.threads.current();
        self.add(Waiter { thread, word, set });
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
