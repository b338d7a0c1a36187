//! The note by which an image of Solo5 declares its devices, as a source for the assembler.
//!
//! libc.a has one without devices; the linker takes another that defines the same symbol instead.
//!
//! Source: Solo5 0.12.1 `include/mft_abi.h`.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use muslin_abi::net_device::OFFLOAD_UNDERSTOOD;

use crate::error::Error;
use crate::tool;

/// The most devices that a manifest holds.
pub const DEVICES_MAX: usize = 63;
/// The longest name of a device.
pub const NAME_BYTES_MAX: usize = 67;

/// The member's name in libc.a.
pub(crate) const MEMBER: &str = "muslin-manifest.o";

/// A device that an image declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Letters and digits, at most [`NAME_BYTES_MAX`].
    pub name: String,
    /// What kind of device.
    pub kind: Kind,
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A block device.
    Block,
    /// A network device.
    Net,
}

impl Device {
    /// The device that a word `NAME=block` or `NAME=net` means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let (name, kind) = word.split_once('=')?;
        let kind = match kind {
            "block" => Kind::Block,
            "net" => Kind::Net,
            _ => return None,
        };
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| Self {
            name: name.to_owned(),
            kind,
        })
    }
}

/// The note that declares these devices.
#[must_use]
pub fn source(devices: &[Device]) -> String {
    let entries = 1 + devices.len();
    // An alignment that no other note has, or the linker puts it behind another in one PT_NOTE.
    let mut text = format!(
        ".section .note.solo5.manifest,\"a\",@note\n.balign 32\n\
         .globl __muslin_manifest\n.hidden __muslin_manifest\n__muslin_manifest:\n\
         .long 6, 4 + 8 + 104 * {entries}, 0x3154464d\n.ascii \"Solo5\\0\\0\\0\"\n.long 0\n\
         .long 1, {entries}\n.zero 68\n.long 1 << 30\n.zero 32\n"
    );
    for Device { name, kind } in devices {
        // A network device says that the image understands frames that leave work to the tender: the platform
        // hides them from programs that do not.
        let (number, understood) = match kind {
            Kind::Block => (1, 0),
            Kind::Net => (2, OFFLOAD_UNDERSTOOD),
        };
        let rest = NAME_BYTES_MAX + 1 - name.len();
        let _ = writeln!(
            text,
            ".ascii \"{name}\"\n.zero {rest}\n.long {number}\n.zero 8\n.short {understood}\n.zero 22"
        );
    }
    text + ".section .note.GNU-stack,\"\",@progbits\n"
}

/// Assembles the note without devices into `dir`.
pub(crate) fn assemble(dir: &Path) -> Result<(), Error> {
    let from = dir.join("manifest.s");
    std::fs::write(&from, source(&[])).map_err(|why| Error::io("writing", &from, why))?;
    let mut assembler = Command::new("as");
    assembler.arg("-o").arg(dir.join(MEMBER)).arg(&from);
    tool::output(&mut assembler, "assembling the manifest with")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_name_and_a_kind() {
        let device = Device::of_word("storage=block");
        assert_eq!(
            device,
            Some(Device {
                name: "storage".to_owned(),
                kind: Kind::Block
            })
        );
        let long = format!("{}=net", "a".repeat(68));
        for wrong in [
            "",
            "storage",
            "=block",
            "a b=block",
            "a=disk",
            "a=block=b",
            &long,
        ] {
            assert_eq!(Device::of_word(wrong), None, "{wrong}");
        }
    }
}
