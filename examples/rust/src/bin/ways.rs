//! The ways to register a handler: before the process's first call, at run time on top of another
//! one, and for a family of calls in one line.
//!
//!     cargo run --target x86_64-unknown-linux-musl --bin ways

use std::sync::atomic::{AtomicUsize, Ordering};

use muslin::{Context, Errno, SyscallArgs, SyscallResult, Sysno, family};

static EARLY: AtomicUsize = AtomicUsize::new(0);

/// Sees the first call of the process, long before main.
fn first_call(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    EARLY.fetch_add(1, Ordering::Relaxed);
    context.next(args)
}

muslin::static_handler!(Sysno::arch_prctl, first_call);

fn main() -> Result<(), Errno> {
    println!("arch_prctl was seen {} time", EARLY.load(Ordering::Relaxed));

    // At run time. What answered before can be called, and be put back.
    let platform = muslin::register(Sysno::getppid, |_context, _args| Ok(42))?;
    println!(
        "my parent is process {}",
        std::os::unix::process::parent_id()
    );
    let answer_42 = muslin::register(Sysno::getppid, |context, args| {
        // On top of another: asks the one below.
        context.next(args).map(|parent| parent + 1)
    })?;
    println!(
        "my parent is process {}",
        std::os::unix::process::parent_id()
    );
    answer_42.reinstate()?;
    println!(
        "my parent is process {}",
        std::os::unix::process::parent_id()
    );
    platform.reinstate()?;

    // A family in one line, with a closure that has data.
    let limit = 3;
    let opens = AtomicUsize::new(0);
    muslin::register_family(family::OPENS, move |context, args| {
        if opens.fetch_add(1, Ordering::Relaxed) < limit {
            context.next(args)
        } else {
            Err(Errno::EMFILE)
        }
    })?;
    for attempt in 1..=4 {
        match std::fs::File::open("/dev/null") {
            Ok(_) => println!("open {attempt}: fine"),
            Err(error) => println!("open {attempt}: {error}"),
        }
    }
    Ok(())
}
