//! `std::process::Command`: the child has a stack of 5 KiB and the parent's memory. Handlers with
//! 16 KiB of their own run in it.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use muslin::{Context, Registration, SyscallArgs, SyscallResult, Sysno};

static CALLS: [AtomicUsize; 512] = [const { AtomicUsize::new(0) }; 512];

fn with_buffer(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let nr = context.nr().0;
    let mut buffer = [nr as u8; 16 * 1024];
    std::hint::black_box(&mut buffer);
    CALLS[nr as usize].fetch_add(1, Ordering::Relaxed);
    let result = context.next(args);
    assert!(
        buffer.iter().all(|&byte| byte == nr as u8),
        "somebody else's stack"
    );
    result
}

fn calls(nr: Sysno) -> usize {
    CALLS[nr.0 as usize].load(Ordering::Relaxed)
}

fn main() {
    let numbers = [
        Sysno::close,
        Sysno::dup2,
        Sysno::execve,
        Sysno::rt_sigaction,
        Sysno::rt_sigprocmask,
        Sysno::fcntl,
        Sysno::clone,
        Sysno::exit_group,
        Sysno::wait4,
        Sysno::read,
        Sysno::pipe2,
        Sysno::getppid,
    ];
    Registration::new(with_buffer)
        .own_stack()
        .register_family(&numbers)
        .unwrap();
    for round in 1..=5 {
        let output = Command::new("/bin/echo")
            .args(["hello", "there"])
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"hello there\n");
        assert_eq!(calls(Sysno::execve), 2 * round - 1);
        let error = Command::new("/no/such/program").output().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert_eq!(calls(Sysno::execve), 2 * round);
        assert_eq!(calls(Sysno::clone), 2 * round);
        // The parent's own calls are seen afterwards.
        // SAFETY: only answers.
        unsafe { libc::getppid() };
        assert_eq!(calls(Sysno::getppid), round);
    }
}
