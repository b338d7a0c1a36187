//! Where the built programs are: `tests/programs/build.sh` builds what the cache does not have.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Step};

/// Names the directory that all programs were taken to, where nothing can be built.
pub const TAKEN: &str = "MUSLIN_TEST_PROGRAMS";

/// The script's exit code when the machine lacks what a program needs.
const LACKS_SOMETHING: i32 = 77;

/// Which libc a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// musl as upstream released it.
    Stock,
    /// Muslin's, whose calls go through the table.
    Muslin,
    /// Muslin's library OS, for Solo5's spt.
    Solo5Spt,
    /// The same, for Xen.
    Xen,
}

impl Flavour {
    /// The sysroot that `make` lays out.
    pub fn sysroot(self) -> PathBuf {
        repository().join("out").join(self.name())
    }

    /// The name of that sysroot.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Stock => "stock",
            Flavour::Muslin => "linux",
            Flavour::Solo5Spt => "solo5-spt",
            Flavour::Xen => "xen",
        }
    }
}

/// This repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory with the executables of a program, built if need be.
pub fn program(name: &str, flavour: Flavour) -> Step<PathBuf> {
    if let Some(taken) = env::var_os(TAKEN) {
        return Ok(Path::new(&taken).join(place_of(name, flavour)));
    }
    build(name, flavour, &[])
}

/// Where a program is in the directory that [`TAKEN`] names.
pub fn place_of(name: &str, flavour: Flavour) -> String {
    format!("{}/{name}", flavour.name())
}

/// The same, with Muslin's network stack: guests of Solo5 declare a device for it.
pub fn with_network(name: &str, flavour: Flavour) -> Step<PathBuf> {
    if env::var_os(TAKEN).is_some() {
        return program(name, flavour);
    }
    let variables: &[_] = match flavour {
        Flavour::Stock | Flavour::Xen => &[],
        Flavour::Muslin => &[("MUSLIN_NETWORK", "stack")],
        Flavour::Solo5Spt => &[("MUSLIN_DEVICES", "service=net")],
    };
    build(name, flavour, variables)
}

fn build(name: &str, flavour: Flavour, variables: &[(&str, &str)]) -> Step<PathBuf> {
    let sysroot = flavour.sysroot();
    if !sysroot.join("lib/libc.a").is_file() {
        return Err(Failure::new(format_args!(
            "no sysroot in {}: run `make all stock guests` first",
            sysroot.display()
        )));
    }
    let script = repository().join("tests/programs/build.sh");
    let output = Command::new(&script)
        .arg(&sysroot)
        .arg(name)
        .envs(variables.iter().copied())
        .output()
        .map_err(|why| Failure::io("starting", &script, &why))?;
    let said = String::from_utf8_lossy(&output.stderr);
    eprint!("{said}");
    if output.status.code() == Some(LACKS_SOMETHING) {
        return Err(Failure::skip(said.lines().last().unwrap_or(name)));
    }
    if !output.status.success() {
        return Err(Failure::new(format_args!(
            "{name} could not be built against {} ({}):\n{said}",
            sysroot.display(),
            output.status
        )));
    }
    let dir = String::from_utf8_lossy(&output.stdout);
    Ok(PathBuf::from(dir.trim_end()))
}
