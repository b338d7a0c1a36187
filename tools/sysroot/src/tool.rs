//! The programs that a build runs, and how they fail.

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};

use crate::error::Error;

/// How to get the compiler and binutils.
const REMEDY_GCC: &str = "on Debian or Ubuntu, apt-get install gcc binutils";
/// How to get cargo and rustc.
const REMEDY_RUST: &str = "install Rust by rustup (https://rustup.rs)";

/// The C compiler and binutils.
pub(crate) struct Toolchain {
    /// `$CC`, else `gcc`.
    pub(crate) compiler: OsString,
    /// What it says of itself.
    pub(crate) compiler_version: String,
    /// What the linker says of itself.
    pub(crate) linker_version: String,
}

impl Toolchain {
    /// Finds the compiler and asks for its version.
    ///
    /// # Errors
    /// A tool is missing.
    pub(crate) fn find() -> Result<Toolchain, Error> {
        let compiler = env::var_os("CC")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "gcc".into());
        Ok(Toolchain {
            compiler_version: output(Command::new(&compiler).arg("--version"), "asking for")?,
            linker_version: output(Command::new("ld").arg("--version"), "asking for")?,
            compiler,
        })
    }
}

/// Runs a command and gives back what it wrote to stdout; `doing` names the step in an error.
///
/// # Errors
/// The program is missing, or it failed.
pub(crate) fn output(command: &mut Command, doing: &str) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let result = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => Error::MissingTool {
                remedy: match program.as_str() {
                    "cargo" | "rustc" => REMEDY_RUST,
                    _ => REMEDY_GCC,
                },
                tool: program.clone(),
            },
            _ => Error::Io {
                doing: format!("running {program}"),
                why,
            },
        })?;
    if result.status.success() {
        return Ok(String::from_utf8_lossy(&result.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&result.stderr);
    Err(Error::FailedTool {
        doing: format!("{doing} {program}"),
        said: match said.trim() {
            "" => result.status.to_string(),
            said => said.to_owned(),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_remedy() {
        let error = output(&mut Command::new("muslin-no-such-gcc"), "running")
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "`muslin-no-such-gcc` is needed and not installed: on Debian or Ubuntu, apt-get install gcc binutils"
        );
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let error = output(
            Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"]),
            "looking with",
        )
        .err()
        .unwrap();
        assert_eq!(error.to_string(), "looking with sh failed: no such thing");
    }
}
