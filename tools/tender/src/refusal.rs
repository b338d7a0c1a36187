//! Why a guest is not started.

use std::fmt;
use std::io;

/// Why a guest is not started: one line, whatever the image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What happened, to what.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Refusal {
    pub(crate) fn new(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self {
            what: one_line(&what.to_string()),
            remedy: one_line(&remedy.to_string()),
        }
    }

    /// The image cannot be what it claims to be.
    pub(crate) fn of_image(what: impl fmt::Display) -> Self {
        Self::new(what, "link it again with muslin cc or muslin cargo")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for Refusal {}

/// Escapes what would break a line or a terminal.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// The system's words for an error without the number that Rust adds.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
