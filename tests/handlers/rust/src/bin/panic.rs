//! A handler that panics: the process ends as by abort, with a line that names the call.

use muslin::Sysno;

fn main() {
    muslin::register(Sysno::getppid, |_, args| {
        panic!("on purpose, {}", args.fd(0))
    })
    .unwrap();
    // SAFETY: only answers, or so it thinks.
    unsafe { libc::getppid() };
    println!("still there");
}
