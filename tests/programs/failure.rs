//! What went wrong in a test, in one text, or why it cannot be run here.

use std::fmt;
use std::path::Path;

/// A step that was not taken.
#[derive(Clone, Debug)]
pub struct Failure {
    text: String,
    /// The machine lacks something; nothing is wrong with what is tested.
    pub is_skip: bool,
}

/// The result of a step.
pub type Step<T> = Result<T, Failure>;

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl fmt::Display) -> Failure {
        Failure {
            text: text.to_string(),
            is_skip: false,
        }
    }

    /// A test that cannot be run on this machine, and why.
    pub fn skip(why: impl fmt::Display) -> Failure {
        Failure {
            text: format!("skipped: {why}"),
            is_skip: true,
        }
    }

    /// A failure of the system below: what was done, to which file, and why it failed.
    pub fn io(doing: &str, path: &Path, why: &std::io::Error) -> Failure {
        Failure::new(format_args!("{doing} {}: {why}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}
