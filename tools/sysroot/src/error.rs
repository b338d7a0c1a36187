//! What can go wrong, each as one line that says what happened, to what, and what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a sysroot could not be made.
#[derive(Debug)]
pub enum Error {
    /// No tarball of musl where one is looked for.
    NoSource {
        /// The version wanted.
        version: &'static str,
        /// The file that was looked for.
        looked_for: PathBuf,
    },
    /// A tarball that is not the one upstream released.
    Checksum {
        /// The tarball.
        path: PathBuf,
        /// Its sha256, in hex.
        found: String,
        /// What it should have been.
        wanted: String,
    },
    /// A musl version that is not known here.
    UnknownVersion(String),
    /// The patch series cannot be read or does not apply.
    Patch {
        /// The patch's file name.
        patch: String,
        /// The file of musl that it did not fit.
        file: String,
        /// Why.
        why: String,
    },
    /// A program that is needed and not there.
    MissingTool {
        /// The program.
        tool: String,
        /// How to get it.
        remedy: &'static str,
    },
    /// A program that failed.
    FailedTool {
        /// What was being done.
        doing: String,
        /// What it said.
        said: String,
    },
    /// The environment or the repository lacks something.
    Setting(String),
    /// A file operation that failed.
    Io {
        /// What was being done, and to what.
        doing: String,
        /// Why it failed.
        why: io::Error,
    },
}

impl Error {
    pub(crate) fn io(doing: &str, path: &Path, why: io::Error) -> Error {
        Error::Io {
            doing: format!("{doing} {}", path.display()),
            why,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSource {
                version,
                looked_for,
            } => write!(
                f,
                "no source of musl {version}: {} does not exist; run `make setup` in Muslin's repository, or set MUSL_TARBALL=/path/to/musl-{version}.tar.gz",
                looked_for.display()
            ),
            Error::Checksum {
                path,
                found,
                wanted,
            } => write!(
                f,
                "{} has the wrong checksum: sha256 is {found}, wanted is {wanted}; remove it and run `make setup`, or set MUSL_TARBALL to upstream's file",
                path.display()
            ),
            Error::UnknownVersion(version) => write!(
                f,
                "MUSLIN_MUSL_VERSION={version}: only musl {} can be built",
                crate::source::known_versions()
            ),
            Error::Patch { patch, file, why } => {
                write!(f, "musl-patches/{patch} does not apply to {file}: {why}")
            }
            Error::MissingTool { tool, remedy } => {
                write!(f, "`{tool}` is needed and not installed: {remedy}")
            }
            Error::FailedTool { doing, said } => write!(f, "{doing} failed: {said}"),
            Error::Setting(text) => f.write_str(text),
            Error::Io { doing, why } => write!(f, "{doing}: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { why, .. } => Some(why),
            _ => None,
        }
    }
}
