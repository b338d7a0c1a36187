//! Where the sysroot is: said by the user, or found beside the command itself.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use muslin_abi::Sysno;
use muslin_runtime::support::Support;
use muslin_runtime::table;
use muslin_tender::image::Target;

use crate::failure::{Failure, one_line, shown};

/// The environment variable that names a sysroot.
pub const SYSROOT_VARIABLE: &str = "MUSLIN_SYSROOT";

/// What an image can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A Linux process: calls without a handler go to the kernel.
    Linux,
    /// A guest of Solo5's spt tender: calls go to the library OS in the image.
    Solo5Spt,
    /// A guest of Solo5's hvt tender, a virtual machine: the same library OS.
    Solo5Hvt,
    /// Whatever runs it: a tender that takes spt's images, or Linux, as a process.
    Any,
    /// A guest of Xen: the same library OS.
    Xen,
}

impl Platform {
    /// All platforms of this version.
    pub const ALL: &[Self] = &[
        Self::Linux,
        Self::Solo5Spt,
        Self::Solo5Hvt,
        Self::Any,
        Self::Xen,
    ];

    /// The platform with this name.
    pub fn named(name: &OsStr) -> Result<Self, Failure> {
        match Self::ALL.iter().find(|platform| name == platform.name()) {
            Some(&platform) => Ok(platform),
            None => Err(Failure::usage(
                format_args!("unknown platform '{}'", one_line(&name.to_string_lossy())),
                format_args!("this version knows: {}", Self::names()),
            )),
        }
    }

    /// Its name, which is also the name of its sysroot's directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Solo5Spt => "solo5-spt",
            Self::Solo5Hvt => "solo5-hvt",
            Self::Any => "any",
            Self::Xen => "xen",
        }
    }

    /// What `make` calls it.
    pub const fn make_name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Solo5Spt | Self::Solo5Hvt => "solo5",
            Self::Any => "any",
            Self::Xen => "xen",
        }
    }

    /// Must an image lie where it was linked for?
    pub const fn is_fixed(self) -> bool {
        !matches!(self, Self::Linux)
    }

    /// The tender that an image asks for.
    pub const fn target(self) -> Option<Target> {
        match self {
            Self::Linux | Self::Xen => None,
            Self::Solo5Spt | Self::Any => Some(Target::Spt),
            Self::Solo5Hvt => Some(Target::Hvt),
        }
    }

    /// How well this platform supports a call.
    pub fn support(self, nr: Sysno) -> Support {
        table::line(nr).map_or(table::UNKNOWN, |line| match self {
            Self::Linux => line.support,
            Self::Solo5Spt | Self::Solo5Hvt | Self::Any | Self::Xen => line.bare_support,
        })
    }

    /// Can an image protect the pages of its table once it runs?
    pub const fn seals(self) -> bool {
        matches!(self, Self::Linux | Self::Solo5Hvt | Self::Xen)
    }

    /// The platform with this number in the image's note, and this target in that of Solo5.
    pub fn noted(number: u32, target: Option<Target>) -> Option<Self> {
        match (number, target) {
            (0, _) => Some(Self::Linux),
            (1, Some(Target::Hvt)) => Some(Self::Solo5Hvt),
            (1, _) => Some(Self::Solo5Spt),
            (2, _) => Some(Self::Xen),
            _ => None,
        }
    }

    fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|platform| platform.name()).collect();
        names.join(", ")
    }
}

/// A directory with `include/` and `lib/`, as `make` lays it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysroot {
    /// The directory itself, absolute.
    pub dir: PathBuf,
}

impl Sysroot {
    /// The sysroot in a directory that the user named.
    pub fn at(dir: &Path, said_by: &str) -> Result<Self, Failure> {
        match missing_piece(dir) {
            None => Ok(Self {
                dir: fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf()),
            }),
            Some(piece) => Err(Failure::new(
                format_args!("{said_by} names {}, which has no {piece}", shown(dir)),
                "name a directory made by make PLATFORM=linux",
            )),
        }
    }

    /// The directory of the libraries.
    pub fn lib(&self) -> PathBuf {
        self.dir.join("lib")
    }

    /// The linker script that keeps the slots sealed and exact; a stock sysroot has none.
    pub fn linker_script(&self) -> Option<PathBuf> {
        let script = self.lib().join("muslin.ld");
        script.is_file().then_some(script)
    }

    /// What the images of this sysroot run on; a stock one does not say, and its images are
    /// processes of Linux.
    pub fn platform(&self) -> Platform {
        let name = fs::read_to_string(self.lib().join("muslin-platform")).unwrap_or_default();
        Platform::ALL
            .iter()
            .copied()
            .find(|platform| platform.name() == name.trim())
            .unwrap_or(Platform::Linux)
    }

    /// The compiler driver that belongs to this sysroot.
    pub fn driver(&self) -> Result<PathBuf, Failure> {
        let driver = self.dir.join("bin/muslin-cc");
        if driver.is_file() {
            return Ok(driver);
        }
        Err(Failure::new(
            format_args!("the sysroot {} has no bin/muslin-cc", shown(&self.dir)),
            "make it again with make PLATFORM=linux",
        ))
    }
}

/// Finds the sysroot: the user's option, then [`SYSROOT_VARIABLE`], then beside the command.
///
/// `invoked_as` is the path the command was called by, when that says something: `muslin-cc` is a
/// symbolic link inside the sysroot it belongs to.
pub fn sysroot(
    platform: Platform,
    option: Option<&Path>,
    invoked_as: Option<&OsStr>,
) -> Result<Sysroot, Failure> {
    if let Some(dir) = option {
        return Sysroot::at(dir, "--muslin-sysroot");
    }
    if let Some(dir) = env::var_os(SYSROOT_VARIABLE).filter(|dir| !dir.is_empty()) {
        return Sysroot::at(Path::new(&dir), SYSROOT_VARIABLE);
    }
    let mut places = Vec::new();
    if let Some(path) = invoked_as.and_then(program_path) {
        add_links(path, &mut places);
    }
    if let Ok(path) = env::current_exe() {
        add_links(path, &mut places);
    }
    let tried: Vec<PathBuf> = places
        .iter()
        .filter_map(|program| program.parent())
        .flat_map(|bin| candidates(bin, platform))
        .collect();
    match tried.iter().find(|dir| missing_piece(dir).is_none()) {
        Some(dir) => Ok(Sysroot {
            dir: fs::canonicalize(dir).unwrap_or_else(|_| dir.clone()),
        }),
        None => Err(Failure::new(
            format_args!(
                "no sysroot for platform {} beside this command",
                platform.name()
            ),
            format_args!(
                "run make PLATFORM={}, or set {SYSROOT_VARIABLE}",
                platform.make_name()
            ),
        )),
    }
}

/// The layouts: `out/bin` beside `out/linux`; an installed prefix; `bin` inside the sysroot.
fn candidates(bin: &Path, platform: Platform) -> [PathBuf; 3] {
    [
        bin.join("..").join(platform.name()),
        bin.join("../lib/muslin").join(platform.name()),
        bin.join(".."),
    ]
}

/// The first piece that a musl sysroot must have and this directory has not.
///
/// `bits/alltypes.h` tells musl's headers from those of a host's own libc.
fn missing_piece(dir: &Path) -> Option<&'static str> {
    ["include/bits/alltypes.h", "lib/libc.a", "lib/crt1.o"]
        .into_iter()
        .find(|piece| !dir.join(piece).is_file())
}

/// The file a program name stands for: itself when it has a slash, else the first in PATH.
fn program_path(name: &OsStr) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return Some(path.to_path_buf());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(path))
        .find(|candidate| candidate.is_file())
}

/// The path, and each path it links to in turn.
fn add_links(mut path: PathBuf, places: &mut Vec<PathBuf>) {
    const LINKS_MAX: usize = 16;
    for _ in 0..LINKS_MAX {
        let next = fs::read_link(&path).ok().map(|target| match path.parent() {
            Some(parent) => parent.join(target),
            None => target,
        });
        places.push(path);
        match next {
            Some(target) => path = target,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_platform_is_named_with_the_known_ones() {
        let failure = Platform::named(OsStr::new("vax")).map_or_else(|f| f.line, |_| None);
        assert_eq!(
            failure.as_deref(),
            Some(
                "unknown platform 'vax'; this version knows: linux, solo5-spt, solo5-hvt, any, xen"
            )
        );
    }

    #[test]
    fn a_directory_that_is_no_sysroot_is_refused_by_name() {
        let failure =
            Sysroot::at(Path::new("/proc"), "--muslin-sysroot").map_or_else(|f| f.line, |_| None);
        assert_eq!(
            failure.as_deref(),
            Some(
                "--muslin-sysroot names /proc, which has no include/bits/alltypes.h; \
                 name a directory made by make PLATFORM=linux"
            )
        );
    }
}
