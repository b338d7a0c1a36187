//! What the object in libc.a needs besides the calls: an allocator, an end for panics, and the word
//! that has it started.

use alloc::boxed::Box;
use alloc::vec::Vec;

use muslin_net_stack::{Link, SmolStack, Stack};

use crate::{calls, spare};

#[global_allocator]
static HEAP: spare::Heap = spare::Heap;

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
    calls::register(make_stack);
}

fn make_stack(seed: [u8; 16], links: Vec<Box<dyn Link + Send>>) -> Box<dyn Stack + Send> {
    let mut stack = SmolStack::new(seed);
    stack.set_memory(spare::has_memory);
    for link in links {
        stack.add_link(link);
    }
    Box::new(stack)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    muslin::print!("muslin: the network {info}");
    muslin::abort(c"muslin: a broken invariant, so the process ends")
}
