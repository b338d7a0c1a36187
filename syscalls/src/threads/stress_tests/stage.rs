//! What the threads of a run know of each other's signals, and the function that all signals have.

use core::cell::RefCell;
use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

use muslin_abi::layout::{Sigaction, Siginfo, SignalStack, Timespec};

use crate::memory::sys_munmap;
use crate::process::sys_sched_yield;
use crate::signals::{
    UNBLOCKABLE, sys_kill, sys_rt_sigaction, sys_rt_sigprocmask, sys_rt_sigqueueinfo,
    sys_rt_tgsigqueueinfo, sys_sigaltstack, sys_tkill,
};
use crate::testing::World;
use crate::testing::frames::{self, SIGCANCEL};
use crate::time::sys_nanosleep;

/// Sent to the process, by `kill`.
pub const TO_ALL: i32 = 1;
/// Sent to threads. Calls go on behind the one, and answer `EINTR` behind the other.
pub const RESTARTING: i32 = 10;
pub const INTERRUPTING: i32 = 12;
/// Sent by a thread to itself while it blocks it.
pub const OWN: i32 = 14;
/// Ends a wait under another mask.
pub const WAKING: i32 = 15;
/// Sent to threads, with a number: each once, in their order.
pub const QUEUED: i32 = 35;
/// Sent to the process, with a number: each once.
pub const SHARED: i32 = 36;
/// The same, but taken by those who wait for it.
pub const AWAITED: i32 = 37;
/// Sent by a function to its own thread: it comes at once.
pub const NESTED: i32 = 38;
/// A timer's, for those who wait for it, and with a function.
pub const TIMED: i32 = 39;
pub const TICK: i32 = 40;

/// What all threads block.
pub const BLOCKED: u64 = bit(AWAITED) | bit(TIMED) | bit(WAKING);

const SA_SIGINFO: u64 = 4;
const SA_ONSTACK: u64 = 0x0800_0000;
const SA_RESTART: u64 = 0x1000_0000;
const SA_NODEFER: u64 = 0x4000_0000;

/// Signals with a function, how it is called, and what is blocked meanwhile.
const ACTIONS: [(i32, u64, u64); 10] = [
    (TO_ALL, SA_ONSTACK, bit(SHARED)),
    (RESTARTING, SA_RESTART | SA_ONSTACK, bit(INTERRUPTING)),
    (INTERRUPTING, 0, 0),
    (OWN, SA_RESTART, 0),
    (WAKING, SA_RESTART, bit(RESTARTING)),
    (QUEUED, SA_RESTART, 0),
    (SHARED, SA_ONSTACK, bit(QUEUED)),
    (NESTED, SA_RESTART | SA_NODEFER, 0),
    (TICK, 0, 0),
    (SIGCANCEL, SA_RESTART | SA_ONSTACK, u64::MAX),
];

/// How deep functions interrupt each other on purpose.
const DEPTH_MAX: u32 = 3;
const OTHER_STACK_BYTES: usize = 512 * 1024;
const SI_QUEUE: i32 = -1;
const SS_DISABLE: i32 = 2;
const SIG_SETMASK: usize = 2;

pub const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// What a thread was sent, and what came.
#[derive(Default)]
pub struct Player {
    /// Plain signals whose function has not begun since they were sent.
    owed: u64,
    queued_sent: u64,
    queued_seen: u64,
    /// Functions that have begun: all, those behind which calls answer `EINTR`, and by signal.
    pub functions: u64,
    pub interrupting: u64,
    pub by_signal: BTreeMap<i32, u64>,
    /// What timers were due, by its functions.
    pub ticks: u64,
    depth: u32,
    /// What it blocks while it waits, if that is for the wait alone.
    pub meanwhile: Option<u64>,
    /// Nobody sends it anything any more.
    is_leaving: bool,
    other_stack: Range<usize>,
}

#[derive(Default)]
struct Stage {
    players: BTreeMap<i32, Player>,
    is_owed_to_all: bool,
    /// Numbers of signals that nobody has seen yet.
    shared: BTreeSet<u64>,
    awaited: BTreeSet<u64>,
    last_value: u64,
    random: u64,
    tally: Tally,
}

/// What a run has had, so that it can be seen that there was something.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Functions of signals.
    pub functions: u64,
    /// Reads that answered `EINTR` behind one.
    pub interrupted: u64,
    /// Reads that went on behind one.
    pub restarted: u64,
}

/// Adds to what this run has had.
pub fn count(work: impl FnOnce(&mut Tally)) {
    with(|stage| work(&mut stage.tally));
}

std::thread_local! {
    static STAGE: RefCell<Stage> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Stage) -> T) -> T {
    STAGE.with_borrow_mut(work)
}

pub fn tid(world: &World) -> i32 {
    world.process.threads.current().tid()
}

/// Something of the thread that runs.
pub fn own<T>(world: &World, work: impl FnOnce(&mut Player) -> T) -> T {
    let tid = tid(world);
    with(|stage| work(stage.players.get_mut(&tid).unwrap()))
}

/// What the thread that runs blocks.
pub fn mask(world: &World) -> u64 {
    world.process.threads.current().signals.lock().mask()
}

/// A mask without what libc and the kernel do to it.
fn of_program(mask: u64) -> u64 {
    mask & !UNBLOCKABLE & !bit(SIGCANCEL)
}

/// Blocks these, and nothing else.
pub fn set_mask(world: &World, mask: u64) {
    let set = &raw const mask as usize;
    let args = [SIG_SETMASK, set, 0, 8];
    assert_eq!(world.call(sys_rt_sigprocmask, args), Ok(0));
    assert_eq!(of_program(self::mask(world)), of_program(mask));
}

/// The beginning of a run, by its first thread.
pub fn open(world: &World, seed: u64) {
    STAGE.set(Stage {
        random: seed,
        ..Stage::default()
    });
    for (signal, flags, mask) in ACTIONS {
        let action = Sigaction {
            handler: function as *const () as usize,
            flags: flags | SA_SIGINFO,
            restorer: 0,
            mask,
        };
        let action = &raw const action as usize;
        let args = [signal as usize, action, 0, 8];
        assert_eq!(world.call(sys_rt_sigaction, args), Ok(0));
    }
    set_mask(world, BLOCKED);
}

/// The end of a run: nothing is left. What there was.
pub fn close(world: &World) -> Tally {
    with(|stage| {
        assert!(stage.players.is_empty());
        assert!(!stage.is_owed_to_all, "a signal for all was lost");
        assert_eq!(stage.shared.len(), 0, "numbered signals were lost");
        assert_eq!(stage.awaited.len(), 0, "awaited signals were lost");
    });
    let left = crate::signals::pending_among(&world.context(), u64::MAX);
    assert_eq!(left, 0, "signals are left that nobody sent");
    with(|stage| stage.tally)
}

/// A thread to which others send signals.
pub fn play<T>(world: &World, work: impl FnOnce() -> T) -> T {
    let tid = tid(world);
    let other = world.room(OTHER_STACK_BYTES);
    let mut stack = SignalStack {
        ss_sp: other,
        ss_flags: 0,
        pad: 0,
        ss_size: OTHER_STACK_BYTES,
    };
    let player = Player {
        other_stack: other..other + OTHER_STACK_BYTES,
        ..Player::default()
    };
    let set_stack = |stack: &SignalStack| {
        let args = [core::ptr::from_ref(stack) as usize, 0];
        assert_eq!(world.call(sys_sigaltstack, args), Ok(0));
    };
    // What is for the process may come before the stack is known.
    set_mask(world, u64::MAX);
    set_stack(&stack);
    with(|stage| stage.players.insert(tid, player));
    set_mask(world, BLOCKED);
    let result = work();
    own(world, |own| own.is_leaving = true);
    set_mask(world, BLOCKED);
    own(world, |own| {
        assert_eq!(own.owed, 0, "signals were lost");
        assert_eq!(own.queued_seen, own.queued_sent, "numbered ones were lost");
    });
    set_mask(world, u64::MAX);
    with(|stage| stage.players.remove(&tid));
    stack.ss_flags = SS_DISABLE;
    set_stack(&stack);
    assert_eq!(world.call(sys_munmap, [other, OTHER_STACK_BYTES]), Ok(0));
    result
}

/// A thread that plays, by chance.
fn any_player() -> Option<i32> {
    with(|stage| {
        let there = |(_, player): &(&i32, &Player)| !player.is_leaving;
        let count = stage.players.iter().filter(there).count();
        let index = stage.below(count.max(1) as u64) as usize;
        let player = stage.players.iter().filter(there).nth(index);
        player.map(|(tid, _)| *tid)
    })
}

/// Whether a thread plays, and others may send it signals.
pub fn is_playing(tid: i32) -> bool {
    with(|stage| {
        let player = stage.players.get(&tid);
        player.is_some_and(|player| !player.is_leaving)
    })
}

/// Sends a plain signal to a thread that plays.
pub fn send(world: &World, tid: i32, signal: i32) {
    with(|stage| stage.players.get_mut(&tid).unwrap().owed |= bit(signal));
    let args = [tid as usize, signal as usize];
    assert_eq!(world.call(sys_tkill, args), Ok(0));
}

/// Sends the process, or a thread that plays, a signal by chance.
pub fn send_any(world: &World) {
    let Some(tid) = any_player() else {
        return;
    };
    let (choice, value) = with(|stage| {
        stage.last_value += 1;
        (stage.below(6), stage.last_value)
    });
    let mut info = Siginfo {
        si_code: SI_QUEUE,
        fields: [1, value, 0, 0],
        ..Siginfo::default()
    };
    let queue = |info: &Siginfo, signal: i32| {
        let info = core::ptr::from_ref(info) as usize;
        let args = [1, signal as usize, info];
        assert_eq!(world.call(sys_rt_sigqueueinfo, args), Ok(0));
    };
    match choice {
        0 => send(world, tid, RESTARTING),
        1 => send(world, tid, INTERRUPTING),
        2 => {
            with(|stage| stage.is_owed_to_all = true);
            assert_eq!(world.call(sys_kill, [1, TO_ALL as usize]), Ok(0));
        }
        3 => {
            with(|stage| stage.shared.insert(value));
            queue(&info, SHARED);
        }
        4 => {
            with(|stage| stage.awaited.insert(value));
            queue(&info, AWAITED);
        }
        _ => {
            info.fields[1] = with(|stage| {
                let player = stage.players.get_mut(&tid).unwrap();
                player.queued_sent += 1;
                player.queued_sent
            });
            let place = &raw const info as usize;
            let args = [1, tid as usize, QUEUED as usize, place];
            assert_eq!(world.call(sys_rt_tgsigqueueinfo, args), Ok(0));
        }
    }
}

/// One of the awaited has been taken.
pub fn took_awaited(info: &Siginfo) {
    assert_eq!((info.si_signo, info.si_code), (AWAITED, SI_QUEUE));
    let was_open = with(|stage| stage.awaited.remove(&info.fields[1]));
    assert!(was_open, "a signal came twice");
}

impl Stage {
    fn below(&mut self, limit: u64) -> u64 {
        super::random(&mut self.random) % limit
    }
}

/// What context a function finds, as far as it looks at it: `ucontext_t`.
#[repr(C)]
struct Context {
    head: [u64; 5],
    registers: [u64; 23],
    vectors: [u64; 9],
    mask: u64,
}

const RSP: usize = 15;
const RIP: usize = 16;

/// The function of all signals.
extern "C" fn function(signal: i32, info: &Siginfo, context: &mut Context) {
    let world = frames::world();
    let here = &raw const signal as usize;
    let (_, flags, blocked) = ACTIONS
        .into_iter()
        .find(|action| action.0 == signal)
        .unwrap();
    let itself = if flags & SA_NODEFER == 0 {
        bit(signal)
    } else {
        0
    };
    let mask_inside = mask(world);
    assert_eq!(info.si_signo, signal);
    let is_to_go_on = own(world, |own| {
        // Beneath a wait with a mask of its own it is that one.
        let is_right = |mask: u64| {
            let inside = of_program(mask | blocked | itself);
            mask & bit(signal) == 0 && of_program(mask_inside) == inside
        };
        let is_right = is_right(context.mask) || own.meanwhile.is_some_and(is_right);
        let masks = (mask_inside, context.mask, own.meanwhile);
        assert!(
            is_right,
            "signal {signal} came with these masks: {masks:x?}"
        );
        if flags & SA_ONSTACK != 0 {
            assert!(own.other_stack.contains(&here), "on the wrong stack");
        }
        own.functions += 1;
        own.interrupting += u64::from(flags & SA_RESTART == 0);
        *own.by_signal.entry(signal).or_default() += 1;
        own.owed &= !bit(signal);
        own.depth += 1;
        own.depth < DEPTH_MAX
    });
    let value = info.fields[1];
    match signal {
        TO_ALL => with(|stage| stage.is_owed_to_all = false),
        QUEUED => own(world, |own| {
            own.queued_seen += 1;
            assert_eq!(value, own.queued_seen, "not in its order");
        }),
        SHARED => {
            let was_open = with(|stage| stage.shared.remove(&value));
            assert!(was_open, "a signal came twice");
        }
        TICK => own(world, |own| own.ticks += 1 + (info.fields[0] >> 32)),
        _ => {}
    }
    if signal == SIGCANCEL {
        cancel(world, context);
    } else if is_to_go_on {
        interlude(world);
    }
    assert_eq!(of_program(mask(world)), of_program(mask_inside));
    own(world, |own| own.depth -= 1);
    count(|tally| tally.functions += 1);
}

/// What functions do besides.
fn interlude(world: &World) {
    match with(|stage| stage.below(8)) {
        0 => {
            world.call(sys_sched_yield, []).unwrap();
        }
        1 => {
            let count = |own: &mut Player| own.by_signal.get(&NESTED).copied().unwrap_or(0);
            let before = own(world, count);
            let is_blocked = mask(world) & bit(NESTED) != 0;
            send(world, tid(world), NESTED);
            assert!(is_blocked || own(world, count) > before, "came too late");
        }
        2 => send_any(world),
        3 => {
            let time = Timespec {
                tv_sec: 0,
                tv_nsec: with(|stage| stage.below(10_000)) as i64,
            };
            // It may be interrupted in its turn.
            let _ = world.call(sys_nanosleep, [&raw const time as usize, 0]);
        }
        _ => {}
    }
}

/// libc's function for cancelling.
fn cancel(world: &World, context: &mut Context) {
    let rsp = context.registers[RSP];
    let is_later = frames::cancel_handler(&mut context.registers[RIP], rsp, || {
        send(world, tid(world), SIGCANCEL);
    });
    if is_later {
        context.mask |= bit(SIGCANCEL);
    }
}
