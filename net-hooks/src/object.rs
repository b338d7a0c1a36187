//! What the object in libc.a needs besides the calls: an allocator, an end for panics, and the word
//! that has it started.

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

extern "C" fn start() {
    muslin::print!("net starts");
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    muslin::print!("muslin: the network stack {info}");
    loop {}
}
