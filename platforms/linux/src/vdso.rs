//! The vDSO: clock_gettime and getcpu without entering the kernel.
//!
//! Stock musl calls it itself; here the slots' own handlers do, so that the table sees the calls
//! and still answers them as quickly. Source: vdso(7).

use core::arch::global_asm;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Address of the vDSO's ELF header, from the auxiliary vector; 0 where there is none.
static HEADER: AtomicUsize = AtomicUsize::new(0);

/// Not looked up yet. Any other value is a function's address.
const UNKNOWN: usize = 0;

#[unsafe(no_mangle)]
static __muslin_vdso_clock_gettime: AtomicUsize = AtomicUsize::new(UNKNOWN);
#[unsafe(no_mangle)]
static __muslin_vdso_getcpu: AtomicUsize = AtomicUsize::new(UNKNOWN);

/// Tells where the vDSO is: once, at boot.
pub fn set_header(address: usize) {
    HEADER.store(address, Ordering::Relaxed);
}

// The functions answer an `int`, which becomes the `long` of a slot. Where the vDSO lacks a
// function, its word holds `__muslin_vdso_absent`, found by comparison, and the kernel is asked.
global_asm!(
    r#"
    .macro MUSLIN_VDSO name, check
    .pushsection .text.__muslin_\name,"ax",@progbits
    .globl __muslin_\name
    .hidden __muslin_\name
    .type __muslin_\name,@function
__muslin_\name:
    \check
    mov rax, [rip + __muslin_vdso_\name]
    lea r11, [rax - 1]
    cmp r11, -3
    ja 1f
    sub rsp, 8
    call rax
    add rsp, 8
    cdqe
    ret
1:  test rax, rax
    jnz __muslin_passthrough_base
    push rdi
    push rsi
    push rdx
    call __muslin_vdso_resolve
    pop rdx
    pop rsi
    pop rdi
    jmp __muslin_\name
    .size __muslin_\name, . - __muslin_\name
    .popsection
    .endm
    // Other clocks the vDSO passes to the kernel itself, where no count would see them.
    .macro MUSLIN_VDSO_CLOCK
    mov eax, {clocks}
    cmp edi, 31
    ja __muslin_passthrough_base
    bt eax, edi
    jnc __muslin_passthrough_base
    .endm
    MUSLIN_VDSO clock_gettime, MUSLIN_VDSO_CLOCK
    MUSLIN_VDSO getcpu
    "#,
    clocks = const VDSO_CLOCKS,
);

/// Whether `address` lies in the vDSO, whose own code enters the kernel where it has no answer.
pub fn holds(address: usize) -> bool {
    let header = HEADER.load(Ordering::Relaxed);
    if header == 0 {
        return false;
    }
    // SAFETY: the kernel mapped a whole ELF image there; the reads are of its headers.
    let word = |at: usize| unsafe { (at as *const usize).read_unaligned() };
    let program_headers = header + word(header + 32);
    (0..word(header + 56) as u16 as usize)
        .map(|i| program_headers + i * (word(header + 54) as u16 as usize))
        .filter(|&at| word(at) as u32 == PT_LOAD)
        .any(|at| address.wrapping_sub(header) < word(at + 40))
}

/// The clocks that the vDSO answers: REALTIME, MONOTONIC, MONOTONIC_RAW, both COARSE ones,
/// BOOTTIME and TAI. Source: Linux `include/vdso/datapage.h`.
const VDSO_CLOCKS: u32 = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 11;

unsafe extern "C" {
    /// The slot code of clock_gettime(2).
    pub fn __muslin_clock_gettime(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
    /// The slot code of getcpu(2).
    pub fn __muslin_getcpu(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
}

/// The vDSO has no such function: ask the kernel.
const ABSENT: usize = usize::MAX;

/// Looks both functions up; called once by the stubs above, harmless when called again.
#[unsafe(no_mangle)]
extern "C" fn __muslin_vdso_resolve() {
    let header = HEADER.load(Ordering::Relaxed);
    for (word, name) in [
        (&__muslin_vdso_clock_gettime, c"__vdso_clock_gettime"),
        (&__muslin_vdso_getcpu, c"__vdso_getcpu"),
    ] {
        // SAFETY: the address comes from the kernel's auxiliary vector, or is 0.
        let found = unsafe { find(header, name) };
        word.store(found.unwrap_or(ABSENT), Ordering::Relaxed);
    }
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: usize = 4;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;

/// The address of a function in the ELF image at `header`, or `None`.
///
/// The few lines read what elf(5) says of program headers, the dynamic section and DT_HASH. A
/// library for it would be larger than the rest of the image's start.
///
/// # Safety
/// `header` is 0 or the address of a well-formed, mapped ELF image with a dynamic section.
unsafe fn find(header: usize, wanted: &CStr) -> Option<usize> {
    if header == 0 {
        return None;
    }
    let word = |at: usize| -> usize {
        // SAFETY: all addresses below are those of fields inside the mapped image.
        unsafe { (at as *const usize).read_unaligned() }
    };
    let half = |at: usize| word(at) as u16 as usize;
    let int = |at: usize| word(at) as u32;

    let (mut base, mut dynamic) = (None, None);
    let program_headers = header + word(header + 32);
    for i in 0..half(header + 56) {
        let at = program_headers + i * half(header + 54);
        match int(at) {
            PT_LOAD if base.is_none() => {
                base = Some((header + word(at + 8)).wrapping_sub(word(at + 16)));
            }
            PT_DYNAMIC => dynamic = Some(header + word(at + 8)),
            _ => {}
        }
    }
    let base = base?;
    let (mut hash, mut strings, mut symbols) = (None, None, None);
    let mut at = dynamic?;
    while word(at) != 0 {
        let value = base.wrapping_add(word(at + 8));
        match word(at) {
            DT_HASH => hash = Some(value),
            DT_STRTAB => strings = Some(value),
            DT_SYMTAB => symbols = Some(value),
            _ => {}
        }
        at += 16;
    }
    let count = int(hash? + 4) as usize;
    (0..count).find_map(|i| {
        let symbol = symbols? + i * 24;
        let name = strings? + int(symbol) as usize;
        let is_defined = half(symbol + 6) != 0;
        // SAFETY: names in the string table end with a zero byte.
        let name = unsafe { CStr::from_ptr(name as *const core::ffi::c_char) };
        (is_defined && name == wanted).then(|| base.wrapping_add(word(symbol + 8)))
    })
}
