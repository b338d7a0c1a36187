//! Which calls the programs made, by the counts that the images themselves kept.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use muslin_abi::counters::{ENTERED_WORD, MAGIC};
use muslin_abi::{SYSNO_MAX, Sysno};

/// What real programs were seen to make: C with threads, Rust std, Lua, SQLite, tokio, rayon. The
/// conformance programs must make all of them.
const PROMISED: &str = "accept4 access arch_prctl bind brk clock_gettime clock_nanosleep clone close \
    connect copy_file_range dup2 epoll_create1 epoll_ctl epoll_pwait eventfd2 execve exit exit_group \
    fchmod fchown fcntl fork fstat fsync ftruncate futex getcwd getdents64 geteuid getgid getpid \
    getrandom getsockname getsockopt gettid ioctl listen lseek lstat mmap mprotect mremap munmap \
    nanosleep open pipe pipe2 poll prctl pread64 pwrite64 read readv recvfrom rt_sigaction \
    rt_sigprocmask sched_getaffinity sched_yield sendto set_tid_address setgid setitimer setsockopt \
    sigaltstack socket socketpair stat tkill unlink wait4 write writev";

/// The file of counts in a directory of a run.
const FILE: &str = "counts";

/// The calls that entered the table when these programs ran, each in its directory of `runs`.
pub fn calls_made<'a>(runs: &Path, programs: impl Iterator<Item = &'a str>) -> BTreeSet<Sysno> {
    let mut made = BTreeSet::new();
    for program in programs {
        let Ok(bytes) = fs::read(runs.join(program).join(FILE)) else {
            continue;
        };
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        if words.first() != Some(&MAGIC) {
            continue;
        }
        let entered = words.iter().skip(ENTERED_WORD).take(SYSNO_MAX);
        made.extend(
            (0..)
                .zip(entered)
                .filter(|(_, count)| **count > 0)
                .map(|(nr, _)| Sysno(nr)),
        );
    }
    made
}

/// The promised calls that are not among these.
pub fn broken_promises(made: &BTreeSet<Sysno>) -> Vec<&'static str> {
    PROMISED
        .split_whitespace()
        .filter(|name| Sysno::from_name(name).is_none_or(|nr| !made.contains(&nr)))
        .collect()
}
