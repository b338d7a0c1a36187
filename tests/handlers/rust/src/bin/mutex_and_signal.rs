//! A std Mutex in a write handler, and a signal handler that writes while it is locked.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use muslin::{Errno, family};

static LOCK: Mutex<u64> = Mutex::new(0);
static FD: AtomicI32 = AtomicI32::new(-1);
static WHILE_LOCKED: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_alarm(_: i32) {
    if LOCK.try_lock().is_err() {
        WHILE_LOCKED.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: write is safe in signal handlers.
    unsafe { libc::write(FD.load(Ordering::Relaxed), c"x".as_ptr().cast(), 1) };
}

fn main() {
    let mut file = File::options().write(true).open("/dev/null").unwrap();
    FD.store(file.as_raw_fd(), Ordering::Relaxed);
    muslin::register_family(family::WRITES, |context, args| {
        let mut written = LOCK.lock().map_err(|_| Errno::EIO)?;
        let count = context.next(args)?;
        *written += count as u64;
        for _ in 0..2000 {
            std::hint::black_box(&mut *written);
        }
        Ok(count)
    })
    .unwrap();
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: 1500,
    };
    // SAFETY: a handler that does nothing but what signal handlers may; structures that are alive.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_alarm as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
        let timer = libc::itimerval {
            it_interval: every,
            it_value: every,
        };
        libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
    }
    let mut writes = 0u64;
    while WHILE_LOCKED.load(Ordering::Relaxed) < 200 && writes < 5_000_000 {
        file.write_all(b"y").unwrap();
        writes += 1;
    }
    assert!(WHILE_LOCKED.load(Ordering::Relaxed) >= 200);
    // The signal handler's own writes outside of handlers count as well.
    assert!(*LOCK.lock().unwrap() >= writes);
}
