//! The calls of actions, masks and alternate stacks.

use muslin_abi::layout::{Sigaction, SignalStack};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::{SIGKILL, SIGSTOP, UNBLOCKABLE, deliver_pending, index_of, send};
use crate::context::Context;
use crate::process::exit_by_deadlock;
use crate::time::{duration_ns, sleep_until};
use crate::user_mem::{self, UserBuf};

/// Size of the kernel's set of signals in bytes.
const SET_BYTES: usize = 8;

/// Size of a `siginfo_t` in bytes, as far as it says something.
const SIGINFO_BYTES: usize = 48;
const SIG_IGN: usize = 1;

const SIG_BLOCK: i32 = 0;
const SIG_UNBLOCK: i32 = 1;
const SIG_SETMASK: i32 = 2;

pub(super) const SS_DISABLE: u32 = 2;
const SS_ONSTACK: u32 = 1;
const SS_AUTODISARM: u32 = 1 << 31;
const MINSIGSTKSZ: usize = 2048;

/// `rt_sigaction(signum, act, oldact, sigsetsize)` — says what a signal does.
///
/// # Errors
/// `EINVAL` no such signal, one that cannot be caught, or the wrong size of a set · `EFAULT` a bad
/// address.
/// # Differs from Linux
/// Functions run where the program sends itself the signal; `SA_ONSTACK` changes nothing.
/// # Source
/// sigaction(2), man-pages 6.9
pub fn sys_rt_sigaction(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let signal = args.int(0);
    let (new_address, old_address) = (args.addr(1), args.addr(2));
    if args.size(3) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let new: Option<Sigaction> = match new_address {
        0 => None,
        address => Some(user_mem::read(context, address)?),
    };
    let index = index_of(signal)?;
    if new.is_some() && matches!(signal, SIGKILL | SIGSTOP) {
        return Err(Errno::EINVAL);
    }
    let old = {
        let mut state = context.process.signals.state.lock();
        let old = state.actions[index];
        if let Some(new) = new {
            state.actions[index] = Sigaction {
                mask: new.mask & !UNBLOCKABLE,
                ..new
            };
            if new.handler == SIG_IGN {
                state.pending &= !super::bit(signal);
            }
        }
        old
    };
    if old_address != 0 {
        user_mem::write(context, old_address, &old)?;
    }
    Ok(0)
}

/// `rt_sigprocmask(how, set, oldset, sigsetsize)` — changes which signals are blocked.
///
/// # Errors
/// `EINVAL` unknown `how`, or the wrong size · `EFAULT` a bad address.
/// # Source
/// sigprocmask(2), man-pages 6.9
pub fn sys_rt_sigprocmask(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.size(3) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let signals = &context.process.signals;
    let old = signals.state.lock().mask;
    if args.addr(1) != 0 {
        let set: u64 = user_mem::read(context, args.addr(1))?;
        signals.set_mask(match args.int(0) {
            SIG_BLOCK => old | set,
            SIG_UNBLOCK => old & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        });
    }
    if args.addr(2) != 0 {
        user_mem::write(context, args.addr(2), &old)?;
    }
    deliver_pending(context);
    Ok(0)
}

/// `rt_sigpending(set, sigsetsize)` — the signals that wait because they are blocked.
///
/// # Errors
/// `EINVAL` the wrong size · `EFAULT` bad `set`.
/// # Source
/// sigpending(2), man-pages 6.9
pub fn sys_rt_sigpending(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.size(1) > SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let pending = {
        let state = context.process.signals.state.lock();
        state.pending & state.mask
    };
    user_mem::write(context, args.addr(0), &pending)?;
    Ok(0)
}

/// `rt_sigtimedwait(set, info, timeout, sigsetsize)` — takes a signal that waits. May wait: yes.
///
/// # Errors
/// `EAGAIN` none came in time · `EINVAL` bad `timeout` or the wrong size · `EFAULT` a bad address.
/// # Differs from Linux
/// Where Linux would wait for ever, the program ends with a message and status 134.
/// # Source
/// sigtimedwait(2), man-pages 6.9
pub fn sys_rt_sigtimedwait(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.size(3) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let set: u64 = user_mem::read(context, args.addr(0))?;
    let wait_ns = match args.addr(2) {
        0 => None,
        address => Some(duration_ns(&user_mem::read(context, address)?)?),
    };
    let taken = {
        let mut state = context.process.signals.state.lock();
        let signal = (state.pending & set & !UNBLOCKABLE).trailing_zeros() as i32 + 1;
        let taken = index_of(signal).ok().map(|_| signal);
        if let Some(signal) = taken {
            state.pending &= !super::bit(signal);
        }
        taken
    };
    if let Some(signal) = taken {
        if args.addr(1) != 0 {
            let mut information = [0i32; 32];
            information[0] = signal;
            information[4] = crate::process::PID;
            user_mem::write(context, args.addr(1), &information)?;
        }
        return Ok(signal as usize);
    }
    // Nobody else sends signals: none can come while the only thread waits.
    let Some(wait_ns) = wait_ns else {
        exit_by_deadlock(context, "a signal");
    };
    let now_ns = context.platform.clock().monotonic_ns();
    sleep_until(context, now_ns.saturating_add(wait_ns));
    Err(Errno::EAGAIN)
}

/// `rt_sigsuspend(mask, sigsetsize)` — blocks other signals until one has run its function.
///
/// # Errors
/// `EINTR` one has · `EINVAL` the wrong size · `EFAULT` bad `mask`.
/// # Differs from Linux
/// Where Linux would wait for ever, the program ends with a message and status 134.
/// # Source
/// sigsuspend(2), man-pages 6.9
pub fn sys_rt_sigsuspend(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.size(1) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let mask: u64 = user_mem::read(context, args.addr(0))?;
    let signals = &context.process.signals;
    let old = signals.set_mask(mask);
    if !deliver_pending(context) {
        exit_by_deadlock(context, "a signal");
    }
    signals.set_mask(old);
    deliver_pending(context);
    Err(Errno::EINTR)
}

/// `pause()` — waits for a signal: none can come.
///
/// # Errors
/// None.
/// # Differs from Linux
/// Where Linux would wait for ever, the program ends with a message and status 134.
/// # Source
/// pause(2), man-pages 6.9
pub fn sys_pause(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    exit_by_deadlock(context, "a signal")
}

/// `rt_sigqueueinfo(tgid, sig, info)` — sends the process a signal. What `info` holds is not
/// passed on.
///
/// # Errors
/// `EINVAL` no such signal · `ESRCH` another process · `EFAULT` a bad `info`.
/// # Differs from Linux
/// The function does not see `info`. What waits comes once, real-time signals too.
/// # Source
/// rt_sigqueueinfo(2), man-pages 6.9
pub fn sys_rt_sigqueueinfo(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    UserBuf::new(context, args.addr(2), SIGINFO_BYTES)?;
    if args.int(0) != crate::process::PID {
        return Err(Errno::ESRCH);
    }
    send(context, args.int(1))
}

/// `sigaltstack(ss, old_ss)` — keeps an alternate stack. Both may be null.
///
/// # Errors
/// `EINVAL` unknown flags · `ENOMEM` smaller than `MINSIGSTKSZ` · `EFAULT` a bad address.
/// # Differs from Linux
/// Nothing runs on it.
/// # Source
/// sigaltstack(2), man-pages 6.9
pub fn sys_sigaltstack(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let new: Option<SignalStack> = match args.addr(0) {
        0 => None,
        address => Some(user_mem::read(context, address)?),
    };
    let old = context.process.signals.state.lock().stack;
    if let Some(new) = new {
        let kind = new.ss_flags as u32 & !SS_AUTODISARM;
        let stack = match kind {
            SS_DISABLE => SignalStack {
                ss_sp: 0,
                ss_size: 0,
                ..new
            },
            0 | SS_ONSTACK if new.ss_size < MINSIGSTKSZ => return Err(Errno::ENOMEM),
            0 | SS_ONSTACK => SignalStack {
                ss_flags: (new.ss_flags as u32 & SS_AUTODISARM) as i32,
                ..new
            },
            _ => return Err(Errno::EINVAL),
        };
        context.process.signals.state.lock().stack = stack;
    }
    if args.addr(1) != 0 {
        user_mem::write(context, args.addr(1), &old)?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use muslin_abi::layout::Timespec;
    use muslin_platform::Clock;

    #[test]
    fn actions_are_kept_and_checked() {
        let world = World::new();
        let new = Sigaction {
            handler: 0x1234,
            flags: 4,
            restorer: 5,
            mask: u64::MAX,
        };
        let (address, room) = (world.value(&new), world.room(32));
        assert_eq!(world.call(sys_rt_sigaction, [2, address, room, 8]), Ok(0));
        assert_eq!(world.get_value::<Sigaction>(room), Sigaction::default());
        assert_eq!(world.call(sys_rt_sigaction, [2, 0, room, 8]), Ok(0));
        assert_eq!(
            world.get_value::<Sigaction>(room),
            Sigaction {
                mask: !UNBLOCKABLE,
                ..new
            }
        );
        for (signal, size) in [(9, 8), (19, 8), (0, 8), (65, 8), (2, 16)] {
            assert_eq!(
                world.call(sys_rt_sigaction, [signal, address, 0, size]),
                Err(Errno::EINVAL)
            );
        }
        assert_eq!(world.call(sys_rt_sigaction, [9, 0, room, 8]), Ok(0));
        assert_eq!(
            world.call(sys_rt_sigaction, [2, 8, 0, 8]),
            Err(Errno::EFAULT)
        );
    }

    #[test]
    fn masks_never_hold_kill_and_stop() {
        let world = World::new();
        let (all, room) = (world.value(&u64::MAX), world.room(8));
        assert_eq!(world.call(sys_rt_sigprocmask, [2, all, 0, 8]), Ok(0));
        assert_eq!(world.call(sys_rt_sigprocmask, [0, 0, room, 8]), Ok(0));
        assert_eq!(world.get_value::<u64>(room), !UNBLOCKABLE);
        assert_eq!(
            world.call(sys_rt_sigprocmask, [3, all, 0, 8]),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.call(sys_rt_sigprocmask, [3, 0, 0, 8]), Ok(0));
    }

    #[test]
    fn waiting_for_signals_ends() {
        let world = World::new();
        let set = world.value(&super::super::bit(10));
        let second = world.value(&Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        assert_eq!(world.call(sys_rt_sigprocmask, [0, set, 0, 8]), Ok(0));
        let start_ns = world.sim.monotonic_ns();
        assert_eq!(
            world.call(sys_rt_sigtimedwait, [set, 0, second, 8]),
            Err(Errno::EAGAIN)
        );
        assert_eq!(world.sim.monotonic_ns() - start_ns, 1_000_000_000);
        assert_eq!(world.call(crate::process::sys_kill, [1, 10]), Ok(0));
        assert_eq!(world.call(sys_rt_sigtimedwait, [set, 0, 0, 8]), Ok(10));
    }

    #[test]
    fn the_alternate_stack_is_kept() {
        let world = World::new();
        let stack = SignalStack {
            ss_sp: 0x5000,
            ss_flags: 0,
            pad: 0,
            ss_size: 8192,
        };
        let (new, old) = (world.value(&stack), world.room(24));
        assert_eq!(world.call(sys_sigaltstack, [new, old]), Ok(0));
        assert_eq!(world.get_value::<SignalStack>(old).ss_flags, 2);
        assert_eq!(world.call(sys_sigaltstack, [0, old]), Ok(0));
        assert_eq!(world.get_value::<SignalStack>(old), stack);
        let small = world.value(&SignalStack {
            ss_size: 2047,
            ..stack
        });
        assert_eq!(world.call(sys_sigaltstack, [small, 0]), Err(Errno::ENOMEM));
    }
}
