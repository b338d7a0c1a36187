//! `--device`: the devices that an image declares, in a note of its own.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use muslin_sysroot::manifest::{self, DEVICES_MAX, Device};
use tempfile::TempDir;

use crate::failure::{Failure, one_line};
use crate::locate::Platform;

/// The environment variable with more of them, separated by commas; `muslin cargo --device` sets it.
pub const DEVICES_VARIABLE: &str = "MUSLIN_DEVICES";

/// The source's name in its directory.
const SOURCE: &str = "devices.s";

/// The words of the option and of the variable.
pub fn words(of_option: &[OsString]) -> Vec<OsString> {
    let of_variable = env::var_os(DEVICES_VARIABLE).unwrap_or_default();
    let of_variable = of_variable.to_string_lossy();
    let of_variable = of_variable.split(',').filter(|word| !word.is_empty());
    of_option
        .iter()
        .cloned()
        .chain(of_variable.map(OsString::from))
        .collect()
}

/// The devices that these words mean to an image for `platform`.
pub fn parse(words: &[OsString], platform: Platform) -> Result<Vec<Device>, Failure> {
    if !words.is_empty() && platform == Platform::Linux {
        return Err(Failure::usage(
            "--device: a Linux process has the host's devices",
            "leave it out, or say --platform solo5-spt",
        ));
    }
    if !words.is_empty() && platform == Platform::Xen {
        return Err(Failure::usage(
            "--device: a guest of Xen has the devices of its configuration",
            "leave it out",
        ));
    }
    let mut devices: Vec<Device> = Vec::new();
    for word in words {
        let word = word.to_string_lossy();
        let Some(device) = Device::of_word(&word) else {
            return Err(Failure::usage(
                format_args!(
                    "--device wants NAME=block or NAME=net, not '{}'",
                    one_line(&word)
                ),
                "name the device by at most 67 letters and digits",
            ));
        };
        if devices.iter().any(|other| other.name == device.name) {
            return Err(Failure::usage(
                format_args!("device '{}' is declared twice", device.name),
                "declare each device once",
            ));
        }
        devices.push(device);
    }
    if devices.len() > DEVICES_MAX {
        return Err(Failure::usage(
            format_args!(
                "an image cannot declare {} devices, only {DEVICES_MAX}",
                devices.len()
            ),
            "leave some out",
        ));
    }
    Ok(devices)
}

/// The note as a source for the assembler. It lives as long as this value.
pub struct Note {
    dir: TempDir,
}

impl Note {
    /// Writes it.
    pub fn new(devices: &[Device]) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new()
            .prefix("muslin-devices-")
            .tempdir()
            .and_then(|dir| {
                fs::write(dir.path().join(SOURCE), manifest::source(devices)).map(|()| dir)
            });
        dir.map(|dir| Self { dir })
            .map_err(|error| Failure::file("write", Path::new(SOURCE), &error))
    }

    /// The file for the compiler's line.
    pub fn source(&self) -> PathBuf {
        self.dir.path().join(SOURCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Option<String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words, Platform::Solo5Spt)
            .err()
            .and_then(|failure| failure.line)
    }

    #[test]
    fn each_device_is_declared_once_by_a_good_name() {
        assert_eq!(line(&["service=net", "storage=block"]), None);
        assert_eq!(
            line(&["a=block", "a=net"]).as_deref(),
            Some("device 'a' is declared twice; declare each device once")
        );
        for wrong in ["", "a", "a=", "=net", "a b=net", "a=disk"] {
            let line = line(&[wrong]).unwrap_or_default();
            assert!(
                line.starts_with("--device wants NAME=block or NAME=net, not '"),
                "{line}"
            );
        }
        let many: Vec<String> = (0..64).map(|i| format!("d{i}=block")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(line(&many[..63]), None);
        assert!(line(&many).is_some());
    }
}
