//! Calls that a handler answers: only Muslin's libc has these.

use std::cell::UnsafeCell;
use std::hint::black_box;

use criterion::Criterion;
use muslin::{Context, Errno, Registration, SyscallArgs, SyscallResult, Sysno};

use crate::calls::{null_device, write_byte};

const OWN_STACK: u32 = 2;

// SAFETY: they take numbers, and what they register needs nothing.
unsafe extern "C" {
    safe fn bench_register_empty(nr: i64, flags: u32) -> i32;
    safe fn bench_register_sets_errno(nr: i64) -> i32;
    safe fn bench_register_passes_on(nr: i64) -> i32;
}

fn empty(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(42)
}

// getuid: the other benches want getppid as the kernel answers it, too.
muslin::static_handler!(Sysno::getuid, empty);

/// A slot, as libc's call sites know it.
#[repr(C, align(16))]
struct Slot {
    code: UnsafeCell<Code>,
    nr: usize,
}

// SAFETY: this program has one thread.
unsafe impl Sync for Slot {}

type Code = extern "C" fn(usize, usize, usize, usize, usize, usize, usize) -> isize;

unsafe extern "C" {
    /// The slot of getppid.
    static __muslin_slot_110: Slot;
}

extern "C" fn code(_: usize, _: usize, _: usize, _: usize, _: usize, _: usize, nr: usize) -> isize {
    nr as isize
}

/// Puts bare code into the slot of getppid, as a platform of one's own would; gives back what was
/// there.
fn replace_code(code: Code) -> Code {
    const PAGE_BYTES: usize = 4096;
    let page = &raw const __muslin_slot_110 as usize & !(PAGE_BYTES - 1);
    // SAFETY: the slot's page becomes writable, sealed or not, and the slot holds a `Code` again.
    unsafe {
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        assert_eq!(libc::mprotect(page as *mut _, PAGE_BYTES, writable), 0);
        assert_eq!(__muslin_slot_110.nr, libc::SYS_getppid as usize);
        __muslin_slot_110.code.get().replace(code)
    }
}

/// Runs `bench` while what `register` registered answers the call.
fn with_handler(nr: Sysno, register: impl FnOnce() -> Result<(), Errno>, bench: impl FnOnce()) {
    assert_eq!(register(), Ok(()), "cannot register a handler of {nr}");
    bench();
    assert_eq!(muslin::restore(nr), Ok(()));
}

/// The same for the handlers in C.
fn with_c_handler(nr: Sysno, register: impl FnOnce(i64) -> i32, bench: impl FnOnce()) {
    let register = || {
        assert_eq!(register(i64::from(nr.0)), 0);
        Ok(())
    };
    with_handler(nr, register, bench);
}

/// All benches of this file.
pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getppid");
    let mut getppid = |name: &str| {
        // SAFETY: getppid takes nothing and cannot fail.
        group.bench_function(name, |b| b.iter(|| unsafe { libc::getppid() }));
    };

    let before = replace_code(code);
    getppid("code in the slot");
    replace_code(before);

    let sets_errno = |nr| bench_register_sets_errno(nr);
    let passes_on = |nr| bench_register_passes_on(nr);
    let empty_in_c = |nr| bench_register_empty(nr, 0);
    let on_own_stack = |nr| bench_register_empty(nr, OWN_STACK);
    let both = |nr| bench_register_empty(nr, 0) | bench_register_passes_on(nr);
    with_c_handler(Sysno::getppid, empty_in_c, || getppid("C handler"));
    with_c_handler(Sysno::getppid, sets_errno, || getppid("C handler, errno"));
    with_c_handler(Sysno::getppid, on_own_stack, || {
        getppid("C handler, own stack");
    });
    with_c_handler(Sysno::getppid, passes_on, || getppid("passed on"));
    with_c_handler(Sysno::getppid, both, || getppid("two handlers"));
    let in_rust = || muslin::register(Sysno::getppid, empty).map(|_| ());
    with_handler(Sysno::getppid, in_rust, || getppid("Rust handler"));
    let data = black_box(42);
    let closure = move |_: &Context<'_>, _: &SyscallArgs| Ok(data);
    let with_data = || {
        Registration::new(closure)
            .register(Sysno::getppid)
            .map(|_| ())
    };
    with_handler(Sysno::getppid, with_data, || getppid("Rust closure"));
    group.bench_function("static Rust handler", |b| {
        // SAFETY: as getppid.
        b.iter(|| unsafe { libc::getuid() });
    });
    with_c_handler(Sysno::getppid, empty_in_c, || {
        group.bench_function("C handler by number", |b| {
            // SAFETY: as getppid.
            b.iter(|| unsafe { libc::syscall(black_box(libc::SYS_getppid)) });
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("write");
    let fd = null_device();
    group.bench_function("C handler", |b| {
        // Not around it: what criterion prints is written.
        with_c_handler(Sysno::write, empty_in_c, || b.iter(|| write_byte(fd)));
    });
    group.finish();
}
