//! Counts the instructions that a program executes between two addresses: exact, so a test can hold
//! it to a bound, whatever else the machine does.
//!
//! The program and the processes that it makes are followed by ptrace(2) until one of them comes to
//! the first address, where a breakpoint of the processor stops it. From there it goes step by step.
//! A tender whose guest is followed already does without following it itself.

use std::collections::HashSet;
use std::io;
use std::mem::offset_of;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;

use libc::{c_int, c_long, c_void, pid_t};

/// What C libraries take a request of ptrace for.
#[cfg(target_env = "musl")]
type Request = c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// Steps after which the second address is given up.
const STEPS_MAX: u64 = 50_000_000;

/// The register that says which breakpoints are on, and the bit for the first of them.
const DEBUG_CONTROL: usize = 7;
const FIRST_IS_ON: u64 = 1;

/// The instructions from the first arrival at `from` to the next one at `to`, neither counted twice.
/// The program is ended then.
///
/// # Errors
/// The program cannot be started or followed, ends before it comes to an address, or does not come
/// to the second one within fifty million instructions.
pub fn between(command: &mut Command, from: u64, to: u64) -> io::Result<u64> {
    // SAFETY: one request of the kernel, which takes no lock and no memory.
    unsafe { command.pre_exec(|| request(libc::PTRACE_TRACEME, 0, 0, 0).map(drop)) };
    let mut child = Ended(command.spawn()?);
    let first = child.0.id() as pid_t;
    wait_for(first)?;
    let options = libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SETOPTIONS, first, 0, options as usize)?;
    let mut met = HashSet::new();
    let mut stopped = (first, libc::SIGTRAP);
    loop {
        let (pid, signal) = stopped;
        let mut passed_on = 0;
        if met.insert(pid) {
            request(libc::PTRACE_POKEUSER, pid, debug_register(0), from as usize)?;
            request(
                libc::PTRACE_POKEUSER,
                pid,
                debug_register(DEBUG_CONTROL),
                FIRST_IS_ON as usize,
            )?;
        } else if signal == libc::SIGTRAP {
            if instruction(pid)? == from {
                break;
            }
        } else {
            passed_on = signal;
        }
        request(libc::PTRACE_CONT, pid, 0, passed_on as usize)?;
        stopped = loop {
            match wait_for(-1)? {
                Stop::At(pid, signal) => break (pid, signal),
                Stop::Ended(pid) if pid == first => {
                    return Err(io::Error::other("it never came to the first address"));
                }
                Stop::Ended(_) => {}
            }
        };
    }
    let count = step_to(stopped.0, to)?;
    child.0.kill()?;
    Ok(count)
}

/// Goes step by step until the next instruction is at `to`.
fn step_to(pid: pid_t, to: u64) -> io::Result<u64> {
    request(libc::PTRACE_POKEUSER, pid, debug_register(DEBUG_CONTROL), 0)?;
    for count in 1..=STEPS_MAX {
        request(libc::PTRACE_SINGLESTEP, pid, 0, 0)?;
        match wait_for(pid)? {
            Stop::At(_, libc::SIGTRAP) => {}
            Stop::At(_, signal) => {
                return Err(io::Error::other(format!("it got signal {signal}")));
            }
            Stop::Ended(_) => return Err(io::Error::other("it ended on the way")),
        }
        if instruction(pid)? == to {
            return Ok(count);
        }
    }
    Err(io::Error::other("it never came to the second address"))
}

/// A program that is ended when nobody looks any more; what it made ends with it.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

enum Stop {
    At(pid_t, c_int),
    Ended(pid_t),
}

fn wait_for(pid: pid_t) -> io::Result<Stop> {
    let mut status = 0;
    // SAFETY: the status is ours.
    let pid = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(if libc::WIFSTOPPED(status) {
        Stop::At(pid, libc::WSTOPSIG(status))
    } else {
        Stop::Ended(pid)
    })
}

fn instruction(pid: pid_t) -> io::Result<u64> {
    let at = offset_of!(libc::user, regs) + offset_of!(libc::user_regs_struct, rip);
    // The C library hands the word on as the answer.
    request(libc::PTRACE_PEEKUSER, pid, at, 0).map(|word| word as u64)
}

/// Where a debug register is among what ptrace calls the user area.
fn debug_register(number: usize) -> usize {
    offset_of!(libc::user, u_debugreg) + number * size_of::<u64>()
}

fn request(what: Request, pid: pid_t, address: usize, data: usize) -> io::Result<c_long> {
    // SAFETY: errno is this thread's; no request here makes the kernel write to this process, but
    // for the word that the C library hands on.
    unsafe {
        *libc::__errno_location() = 0;
        let answer = libc::ptrace(
            what,
            pid,
            ptr::without_provenance_mut::<c_void>(address),
            ptr::without_provenance_mut::<c_void>(data),
        );
        match *libc::__errno_location() {
            0 => Ok(answer),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}
