//! Families of calls.
//!
//! A libc function does not map one to one to a call: musl's fopen makes `open`, another libc's
//! makes `openat`; C's printf makes `writev`, Rust's println `write`. Whoever means "all that opens
//! a file" registers for a family.

use muslin_abi::Sysno;

use crate::paths::PATHS_COUNT;

/// All that opens a file by its path.
pub const OPENS: &[Sysno] = &[Sysno::open, Sysno::openat, Sysno::openat2, Sysno::creat];

/// All that closes descriptors.
pub const CLOSES: &[Sysno] = &[Sysno::close, Sysno::close_range];

/// All that reads bytes from a descriptor into memory.
pub const READS: &[Sysno] = &[
    Sysno::read,
    Sysno::readv,
    Sysno::pread64,
    Sysno::preadv,
    Sysno::preadv2,
];

/// All that writes bytes from memory to a descriptor.
pub const WRITES: &[Sysno] = &[
    Sysno::write,
    Sysno::writev,
    Sysno::pwrite64,
    Sysno::pwritev,
    Sysno::pwritev2,
];

/// All that asks for a file's status.
pub const STATS: &[Sysno] = &[
    Sysno::stat,
    Sysno::fstat,
    Sysno::lstat,
    Sysno::newfstatat,
    Sysno::statx,
];

/// All that makes a process or a thread, or replaces a program.
pub const PROCESSES: &[Sysno] = &[
    Sysno::fork,
    Sysno::vfork,
    Sysno::clone,
    Sysno::clone3,
    Sysno::execve,
    Sysno::execveat,
];

/// All that only sockets have. Reading, writing, closing and waiting they share with other files.
pub const SOCKETS: &[Sysno] = &[
    Sysno::socket,
    Sysno::socketpair,
    Sysno::bind,
    Sysno::listen,
    Sysno::accept,
    Sysno::accept4,
    Sysno::connect,
    Sysno::shutdown,
    Sysno::getsockname,
    Sysno::getpeername,
    Sysno::getsockopt,
    Sysno::setsockopt,
    Sysno::sendto,
    Sysno::sendmsg,
    Sysno::sendmmsg,
    Sysno::recvfrom,
    Sysno::recvmsg,
    Sysno::recvmmsg,
];

/// All that changes the address space.
pub const MEMORY: &[Sysno] = &[
    Sysno::mmap,
    Sysno::munmap,
    Sysno::mprotect,
    Sysno::mremap,
    Sysno::madvise,
    Sysno::brk,
    Sysno::msync,
    Sysno::mlock,
    Sysno::mlock2,
    Sysno::munlock,
    Sysno::mlockall,
    Sysno::munlockall,
];

/// All that does nothing but wait.
pub const SLEEPS: &[Sysno] = &[Sysno::nanosleep, Sysno::clock_nanosleep, Sysno::pause];

/// Every call that names a path: see [`crate::paths`].
pub const PATHS: &[Sysno] = &path_numbers();

const fn path_numbers() -> [Sysno; PATHS_COUNT] {
    let mut numbers = [Sysno(0); PATHS_COUNT];
    let mut i = 0;
    while i < PATHS_COUNT {
        numbers[i] = crate::paths::PATH_CALLS[i].nr;
        i += 1;
    }
    numbers
}

/// A family as `muslin.h` has it: numbers, then -1. `N` is one more than the family's length.
pub const fn for_c<const N: usize>(family: &[Sysno]) -> [isize; N] {
    assert!(family.len() + 1 == N);
    let mut numbers = [-1; N];
    let mut i = 0;
    while i < family.len() {
        numbers[i] = family[i].0 as isize;
        i += 1;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_families_name_each_call_once() {
        for family in [
            OPENS, CLOSES, READS, WRITES, STATS, PROCESSES, SOCKETS, MEMORY, SLEEPS, PATHS,
        ] {
            for (i, nr) in family.iter().enumerate() {
                assert!(nr.name().is_some());
                assert!(!family[..i].contains(nr), "{nr} twice");
            }
        }
    }

    #[test]
    fn all_that_opens_by_path_names_a_path() {
        assert!(OPENS.iter().all(|nr| PATHS.contains(nr)));
    }

    #[test]
    fn lists_for_c_end_with_minus_one() {
        let numbers: [isize; 3] = for_c(CLOSES);
        assert_eq!(numbers, [3, 436, -1]);
    }
}
