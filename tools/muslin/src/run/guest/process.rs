//! A guest's image as a process of Linux: the options of guests reach it by its environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use super::{DIRECTORY_VARIABLE, GuestArgs, HOST_NAME_VARIABLE, variables};
use crate::archive::Archive;
use crate::check::image::runtime_notes_in;
use crate::failure::{Failure, shown};

/// The variables that the image reads: its memory in MiB, and the file of its root directory.
const MEMORY_VARIABLE: &str = "MUSLIN_MEM";
const INITRD_VARIABLE: &str = "MUSLIN_INITRD";

/// What starts the process, and the archive that must be there meanwhile.
pub fn command(
    mut command: Command,
    image: &Path,
    bytes: &[u8],
    args: &GuestArgs,
) -> Result<(Command, Option<Archive>), Failure> {
    if runtime_notes_in(bytes) == 0 {
        return Err(Failure::new(
            format_args!("{} is not an image of Muslin: no process", shown(image)),
            "run it without --platform",
        ));
    }
    if let Some(option) = args.for_tender() {
        return Err(Failure::usage(
            format_args!("{option}: a process has no tender and no devices"),
            "leave it out, or --platform linux",
        ));
    }
    let initrd = args.initrd.as_deref().map(Archive::new).transpose()?;
    command.env_clear().envs(variables(args)?);
    let memory = args.mem.map(|mib| OsString::from(mib.to_string()));
    for (name, value) in [
        (MEMORY_VARIABLE, memory.as_deref()),
        (DIRECTORY_VARIABLE, args.cwd.as_deref()),
        (HOST_NAME_VARIABLE, args.hostname.as_deref()),
        (
            INITRD_VARIABLE,
            initrd.as_ref().map(|archive| archive.path().as_os_str()),
        ),
    ] {
        if let Some(value) = value {
            command.env(OsStr::new(name), value);
        }
    }
    Ok((command, initrd))
}
