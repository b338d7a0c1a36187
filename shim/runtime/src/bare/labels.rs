//! Symbols that musl names for a kernel below: nothing reaches them here but the last, which takes
//! the place of musl's own and does nothing.

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .text.__muslin_no_kernel,"ax",@progbits
    .globl __muslin_passthrough_vfork
__muslin_passthrough_vfork:
    ud2
    .popsection

    .pushsection .text.__muslin_fill_descriptors,"ax",@progbits
    .globl __muslin_fill_descriptors
__muslin_fill_descriptors:
    ret
    .popsection
    "#
);
