//! Where the built programs are: `tests/programs/build.sh` builds what the cache does not have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Step};

/// Which libc a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// musl as upstream released it.
    Stock,
    /// Muslin's, whose calls go through the table.
    Muslin,
}

impl Flavour {
    /// The sysroot that `make all stock` lays out.
    pub fn sysroot(self) -> PathBuf {
        repository().join(match self {
            Flavour::Stock => "out/stock",
            Flavour::Muslin => "out/linux",
        })
    }
}

/// This repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory with the executables of a program, built if need be.
pub fn program(name: &str, flavour: Flavour) -> Step<PathBuf> {
    let sysroot = flavour.sysroot();
    if !sysroot.join("lib/libc.a").is_file() {
        return Err(Failure::new(format_args!(
            "no sysroot in {}: run `make all stock` first",
            sysroot.display()
        )));
    }
    let script = repository().join("tests/programs/build.sh");
    let output = Command::new(&script)
        .arg(&sysroot)
        .arg(name)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| Failure::io("starting", &script, &why))?;
    if !output.status.success() {
        return Err(Failure::new(format_args!(
            "{name} could not be built against {} ({}); the lines above say why",
            sysroot.display(),
            output.status
        )));
    }
    let dir = String::from_utf8_lossy(&output.stdout);
    Ok(PathBuf::from(dir.trim_end()))
}
