//! rustix makes system calls by instructions of its own: with MUSLIN_CATCH_STRAY=1 they land in the
//! same handlers. Without it they go past them.

use std::sync::atomic::{AtomicUsize, Ordering};

use muslin::{Errno, Sysno};

static CALLS: AtomicUsize = AtomicUsize::new(0);

fn main() -> Result<(), Errno> {
    muslin::register(Sysno::umask, |_, _| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(0o123)
    })?;
    let catches = std::env::var_os("MUSLIN_CATCH_STRAY").is_some();
    let mut wanted = 0;
    let mut look = || {
        let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        wanted += usize::from(catches);
        assert_eq!(mask.as_raw_mode() == 0o123, catches);
        assert_eq!(CALLS.load(Ordering::Relaxed), wanted);
    };
    look();
    std::thread::scope(|scope| scope.spawn(&mut look).join().unwrap());
    look();
    // libc's own function goes through the table anyway.
    // SAFETY: changes the mask for new files of this process.
    assert_eq!(unsafe { libc::umask(0o022) }, 0o123);
    Ok(())
}
