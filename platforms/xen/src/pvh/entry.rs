//! The first code of a guest in a virtual machine: from 32 bits without paging to 64 bits.
//!
//! Source: Xen 4.17 `xen/include/public/arch-x86/hvm/start_info.h`, `docs/misc/pvh.pandoc`.

#[cfg(target_os = "none")]
use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::abi::{SIF_PRIVILEGED, hvm_start_info};
#[cfg(target_os = "none")]
use crate::layout::FIRST_STACK_TOP;

/// Frames for the first tables: all of the lowest 4 GiB at their own addresses, by large pages.
#[cfg(target_os = "none")]
const FIRST_TABLES: usize = 0x1000;

/// `struct hvm_start_info`, as far as it is used: the rest is not there in every version.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct StartInfo {
    /// A number that says what this is.
    pub magic: u32,
    /// 0 or more.
    pub version: u32,
    /// [`SIF_PRIVILEGED`] and others.
    pub flags: u32,
    /// Modules.
    pub nr_modules: u32,
    /// Address of the list of modules.
    pub modlist: u64,
    /// Address of the command line, a C string; 0 if there is none.
    pub cmdline: u64,
}

const _: () = {
    assert!(offset_of!(StartInfo, flags) == offset_of!(hvm_start_info, flags));
    assert!(offset_of!(StartInfo, nr_modules) == offset_of!(hvm_start_info, nr_modules));
    assert!(offset_of!(StartInfo, modlist) == offset_of!(hvm_start_info, modlist_paddr));
    assert!(offset_of!(StartInfo, cmdline) == offset_of!(hvm_start_info, cmdline_paddr));
};

impl StartInfo {
    /// Whether this is the machine's first guest.
    pub fn is_first(&self) -> bool {
        self.flags & SIF_PRIVILEGED != 0
    }
}

static START_INFO: AtomicUsize = AtomicUsize::new(0);

/// What the loader says, if the image was entered here.
pub fn start_info() -> Option<*const StartInfo> {
    let address = START_INFO.load(Ordering::Relaxed);
    (address != 0).then_some(address as *const StartInfo)
}

#[cfg(target_os = "none")]
unsafe extern "C" {
    /// Where Xen enters the image: ebx is the address of [`StartInfo`].
    pub fn __muslin_xen_pvh();
}

#[cfg(target_os = "none")]
global_asm!(
    r#"
    .pushsection .rodata.__muslin_xen_segments,"a",@progbits
    .balign 8
1:  .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
2:  .word 23
    .long 1b
    .popsection
    .pushsection .text.__muslin_xen_pvh,"ax",@progbits
    .globl __muslin_xen_pvh
    .hidden __muslin_xen_pvh
    .code32
__muslin_xen_pvh:
    cld
    mov %ebx, %esi
    xor %eax, %eax
    mov ${tables}, %edi
    mov $0x1800, %ecx
    rep stosl
    movl ${tables} + 0x1003, {tables}
    mov ${tables} + 0x1000, %edi
    mov ${tables} + 0x2003, %eax
    mov $4, %ecx
3:  mov %eax, (%edi)
    add $8, %edi
    add $0x1000, %eax
    loop 3b
    mov ${tables} + 0x2000, %edi
    mov $0x83, %eax
    mov $2048, %ecx
4:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    loop 4b
    mov ${tables}, %eax
    mov %eax, %cr3
    // Physical addresses of 64 bits; SSE and its exceptions.
    mov %cr4, %eax
    or $0x620, %eax
    mov %eax, %cr4
    // Long mode; pages may forbid execution.
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax
    wrmsr
    // Paging, write protection, the floating-point unit and its exceptions.
    mov %cr0, %eax
    and $~0xc, %eax
    or $0x80010023, %eax
    mov %eax, %cr0
    lgdt 2b
    ljmp $8, $5f
    .code64
5:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %esi, %esi
    mov %rsi, {start_info}(%rip)
    mov ${top}, %esp
    xor %ebp, %ebp
    xor %edi, %edi
    call __muslin_boot
    ud2
    .popsection
    "#,
    tables = const FIRST_TABLES,
    start_info = sym START_INFO,
    top = const FIRST_STACK_TOP,
    options(att_syntax),
);
