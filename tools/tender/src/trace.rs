//! Sees from outside how the guest ends, by ptrace(2).
//!
//! A followed process stops at each signal before it acts. System calls do not stop it: following
//! costs nothing until something happens.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Instant;

use libc::{c_int, c_void, iovec, pid_t, siginfo_t, user_regs_struct};

use crate::alarm::Alarm;
use crate::boot_info::MEMORY_BASE;
use crate::image::PAGE_BYTES;
use crate::unwind::Stack;
use crate::watchdog::{Stuck, Watchdog, Words, words_of};

/// How many pages of a stack are looked at.
const STACK_PAGES_MAX: u64 = 64;

/// How the process ended.
pub(crate) enum End {
    /// By exit, with this status.
    Exited(u8),
    /// By this signal, and what the processor said, if it was a fault.
    Signalled(c_int, Option<Box<Fault>>),
}

/// What was seen at a fault.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: c_int,
    pub(crate) address: u64,
    pub(crate) registers: user_regs_struct,
    /// The word at the instruction, if it can be read.
    pub(crate) instruction: Option<u64>,
    /// What can be read of the stack.
    pub(crate) stack: Stack,
}

/// Called by the guest's process: lets its parent follow it. Where that is not allowed, the parent
/// sees how the process ends, but not where.
pub(crate) fn ask_to_be_followed() {
    // SAFETY: the request takes no address.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME) };
}

/// Is told of a thread that keeps the processor.
type TellFn<'a> = Box<dyn Fn(&Stuck, user_regs_struct) + 'a>;

/// What is done about a thread that keeps the processor.
pub(crate) struct Watch<'a> {
    pub(crate) watchdog: Watchdog<'a>,
    /// Is told who, and where.
    pub(crate) tell: TellFn<'a>,
}

/// Waits for the process's end.
pub(crate) fn follow(pid: pid_t, mut watch: Option<Watch<'_>>) -> io::Result<End> {
    let period = watch.as_ref().map(|watch| watch.watchdog.period());
    let _alarm = period.and_then(Alarm::new);
    let mut stuck = None;
    let mut fault = None;
    loop {
        let mut status = 0;
        // SAFETY: the status is ours.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                if let Some(watch) = &mut watch {
                    stuck = watch.watchdog.look(Instant::now(), |address| {
                        let piece = iovec {
                            iov_base: address as *mut c_void,
                            iov_len: size_of::<Words>(),
                        };
                        words_of(&read(pid, &[piece]))
                    });
                }
                if stuck.is_some() && is_followed(pid) {
                    // SAFETY: our child, which has not been waited for. It stops, and is seen below.
                    unsafe { libc::kill(pid, libc::SIGSTOP) };
                }
                continue;
            }
            return Err(error);
        }
        if libc::WIFEXITED(status) {
            return Ok(End::Exited(libc::WEXITSTATUS(status) as u8));
        }
        if libc::WIFSIGNALED(status) {
            return Ok(End::Signalled(libc::WTERMSIG(status), fault));
        }
        let stopped_by = libc::WSTOPSIG(status);
        let passed_on = match signal_info(pid) {
            // Stopped as a whole, by job control: it goes on when we do.
            None => 0,
            Some(info) if stopped_by == libc::SIGSTOP && stuck.is_some() => {
                let seen = stuck.take().zip(look(pid, &info));
                if let (Some((stuck, seen)), Some(watch)) = (seen, &watch) {
                    (watch.tell)(&stuck, seen.registers);
                }
                0
            }
            Some(info) => {
                // Sent by the kernel, not by somebody's kill().
                if info.si_code > 0 && is_fault(stopped_by) {
                    fault = look(pid, &info).map(Box::new);
                }
                stopped_by
            }
        };
        // SAFETY: the request takes no address; the signal is a number. If the process is gone by
        // now, the next wait says so.
        unsafe {
            libc::ptrace(
                libc::PTRACE_CONT,
                pid,
                ptr::null_mut::<c_void>(),
                passed_on as usize,
            )
        };
    }
}

/// Whether the process stops for this one alone.
fn is_followed(pid: pid_t) -> bool {
    // SAFETY: always safe.
    let own = unsafe { libc::gettid() };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.and_then(|tracer| tracer.trim().parse().ok()) == Some(own)
}

const fn is_fault(signal: c_int) -> bool {
    matches!(
        signal,
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP | libc::SIGSYS
    )
}

fn signal_info(pid: pid_t) -> Option<siginfo_t> {
    let mut info = MaybeUninit::<siginfo_t>::zeroed();
    // SAFETY: the kernel writes one siginfo_t.
    let done = unsafe {
        libc::ptrace(
            libc::PTRACE_GETSIGINFO,
            pid,
            ptr::null_mut::<c_void>(),
            info.as_mut_ptr(),
        )
    };
    // SAFETY: all zeros is a siginfo_t as well.
    (done == 0).then(|| unsafe { info.assume_init() })
}

fn look(pid: pid_t, info: &siginfo_t) -> Option<Fault> {
    let mut registers = MaybeUninit::<user_regs_struct>::zeroed();
    // SAFETY: the kernel writes one user_regs_struct.
    let done = unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGS,
            pid,
            ptr::null_mut::<c_void>(),
            registers.as_mut_ptr(),
        )
    };
    if done != 0 {
        return None;
    }
    // SAFETY: all zeros are registers as well.
    let registers = unsafe { registers.assume_init() };
    Some(Fault {
        code: info.si_code,
        // SAFETY: each signal that is a fault has an address in this place; for SIGSYS it is that
        // of the call.
        address: unsafe { info.si_addr() } as u64,
        instruction: word(pid, registers.rip),
        stack: stack(pid, registers.rsp),
        registers,
    })
}

fn word(pid: pid_t, address: u64) -> Option<u64> {
    // SAFETY: errno is this thread's; -1 is also a word, so errno tells.
    unsafe { *libc::__errno_location() = 0 };
    // SAFETY: the kernel checks the address, which is the other process's.
    let word = unsafe {
        libc::ptrace(
            libc::PTRACE_PEEKDATA,
            pid,
            address as *mut c_void,
            ptr::null_mut::<c_void>(),
        )
    };
    let is_read = io::Error::last_os_error().raw_os_error() == Some(0);
    is_read.then_some(word as u64)
}

/// Reads upwards from `start`, as far as there is memory.
fn stack(pid: pid_t, start: u64) -> Stack {
    // An overflow is below all memory.
    let start = start.max(MEMORY_BASE);
    // The kernel reads whole pieces or nothing of them: so one piece is what is left of one page.
    let first_end = (start & !(PAGE_BYTES - 1)).saturating_add(PAGE_BYTES);
    let remote: Vec<iovec> = (0..STACK_PAGES_MAX)
        .map_while(|index| {
            let end = first_end.checked_add(index * PAGE_BYTES)?;
            let piece = start.max(end - PAGE_BYTES);
            Some(iovec {
                iov_base: piece as *mut c_void,
                iov_len: (end - piece) as usize,
            })
        })
        .collect();
    Stack {
        start,
        bytes: read(pid, &remote),
    }
}

/// Reads pieces of the process's memory, up to the first that is not there.
fn read(pid: pid_t, pieces: &[iovec]) -> Vec<u8> {
    let mut bytes = vec![0_u8; pieces.iter().map(|piece| piece.iov_len).sum()];
    let local = iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: the kernel writes into `bytes` only, and checks the other process's addresses.
    let read = unsafe {
        libc::process_vm_readv(
            pid,
            &raw const local,
            1,
            pieces.as_ptr(),
            pieces.len() as libc::c_ulong,
            0,
        )
    };
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    bytes
}
