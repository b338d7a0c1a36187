//! Control registers, model-specific registers and ports: what only ring 0 may touch.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::ops::Range;

use crate::paging::PAGE_BYTES;
use crate::thread_pointer;
use crate::vectors;

/// Extended features.
pub const EFER: u32 = 0xc000_0080;
/// In [`EFER`]: the instruction `syscall` works.
pub const EFER_SYSCALL: u64 = 1;
/// In [`EFER`]: pages may forbid execution.
pub const EFER_NO_EXECUTE: u64 = 1 << 11;
/// The segments that `syscall` loads.
pub const STAR: u32 = 0xc000_0081;
/// Where `syscall` goes.
pub const LSTAR: u32 = 0xc000_0082;
/// The flags that `syscall` clears.
pub const SFMASK: u32 = 0xc000_0084;
/// The base of segment FS: the thread pointer.
pub const FS_BASE: u32 = 0xc000_0100;

/// cpuid leaf 1, ecx: `xsave` and its like.
const HAS_XSAVE: u32 = 1 << 26;
/// cpuid leaf 7, ebx: `wrfsbase` and its like.
const HAS_FSGSBASE: u32 = 1;
const CR4_FSGSBASE: u64 = 1 << 16;
const CR4_OSXSAVE: u64 = 1 << 18;
/// States of XCR0 that are switched on where the processor has them: x87, SSE, AVX, AVX-512.
const VECTOR_STATES: u64 = 0b1110_0111;

/// Reads a model-specific register.
///
/// # Safety
/// This is ring 0, and the processor has the register.
pub unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: as the caller promises.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// This is ring 0, the processor has the register, and the program can live with the value.
pub unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack));
    }
}

/// Makes the tree at `root` the one by which addresses are translated.
///
/// # Safety
/// This is ring 0, and the tree translates all that is in use, this code and the stack among it.
pub unsafe fn set_tables(root: usize) {
    // SAFETY: as the caller promises.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack)) };
}

/// Makes the processor forget what it knows of the translation of pages.
///
/// # Safety
/// This is ring 0.
pub unsafe fn flush(pages: Range<usize>) {
    /// From this many pages on, forgetting all is cheaper.
    const EACH_MAX: usize = 64;
    if pages.len() > EACH_MAX * PAGE_BYTES {
        // SAFETY: the tree is the same as before.
        unsafe { asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack)) };
        return;
    }
    for page in pages.step_by(PAGE_BYTES) {
        // SAFETY: as the caller promises.
        unsafe { asm!("invlpg [{}]", in(reg) page, options(nostack)) };
    }
}

/// The address that the last page fault was about.
pub fn fault_address() -> usize {
    let address;
    // SAFETY: the handler of a fault runs in ring 0.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Writes a word to a port.
///
/// # Safety
/// This is ring 0, and what listens at the port may be told this.
pub unsafe fn write_port(port: u16, value: u32) {
    // SAFETY: as the caller promises. What listens may read and write memory.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack)) };
}

/// Switches on what the processor has of vector registers, and `wrfsbase`. The bytes that saving
/// those registers with `xsave` takes, if they can be saved so.
///
/// # Safety
/// This is ring 0.
pub unsafe fn enable_vectors() -> Option<usize> {
    let mut cr4: u64;
    // SAFETY: as the caller promises.
    unsafe { asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack, preserves_flags)) };
    let has_xsave = __cpuid(1).ecx & HAS_XSAVE != 0;
    if has_xsave {
        cr4 |= CR4_OSXSAVE;
    }
    let has_fsgsbase = __cpuid_count(7, 0).ebx & HAS_FSGSBASE != 0;
    if has_fsgsbase {
        cr4 |= CR4_FSGSBASE;
    }
    // SAFETY: the processor has what these bits switch on.
    unsafe { asm!("mov cr4, {}", in(reg) cr4, options(nomem, nostack, preserves_flags)) };
    if has_fsgsbase {
        thread_pointer::allow_write();
    }
    if !has_xsave {
        return None;
    }
    let states = u64::from(__cpuid_count(0xd, 0).eax) & VECTOR_STATES;
    // SAFETY: as above; the states are some that the processor has.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") states as u32, in("edx") 0, options(nomem, nostack));
    }
    // A processor below another may keep its own idea.
    // SAFETY: the instruction was switched on.
    let is_set = unsafe { vectors::enabled_states() } == states;
    is_set.then(|| __cpuid_count(0xd, 0).ebx as usize)
}
