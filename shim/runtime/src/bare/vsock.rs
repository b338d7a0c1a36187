//! Sockets of `AF_VSOCK` over the channels of Xen. An image has them if the linker is told to keep
//! `__muslin_vsock`: see `tools/sysroot/src/vsock.rs`.

use alloc::boxed::Box;

use muslin::service::RunFn;
use muslin_abi::Errno;
use muslin_syscalls::threads::Serve;
use muslin_xen::vchan::VCHAN;

use crate::process;
use crate::service_stack::ServiceStack;

/// What runs before the process's first call.
#[unsafe(link_section = "muslin_preinit")]
#[unsafe(export_name = "__muslin_vsock")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    muslin_vsock::register(&VCHAN, begin);
}

struct Service {
    run: RunFn,
    stack: ServiceStack,
}

impl Serve for Service {
    fn run(&self, now_ns: u64) -> Option<u64> {
        let mut next_ns = None;
        // SAFETY: it runs once at a time and never waits.
        unsafe { self.stack.run(&mut || next_ns = (self.run)(now_ns)) };
        next_ns
    }
}

/// Runs it beside the calls, and beside what handlers have begun.
fn begin(run: RunFn) -> Result<(), Errno> {
    let context = process::context().ok_or(Errno::EAGAIN)?;
    let threads = &context.process.threads;
    let stack = ServiceStack::take().ok_or(Errno::ENOMEM)?;
    threads.begin_service(Box::new(Service { run, stack }), true);
    Ok(())
}
