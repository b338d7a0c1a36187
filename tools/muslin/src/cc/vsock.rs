//! `--vsock`: whether an image has sockets of `AF_VSOCK`.

use muslin_sysroot::vsock;

use super::arguments::Arguments;
use crate::failure::Failure;
use crate::locate::Platform;

/// The option.
pub const OPTION: &str = "--vsock";

/// What tells the linker.
pub fn link_option(platform: Platform, arguments: &Arguments) -> Result<String, Failure> {
    if platform != Platform::Xen {
        return Err(Failure::usage(
            "--vsock: other guests of the same machine are there on Xen only",
            "leave it out, or say --platform xen",
        ));
    }
    if !arguments.linker_takes_script() {
        return Err(Failure::usage(
            "--vsock: this linker does not put these sockets before the program's own handlers",
            "use GNU ld: leave -fuse-ld out",
        ));
    }
    Ok(format!("-Wl,-u,{}", vsock::SYMBOL))
}
