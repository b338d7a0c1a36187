//! Sockets of `AF_VSOCK` over the channels of Xen. An image has them if the linker is told to keep
//! `__muslin_vsock`: see `tools/sysroot/src/vsock.rs`.

use alloc::boxed::Box;

use muslin::service::RunFn;
use muslin_abi::Errno;
use muslin_syscalls::threads::Serve;
use muslin_xen::vchan::VCHAN;

use crate::process;

/// What runs before the process's first call.
#[unsafe(link_section = "muslin_preinit")]
#[unsafe(export_name = "__muslin_vsock")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    muslin_vsock::register(&VCHAN, begin);
}

struct Service(RunFn);

impl Serve for Service {
    fn run(&self, now_ns: u64) -> Option<u64> {
        let Self(run) = self;
        run(now_ns)
    }
}

/// Runs it beside the calls, and beside what handlers have begun.
fn begin(run: RunFn) -> Result<(), Errno> {
    let context = process::context().ok_or(Errno::EAGAIN)?;
    let threads = &context.process.threads;
    threads.begin_service(Box::new(Service(run)), true);
    Ok(())
}
