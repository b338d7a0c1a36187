//! Locks of handlers and of the service: a futex, with signals held back while it is held.
//!
//! A fork waits until no lock is held, so the child finds none that nobody will unlock, and nothing
//! half changed.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use muslin_arch::thread_pointer;

use crate::console;
use crate::kernel::{futex_wait, futex_wake};
use crate::raw;
use crate::service;

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody may sleep.
const WANTED: u32 = 2;
/// How often a lock is looked at before a thread sleeps for it.
const LOOKS: u32 = 100;

/// Who holds a lock: there are few at any time, so they stand in a small table.
struct Holder {
    /// The address of the lock's word; 0: this place is free.
    word: AtomicUsize,
    /// The thread pointer.
    thread: AtomicUsize,
    /// Its signal mask before.
    mask: AtomicU64,
}

/// More locks than that are never held at once: each holder runs, and waits for nothing.
const HOLDERS: usize = 64;

static HOLDING: [Holder; HOLDERS] = [const {
    Holder {
        word: AtomicUsize::new(0),
        thread: AtomicUsize::new(0),
        mask: AtomicU64::new(0),
    }
}; HOLDERS];

/// How many locks are held or being taken, and whether a fork waits or is under way.
static GATE: AtomicU32 = AtomicU32::new(0);
const FORKING: u32 = 1 << 31;

/// Whether the calling thread holds a lock.
pub fn holds_one() -> bool {
    let me = thread_pointer::read() as usize;
    let mut holders = HOLDING.iter();
    holders.any(|holder| holder.thread.load(Ordering::Relaxed) == me)
}

/// Whether the calling thread takes no signals now: it is the service's, or holds a lock.
fn holds_signals() -> bool {
    service::is_thread(thread_pointer::read() as usize) || holds_one()
}

/// Runs `work` while no signal comes to this thread.
pub fn without_signals<T>(work: impl FnOnce() -> T) -> T {
    if holds_signals() {
        return work();
    }
    let before = raw::set_signal_mask(u64::MAX);
    let result = work();
    raw::set_signal_mask(before);
    result
}

fn pass_gate() {
    let mut gate = GATE.load(Ordering::Relaxed);
    loop {
        // Who holds a lock already is waited for by the fork, and must not wait for it.
        if gate & FORKING != 0 && !holds_one() {
            futex_wait(&GATE, gate);
            gate = GATE.load(Ordering::Relaxed);
            continue;
        }
        match GATE.compare_exchange_weak(gate, gate + 1, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => gate = now,
        }
    }
}

fn leave_gate() {
    if GATE.fetch_sub(1, Ordering::Release) == FORKING | 1 {
        futex_wake(&GATE, i32::MAX);
    }
}

/// Runs `fork` while no lock is held; parent and child come back from it.
pub fn while_none_is_held<T>(fork: impl FnOnce() -> T) -> T {
    loop {
        let gate = GATE.load(Ordering::Relaxed);
        if gate & FORKING != 0 {
            futex_wait(&GATE, gate);
        } else if GATE
            .compare_exchange(gate, gate | FORKING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            break;
        }
    }
    loop {
        let gate = GATE.load(Ordering::Acquire);
        if gate == FORKING {
            break;
        }
        futex_wait(&GATE, gate);
    }
    let result = fork();
    GATE.store(0, Ordering::Release);
    futex_wake(&GATE, i32::MAX);
    result
}

/// A lock of the runtime's own.
pub struct Word(AtomicU32);

impl Word {
    /// Not held.
    pub const fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Runs `work` while it is held.
    pub fn locked<T>(&self, work: impl FnOnce() -> T) -> T {
        // SAFETY: a lock's word, which is unlocked by the same thread.
        unsafe {
            muslin_lock(self.0.as_ptr());
            let result = work();
            muslin_unlock(self.0.as_ptr());
            result
        }
    }
}

fn word<'a>(word: *mut u32) -> &'a AtomicU32 {
    // SAFETY: callers hand in a lock's word, which is nothing else.
    unsafe { AtomicU32::from_ptr(word) }
}

/// Locks a word that is 0 at the start.
///
/// # Safety
/// `lock` is the word of a lock, which this thread does not hold.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_lock(lock: *mut u32) {
    let me = thread_pointer::read() as usize;
    let mask = if service::is_thread(me) {
        u64::MAX
    } else {
        raw::set_signal_mask(u64::MAX)
    };
    pass_gate();
    take(word(lock));
    let mut free = HOLDING.iter().filter(|holder| {
        holder
            .word
            .compare_exchange(0, lock as usize, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    });
    let Some(holder) = free.next() else {
        console::fatal(&[b"muslin: more than 64 locks of muslin_lock are held at once"]);
    };
    holder.mask.store(mask, Ordering::Relaxed);
    holder.thread.store(me, Ordering::Relaxed);
}

fn take(word: &AtomicU32) {
    for _ in 0..LOOKS {
        if word
            .compare_exchange_weak(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            return;
        }
        core::hint::spin_loop();
    }
    while word.swap(WANTED, Ordering::Acquire) != FREE {
        futex_wait(word, WANTED);
    }
}

/// Unlocks it.
///
/// # Safety
/// This thread holds it.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_unlock(lock: *mut u32) {
    let mut held = HOLDING
        .iter()
        .filter(|holder| holder.word.load(Ordering::Relaxed) == lock as usize);
    let Some(holder) = held.next() else {
        console::fatal(&[b"muslin: muslin_unlock of a lock that nobody holds"]);
    };
    let mask = holder.mask.load(Ordering::Relaxed);
    holder.thread.store(0, Ordering::Relaxed);
    holder.word.store(0, Ordering::Relaxed);
    let word = word(lock);
    if word.swap(FREE, Ordering::Release) == WANTED {
        futex_wake(word, 1);
    }
    leave_gate();
    if !service::is_thread(thread_pointer::read() as usize) {
        raw::set_signal_mask(mask);
    }
}
