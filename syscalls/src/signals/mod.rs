//! Signals: what the program does about them, who blocks and awaits them, and how they arrive.
//!
//! - `siginfo`: what is told about a signal; `pending`: signals that wait
//! - `send`: to a thread, or to the process, which is to one of its threads
//! - `deliver`: what a signal does to the code that it comes to, which is always at the end of a call
//!   or at a fault; `faults`: what a fault is as a signal; `stubs`: the code around it that is not C
//! - `actions`, `waits`, `kill`: the calls
//!
//! A signal arrives as on Linux: a frame on the program's stack holds the registers of what was
//! interrupted, and the function returns into code that goes on with whatever the frame says then. No
//! code of the library OS is left in between, so the function may leave by `longjmp` as well.
//!
//! Lock order: the process's state, then a thread's.

mod actions;
mod deliver;
mod faults;
mod kill;
mod pending;
mod send;
pub mod siginfo;
#[allow(unsafe_code, reason = "leaves and enters code of the program")]
mod stubs;
mod waits;

pub use actions::*;
pub use faults::FaultFn;

pub use kill::*;
pub use send::{raise, send_to_process, send_to_thread};
pub use waits::*;

use muslin_abi::Errno;
use muslin_abi::layout::{Sigaction, Siginfo, SignalStack};

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::context::Context;
use crate::lock::Mutex;
use crate::threads::{Thread, WaitQueue};
use pending::Pending;

/// Signals, numbered from 1.
pub const SIGNALS_COUNT: usize = 64;

const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;
/// The first signal of those that queue. musl keeps three of them for itself.
const SIGRTMIN: i32 = 32;

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

/// The default action.
const DEFAULT: Sigaction = Sigaction {
    handler: SIG_DFL,
    flags: 0,
    restorer: 0,
    mask: 0,
};

/// Nothing blocks these.
pub(crate) const UNBLOCKABLE: u64 = bit(SIGKILL) | bit(SIGSTOP);

/// What the default action ignores: SIGCHLD, SIGCONT, SIGURG, SIGWINCH, and those that stop, since
/// nobody could continue the program: SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
const IGNORED: u64 = bit(17) | bit(18) | bit(23) | bit(28) | bit(19) | bit(20) | bit(21) | bit(22);

/// What is the process's: actions, and signals that any of its threads may take.
pub struct Signals {
    state: Mutex<State>,
    /// Who waits for signals to read, once there is a descriptor of `signalfd`.
    readers: Mutex<Option<Arc<WaitQueue>>>,
    /// Timers that send signals when their time comes.
    timers: AtomicUsize,
}

struct State {
    actions: Actions,
    /// Signals whose action does nothing.
    ignored: u64,
    pending: Pending,
    /// Threads that have a signal to take.
    attentive: usize,
}

/// What is done about each signal; nothing is kept before the first change.
struct Actions(Option<Box<[Sigaction; SIGNALS_COUNT]>>);

impl Actions {
    fn get(&self, index: usize) -> Sigaction {
        self.0.as_ref().map_or(DEFAULT, |actions| actions[index])
    }

    fn get_mut(&mut self, index: usize) -> &mut Sigaction {
        let actions = self.0.get_or_insert_with(|| Box::new([DEFAULT; _]));
        &mut actions[index]
    }
}

/// What is a thread's own.
pub struct ThreadSignals {
    /// Signals that are blocked; bit n is signal n + 1.
    mask: u64,
    /// The mask that comes back once the call under way is over.
    mask_after: Option<u64>,
    /// Signals that the thread waits for in `sigtimedwait`.
    awaited: u64,
    pending: Pending,
    stack: SignalStack,
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

impl Signals {
    /// All actions are the default, and nothing waits.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                actions: Actions(None),
                ignored: IGNORED,
                pending: Pending::new(),
                attentive: 0,
            }),
            readers: Mutex::new(None),
            timers: AtomicUsize::new(0),
        }
    }

    /// Who waits for signals to read: descriptors of `signalfd`.
    pub fn readers(&self) -> Arc<WaitQueue> {
        let mut readers = self.readers.lock();
        let readers = readers.get_or_insert_with(|| Arc::new(WaitQueue::new()));
        readers.clone()
    }

    /// Whether the end of each call looks at the clock.
    fn is_clock_watched(&self) -> bool {
        self.timers.load(Ordering::Relaxed) > 0
    }
}

/// A timer that will send a signal is set: from now on the end of each call looks at the clock.
pub fn watch_clock(context: &Context<'_>) {
    context
        .process
        .signals
        .timers
        .fetch_add(1, Ordering::Relaxed);
    context.process.threads.attention.demand(stubs::attend);
}

/// Such a timer has sent its last signal, or is taken back.
pub fn unwatch_clock(context: &Context<'_>) {
    context
        .process
        .signals
        .timers
        .fetch_sub(1, Ordering::Relaxed);
}

impl ThreadSignals {
    /// Nothing is blocked, and there is no alternate stack.
    pub const fn new() -> Self {
        Self {
            mask: 0,
            mask_after: None,
            awaited: 0,
            pending: Pending::new(),
            stack: NO_STACK,
        }
    }

    /// Signals that are blocked; bit n is signal n + 1.
    pub fn mask(&self) -> u64 {
        self.mask
    }

    /// Signals that wait for this thread alone.
    pub fn pending(&self) -> u64 {
        self.pending.set()
    }
}

impl Default for ThreadSignals {
    fn default() -> Self {
        Self::new()
    }
}

/// Size of the kernel's set of signals in bytes.
const SET_BYTES: usize = 8;

const SS_DISABLE: u32 = 2;
const SS_AUTODISARM: u32 = 1 << 31;

/// No alternate stack.
const NO_STACK: SignalStack = SignalStack {
    ss_sp: 0,
    ss_flags: SS_DISABLE as i32,
    pad: 0,
    ss_size: 0,
};

/// Says of a thread whether it has a signal to take: one that runs a function or ends the program.
/// Called whenever that may have changed.
fn update(context: &Context<'_>, thread: &'static Thread) {
    let had_signal = thread.has_signal();
    let (has_signal, attentive) = {
        let mut state = context.process.signals.state.lock();
        let own = thread.signals.lock();
        let pending = own.pending.set() | state.pending.set();
        let has_signal = pending & !own.mask & !state.ignored != 0;
        state.attentive = match (had_signal, has_signal) {
            (false, true) => state.attentive + 1,
            (true, false) => state.attentive - 1,
            _ => state.attentive,
        };
        (has_signal, state.attentive)
    };
    thread.set_has_signal(has_signal);
    if attentive > 0 {
        context.process.threads.attention.demand(stubs::attend);
    }
}

/// A thread begins: it blocks what its maker blocks, the current thread.
pub fn begin_thread(context: &Context<'_>, thread: &'static Thread) {
    let mask = context.process.threads.current().signals.lock().mask;
    thread.signals.lock().mask = mask;
    update(context, thread);
}

/// The current thread takes no more signals: what waits for the process is for others.
pub fn end_thread(context: &Context<'_>) {
    let thread = context.process.threads.current();
    *thread.signals.lock() = ThreadSignals {
        mask: u64::MAX,
        ..ThreadSignals::new()
    };
    update(context, thread);
    if context.process.signals.state.lock().pending.set() != 0 {
        update_all(context);
    }
}

/// Says so of all threads.
fn update_all(context: &Context<'_>) {
    for thread in context.process.threads.all() {
        update(context, thread);
    }
}

/// Whether any thread has a signal to take.
fn is_any_attentive(context: &Context<'_>) -> bool {
    context.process.signals.state.lock().attentive > 0
}

/// Whether the program has said what it does about a signal: by a function, or by a thread that blocks it.
pub fn is_expected(context: &Context<'_>, signal: i32) -> bool {
    let state = context.process.signals.state.lock();
    let handler = state.actions.get(signal as usize - 1).handler;
    let blocks = |thread: &'static Thread| thread.signals.lock().mask & bit(signal) != 0;
    !matches!(handler, SIG_DFL | SIG_IGN) || context.process.threads.all().into_iter().any(blocks)
}

/// Which signals of a set wait for the current thread or the process.
pub fn pending_among(context: &Context<'_>, set: u64) -> u64 {
    let shared = context.process.signals.state.lock().pending.set();
    let own = context.process.threads.current().signals.lock().pending();
    (shared | own) & set
}

/// Takes a signal of a set that waits for the current thread or the process, the lowest first.
pub fn take(context: &Context<'_>, set: u64) -> Option<Siginfo> {
    let thread = context.process.threads.current();
    loop {
        let own = thread.signals.lock().pending.take(set);
        let mut info = match own {
            Some(info) => {
                update(context, thread);
                info
            }
            None => {
                let info = context.process.signals.state.lock().pending.take(set)?;
                // Other threads may have had it as well.
                if is_any_attentive(context) {
                    update_all(context);
                }
                info
            }
        };
        if siginfo::timer_of(&info).is_some()
            && let Some(hooks) = context.process.timers.hooks()
            && !(hooks.deliver)(context, &mut info)
        {
            continue;
        }
        return Some(info);
    }
}

/// Blocks these signals in the current thread, in place of those that are blocked; which were.
pub fn set_mask(context: &Context<'_>, mask: u64) -> u64 {
    let thread = context.process.threads.current();
    let old = core::mem::replace(&mut thread.signals.lock().mask, mask & !UNBLOCKABLE);
    // What came while it was blocked, and does nothing, comes now: a timer counts how often.
    let ignored = context.process.signals.state.lock().ignored & !mask;
    if pending_among(context, ignored) != 0 {
        while take(context, ignored).is_some() {}
    }
    update(context, thread);
    old
}

/// The bit of a signal, which is one.
const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The place of a signal's action.
fn index_of(signal: i32) -> Result<usize, Errno> {
    match usize::try_from(signal) {
        Ok(signal @ 1..=SIGNALS_COUNT) => Ok(signal - 1),
        _ => Err(Errno::EINVAL),
    }
}
