//! The end of the process, and children that there are not.

use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use crate::context::Context;
use crate::threads::exit_current;

/// What a shell adds to the number of the signal that ended a program.
const SIGNAL_STATUS: i32 = 128;

const WAIT4_FLAGS: u32 = 0xe000_000b;
const WAITID_FLAGS: u32 = 0xe100_000f;

/// `exit_group(status)` — ends the program with the low 8 bits of `status`. Does not return.
///
/// # Errors
/// None.
/// # Source
/// exit_group(2), man-pages 6.9
pub fn sys_exit_group(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    context.platform.power().exit(args.int(0) & 0xff)
}

/// `exit(status)` — ends the thread, and with the last one the program. Does not return.
///
/// # Errors
/// None.
/// # Source
/// _exit(2), man-pages 6.9
pub fn sys_exit(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    exit_current(context, args.int(0))
}

/// Ends the program as a signal does: a shell would see the same status.
pub fn exit_by_signal(context: &Context<'_>, signal: i32) -> ! {
    context.platform.power().exit(SIGNAL_STATUS + signal)
}

/// Ends the program because its only thread waits for what can never come: `what` names it. Linux
/// would wait for ever, and so would nobody know why.
pub fn exit_by_deadlock(context: &Context<'_>, what: &str) -> ! {
    const SIGABRT: i32 = 6;
    let console = context.platform.console();
    for text in [
        "muslin: the only thread waits for ",
        what,
        ", which nobody can end; the program is over\n",
    ] {
        console.write_error(text.as_bytes());
    }
    exit_by_signal(context, SIGABRT)
}

/// `wait4(pid, wstatus, options, rusage)` — there are no children.
///
/// # Errors
/// `EINVAL` unknown options · `ESRCH` the smallest pid · `ECHILD` always otherwise.
/// # Source
/// wait4(2), man-pages 6.9
pub fn sys_wait4(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.int(2) as u32 & !WAIT4_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    if args.int(0) == i32::MIN {
        return Err(Errno::ESRCH);
    }
    Err(Errno::ECHILD)
}

/// `waitid(idtype, id, infop, options, rusage)` — there are no children.
///
/// # Errors
/// `EINVAL` unknown options or kind of number, or nothing to wait for · `ECHILD` always otherwise.
/// # Source
/// waitid(2), man-pages 6.9
pub fn sys_waitid(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    const WAITED_FOR: u32 = 2 | 4 | 8;
    let options = args.int(3) as u32;
    let is_known = options & !WAITID_FLAGS == 0 && (0..=3).contains(&args.int(0));
    if !is_known || options & WAITED_FOR == 0 {
        return Err(Errno::EINVAL);
    }
    Err(Errno::ECHILD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    #[should_panic(expected = "exit 255")]
    fn the_status_has_eight_bits() {
        let _ = World::new().call(sys_exit_group, [usize::MAX]);
    }

    #[test]
    #[should_panic(expected = "exit 134")]
    fn an_abort_ends_as_a_shell_says() {
        exit_by_signal(&World::new().context(), 6);
    }

    #[test]
    fn nobody_else_is_there() {
        let world = World::new();
        assert_eq!(world.call(sys_wait4, [usize::MAX]), Err(Errno::ECHILD));
        assert_eq!(world.call(sys_wait4, [0, 0, 0x10]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_waitid, [0, 0, 0, 4]), Err(Errno::ECHILD));
        assert_eq!(world.call(sys_waitid, [0, 0, 0, 0]), Err(Errno::EINVAL));
    }
}
