//! The system calls of the process that runs a machine: those that its hypercalls need, on the
//! descriptors that it has, and memory for itself.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::manifest::{Attached, Manifest};

const STDOUT: i32 = 1;
const STDERR: i32 = 2;

/// `KVM_RUN`, `KVM_GET_REGS` and `KVM_GET_SREGS`. Source: Linux 6.1 `include/uapi/linux/kvm.h`.
const KVM_REQUESTS: [u64; 3] = [0xae80, 0x8090_ae81, 0x8138_ae83];

/// The descriptors that it may use, beside those of the devices.
pub(crate) struct Descriptors {
    pub(crate) processor: i32,
    pub(crate) message: i32,
    pub(crate) epoll: i32,
    pub(crate) timer: i32,
    /// What wakes the thread for the ring.
    pub(crate) kick: i32,
}

/// The filter. Any other call ends the process.
pub(crate) fn program(
    manifest: &Manifest,
    descriptors: &Descriptors,
) -> Result<BpfProgram, BackendError> {
    let mut rules = Rules::default();
    for request in KVM_REQUESTS {
        rules.allow(
            libc::SYS_ioctl,
            &[is(0, descriptors.processor as u64), is(1, request)],
        )?;
    }
    // What the watchdog says goes to the tender's own standard error.
    for fd in [STDOUT, STDERR, descriptors.message, descriptors.kick] {
        rules.allow(libc::SYS_write, &[is(0, fd as u64)])?;
    }
    for (_, attached) in manifest.attached() {
        let fd = || is(0, attached.host_fd() as u64);
        rules.allow(libc::SYS_read, &[fd()])?;
        rules.allow(libc::SYS_write, &[fd()])?;
        if let Attached::Block(_) = attached {
            rules.allow(libc::SYS_lseek, &[fd()])?;
        }
    }
    for nr in [
        libc::SYS_epoll_wait,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
    ] {
        rules.allow(nr, &[is(0, descriptors.epoll as u64)])?;
    }
    rules.allow(
        libc::SYS_timerfd_settime,
        &[is(0, descriptors.timer as u64)],
    )?;
    for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC] {
        rules.allow(libc::SYS_clock_gettime, &[is(0, clock as u64)])?;
    }
    // Where the watchdog's signal returns to.
    rules.0.insert(libc::SYS_rt_sigreturn, Vec::new());
    rules.finish()
}

/// The filter of the thread for the ring of frames.
pub(crate) fn of_helper(
    manifest: &Manifest,
    descriptors: &Descriptors,
) -> Result<BpfProgram, BackendError> {
    let mut rules = Rules::default();
    rules.allow(libc::SYS_read, &[is(0, descriptors.kick as u64)])?;
    for (_, attached) in manifest.attached() {
        if let Attached::Net(net) = attached {
            rules.allow(libc::SYS_read, &[is(0, net.host_fd as u64)])?;
            rules.allow(libc::SYS_write, &[is(0, net.host_fd as u64)])?;
        }
    }
    // Its end: it is only a part of the process.
    for nr in [
        libc::SYS_exit,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
    ] {
        rules.0.insert(nr, Vec::new());
    }
    rules.finish()
}

type Condition = (u8, SeccompCmpOp, u64);

const fn is(index: u8, value: u64) -> Condition {
    (index, SeccompCmpOp::Eq, value)
}

#[derive(Default)]
struct Rules(BTreeMap<i64, Vec<SeccompRule>>);

impl Rules {
    /// The filter, with what each thread needs for itself.
    fn finish(mut self) -> Result<BpfProgram, BackendError> {
        // Memory; none of it for instructions.
        self.allow(
            libc::SYS_mmap,
            &[(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)],
        )?;
        for nr in [
            libc::SYS_munmap,
            libc::SYS_mremap,
            libc::SYS_brk,
            libc::SYS_madvise,
            libc::SYS_futex,
            libc::SYS_exit_group,
        ] {
            self.0.insert(nr, Vec::new());
        }
        SeccompFilter::new(
            self.0,
            SeccompAction::KillProcess,
            SeccompAction::Allow,
            TargetArch::x86_64,
        )?
        .try_into()
    }

    fn allow(&mut self, nr: i64, conditions: &[Condition]) -> Result<(), BackendError> {
        let conditions = conditions
            .iter()
            .map(|(index, operator, value)| {
                SeccompCondition::new(*index, SeccompCmpArgLen::Dword, operator.clone(), *value)
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.0
            .entry(nr)
            .or_default()
            .push(SeccompRule::new(conditions)?);
        Ok(())
    }
}
