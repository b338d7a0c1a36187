//! Members of libc.a that an image takes for calls whose numbers no slot names.
//!
//! `-u __muslin_every_number`: it answers every number. For programs with the instruction `syscall`, or
//! with calls of `syscall()` that nobody knows the numbers of. `-u __muslin_std_numbers`: it has slots
//! for the numbers that Rust's standard library makes by `syscall()`. Images without either answer the
//! numbers that their slots name.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::tool;

/// The symbol that takes the member for every number.
pub const SYMBOL: &str = "__muslin_every_number";
/// The symbol that takes the member for Rust's standard library.
pub const STD_SYMBOL: &str = "__muslin_std_numbers";

/// The members' names.
pub(crate) const MEMBERS: [&str; 2] = ["muslin-every-number.o", "muslin-std-numbers.o"];

/// The files of those standard libraries whose numbers are known: that of Rust 1.95. Images with
/// another answer every number.
pub const STD_FILES: [&str; 1] = ["libstd-286e4795762d614b.rlib"];

/// What these call by number: gettid, futex, getrandom, pidfd_send_signal, pidfd_open.
const STD_NUMBERS: [u32; 5] = [186, 202, 318, 424, 434];

/// Functions of the libc that these call if an image has them, and by number if not. The member names
/// them in a section that the linker drops: so they are there, each for code that calls it.
const STD_FUNCTIONS: [&str; 1] = ["copy_file_range"];

/// The code of the first, which holds the runtime's code for numbers and with it all handlers.
const EVERY_NUMBER: &str = "\
    .section .text.__muslin_every_number,\"ax\",@progbits
    .globl __muslin_every_number, __muslin_number_without_slot
    .hidden __muslin_every_number, __muslin_number_without_slot
    .type __muslin_every_number,@function
__muslin_every_number:
    jmp __muslin_dispatch
    .size __muslin_every_number, . - __muslin_every_number
    .type __muslin_number_without_slot,@function
__muslin_number_without_slot:
    jmp __muslin_by_number
    .size __muslin_number_without_slot, . - __muslin_number_without_slot
    .section .note.GNU-stack,\"\",@progbits
";

/// The sources, in the order of the members.
pub(crate) fn sources() -> [String; 2] {
    let mut slots = String::new();
    let mut names = String::new();
    for nr in STD_NUMBERS {
        // As call sites emit them: see musl-patches/0001.
        let _ = write!(
            slots,
            "    .section muslin_slots,\"awG\",@progbits,__muslin_slot_{nr},comdat
    .balign 16
    .weak __muslin_slot_{nr}
    .hidden __muslin_slot_{nr}
    .type __muslin_slot_{nr},@object
    .size __muslin_slot_{nr},16
__muslin_slot_{nr}:
    .quad __muslin_sys_{nr}, {nr}
    .hidden __muslin_sys_{nr}
"
        );
        let _ = writeln!(names, "    .quad __muslin_slot_{nr}");
    }
    let functions = STD_FUNCTIONS
        .map(|name| format!("    .quad {name}\n"))
        .concat();
    let std_numbers = format!(
        "{slots}\
    .section .data.rel.ro.__muslin_std_numbers,\"aw\",@progbits
    .globl __muslin_std_numbers
    .hidden __muslin_std_numbers
__muslin_std_numbers:
{names}\
    .section .rodata.__muslin_std_functions,\"a\",@progbits
{functions}\
    .section .note.GNU-stack,\"\",@progbits
"
    );
    [EVERY_NUMBER.to_owned(), std_numbers]
}

/// Assembles the members into `dir`.
pub(crate) fn assemble(dir: &Path) -> Result<(), Error> {
    for (member, source) in MEMBERS.iter().zip(sources()) {
        let from = dir.join(member).with_extension("s");
        std::fs::write(&from, source).map_err(|why| Error::io("writing", &from, why))?;
        let mut assembler = Command::new("as");
        assembler.arg("-o").arg(dir.join(member)).arg(&from);
        tool::output(&mut assembler, "assembling a member of libc.a with")?;
    }
    Ok(())
}
