//! Registration in Rust: functions and closures, chains, previous handlers, families, errors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use muslin::{Context, Errno, Registration, SyscallArgs, SyscallResult, Sysno, family};

static EARLY: AtomicUsize = AtomicUsize::new(0);

fn early(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    EARLY.fetch_add(1, Ordering::Relaxed);
    context.next(args)
}

muslin::static_handler!(Sysno::arch_prctl, early);
muslin::static_handler!(Sysno::set_tid_address, |context, args| {
    EARLY.fetch_add(100, Ordering::Relaxed);
    context.next(args)
});
muslin::static_handler!(Sysno::getgid, early, reentrant, own_stack);

fn getppid() -> i32 {
    // SAFETY: only answers.
    unsafe { libc::getppid() }
}

fn main() -> Result<(), Errno> {
    assert_eq!(EARLY.load(Ordering::Relaxed), 101, "before the first call");
    // SAFETY: only answers.
    unsafe { libc::getgid() };
    assert_eq!(EARLY.load(Ordering::Relaxed), 102);

    let parent = getppid();
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let note = |word: &'static str| {
        let seen = seen.clone();
        move |context: &Context<'_>, args: &SyscallArgs| {
            seen.lock().map_err(|_| Errno::EIO)?.push(word);
            context.next(args)
        }
    };
    let taken = || std::mem::take(&mut *seen.lock().unwrap()).concat();
    let platform = muslin::register(Sysno::getppid, note("a"))?;
    let first = muslin::register(Sysno::getppid, note("b"))?;
    muslin::register(Sysno::getppid, note("c"))?;
    assert_eq!((getppid(), taken().as_str()), (parent, "cba"));
    // SAFETY: both only answer.
    let answers = unsafe {
        (
            first.call(&SyscallArgs([0; 6])),
            platform.call(&SyscallArgs([0; 6])),
        )
    };
    assert_eq!(answers, (Ok(parent as usize), Ok(parent as usize)));
    assert_eq!(taken(), "a");
    first.reinstate()?;
    assert_eq!((getppid(), taken().as_str()), (parent, "a"));
    platform.reinstate()?;
    assert_eq!((getppid(), taken().as_str()), (parent, ""));
    muslin::register(Sysno::getppid, |_, _| Ok(7))?;
    assert_eq!(getppid(), 7);
    muslin::restore(Sysno::getppid)?;
    assert_eq!(getppid(), parent);

    // Errors of handlers are errnos of the program.
    muslin::register(Sysno::sched_yield, |_, _| Err(Errno::EPERM))?;
    // SAFETY: gives up the processor, or so it thinks.
    assert_eq!(unsafe { libc::sched_yield() }, -1);
    let error = std::io::Error::last_os_error();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));

    // What cannot be.
    let nothing = |_: &Context<'_>, _: &SyscallArgs| Ok(0);
    assert_eq!(
        muslin::register(Sysno(512), nothing).err(),
        Some(Errno::EINVAL)
    );
    assert_eq!(
        muslin::register(Sysno::rt_sigreturn, nothing).err(),
        Some(Errno::EINVAL)
    );
    assert_eq!(muslin::restore(Sysno(512)), Err(Errno::EINVAL));
    let some_wrong = [Sysno::getuid, Sysno(9999)];
    assert_eq!(
        muslin::register_family(&some_wrong, |_, _| Ok(9)),
        Err(Errno::EINVAL)
    );
    // SAFETY: only answers.
    assert_ne!(unsafe { libc::getuid() }, 9);

    // A family: whatever std opens.
    let opened = Arc::new(Mutex::new(Vec::new()));
    let list = opened.clone();
    Registration::new(move |context: &Context<'_>, args: &SyscallArgs| {
        if let Some((_, path)) = context.path(0) {
            list.lock()
                .map_err(|_| Errno::EIO)?
                .push((context.nr(), path.to_owned()));
        }
        context.next(args)
    })
    .own_stack()
    .register_family(family::OPENS)?;
    std::fs::read("/proc/self/comm").unwrap();
    std::fs::File::open("/no/such").unwrap_err();
    let names = opened
        .lock()
        .unwrap()
        .iter()
        .map(|(_, path)| path.to_string_lossy().into_owned())
        .collect::<Vec<_>>();
    assert_eq!(names, ["/proc/self/comm", "/no/such"]);
    Ok(())
}
