//! A member of libc.a that an image takes when it is to answer every number: `-u __muslin_every_number`.
//!
//! Calls by the instruction `syscall` name no slot, so images without the member answer those numbers
//! that their slots name.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::tool;

/// The symbol that takes the member.
pub const SYMBOL: &str = "__muslin_every_number";

/// The member's name.
pub(crate) const MEMBER: &str = "muslin-every-number.o";

/// Its code, which holds the runtime's code for numbers and with it all handlers.
pub(crate) const SOURCE: &str = "\
    .section .text.__muslin_every_number,\"ax\",@progbits
    .globl __muslin_every_number
    .hidden __muslin_every_number
    .type __muslin_every_number,@function
__muslin_every_number:
    jmp __muslin_dispatch
    .size __muslin_every_number, . - __muslin_every_number
    .section .note.GNU-stack,\"\",@progbits
";

/// Assembles the member into `dir`.
pub(crate) fn assemble(dir: &Path) -> Result<(), Error> {
    let from = dir.join("every-number.s");
    std::fs::write(&from, SOURCE).map_err(|why| Error::io("writing", &from, why))?;
    let mut assembler = Command::new("as");
    assembler.arg("-o").arg(dir.join(MEMBER)).arg(&from);
    tool::output(&mut assembler, "assembling a member of libc.a with")?;
    Ok(())
}
