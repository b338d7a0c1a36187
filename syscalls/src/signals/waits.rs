//! Waiting for signals, and other waits under a mask of their own.

use muslin_abi::layout::{Pod, Siginfo};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::siginfo::SIGINFO_BYTES;
use super::{SET_BYTES, UNBLOCKABLE, set_mask, take, update};
use crate::context::Context;
use crate::threads::{Waiting, Woken, block};
use crate::time::duration_ns;
use crate::user_mem::{self, UserBufMut};

/// `rt_sigtimedwait(set, info, timeout, sigsetsize)` — takes a signal that waits. May wait: yes.
///
/// # Errors
/// `EAGAIN` none came in time · `EINTR` another signal ran its function · `EINVAL` bad `timeout` or the
/// wrong size · `EFAULT` a bad address.
/// # Source
/// sigtimedwait(2), man-pages 6.9
pub fn sys_rt_sigtimedwait(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.size(3) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let set: u64 = user_mem::read(context, args.addr(0))?;
    let set = set & !UNBLOCKABLE;
    let wait_ns = match args.addr(2) {
        0 => None,
        address => Some(duration_ns(&user_mem::read(context, address)?)?),
    };
    let info = match (take(context, set), wait_ns) {
        (Some(info), _) => info,
        (None, Some(0)) => return Err(Errno::EAGAIN),
        (None, wait_ns) => await_one(context, set, wait_ns)?,
    };
    if args.addr(1) != 0 {
        user_mem::write(context, args.addr(1), &info)?;
        let rest = SIGINFO_BYTES - Siginfo::BYTES;
        UserBufMut::new(context, args.addr(1) + Siginfo::BYTES, rest)?.fill(0, rest, 0);
    }
    Ok(info.si_signo as usize)
}

/// Waits for a signal of a set.
fn await_one(context: &Context<'_>, set: u64, wait_ns: Option<u64>) -> Result<Siginfo, Errno> {
    let thread = context.process.threads.current();
    let now_ns = context.platform.clock().monotonic_ns();
    let deadline_ns = wait_ns.map(|wait_ns| now_ns.saturating_add(wait_ns));
    loop {
        thread.signals.lock().awaited = set;
        let woken = block(context, waiting(set), deadline_ns);
        thread.signals.lock().awaited = 0;
        match (take(context, set), woken) {
            (Some(info), _) => return Ok(info),
            (None, Woken::ByWake) => {}
            (None, Woken::ByTime) => return Err(Errno::EAGAIN),
            (None, Woken::BySignal) => return Err(Errno::EINTR),
        }
    }
}

/// `rt_sigsuspend(mask, sigsetsize)` — blocks other signals until one has run its function. May wait:
/// yes.
///
/// # Errors
/// `EINTR` one has · `EINVAL` the wrong size · `EFAULT` bad `mask`.
/// # Source
/// sigsuspend(2), man-pages 6.9
pub fn sys_rt_sigsuspend(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.size(1) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let mask: u64 = user_mem::read(context, args.addr(0))?;
    with_mask(context, Some(mask), || sys_pause(context, args))
}

/// `pause()` — waits until a signal has run its function. May wait: yes.
///
/// # Errors
/// `EINTR` always.
/// # Source
/// pause(2), man-pages 6.9
pub fn sys_pause(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    let set = !context.process.threads.current().signals.lock().mask;
    while block(context, waiting(set), None) != Woken::BySignal {}
    Err(Errno::EINTR)
}

/// `restart_syscall()` — goes on with a call that was stopped. There are none: what stops a program does
/// nothing here.
///
/// # Errors
/// `EINTR` always.
/// # Source
/// restart_syscall(2), man-pages 6.9
pub fn sys_restart_syscall(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Err(Errno::EINTR)
}

fn waiting(set: u64) -> Waiting {
    Waiting {
        what: "a signal of the set",
        object: set as usize,
    }
}

/// Reads a mask that a call wants for its wait, if it wants one.
///
/// # Errors
/// `EINVAL` the wrong size · `EFAULT` a bad address.
pub fn read_mask(
    context: &Context<'_>,
    address: usize,
    size_bytes: usize,
) -> Result<Option<u64>, Errno> {
    match address {
        0 => Ok(None),
        _ if size_bytes != SET_BYTES => Err(Errno::EINVAL),
        address => user_mem::read(context, address).map(Some),
    }
}

/// Runs a handler's wait with other signals blocked. If the wait ends by a signal, that one is delivered
/// under this mask, and the old one comes back behind its function.
///
/// # Errors
/// Those of `wait`.
pub fn with_mask(
    context: &Context<'_>,
    mask: Option<u64>,
    wait: impl FnOnce() -> SyscallResult,
) -> SyscallResult {
    let Some(mask) = mask else {
        return wait();
    };
    let thread = context.process.threads.current();
    let old = set_mask(context, mask);
    let result = wait();
    let is_interrupted = matches!(result, Err(Errno::EINTR | Errno::RESTART));
    if is_interrupted && thread.has_signal() {
        thread.signals.lock().mask_after = Some(old);
    } else {
        thread.signals.lock().mask = old;
        update(context, thread);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::{bit, sys_kill, sys_rt_sigaction, sys_rt_sigprocmask};
    use super::*;
    use crate::testing::World;
    use muslin_abi::layout::{Sigaction, Timespec};
    use muslin_platform::Clock;

    fn second(world: &World) -> usize {
        world.value(&Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        })
    }

    #[test]
    fn waiting_for_signals_ends() {
        let world = World::new();
        let set = world.value(&bit(10));
        let second = second(&world);
        assert_eq!(world.call(sys_rt_sigprocmask, [0, set, 0, 8]), Ok(0));
        let start_ns = world.sim.monotonic_ns();
        assert_eq!(
            world.call(sys_rt_sigtimedwait, [set, 0, second, 8]),
            Err(Errno::EAGAIN)
        );
        assert_eq!(world.sim.monotonic_ns() - start_ns, 1_000_000_000);
        assert_eq!(world.call(sys_kill, [1, 10]), Ok(0));
        let info = world.room(128);
        assert_eq!(world.call(sys_rt_sigtimedwait, [set, info, 0, 8]), Ok(10));
        assert_eq!(world.get_value::<Siginfo>(info).si_signo, 10);
    }

    #[test]
    fn a_mask_lasts_for_the_call_and_its_signal() {
        let world = World::new();
        let context = world.context();
        let own = &context.process.threads.current().signals;
        let all = world.value(&u64::MAX);
        let none = world.value(&0_u64);
        let action = world.value(&Sigaction {
            handler: 0x1234,
            ..Sigaction::default()
        });
        assert_eq!(world.call(sys_rt_sigaction, [10, action, 0, 8]), Ok(0));
        assert_eq!(world.call(sys_rt_sigprocmask, [2, all, 0, 8]), Ok(0));
        // A wait that ends otherwise puts the mask back itself.
        assert_eq!(with_mask(&context, Some(0), || Ok(5)), Ok(5));
        assert_eq!(own.lock().mask, !UNBLOCKABLE);
        // The signal waits already, so the wait ends at once.
        assert_eq!(world.call(sys_kill, [1, 10]), Ok(0));
        let args = SyscallArgs([none, 8, 0, 0, 0, 0]);
        assert_eq!(sys_rt_sigsuspend(&context, &args), Err(Errno::EINTR));
        assert_eq!(own.lock().mask, 0);
        assert_eq!(own.lock().mask_after, Some(!UNBLOCKABLE));
    }
}
