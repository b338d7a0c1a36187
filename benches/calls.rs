//! Calls that both kinds of musl make: by libc's function and by the bare instruction.

use std::arch::asm;
use std::hint::black_box;

use criterion::Criterion;

/// The plainest thing that a call could be.
extern "C" fn constant() -> i32 {
    42
}

/// The bare instruction, with up to three arguments.
fn instruction(nr: i64, a: usize, b: usize, c: usize) -> isize {
    let raw;
    // SAFETY: the callers pass calls that read or write memory of theirs that is alive.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr as isize => raw,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    raw
}

/// Opens what swallows every byte.
pub fn null_device() -> i32 {
    // SAFETY: opens a file by a C string.
    let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY) };
    assert!(fd >= 0, "cannot open /dev/null");
    fd
}

/// `write` of one byte.
pub fn write_byte(fd: i32) -> isize {
    // SAFETY: one byte of a static.
    unsafe { libc::write(fd, b"x".as_ptr().cast(), 1) }
}

/// `clock_gettime` of the monotonic clock.
pub fn read_clock() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_nsec
}

/// All benches of this file.
pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getppid");
    let plain: extern "C" fn() -> i32 = black_box(constant);
    group.bench_function("plain", |b| b.iter(|| plain()));
    group.bench_function("instruction", |b| {
        b.iter(|| instruction(libc::SYS_getppid, 0, 0, 0));
    });
    // SAFETY: getppid takes nothing and cannot fail.
    group.bench_function("libc", |b| b.iter(|| unsafe { libc::getppid() }));
    group.bench_function("by number", |b| {
        // SAFETY: as above.
        b.iter(|| unsafe { libc::syscall(black_box(libc::SYS_getppid)) });
    });
    group.finish();

    let mut group = criterion.benchmark_group("clock_gettime");
    let mut time = [0usize; 2];
    group.bench_function("instruction", |b| {
        let clock = libc::CLOCK_MONOTONIC as usize;
        let time = &raw mut time as usize;
        b.iter(|| instruction(libc::SYS_clock_gettime, clock, time, 0));
    });
    group.bench_function("libc", |b| b.iter(read_clock));
    group.finish();

    let mut group = criterion.benchmark_group("write");
    let fd = null_device();
    group.bench_function("instruction", |b| {
        let byte = b"x".as_ptr() as usize;
        b.iter(|| instruction(libc::SYS_write, fd as usize, byte, 1));
    });
    group.bench_function("libc", |b| b.iter(|| write_byte(fd)));
    group.finish();
}
