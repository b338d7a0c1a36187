//! The calls that send signals. All processes that there are is the caller.

use muslin_abi::layout::Siginfo;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::siginfo::{SI_TKILL, by_thread, by_user};
use super::{index_of, send_to_process, send_to_thread};
use crate::context::Context;
use crate::process::{PID, own};
use crate::threads::Thread;
use crate::user_mem;

/// `kill(pid, sig)` — sends a signal to the process: pid 0, 1 or -1, which are all the caller.
/// Signal 0 only asks.
///
/// # Errors
/// `EINVAL` no such signal · `ESRCH` no such process.
/// # Differs from Linux
/// -1 reaches the caller. Signals that stop a program do nothing: nobody could continue it.
/// # Source
/// kill(2), man-pages 6.9
pub fn sys_kill(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let pid = args.int(0);
    if pid != -PID {
        own(pid)?;
    }
    send_to_process(context, &by_user(args.int(1)))?;
    Ok(0)
}

/// `tkill(tid, sig)` — sends a signal to a thread.
///
/// # Errors
/// `EINVAL` no such signal, or not a thread's number · `ESRCH` no such thread.
/// # Differs from Linux
/// Signals that stop a program do nothing.
/// # Source
/// tkill(2), man-pages 6.9
pub fn sys_tkill(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let thread = thread_of(context, args.int(0))?;
    send_to_thread(context, thread, &by_thread(args.int(1)))?;
    Ok(0)
}

/// `tgkill(tgid, tid, sig)` — sends a signal to a thread of a process, which is 1.
///
/// # Errors
/// `EINVAL` no such signal, or not a number of either · `ESRCH` no such thread.
/// # Differs from Linux
/// Signals that stop a program do nothing.
/// # Source
/// tkill(2), man-pages 6.9
pub fn sys_tgkill(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let thread = thread_of_process(context, args.int(0), args.int(1))?;
    send_to_thread(context, thread, &by_thread(args.int(2)))?;
    Ok(0)
}

/// `rt_sigqueueinfo(tgid, sig, info)` — sends the process a signal with all that is told of it.
///
/// # Errors
/// `EINVAL` no such signal · `ESRCH` another process · `EAGAIN` too many signals wait · `EFAULT` a bad
/// `info`.
/// # Source
/// rt_sigqueueinfo(2), man-pages 6.9
pub fn sys_rt_sigqueueinfo(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let info = information(context, args.addr(2), args.int(1))?;
    if args.int(0) != PID {
        return Err(Errno::ESRCH);
    }
    send_to_process(context, &info)?;
    Ok(0)
}

/// `rt_tgsigqueueinfo(tgid, tid, sig, info)` — sends a thread a signal with all that is told of it.
///
/// # Errors
/// As [`sys_rt_sigqueueinfo`]; `EINVAL` not a number of either.
/// # Source
/// rt_sigqueueinfo(2), man-pages 6.9
pub fn sys_rt_tgsigqueueinfo(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let info = information(context, args.addr(3), args.int(2))?;
    let thread = thread_of_process(context, args.int(0), args.int(1))?;
    send_to_thread(context, thread, &info)?;
    Ok(0)
}

/// What a program says of a signal. As what it likes, since it says so to itself only.
fn information(context: &Context<'_>, address: usize, signal: i32) -> Result<Siginfo, Errno> {
    let info: Siginfo = user_mem::read(context, address)?;
    if signal != 0 {
        index_of(signal)?;
    }
    Ok(Siginfo {
        si_signo: signal,
        // A timer's signals are counted, and this is none.
        si_code: match info.si_code {
            super::siginfo::SI_TIMER => SI_TKILL,
            code => code,
        },
        ..info
    })
}

fn thread_of(context: &Context<'_>, tid: i32) -> Result<&'static Thread, Errno> {
    if tid <= 0 {
        return Err(Errno::EINVAL);
    }
    context.process.threads.find(tid).ok_or(Errno::ESRCH)
}

fn thread_of_process(context: &Context<'_>, pid: i32, tid: i32) -> Result<&'static Thread, Errno> {
    if pid <= 0 {
        return Err(Errno::EINVAL);
    }
    let thread = thread_of(context, tid)?;
    own(pid)?;
    Ok(thread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn nobody_else_is_there() {
        let world = World::new();
        assert_eq!(world.call(sys_kill, [2, 9]), Err(Errno::ESRCH));
        assert_eq!(world.call(sys_kill, [1, 0]), Ok(0));
        assert_eq!(world.call(sys_kill, [1, 65]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_tkill, [0, 9]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_tkill, [2, 9]), Err(Errno::ESRCH));
        assert_eq!(world.call(sys_tgkill, [1, 3, 9]), Err(Errno::ESRCH));
        assert_eq!(world.call(sys_tgkill, [2, 1, 9]), Err(Errno::ESRCH));
        let info = world.room(48);
        assert_eq!(world.call(sys_rt_sigqueueinfo, [1, 0, info]), Ok(0));
        assert_eq!(
            world.call(sys_rt_sigqueueinfo, [1, 65, info]),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            world.call(sys_rt_sigqueueinfo, [2, 10, info]),
            Err(Errno::ESRCH)
        );
        assert_eq!(
            world.call(sys_rt_sigqueueinfo, [1, 10, 8]),
            Err(Errno::EFAULT)
        );
        assert_eq!(
            world.call(sys_rt_tgsigqueueinfo, [1, 2, 10, info]),
            Err(Errno::ESRCH)
        );
    }
}
