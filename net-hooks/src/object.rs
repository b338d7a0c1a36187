//! What the object in libc.a needs besides the calls: an allocator, an end for panics, and the word
//! that has it started.

use muslin::{Context, SyscallArgs, SyscallResult, family};

#[global_allocator]
static HEAP: muslin::Heap = muslin::Heap;

/// What the runtime runs before the process's first call, if the linker kept it: see
/// `tools/sysroot/src/net.rs`. It has two names.
#[unsafe(link_section = "muslin_preinit")]
#[unsafe(export_name = "__muslin_net")]
static START: extern "C" fn() = start;

core::arch::global_asm!(
    ".globl __muslin_sockets",
    ".set __muslin_sockets, __muslin_net",
);

/// Registers the calls.
extern "C" fn start() {
    if let Err(errno) = muslin::register_family(family::SOCKETS, answer) {
        muslin::print!("muslin: the network cannot be registered: {errno}");
    }
}

/// Answers a call of the family: those that are not the network's are handed on.
fn answer(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    context.next(args)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    muslin::print!("muslin: the network {info}");
    muslin::abort(c"muslin: a broken invariant, so the process ends")
}
