//! Counts and times all calls of the program and prints a table at its end, as `strace -c` does.
//!
//!     cargo run --target x86_64-unknown-linux-musl --bin count_calls

use std::sync::atomic::{AtomicU64, Ordering};

use muslin::{Context, Errno, Registration, SyscallArgs, SyscallResult, Sysno};

const NUMBERS: u32 = 512;

struct Counter {
    calls: AtomicU64,
    errors: AtomicU64,
    ns: AtomicU64,
}

static COUNTERS: [Counter; NUMBERS as usize] = [const {
    Counter {
        calls: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        ns: AtomicU64::new(0),
    }
}; NUMBERS as usize];

fn count(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let counter = &COUNTERS[context.nr().0 as usize];
    counter.calls.fetch_add(1, Ordering::Relaxed);
    if context.nr() == Sysno::exit_group {
        report();
    }
    let start = now_ns(context);
    let result = context.next(args);
    counter
        .ns
        .fetch_add(now_ns(context) - start, Ordering::Relaxed);
    counter
        .errors
        .fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
    result
}

/// Before the handler's thread has thread-locals, and everywhere else: no std here.
fn now_ns(context: &Context<'_>) -> u64 {
    let mut now = [0u64; 2];
    let args = SyscallArgs([
        libc::CLOCK_MONOTONIC as usize,
        &raw mut now as usize,
        0,
        0,
        0,
        0,
    ]);
    // SAFETY: writes a timespec, which is two words, into two words.
    let _ = unsafe { context.passthrough(Sysno::clock_gettime, &args) };
    now[0] * 1_000_000_000 + now[1]
}

fn report() {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mut lines: [u32; NUMBERS as usize] = std::array::from_fn(|nr| nr as u32);
    lines.sort_unstable_by_key(|&nr| std::cmp::Reverse(read(&COUNTERS[nr as usize].ns)));
    let total =
        |what: fn(&Counter) -> &AtomicU64| COUNTERS.iter().map(|one| read(what(one))).sum::<u64>();
    let (calls, errors, ns) = (
        total(|one| &one.calls),
        total(|one| &one.errors),
        total(|one| &one.ns),
    );
    let line = |calls: u64, errors: u64, own_ns: u64, name: &dyn std::fmt::Display| {
        let share = 100.0 * own_ns as f64 / ns.max(1) as f64;
        let each = own_ns / 1000 / calls.max(1);
        let seconds = own_ns as f64 / 1e9;
        muslin::print!("{share:6.2} {seconds:11.6} {each:11} {calls:9} {errors:9} {name}");
    };
    muslin::print!("% time     seconds  usecs/call     calls    errors syscall");
    for nr in lines {
        let counter = &COUNTERS[nr as usize];
        if read(&counter.calls) > 0 {
            line(
                read(&counter.calls),
                read(&counter.errors),
                read(&counter.ns),
                &Sysno(nr),
            );
        }
    }
    line(calls, errors, ns, &"total");
}

// The two calls before any other code.
muslin::static_handler!(Sysno::arch_prctl, count);
muslin::static_handler!(Sysno::set_tid_address, count);

fn main() -> Result<(), Errno> {
    for nr in (0..NUMBERS).map(Sysno) {
        // No handler can have rt_sigreturn, and a vfork with one would become a fork.
        let is_left_out = [Sysno::rt_sigreturn, Sysno::vfork].contains(&nr);
        let has_one = [Sysno::arch_prctl, Sysno::set_tid_address].contains(&nr);
        if !is_left_out && !has_one {
            // The report wants more stack than some threads have.
            Registration::new(count).own_stack().register(nr)?;
        }
    }

    // Something to count.
    let files = std::fs::read_dir("/etc").map_or(0, |entries| entries.count());
    let missing = std::fs::read("/no/such/file").is_err();
    let threads: Vec<_> = (0..4).map(|n| std::thread::spawn(move || n * n)).collect();
    let sum: i32 = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .sum();
    println!("{files} entries, {missing}, {sum}");
    Ok(())
}
