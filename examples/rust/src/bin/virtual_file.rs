//! Serves a file that is nowhere on disk: /virtual/hello can be opened, read and looked at.
//!
//!     cargo run --target x86_64-unknown-linux-musl --bin virtual_file

use muslin::{Context, Errno, SyscallArgs, SyscallResult, Sysno, family};

const PATH: &std::ffi::CStr = c"/virtual/hello";
const CONTENT: &str = "Nobody wrote this to a disk.\nIt comes from a handler.\n";

/// Makes a call of the platform.
fn call(context: &Context<'_>, nr: Sysno, args: [usize; 6]) -> SyscallResult {
    // SAFETY: the calls below create a descriptor, fill it from a string that stays, and write what
    // the program asked for where it asked for it.
    unsafe { context.passthrough(nr, &SyscallArgs(args)) }
}

/// A new descriptor of the file: from memfd_create, so all that works on descriptors works.
fn open_file(context: &Context<'_>, flags: i32) -> SyscallResult {
    if flags & libc::O_ACCMODE != libc::O_RDONLY {
        return Err(Errno::EROFS);
    }
    let cloexec = if flags & libc::O_CLOEXEC == 0 {
        0
    } else {
        libc::MFD_CLOEXEC
    };
    let sealing = libc::MFD_ALLOW_SEALING | cloexec;
    let fd = call(
        context,
        Sysno::memfd_create,
        [PATH.as_ptr() as usize, sealing as usize, 0, 0, 0, 0],
    )?;
    call(
        context,
        Sysno::pwrite64,
        [fd, CONTENT.as_ptr() as usize, CONTENT.len(), 0, 0, 0],
    )?;
    call(context, Sysno::fchmod, [fd, 0o444, 0, 0, 0, 0])?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    call(
        context,
        Sysno::fcntl,
        [fd, libc::F_ADD_SEALS as usize, seals as usize, 0, 0, 0],
    )?;
    Ok(fd)
}

/// Asks the platform first: only what it does not have may be ours, and a path that it looked up
/// can be read.
fn is_ours(context: &Context<'_>, result: SyscallResult) -> bool {
    result == Err(Errno::ENOENT) && context.path(0).is_some_and(|(_, path)| path == PATH)
}

fn opens(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let result = context.next(args);
    if !is_ours(context, result) {
        return result;
    }
    match context.nr() {
        Sysno::open => open_file(context, args.int(1)),
        Sysno::openat => open_file(context, args.int(2)),
        _ => Err(Errno::EROFS),
    }
}

fn stats(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let result = context.next(args);
    if !is_ours(context, result) {
        return result;
    }
    let fd = open_file(context, libc::O_RDONLY)?;
    let result = match context.nr() {
        Sysno::statx => {
            let flags = args.raw(2) | libc::AT_EMPTY_PATH as usize;
            let empty = c"".as_ptr() as usize;
            call(
                context,
                Sysno::statx,
                [fd, empty, flags, args.raw(3), args.addr(4), 0],
            )
        }
        Sysno::newfstatat => call(context, Sysno::fstat, [fd, args.addr(2), 0, 0, 0, 0]),
        _ => call(context, Sysno::fstat, [fd, args.addr(1), 0, 0, 0, 0]),
    };
    call(context, Sysno::close, [fd, 0, 0, 0, 0, 0])?;
    result
}

fn main() -> Result<(), Errno> {
    muslin::register_family(family::OPENS, opens)?;
    muslin::register_family(family::STATS, stats)?;

    for path in ["/virtual/hello", "/virtual/nothing"] {
        match (std::fs::metadata(path), std::fs::read_to_string(path)) {
            (Ok(facts), Ok(text)) => print!("{path}: {} bytes\n{text}", facts.len()),
            (Err(error), _) | (_, Err(error)) => println!("{path}: {error}"),
        }
    }
    Ok(())
}
