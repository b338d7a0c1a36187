//! Members of libc.a for the network.
//!
//! `muslin-net.o` is crate `muslin-net`. musl's `socket` names [`SYMBOL`] by a relocation that changes
//! nothing (musl-patches/0016), so the linker takes the member for whoever calls `socket`, and with the
//! function drops it again: an image that makes no socket holds none of it. In a Linux process sockets
//! are the kernel's unless somebody says otherwise, so libc.a of that platform has an empty member in
//! front that answers to the same name; [`WANTED`] is defined by the other one alone.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::runtime::Object;
use crate::tool;

/// What `socket` names. Defined by hand, it keeps the network out of an image.
pub const SYMBOL: &str = "__muslin_sockets";
/// What takes the network into an image whoever else may define [`SYMBOL`].
pub const WANTED: &str = "__muslin_net";

/// The object's name in libc.a.
pub(crate) const MEMBER: &str = "muslin-net.o";
/// The name of the empty member that stands in its place.
pub(crate) const MEMBER_WITHOUT: &str = "muslin-no-net.o";

/// The source of the empty member. Weak, so that both may be there.
pub(crate) const WITHOUT: &str = "\
    .section .text.__muslin_sockets,\"ax\",@progbits
    .weak __muslin_sockets
    .hidden __muslin_sockets
__muslin_sockets:
    .section .note.GNU-stack,\"\",@progbits
";

/// The crate.
pub(crate) fn object() -> Object<'static> {
    Object {
        package: "muslin-net",
        features: &[],
        exports: vec![SYMBOL.to_owned(), WANTED.to_owned()],
        member: MEMBER,
    }
}

/// Assembles the empty member into `dir`.
pub(crate) fn assemble_without(dir: &Path) -> Result<(), Error> {
    let from = dir.join(MEMBER_WITHOUT).with_extension("s");
    std::fs::write(&from, WITHOUT).map_err(|why| Error::io("writing", &from, why))?;
    let mut assembler = Command::new("as");
    assembler.arg("-o").arg(dir.join(MEMBER_WITHOUT)).arg(&from);
    tool::output(&mut assembler, "assembling a member of libc.a with")?;
    Ok(())
}
