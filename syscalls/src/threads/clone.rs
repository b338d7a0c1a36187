//! The beginning and the end of a thread.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};
use muslin_arch::context::{WORDS, first_words};
use muslin_arch::pthread::STACK_SIZE_OFFSET;

use super::Complete;
use super::futex_queue;
use super::robust_list;
use super::thread::{KernelStack, Thread};
use super::wait_queue;
use crate::context::Context;
use crate::files::lookup_thread;
use crate::files::waiting;
use crate::gap::gap;
use crate::signals;
use crate::user_mem;

const CLONE_VM: usize = 0x100;
const CLONE_FS: usize = 0x200;
const CLONE_FILES: usize = 0x400;
const CLONE_SIGHAND: usize = 0x800;
const CLONE_THREAD: usize = 0x1_0000;
const CLONE_SETTLS: usize = 0x8_0000;
const CLONE_PARENT_SETTID: usize = 0x10_0000;
const CLONE_CHILD_CLEARTID: usize = 0x20_0000;
const CLONE_CHILD_SETTID: usize = 0x100_0000;

/// What threads share.
const SHARED: usize = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

/// `clone(flags, stack, parent_tid, child_tid, tls)` — starts a thread. It begins with a return from
/// this call on its own stack, so that stack starts with the address to return to.
///
/// Returns the thread's number; 0 in the thread.
///
/// # Errors
/// `EINVAL` flags that do not go together, or no stack · `EAGAIN` too many threads · `ENOMEM` ·
/// `EFAULT` a bad stack or place for the number · `ENOSYS` what is to begin is not a thread.
/// # Differs from Linux
/// Only what shares memory, files, directories and signal actions can begin. The thread does not find
/// its maker's registers.
/// # Source
/// clone(2), man-pages 6.9
pub fn sys_clone(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let [flags, stack, parent_tid, child_tid, tls, _] = args.0;
    let has = |flag: usize| flags & flag != 0;
    if has(CLONE_THREAD) && !has(CLONE_SIGHAND) || has(CLONE_SIGHAND) && !has(CLONE_VM) {
        return Err(Errno::EINVAL);
    }
    if flags & SHARED != SHARED {
        return Err(gap!(context, Sysno::clone, "a process", ENOSYS));
    }
    if stack == 0 {
        return Err(Errno::EINVAL);
    }
    let threads = &context.process.threads;
    let stack_pointer = stack
        .checked_sub(WORDS * size_of::<usize>())
        .ok_or(Errno::EFAULT)?;
    user_mem::write(context, stack_pointer, &first_words())?;
    if has(CLONE_PARENT_SETTID) {
        // A bad address begins nothing.
        user_mem::write(context, parent_tid, &0_i32)?;
    }
    let kernel_stack = match has(CLONE_SETTLS) && has_room(context, tls) {
        true => None,
        false => Some(KernelStack::new(context)?),
    };
    let scheduler = threads.scheduler;
    let thread = scheduler.add(|tid| Box::leak(Box::new(Thread::new(scheduler, tid))))?;
    threads.expect_many();
    let thread_pointer = match has(CLONE_SETTLS) {
        true => tls,
        false => threads.thread_pointer(),
    };
    let clear_child_tid = if has(CLONE_CHILD_CLEARTID) {
        child_tid
    } else {
        0
    };
    thread.prepare(stack_pointer, thread_pointer, clear_child_tid, kernel_stack);
    *thread.traits.lock() = context.process.identity.traits_of_child(threads.current());
    signals::begin_thread(context, thread);
    let tid = thread.tid();
    if has(CLONE_PARENT_SETTID) {
        user_mem::write(context, parent_tid, &tid)?;
    }
    if has(CLONE_CHILD_SETTID) {
        // As on Linux, nobody is told if that cannot be written.
        let _ = user_mem::write(context, child_tid, &tid);
    }
    scheduler.start(thread);
    Ok(tid as usize)
}

/// Whether calls can be answered on the stack that libc has made for a thread. Not where it gets its memory
/// on first touch: what a touch asks for may be what the call has locked.
fn has_room(context: &Context<'_>, thread_pointer: usize) -> bool {
    if context.platform.memory().paging().is_some() {
        return false;
    }
    /// The deepest calls, those that walk paths, take less than a quarter of this.
    const BYTES_MIN: usize = 32 * 1024;
    let place = thread_pointer.wrapping_add(STACK_SIZE_OFFSET);
    user_mem::read::<usize>(context, place).is_ok_and(|len_bytes| len_bytes >= BYTES_MIN)
}

/// What calls do once there may be several threads, or timers.
pub(super) static COMPLETE: Complete = Complete {
    exit,
    futex: futex_queue::sys_futex,
    files: lookup_thread,
    block: |context, waiting, deadline_ns| {
        let scheduler = context.process.threads.scheduler;
        scheduler.block(context, waiting, deadline_ns)
    },
    wait: wait_queue::wait_among_others,
    waits: &waiting::WAITS,
    give_way: |context| context.process.threads.scheduler.give_way(context),
};

/// Ends the current thread; the program with the last one.
fn exit(context: &Context<'_>, status: i32) -> ! {
    let threads = &context.process.threads;
    let thread = threads.current();
    leave_locks(context, thread);
    let word = thread.clear_child_tid.load(Ordering::Relaxed);
    if word != 0 && user_mem::write(context, word, &0_i32).is_ok() {
        threads.futexes.wake(word, 1, u32::MAX);
    }
    signals::end_thread(context);
    if threads.scheduler.count() == 1 {
        context.platform.power().exit(status & 0xff);
    }
    threads.scheduler.end(context, threads.first)
}

/// What an ending thread holds says so, and who waits for it goes on.
fn leave_locks(context: &Context<'_>, thread: &Thread) {
    let threads = &context.process.threads;
    let list = thread.robust_list.load(Ordering::Relaxed);
    if list != 0 {
        let wake = |word| {
            threads.futexes.wake(word, 1, u32::MAX);
        };
        // A list that goes astray is the program's mistake, and nobody is there to be told.
        let _ = robust_list::walk(context, list, thread.tid(), wake);
    }
    threads.pi_locks.owner_died(context, thread.tid());
}
