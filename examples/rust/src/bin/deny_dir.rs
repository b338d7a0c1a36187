//! Denies everything below one directory: EACCES for each call that names a path in it.
//!
//!     cargo run --target x86_64-unknown-linux-musl --bin deny_dir /etc /etc/hostname /usr/../etc/passwd
//!
//! A path counts as what it leads to, with `..`, symbolic links and directory descriptors resolved
//! as the kernel resolves them. It keeps honest programs out and is no wall: see the list in
//! examples/c/deny_dir.c of what it does not see.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use muslin::{Context, Errno, Registration, SyscallArgs, SyscallResult, family};

const AT_FDCWD: i32 = -100;

/// The handlers below allocate, and paths are named in all kinds of places: the runtime's heap is
/// safe in all of them.
#[global_allocator]
static HEAP: muslin::Heap = muslin::Heap;

/// Where a path leads. It is looked up by calls from inside a handler: those go to the platform.
fn real_path(dirfd: i32, path: &Path) -> io::Result<PathBuf> {
    if dirfd == AT_FDCWD || path.is_absolute() {
        path.canonicalize()
    } else {
        Path::new(&format!("/proc/self/fd/{dirfd}"))
            .join(path)
            .canonicalize()
    }
}

fn leads_to(denied: &Path, dirfd: i32, path: &CStr) -> bool {
    if path.is_empty() {
        return false; // means a descriptor that is open already
    }
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    if real_path(dirfd, path).is_ok_and(|real| real.starts_with(denied)) {
        return true;
    }
    // A new name in it, or a link out of it.
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => return false,
    };
    real_path(dirfd, parent).is_ok_and(|real| real.starts_with(denied))
}

fn main() -> Result<(), Errno> {
    let mut arguments = std::env::args().skip(1);
    let denied = arguments.next().unwrap_or_else(|| "/etc".to_owned());
    let denied = match Path::new(&denied).canonicalize() {
        Ok(denied) => denied,
        Err(error) => {
            eprintln!("deny_dir: {denied}: {error}");
            std::process::exit(1);
        }
    };
    Registration::new(
        move |context: &Context<'_>, args: &SyscallArgs| -> SyscallResult {
            let mut paths = (0..2).map_while(|which| context.path(which));
            if paths.any(|(dirfd, path)| leads_to(&denied, dirfd, path)) {
                return Err(Errno::EACCES);
            }
            context.next(args)
        },
    )
    .own_stack() // for the buffers of path lookups
    .register_family(family::PATHS)?;

    for path in arguments {
        match std::fs::read(&path) {
            Ok(content) => println!("{path}: {} bytes", content.len()),
            Err(error) => println!("{path}: {error}"),
        }
    }
    Ok(())
}
