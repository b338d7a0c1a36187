//! Delivery: a call that sends or unblocks a signal runs the program's function before it returns,
//! as the kernel does at the end of a call. No lock is held meanwhile, so that the function may make
//! calls, and may leave by `longjmp`.

use muslin_abi::SyscallResult;

use super::{SIGNALS_COUNT, bit, index_of};
use crate::context::Context;
use crate::process::{PID, exit_by_signal};

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

const SA_NODEFER: u64 = 0x4000_0000;
const SA_RESETHAND: u64 = 0x8000_0000;

const SI_TKILL: i32 = -6;

/// What the default action ignores: SIGCHLD, SIGCONT, SIGURG, SIGWINCH, and those that stop, since
/// nobody could continue the program: SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
const IGNORED: u64 = bit(17) | bit(18) | bit(23) | bit(28) | bit(19) | bit(20) | bit(21) | bit(22);

/// `siginfo_t`.
#[repr(C, align(16))]
struct Information([i32; 32]);

/// Room for a `ucontext_t`, all zeros: there is no interrupted instruction to tell of.
#[repr(C, align(16))]
struct Interrupted([u64; 128]);

/// Sends the program a signal; 0 only asks.
///
/// # Errors
/// `EINVAL` no such signal.
pub fn send(context: &Context<'_>, signal: i32) -> SyscallResult {
    if signal == 0 {
        return Ok(0);
    }
    let index = index_of(signal)?;
    {
        let mut state = context.process.signals.state.lock();
        if state.actions[index].handler != SIG_IGN {
            state.pending |= bit(signal);
        }
    }
    deliver_pending(context);
    Ok(0)
}

/// Runs the actions of all signals that are pending and not blocked; whether a function of the
/// program ran.
pub fn deliver_pending(context: &Context<'_>) -> bool {
    let mut has_run = false;
    loop {
        let mut state = context.process.signals.state.lock();
        let ready = state.pending & !state.mask;
        let index = ready.trailing_zeros() as usize;
        if index >= SIGNALS_COUNT {
            return has_run;
        }
        let signal = index as i32 + 1;
        state.pending &= !bit(signal);
        let action = state.actions[index];
        match action.handler {
            SIG_IGN => continue,
            SIG_DFL if IGNORED & bit(signal) != 0 => continue,
            SIG_DFL => {
                drop(state);
                exit_by_signal(context, signal);
            }
            _ => {}
        }
        if action.flags & SA_RESETHAND != 0 {
            state.actions[index].handler = SIG_DFL;
        }
        let mask = state.mask;
        let own = if action.flags & SA_NODEFER == 0 {
            bit(signal)
        } else {
            0
        };
        state.mask = (mask | action.mask | own) & !super::UNBLOCKABLE;
        drop(state);
        run(action.handler, signal);
        context.process.signals.set_mask(mask);
        has_run = true;
    }
}

/// Runs a function of the program with all that `SA_SIGINFO` promises; without it the function
/// takes the number alone, and does not look at the rest.
fn run(handler: usize, signal: i32) {
    let mut information = Information([0; 32]);
    information.0[0] = signal;
    information.0[2] = SI_TKILL;
    information.0[4] = PID;
    let mut interrupted = Interrupted([0; 128]);
    // SAFETY: the program says by rt_sigaction that this is the address of such a function. An
    // address that is none faults here as it would on Linux.
    let function = unsafe {
        core::mem::transmute::<usize, extern "C" fn(i32, *mut Information, *mut Interrupted)>(
            handler,
        )
    };
    function(signal, &raw mut information, &raw mut interrupted);
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicI32, Ordering};

    use muslin_abi::layout::Sigaction;

    use super::*;
    use crate::process::sys_kill;
    use crate::signals::{sys_rt_sigaction, sys_rt_sigpending, sys_rt_sigprocmask};
    use crate::testing::World;

    const SIGUSR1: usize = 10;

    fn set(world: &World, signal: usize, handler: usize, flags: u64) {
        let action = world.value(&Sigaction {
            handler,
            flags,
            restorer: 0,
            mask: 0,
        });
        assert_eq!(world.call(sys_rt_sigaction, [signal, action, 0, 8]), Ok(0));
    }

    #[test]
    fn a_function_runs_with_the_number_and_who_sent_it() {
        static SEEN: AtomicI32 = AtomicI32::new(0);
        extern "C" fn seen(signal: i32, information: *const Information, _: *const Interrupted) {
            // SAFETY: delivery passes an Information.
            let words = unsafe { &(*information).0 };
            assert_eq!((words[0], words[2], words[4]), (signal, SI_TKILL, 1));
            SEEN.fetch_add(signal, Ordering::Relaxed);
        }
        let world = World::new();
        set(&world, SIGUSR1, seen as *const () as usize, 4);
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        assert_eq!(SEEN.load(Ordering::Relaxed), 20);
    }

    #[test]
    fn a_blocked_signal_waits_and_comes_once() {
        static SEEN: AtomicI32 = AtomicI32::new(0);
        extern "C" fn seen(_: i32) {
            SEEN.fetch_add(1, Ordering::Relaxed);
        }
        let world = World::new();
        set(&world, SIGUSR1, seen as *const () as usize, 0);
        let mask = world.value(&bit(SIGUSR1 as i32));
        let room = world.room(8);
        assert_eq!(world.call(sys_rt_sigprocmask, [0, mask, 0, 8]), Ok(0));
        for _ in 0..3 {
            assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        }
        assert_eq!(SEEN.load(Ordering::Relaxed), 0);
        assert_eq!(world.call(sys_rt_sigpending, [room, 8]), Ok(0));
        assert_eq!(world.get_value::<u64>(room), bit(SIGUSR1 as i32));
        assert_eq!(world.call(sys_rt_sigprocmask, [1, mask, room, 8]), Ok(0));
        assert_eq!(world.get_value::<u64>(room), bit(SIGUSR1 as i32));
        assert_eq!(SEEN.load(Ordering::Relaxed), 1);
        assert_eq!(world.call(sys_rt_sigpending, [room, 8]), Ok(0));
        assert_eq!(world.get_value::<u64>(room), 0);
    }

    #[test]
    #[should_panic(expected = "exit 138")]
    fn resethand_lasts_once() {
        extern "C" fn nothing(_: i32) {}
        let world = World::new();
        set(&world, SIGUSR1, nothing as *const () as usize, SA_RESETHAND);
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        let _ = world.call(sys_kill, [1, SIGUSR1]);
    }

    #[test]
    fn ignored_signals_do_nothing() {
        let world = World::new();
        set(&world, SIGUSR1, SIG_IGN, 0);
        for signal in [SIGUSR1, 17, 18, 19, 20, 28] {
            assert_eq!(world.call(sys_kill, [1, signal]), Ok(0));
        }
        set(&world, 17, SIG_DFL, 0);
    }
}
