//! The calls of actions, masks and alternate stacks.

use muslin_abi::layout::{Sigaction, SignalStack};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::{
    IGNORED, NO_STACK, SET_BYTES, SIG_DFL, SIG_IGN, SIGKILL, SIGSTOP, SS_AUTODISARM, SS_DISABLE,
    UNBLOCKABLE, bit, index_of, pending_among, set_mask, stubs, update_all,
};
use crate::context::Context;
use crate::user_mem;

/// Flags that there are: NOCLDSTOP, NOCLDWAIT, SIGINFO, EXPOSE_TAGBITS, RESTORER, ONSTACK, RESTART,
/// NODEFER, RESETHAND. Others are cleared, so that a program can ask which there are.
const FLAGS: u64 = 0xdc00_0807;

const SIG_BLOCK: i32 = 0;
const SIG_UNBLOCK: i32 = 1;
const SIG_SETMASK: i32 = 2;

const SS_ONSTACK: u32 = 1;
const MINSIGSTKSZ: usize = 2048;

/// `rt_sigaction(signum, act, oldact, sigsetsize)` — says what a signal does.
///
/// # Errors
/// `EINVAL` no such signal, one that cannot be caught, or the wrong size of a set · `EFAULT` a bad
/// address.
/// # Differs from Linux
/// Functions run at the end of calls and where faults are signals, and nowhere else.
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
    let old = match new {
        None => context.process.signals.state.lock().actions.get(index),
        Some(new) => change(context, signal, index, new),
    };
    if old_address != 0 {
        user_mem::write(context, old_address, &old)?;
    }
    Ok(0)
}

/// Changes an action; which it was. What waits and is ignored now is forgotten.
fn change(context: &Context<'_>, signal: i32, index: usize, new: Sigaction) -> Sigaction {
    let bit = bit(signal);
    let does_nothing = match new.handler {
        SIG_IGN => true,
        SIG_DFL => IGNORED & bit != 0,
        _ => false,
    };
    let old = {
        let mut state = context.process.signals.state.lock();
        if does_nothing {
            state.ignored |= bit;
            state.pending.forget(bit);
        } else {
            state.ignored &= !bit;
            stubs::watch_faults(context);
        }
        let new = Sigaction {
            mask: new.mask & !UNBLOCKABLE,
            flags: new.flags & FLAGS,
            ..new
        };
        core::mem::replace(state.actions.get_mut(index), new)
    };
    if does_nothing {
        for thread in context.process.threads.all() {
            thread.signals.lock().pending.forget(bit);
        }
        update_all(context);
    }
    old
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
    let old = context.process.threads.current().signals.lock().mask;
    if args.addr(1) != 0 {
        let set: u64 = user_mem::read(context, args.addr(1))?;
        set_mask(
            context,
            match args.int(0) {
                SIG_BLOCK => old | set,
                SIG_UNBLOCK => old & !set,
                SIG_SETMASK => set,
                _ => return Err(Errno::EINVAL),
            },
        );
    }
    if args.addr(2) != 0 {
        user_mem::write(context, args.addr(2), &old)?;
    }
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
    let mask = context.process.threads.current().signals.lock().mask;
    let pending = pending_among(context, mask);
    user_mem::write(context, args.addr(0), &pending)?;
    Ok(0)
}

/// `sigaltstack(ss, old_ss)` — gives the thread an alternate stack. Both may be null.
///
/// # Errors
/// `EINVAL` unknown flags · `ENOMEM` smaller than `MINSIGSTKSZ` · `EPERM` the thread is on it · `EFAULT`
/// a bad address.
/// # Source
/// sigaltstack(2), man-pages 6.9
pub fn sys_sigaltstack(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let new: Option<SignalStack> = match args.addr(0) {
        0 => None,
        address => Some(user_mem::read(context, address)?),
    };
    let thread = context.process.threads.current();
    let old = thread.signals.lock().stack;
    // The arguments are on the stack that the thread is on.
    let is_on_it = is_on_stack(&old, core::ptr::from_ref(args) as usize);
    if let Some(new) = new {
        let flags = new.ss_flags as u32;
        let stack = match flags & !SS_AUTODISARM {
            _ if is_on_it => return Err(Errno::EPERM),
            SS_DISABLE => NO_STACK,
            0 | SS_ONSTACK if new.ss_size < MINSIGSTKSZ => return Err(Errno::ENOMEM),
            0 | SS_ONSTACK => SignalStack {
                ss_flags: (flags & SS_AUTODISARM) as i32,
                ..new
            },
            _ => return Err(Errno::EINVAL),
        };
        thread.signals.lock().stack = stack;
    }
    if args.addr(1) != 0 {
        let on_it = if is_on_it { SS_ONSTACK as i32 } else { 0 };
        let old = SignalStack {
            ss_flags: old.ss_flags | on_it,
            ..old
        };
        user_mem::write(context, args.addr(1), &old)?;
    }
    Ok(0)
}

/// Whether a stack pointer is on an alternate stack that stays one meanwhile.
pub(super) fn is_on_stack(stack: &SignalStack, rsp: usize) -> bool {
    let is_kept = stack.ss_flags as u32 & (SS_AUTODISARM | SS_DISABLE) == 0;
    is_kept
        && rsp
            .checked_sub(stack.ss_sp)
            .is_some_and(|at| at > 0 && at <= stack.ss_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

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
