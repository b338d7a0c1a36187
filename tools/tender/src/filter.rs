//! The system calls that a guest for spt may make: nine, and these only with the right arguments; and
//! read where it has a network device. Where it understands frames with something in front, it may read and
//! write them in pieces, and say what the interface may leave to it.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use crate::manifest::{Attached, Manifest};
use crate::tap::OFFLOAD_REQUEST;

/// `ARCH_SET_FS` of arch_prctl(2).
const ARCH_SET_FS: u64 = 0x1002;

const STDOUT: u64 = 1;

/// `BPF_LD | BPF_W | BPF_ABS`: loads a word of `struct seccomp_data`.
const LOAD_WORD: u16 = 0x20;
/// Where the arguments are in it.
const ARGUMENTS_AT: u32 = 16;

/// The filter for a guest. Any other call is SIGSYS: with no handler, which a guest cannot install,
/// it ends the process, and a tracer sees it.
pub(crate) fn program(
    manifest: &Manifest,
    epoll_fd: i32,
    timer_fd: i32,
) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut allow = |nr: i64, conditions: &[(u8, SeccompCmpOp, u64)]| {
        let conditions = conditions
            .iter()
            .map(|(index, operator, value)| {
                SeccompCondition::new(*index, SeccompCmpArgLen::Qword, operator.clone(), *value)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rule = SeccompRule::new(conditions)?;
        rules.entry(nr).or_default().push(rule);
        Ok::<(), BackendError>(())
    };
    let is = |value: u64| (0, SeccompCmpOp::Eq, value);
    let is_fd = |fd: i32| is(u64::from(fd.unsigned_abs()));

    allow(libc::SYS_write, &[is(STDOUT)])?;
    allow(libc::SYS_epoll_pwait, &[is_fd(epoll_fd)])?;
    allow(libc::SYS_timerfd_settime, &[is_fd(timer_fd)])?;
    for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC] {
        allow(libc::SYS_clock_gettime, &[is_fd(clock)])?;
    }
    allow(libc::SYS_arch_prctl, &[is(ARCH_SET_FS)])?;
    for (_, attached) in manifest.attached() {
        match attached {
            Attached::Block(block) => {
                let sector_bytes = u64::from(block.sector_bytes);
                // One sector, and none past the end: a write there would make the file longer.
                let last = block.capacity_bytes.saturating_sub(sector_bytes);
                for nr in [libc::SYS_pread64, libc::SYS_pwrite64] {
                    allow(
                        nr,
                        &[
                            is_fd(block.host_fd),
                            (2, SeccompCmpOp::Eq, sector_bytes),
                            (3, SeccompCmpOp::Le, last),
                        ],
                    )?;
                }
            }
            Attached::Net(net) => {
                let fd = is_fd(net.host_fd);
                for nr in [libc::SYS_read, libc::SYS_write] {
                    allow(nr, std::slice::from_ref(&fd))?;
                }
                if net.has_offload {
                    // Frames in two pieces, and what may be left to the other side.
                    for nr in [libc::SYS_readv, libc::SYS_writev] {
                        allow(nr, std::slice::from_ref(&fd))?;
                    }
                    let request = (1, SeccompCmpOp::Eq, u64::from(OFFLOAD_REQUEST as u32));
                    allow(libc::SYS_ioctl, &[fd, request])?;
                }
            }
        }
    }
    // Whatever its arguments are.
    rules.insert(libc::SYS_exit_group, Vec::new());

    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Trap,
        SeccompAction::Allow,
        TargetArch::x86_64,
    )?;
    Ok(arguments_first(filter.try_into()?))
}

/// The same filter, behind an instruction that loads an argument for nothing.
///
/// When a filter is set, Linux tries it with each number of two architectures, to remember which are
/// allowed whatever their arguments. Such a try ends at the first look at an argument.
fn arguments_first(mut program: BpfProgram) -> BpfProgram {
    program.insert(
        0,
        sock_filter {
            code: LOAD_WORD,
            jt: 0,
            jf: 0,
            k: ARGUMENTS_AT,
        },
    );
    program
}
