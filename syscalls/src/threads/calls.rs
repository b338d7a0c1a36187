//! The calls of a thread about itself: its number, its pointer, its robust list.

use core::sync::atomic::Ordering;

use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use crate::context::Context;
use crate::gap::gap;
use crate::user_mem;

const ARCH_SET_GS: i32 = 0x1001;
const ARCH_GET_GS: i32 = 0x1004;
const ARCH_SET_FS: i32 = 0x1002;
const ARCH_GET_FS: i32 = 0x1003;

/// Size of `struct robust_list_head` in bytes.
const ROBUST_LIST_BYTES: usize = 24;

/// `gettid()` — the thread's number: that of the process for the first one.
///
/// # Errors
/// None.
pub fn sys_gettid(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.threads.current().tid() as usize)
}

/// `set_tid_address(tidptr)` — names the word that is cleared, and one waiter for it woken, when the
/// thread ends. Returns the thread's number.
///
/// # Errors
/// None.
pub fn sys_set_tid_address(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let thread = context.process.threads.current();
    thread
        .clear_child_tid
        .store(args.addr(0), Ordering::Relaxed);
    Ok(thread.tid() as usize)
}

/// `set_robust_list(head, len)` — keeps the list of locks that say so if the thread ends with them.
///
/// # Errors
/// `EINVAL` the wrong size.
pub fn sys_set_robust_list(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.size(1) != ROBUST_LIST_BYTES {
        return Err(Errno::EINVAL);
    }
    let thread = context.process.threads.current();
    thread.robust_list.store(args.addr(0), Ordering::Relaxed);
    Ok(0)
}

/// `get_robust_list(pid, head_ptr, len_ptr)` — gives the list back.
///
/// # Errors
/// `ESRCH` no such thread · `EFAULT` a bad address.
pub fn sys_get_robust_list(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let threads = &context.process.threads;
    let thread = match args.int(0) {
        0 => threads.current(),
        tid => threads.find(tid).ok_or(Errno::ESRCH)?,
    };
    let head = thread.robust_list.load(Ordering::Relaxed);
    user_mem::write(context, args.addr(2), &ROBUST_LIST_BYTES)?;
    user_mem::write(context, args.addr(1), &head)?;
    Ok(0)
}

/// `arch_prctl(op, addr)` — sets or tells the thread pointer.
///
/// # Errors
/// `EINVAL` another operation · `EPERM` an address that is not canonical · `EFAULT` bad `addr` ·
/// the platform's own.
/// # Differs from Linux
/// The GS base cannot be set.
/// # Source
/// arch_prctl(2), man-pages 6.9
pub fn sys_arch_prctl(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let threads = &context.process.threads;
    let address = args.addr(1);
    match args.int(0) {
        ARCH_SET_FS if address >> 47 != 0 => Err(Errno::EPERM),
        ARCH_SET_FS => {
            (threads.set_thread_pointer)(address)?;
            Ok(0)
        }
        ARCH_GET_FS => {
            user_mem::write(context, address, &threads.thread_pointer())?;
            Ok(0)
        }
        ARCH_SET_GS | ARCH_GET_GS => Err(gap!(context, Sysno::arch_prctl, "the GS base", EINVAL)),
        _ => Err(Errno::EINVAL),
    }
}

/// `membarrier(cmd, flags, cpu_id)` — puts the memory accesses of threads in order. They take turns on one
/// processor, so they are.
///
/// # Errors
/// `EINVAL` no such command, or flags · `EPERM` a command that must be announced, before it is.
/// # Source
/// membarrier(2), man-pages 6.9
pub fn sys_membarrier(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    const QUERY: u32 = 0;
    const GLOBAL: u32 = 1;
    const GLOBAL_EXPEDITED: u32 = 1 << 1;
    const REGISTER_GLOBAL: u32 = 1 << 2;
    const PRIVATE: u32 = 1 << 3;
    const REGISTER_PRIVATE: u32 = 1 << 4;
    const PRIVATE_CODE: u32 = 1 << 5;
    const REGISTER_PRIVATE_CODE: u32 = 1 << 6;
    const GET_REGISTRATIONS: u32 = 1 << 9;
    const REGISTER: u32 = REGISTER_GLOBAL | REGISTER_PRIVATE | REGISTER_PRIVATE_CODE;
    const ALL: u32 =
        GLOBAL | GLOBAL_EXPEDITED | REGISTER | PRIVATE | PRIVATE_CODE | GET_REGISTRATIONS;
    let command = args.int(0) as u32;
    if args.int(1) != 0 {
        return Err(Errno::EINVAL);
    }
    let registered = &context.process.threads.barriers;
    let announced = registered.load(Ordering::Relaxed);
    match command {
        QUERY => Ok(ALL as usize),
        GLOBAL | GLOBAL_EXPEDITED => Ok(0),
        REGISTER_GLOBAL | REGISTER_PRIVATE | REGISTER_PRIVATE_CODE => {
            registered.store(announced | command, Ordering::Relaxed);
            Ok(0)
        }
        // What announces a command is the bit behind it.
        PRIVATE | PRIVATE_CODE if announced & command << 1 == 0 => Err(Errno::EPERM),
        PRIVATE | PRIVATE_CODE => Ok(0),
        GET_REGISTRATIONS => Ok(announced as usize),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn the_thread_is_number_one() {
        let world = World::new();
        let room = world.room(16);
        assert_eq!(world.call(sys_gettid, []), Ok(1));
        assert_eq!(world.call(sys_set_tid_address, [room]), Ok(1));
        assert_eq!(world.call(sys_set_robust_list, [room, 24]), Ok(0));
        assert_eq!(
            world.call(sys_set_robust_list, [room, 8]),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.call(sys_get_robust_list, [0, room, room + 8]), Ok(0));
        assert_eq!(world.get_value::<[usize; 2]>(room), [room, 24]);
    }

    #[test]
    fn barriers_are_announced() {
        let world = World::new();
        let call = |command| world.call(sys_membarrier, [command]);
        assert_eq!(call(0), Ok(0x27f));
        assert_eq!((call(1), call(2)), (Ok(0), Ok(0)));
        for (command, announce) in [(8, 16), (32, 64)] {
            assert_eq!(call(command), Err(Errno::EPERM));
            assert_eq!((call(announce), call(command)), (Ok(0), Ok(0)));
        }
        assert_eq!((call(4), call(512)), (Ok(0), Ok(16 | 64 | 4)));
        assert_eq!(call(3), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_membarrier, [0, 1]), Err(Errno::EINVAL));
    }

    #[test]
    fn the_thread_pointer_is_the_platforms() {
        let world = World::new();
        let room = world.room(8);
        // The test's hook answers so.
        assert_eq!(world.call(sys_arch_prctl, [0x1002, 16]), Err(Errno::ENOSYS));
        assert_eq!(
            world.call(sys_arch_prctl, [0x1002, 1 << 47]),
            Err(Errno::EPERM)
        );
        assert_eq!(world.call(sys_arch_prctl, [0x1003, room]), Ok(0));
        assert_eq!(world.get_value::<usize>(room), 0);
        assert_eq!(world.call(sys_arch_prctl, [0x1001, 0]), Err(Errno::EINVAL));
    }
}
