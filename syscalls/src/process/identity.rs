//! Who the program is: process 1, alone, and how it and its machine are called.

use alloc::vec::Vec;

use crate::lock::Mutex;
use muslin_abi::layout::Utsname;
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};
use muslin_platform::Platform;
use spin::Once;

use super::limits::{LIMITS_COUNT, LIMITS_DEFAULT, limit_stack};
use crate::context::{Context, Given};
use crate::gap::gap;
use crate::threads::{COMM_BYTES, Thread, Traits};
use crate::user_mem::{self, UserBuf, UserBufMut};
use muslin_abi::layout::Rlimit;

/// The process, its group, its session and its first thread.
pub const PID: i32 = 1;

/// Longest machine or domain name.
const NAME_MAX: usize = 64;

/// What `uname` says.
pub const SYSTEM: &str = "Linux";
/// The release whose semantics the calls have.
pub const RELEASE: &str = "6.6.0-muslin";
/// The version of the release.
pub const VERSION: &str = "#1";

/// The machine's name if nobody says one.
const HOST_NAME: &[u8] = b"muslin";

const PR_SET_PDEATHSIG: i32 = 1;
const PR_GET_PDEATHSIG: i32 = 2;
const PR_GET_DUMPABLE: i32 = 3;
const PR_SET_DUMPABLE: i32 = 4;
const PR_SET_NAME: i32 = 15;
const PR_GET_NAME: i32 = 16;
const PR_SET_NO_NEW_PRIVS: i32 = 38;
const PR_GET_NO_NEW_PRIVS: i32 = 39;

/// Names, numbers and limits.
pub struct Identity {
    platform: &'static dyn Platform,
    program: &'static [u8],
    host_name: Option<&'static [u8]>,
    /// What calls can change, from when one first asks.
    state: Once<Mutex<State>>,
    start_ns: u64,
}

pub(super) struct State {
    comm: [u8; COMM_BYTES],
    hostname: Vec<u8>,
    domainname: Vec<u8>,
    is_dumpable: bool,
    has_no_new_privileges: bool,
    death_signal: i32,
    /// User numbers: real, effective, saved.
    pub(super) users: [u32; 3],
    /// Group numbers: real, effective, saved.
    pub(super) groups: [u32; 3],
    pub(super) supplementary: Vec<u32>,
    pub(super) limits: [Rlimit; LIMITS_COUNT],
}

impl Identity {
    /// The process as it starts.
    pub fn new(platform: &'static dyn Platform, given: &Given) -> Self {
        Self {
            platform,
            program: given.program,
            host_name: given.host_name,
            state: Once::new(),
            start_ns: platform.clock().monotonic_ns(),
        }
    }

    pub(super) fn state(&self) -> &Mutex<State> {
        self.state.call_once(|| {
            let mut limits = LIMITS_DEFAULT;
            limit_stack(&mut limits, self.platform.memory().stack().len() as u64);
            Mutex::new(State {
                comm: comm_of(self.program),
                hostname: first_host_name(self.host_name),
                domainname: Vec::from(*b"(none)"),
                is_dumpable: true,
                has_no_new_privileges: false,
                death_signal: 0,
                users: [0; 3],
                groups: [0; 3],
                supplementary: Vec::new(),
                limits,
            })
        })
    }

    /// When the program started, by the steady clock.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Nanoseconds since the start.
    pub fn age_ns(&self, platform: &dyn Platform) -> u64 {
        platform
            .clock()
            .monotonic_ns()
            .saturating_sub(self.start_ns)
    }

    /// The machine's name.
    pub fn host_name(&self) -> Vec<u8> {
        self.state().lock().hostname.clone()
    }

    /// User and group numbers: each real, effective, saved.
    pub fn numbers(&self) -> ([u32; 3], [u32; 3]) {
        let state = self.state().lock();
        (state.users, state.groups)
    }

    /// The program's name.
    pub fn comm(&self) -> Vec<u8> {
        without_zeros(&self.state().lock().comm)
    }

    /// The name of a thread: that of the first one is the program's.
    pub fn comm_of(&self, thread: &Thread) -> [u8; COMM_BYTES] {
        match thread.tid() {
            PID => self.state().lock().comm,
            _ => thread.traits.lock().comm,
        }
    }

    /// Names a thread: the first 15 bytes count.
    pub fn set_comm_of(&self, thread: &Thread, name: &[u8]) {
        match thread.tid() {
            PID => self.state().lock().comm = cut(name),
            _ => thread.traits.lock().comm = cut(name),
        }
    }

    /// The traits of a thread that this one begins.
    pub fn traits_of_child(&self, thread: &Thread) -> Traits {
        let traits = *thread.traits.lock();
        Traits {
            comm: self.comm_of(thread),
            ..traits.of_child()
        }
    }
}

/// The name that the machine starts with; what is too long is left out.
fn first_host_name(given: Option<&[u8]>) -> Vec<u8> {
    let name = given.unwrap_or(HOST_NAME);
    name[..name.len().min(NAME_MAX)].to_vec()
}

/// A name without what fills its room.
pub fn without_zeros(comm: &[u8]) -> Vec<u8> {
    comm.iter().copied().take_while(|&byte| byte != 0).collect()
}

fn cut(name: &[u8]) -> [u8; COMM_BYTES] {
    let mut comm = [0; COMM_BYTES];
    let len_bytes = name.len().min(COMM_BYTES - 1);
    comm[..len_bytes].copy_from_slice(&name[..len_bytes]);
    comm
}

/// The name that Linux gives a program that is started: the last part of its path.
fn comm_of(program: &[u8]) -> [u8; COMM_BYTES] {
    cut(program
        .rsplit(|&byte| byte == b'/')
        .next()
        .unwrap_or_default())
}

/// `getpid()` — the process: 1.
///
/// # Errors
/// None.
pub fn sys_getpid(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(PID as usize)
}

/// `getppid()` — the parent: 0, as for the first process of a pid namespace.
///
/// # Errors
/// None.
pub fn sys_getppid(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(0)
}

/// `getpgrp()` — the process group: 1.
///
/// # Errors
/// None.
pub fn sys_getpgrp(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(PID as usize)
}

/// `getpgid(pid)` — the process group of a process: 1.
///
/// # Errors
/// `ESRCH` no such process.
pub fn sys_getpgid(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    own(args.int(0)).map(|()| PID as usize)
}

/// `getsid(pid)` — the session of a process: 1.
///
/// # Errors
/// `ESRCH` no such process.
pub fn sys_getsid(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    own(args.int(0)).map(|()| PID as usize)
}

/// `setpgid(pid, pgid)` — a session's leader keeps its group.
///
/// # Errors
/// `EINVAL` negative group · `ESRCH` no such process · `EPERM` always otherwise.
pub fn sys_setpgid(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.int(1) < 0 {
        return Err(Errno::EINVAL);
    }
    own(args.int(0))?;
    Err(Errno::EPERM)
}

/// `setsid()` — the process leads its group already.
///
/// # Errors
/// `EPERM` always.
pub fn sys_setsid(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Err(Errno::EPERM)
}

/// `uname(buf)` — the system's names.
///
/// # Errors
/// `EFAULT` bad `buf`.
/// # Source
/// uname(2), man-pages 6.9. The release is that of the calls' semantics.
pub fn sys_uname(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let mut names = Utsname::default();
    let put = |field: &mut [u8; 65], text: &[u8]| field[..text.len()].copy_from_slice(text);
    {
        let state = context.process.identity.state().lock();
        put(&mut names.sysname, SYSTEM.as_bytes());
        put(&mut names.nodename, &state.hostname);
        put(&mut names.release, RELEASE.as_bytes());
        put(&mut names.version, VERSION.as_bytes());
        put(&mut names.machine, b"x86_64");
        put(&mut names.domainname, &state.domainname);
    }
    user_mem::write(context, args.addr(0), &names)?;
    Ok(0)
}

/// `sethostname(name, len)` — names the machine.
///
/// # Errors
/// `EINVAL` longer than 64 · `EFAULT` bad `name` · `EPERM` not user 0.
pub fn sys_sethostname(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let name = machine_name(context, args)?;
    context.process.identity.state().lock().hostname = name;
    Ok(0)
}

/// `setdomainname(name, len)` — names the machine's domain.
///
/// # Errors
/// `EINVAL` longer than 64 · `EFAULT` bad `name` · `EPERM` not user 0.
pub fn sys_setdomainname(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let name = machine_name(context, args)?;
    context.process.identity.state().lock().domainname = name;
    Ok(0)
}

/// The options that Linux has on x86_64 and that are not here.
const LINUX_OPTIONS: &[i32] = &[
    7, 8, 13, 14, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 40, 41, 42,
    47, 52, 53, 57, 58, 59, 62, 65, 66, PR_SET_VMA,
];
const PR_SET_VMA: i32 = 0x5356_4d41;

/// `prctl(option, …)` — names, dumping, the signal at the parent's end, no new privileges.
///
/// # Errors
/// `EINVAL` any other option, or a bad value · `EFAULT` a bad address.
/// # Differs from Linux
/// Only `PR_{SET,GET}_{NAME,DUMPABLE,PDEATHSIG,NO_NEW_PRIVS}`; any other option is `EINVAL`.
/// # Source
/// prctl(2), man-pages 6.9
pub fn sys_prctl(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let identity = &context.process.identity;
    match args.int(0) {
        PR_SET_NAME => {
            let mut name = match user_mem::text(context, args.addr(1), COMM_BYTES) {
                Err(Errno::ENAMETOOLONG) => {
                    UserBuf::new(context, args.addr(1), COMM_BYTES - 1)?.to_vec()?
                }
                other => other?,
            };
            name.truncate(COMM_BYTES - 1);
            identity.set_comm_of(context.process.threads.current(), &name);
            Ok(0)
        }
        PR_GET_NAME => {
            let comm = identity.comm_of(context.process.threads.current());
            UserBufMut::new(context, args.addr(1), COMM_BYTES)?.copy_in(0, &comm);
            Ok(0)
        }
        PR_GET_DUMPABLE => Ok(identity.state().lock().is_dumpable.into()),
        PR_SET_DUMPABLE => match args.raw(1) {
            value @ (0 | 1) => {
                identity.state().lock().is_dumpable = value == 1;
                Ok(0)
            }
            _ => Err(Errno::EINVAL),
        },
        PR_SET_PDEATHSIG => match args.raw(1) {
            signal @ 0..=64 => {
                identity.state().lock().death_signal = signal as i32;
                Ok(0)
            }
            _ => Err(Errno::EINVAL),
        },
        PR_GET_PDEATHSIG => {
            let signal = identity.state().lock().death_signal;
            user_mem::write(context, args.addr(1), &signal)?;
            Ok(0)
        }
        PR_SET_NO_NEW_PRIVS => {
            if (args.raw(1), args.raw(2), args.raw(3), args.raw(4)) != (1, 0, 0, 0) {
                return Err(Errno::EINVAL);
            }
            identity.state().lock().has_no_new_privileges = true;
            Ok(0)
        }
        PR_GET_NO_NEW_PRIVS => Ok(identity.state().lock().has_no_new_privileges.into()),
        option if LINUX_OPTIONS.contains(&option) => {
            Err(gap!(context, Sysno::prctl, "another option", EINVAL))
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Whether a process number means the caller.
pub(crate) fn own(pid: i32) -> Result<(), Errno> {
    if pid == 0 || pid == PID {
        Ok(())
    } else {
        Err(Errno::ESRCH)
    }
}

fn machine_name(context: &Context<'_>, args: &SyscallArgs) -> Result<Vec<u8>, Errno> {
    if context.process.identity.state().lock().users[1] != 0 {
        return Err(Errno::EPERM);
    }
    let len_bytes = usize::try_from(args.int(1)).map_err(|_| Errno::EINVAL)?;
    if len_bytes > NAME_MAX {
        return Err(Errno::EINVAL);
    }
    UserBuf::new(context, args.addr(0), len_bytes)?.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use std::vec;

    #[test]
    fn the_process_is_alone() {
        let world = World::new();
        assert_eq!(world.call(sys_getpid, []), Ok(1));
        assert_eq!(world.call(sys_getppid, []), Ok(0));
        assert_eq!(world.call(sys_getpgid, [0]), Ok(1));
        assert_eq!(world.call(sys_getsid, [2]), Err(Errno::ESRCH));
        assert_eq!(world.call(sys_setsid, []), Err(Errno::EPERM));
    }

    #[test]
    fn names_are_kept_and_cut() {
        let world = World::new();
        let room = world.room(Utsname::BYTES);
        let name = world.text("weaver");
        assert_eq!(world.call(sys_sethostname, [name, 6]), Ok(0));
        assert_eq!(world.call(sys_sethostname, [name, 65]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_uname, [room]), Ok(0));
        let names = world.get_value::<Utsname>(room);
        assert_eq!(names.nodename[..7], *b"weaver\0");
        assert_eq!(names.sysname[..6], *b"Linux\0");

        let long = world.text("a-name-of-more-than-fifteen-bytes");
        assert_eq!(world.call(sys_prctl, [15, long]), Ok(0));
        assert_eq!(world.call(sys_prctl, [16, room]), Ok(0));
        assert_eq!(world.get(room, 16), *b"a-name-of-more-\0");
        assert_eq!(
            world.process.identity.comm(),
            vec![
                b'a', b'-', b'n', b'a', b'm', b'e', b'-', b'o', b'f', b'-', b'm', b'o', b'r', b'e',
                b'-'
            ]
        );
        assert_eq!(world.call(sys_prctl, [99]), Err(Errno::EINVAL));
    }

    use muslin_abi::layout::Pod;
}
