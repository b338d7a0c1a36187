//! Logs every file that the program opens, with the result, to standard error.
//!
//!     cargo run --target x86_64-unknown-linux-musl --bin log_opens /etc/hostname

use muslin::{Errno, family};

fn main() -> Result<(), Errno> {
    muslin::register_family(family::OPENS, |context, args| {
        let result = context.next(args);
        // What the kernel could not read, we cannot either.
        if result != Err(Errno::EFAULT)
            && let Some((_, path)) = context.path(0)
        {
            let path = path.to_string_lossy();
            match result {
                Ok(fd) => muslin::print!("{} {path} = {fd}", context.nr()),
                Err(errno) => muslin::print!("{} {path}: {errno}", context.nr()),
            }
        }
        result
    })?;
    for path in std::env::args().skip(1) {
        match std::fs::read(&path) {
            Ok(content) => println!("{path}: {} bytes", content.len()),
            Err(error) => println!("{path}: {error}"),
        }
    }
    Ok(())
}

/// to_string_lossy may allocate: from the runtime's heap, so that it does not matter where the
/// program opens a file.
#[global_allocator]
static HEAP: muslin::Heap = muslin::Heap;
