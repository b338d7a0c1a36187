//! The call `futex`: what it asks for, and the answer where there is one thread.

use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::futex_queue::operate;
use super::pi_locks::change_alone;
use super::sleep_alone;
use crate::context::Context;
use crate::process::exit_by_deadlock;
use crate::time::duration_ns;
use crate::user_mem;

const FUTEX_WAIT: u32 = 0;
const FUTEX_WAKE: u32 = 1;
const FUTEX_REQUEUE: u32 = 3;
const FUTEX_CMP_REQUEUE: u32 = 4;
const FUTEX_WAIT_BITSET: u32 = 9;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_WAKE_OP: u32 = 5;
const FUTEX_LOCK_PI: u32 = 6;
const FUTEX_UNLOCK_PI: u32 = 7;
const FUTEX_TRYLOCK_PI: u32 = 8;
const FUTEX_WAIT_REQUEUE_PI: u32 = 11;
const FUTEX_CMP_REQUEUE_PI: u32 = 12;
const FUTEX_LOCK_PI2: u32 = 13;
const FUTEX_PRIVATE: u32 = 128;
const FUTEX_CLOCK_REALTIME: u32 = 256;

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Wait for a word.
    Wait,
    /// The same, for wakes with some bits and until a point in time.
    WaitBits,
    /// Wake those that wait for a word.
    Wake,
    /// Those that wait with some bits.
    WakeBits,
    /// Wake some and let others wait for another word.
    Requeue,
    /// The same, if the word is as expected.
    CompareRequeue,
    /// Change another word and wake, too, who waits for it.
    WakeOp,
    /// Take a lock with priority inheritance, up to a point in time.
    LockPi,
    /// Take it at once or not at all.
    TryLockPi,
    /// Give it away.
    UnlockPi,
    /// Wait for a word until moved to such a lock, and take that.
    WaitRequeuePi,
    /// Move those that wait so.
    CompareRequeuePi,
}

/// `futex(uaddr, futex_op, val, timeout, uaddr2, val3)` — waits for a word, or wakes others.
///
/// # Errors
/// `EAGAIN` the word is not `val` · `ETIMEDOUT` the time is over · `EINVAL` bad address, time or
/// set · `EFAULT` a bad address · `ENOSYS` another operation.
/// # Differs from Linux
/// Where all threads would wait for ever, the program ends with a report and status 134. Two mappings
/// of one word are two words.
/// # Source
/// futex(2), man-pages 6.9
pub fn sys_futex(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    match context.process.threads.complete() {
        Some(complete) => (complete.futex)(context, args),
        None => alone(context, args),
    }
}

/// With one thread: nobody waits when it wakes, and nobody wakes it when it waits.
fn alone(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let (command, is_by_wall) = parse(args)?;
    match command {
        Command::Wait | Command::WaitBits | Command::WaitRequeuePi => {
            check_pair(args, command)?;
            let deadline_ns = deadline(context, args, command, is_by_wall)?;
            check(context, args.addr(0), args.int(2) as u32)?;
            let Some(deadline_ns) = deadline_ns else {
                exit_by_deadlock(context, "a futex without a timeout (a lock taken twice?)");
            };
            sleep_alone(context, deadline_ns);
            Err(Errno::ETIMEDOUT)
        }
        Command::CompareRequeue | Command::CompareRequeuePi => {
            check_pair(args, command)?;
            check(context, args.addr(0), args.int(5) as u32)?;
            Ok(0)
        }
        Command::Requeue => check_pair(args, command).map(|()| 0),
        Command::Wake | Command::WakeBits => Ok(0),
        Command::LockPi | Command::TryLockPi => change_alone(context, args.addr(0), false),
        Command::UnlockPi => change_alone(context, args.addr(0), true),
        Command::WakeOp => operate(context, args.addr(4), args.int(5)).map(|_| 0),
    }
}

/// Whether both words are what a move between them asks for.
///
/// # Errors
/// `EINVAL` they are not, or the numbers of who is woken and moved.
pub(super) fn check_pair(args: &SyscallArgs, command: Command) -> Result<(), Errno> {
    let (word, other) = (args.addr(0), args.addr(4));
    let (wakes, moves) = (args.int(2), args.int(3));
    let is_pi_pair = other != word && other.is_multiple_of(4);
    let is_right = match command {
        Command::Requeue | Command::CompareRequeue => {
            wakes >= 0 && moves >= 0 && other.is_multiple_of(4)
        }
        Command::WaitRequeuePi => is_pi_pair,
        Command::CompareRequeuePi => wakes == 1 && moves >= 0 && is_pi_pair,
        _ => true,
    };
    match is_right {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    }
}

/// The command, and whether its point in time is one of the wall clock.
pub(super) fn parse(args: &SyscallArgs) -> Result<(Command, bool), Errno> {
    let op = args.int(1) as u32;
    let is_by_wall = op & FUTEX_CLOCK_REALTIME != 0;
    let number = op & !(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
    let is_wait = matches!(number, FUTEX_WAIT | FUTEX_WAIT_BITSET);
    if is_by_wall && !is_wait && !matches!(number, FUTEX_WAIT_REQUEUE_PI | FUTEX_LOCK_PI2) {
        return Err(Errno::ENOSYS);
    }
    let command = match number {
        FUTEX_WAIT => Command::Wait,
        FUTEX_WAIT_BITSET => Command::WaitBits,
        FUTEX_WAKE => Command::Wake,
        FUTEX_WAKE_BITSET => Command::WakeBits,
        FUTEX_REQUEUE => Command::Requeue,
        FUTEX_CMP_REQUEUE => Command::CompareRequeue,
        FUTEX_WAKE_OP => Command::WakeOp,
        FUTEX_LOCK_PI | FUTEX_LOCK_PI2 => Command::LockPi,
        FUTEX_TRYLOCK_PI => Command::TryLockPi,
        FUTEX_UNLOCK_PI => Command::UnlockPi,
        FUTEX_WAIT_REQUEUE_PI => Command::WaitRequeuePi,
        FUTEX_CMP_REQUEUE_PI => Command::CompareRequeuePi,
        _ => return Err(Errno::ENOSYS),
    };
    let has_set = matches!(command, Command::WaitBits | Command::WakeBits);
    if has_set && args.int(5) == 0 || !args.addr(0).is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    Ok((command, is_by_wall || number == FUTEX_LOCK_PI))
}

/// When a wait ends at the latest.
pub(super) fn deadline(
    context: &Context<'_>,
    args: &SyscallArgs,
    command: Command,
    is_by_wall: bool,
) -> Result<Option<u64>, Errno> {
    if args.addr(3) == 0 {
        return Ok(None);
    }
    let clock = context.platform.clock();
    let time_ns = duration_ns(&user_mem::read(context, args.addr(3))?)?;
    let now_ns = clock.monotonic_ns();
    Ok(Some(if command == Command::Wait {
        now_ns.saturating_add(time_ns)
    } else if is_by_wall {
        let wall_ns = clock.realtime_ns().max(0) as u64;
        now_ns.saturating_add(time_ns.saturating_sub(wall_ns))
    } else {
        time_ns
    }))
}

/// Whether a word is as expected.
///
/// # Errors
/// `EAGAIN` it is not · `EFAULT`.
pub(super) fn check(context: &Context<'_>, word: usize, expected: u32) -> Result<(), Errno> {
    match user_mem::read::<u32>(context, word)? == expected {
        true => Ok(()),
        false => Err(Errno::EAGAIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use muslin_abi::layout::Timespec;
    use muslin_platform::Clock;

    #[test]
    #[should_panic(expected = "exit 134")]
    fn a_wait_for_ever_ends_the_program() {
        let world = World::new();
        let word = world.value(&5u32);
        let _ = world.call(sys_futex, [word, 0, 5]);
    }

    #[test]
    fn nobody_is_woken() {
        let world = World::new();
        let word = world.value(&5u32);
        for command in [1, 129, 3, 131] {
            assert_eq!(world.call(sys_futex, [word, command, 1]), Ok(0));
        }
        // Moves to a lock with priority inheritance, and words that are changed meanwhile.
        let other = world.value(&7u32);
        assert_eq!(world.call(sys_futex, [word, 12, 1, 1, other, 5]), Ok(0));
        for (args, errno) in [
            ([word, 12, 2, 1, other, 5], Errno::EINVAL),
            ([word, 12, 1, 1, word, 5], Errno::EINVAL),
            ([word, 12, 1, 1, other, 6], Errno::EAGAIN),
            ([word, 11, 4, 0, other, 0], Errno::EAGAIN),
            ([word, 11, 5, 0, word, 0], Errno::EINVAL),
            ([word, 5, 1, 1, other + 1, 0], Errno::EINVAL),
        ] {
            assert_eq!(world.call(sys_futex, args), Err(errno), "{args:?}");
        }
        // Add 3, and ask whether it was 7.
        let operation = 1 << 28 | 3 << 12 | 7;
        assert_eq!(
            world.call(sys_futex, [word, 5, 1, 1, other, operation]),
            Ok(0)
        );
        assert_eq!(world.get_value::<u32>(other), 10);
        assert_eq!(world.call(sys_futex, [word, 10, 1, 0, 0, 1]), Ok(0));
        assert_eq!(
            world.call(sys_futex, [word, 10, 1, 0, 0, 0]),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.call(sys_futex, [word, 4, 1, 1, word, 5]), Ok(0));
        assert_eq!(
            world.call(sys_futex, [word, 4, 1, 1, word, 6]),
            Err(Errno::EAGAIN)
        );
    }

    #[test]
    fn one_thread_locks_with_priority_inheritance() {
        let world = World::new();
        let word = world.room(4);
        let call = |command| world.call(sys_futex, [word, command]);
        assert_eq!(call(7), Err(Errno::EPERM));
        assert_eq!((call(6), world.get_value::<u32>(word)), (Ok(0), 1));
        assert_eq!(
            (call(6), call(8)),
            (Err(Errno::EDEADLK), Err(Errno::EDEADLK))
        );
        assert_eq!((call(7), world.get_value::<u32>(word)), (Ok(0), 0));
        world.put(word, &0x4000_0000_u32.to_le_bytes());
        assert_eq!((call(13), world.get_value(word)), (Ok(0), 0x4000_0001_u32));
        world.put(word, &2_u32.to_le_bytes());
        assert_eq!((call(6), call(7)), (Err(Errno::EDEADLK), Err(Errno::EPERM)));
        assert_eq!(world.call(sys_futex, [8, 6]), Err(Errno::EFAULT));
    }

    #[test]
    fn a_wait_ends_in_time() {
        let world = World::new();
        let word = world.value(&5u32);
        let time = world.value(&Timespec {
            tv_sec: 2,
            tv_nsec: 0,
        });
        assert_eq!(
            world.call(sys_futex, [word, 128, 4, time]),
            Err(Errno::EAGAIN)
        );
        assert_eq!(world.sim.monotonic_ns(), 1_000_000_000);
        assert_eq!(
            world.call(sys_futex, [word, 128, 5, time]),
            Err(Errno::ETIMEDOUT)
        );
        assert_eq!(world.sim.monotonic_ns(), 3_000_000_000);
        // Absolute, and over already.
        assert_eq!(
            world.call(sys_futex, [word, 9, 5, time, 0, 1]),
            Err(Errno::ETIMEDOUT)
        );
        assert_eq!(world.sim.monotonic_ns(), 3_000_000_000);
        assert_eq!(world.call(sys_futex, [word + 2, 0, 5]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_futex, [0, 0, 5]), Err(Errno::EFAULT));
    }
}
