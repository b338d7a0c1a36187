//! What went wrong in a test, in one text.

use std::fmt;
use std::path::Path;

/// A failed step.
#[derive(Debug)]
pub struct Failure(String);

/// The result of a step.
pub type Step<T> = Result<T, Failure>;

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl fmt::Display) -> Failure {
        Failure(text.to_string())
    }

    /// A failure of the system below: what was done, to which file, and why it failed.
    pub fn io(doing: &str, path: &Path, why: &std::io::Error) -> Failure {
        Failure(format!("{doing} {}: {why}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
