//! What every subcommand answers when it cannot do its work: one line and an exit code.

use std::fmt;
use std::io;
use std::path::Path;

/// The exit code of wrong usage.
pub const USAGE: u8 = 2;

/// Why a subcommand stopped. Printed as `muslin: <what happened, to what>; <what to do>`.
#[derive(Debug)]
pub struct Failure {
    /// The exit code of the process.
    pub code: u8,
    /// The line without the program's name; `None` ends quietly, as after a broken pipe.
    pub line: Option<String>,
}

impl Failure {
    /// A failure with exit code 1: what happened to what, and what to do about it.
    pub fn new(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self {
            code: 1,
            line: Some(format!("{what}; {remedy}")),
        }
    }

    /// Wrong usage: exit code 2.
    pub fn usage(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(what, remedy).with_code(USAGE)
    }

    /// The end of a process whose reader went away: no line, and the code a shell shows for SIGPIPE.
    pub fn broken_pipe() -> Self {
        Self {
            code: 128 + 13,
            line: None,
        }
    }

    /// Something that cannot be done with a file, with the system's own reason.
    pub fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check its permissions",
            _ => "try another file or place",
        };
        Self::new(
            format_args!("cannot {verb} {}: {}", shown(path), reason(error)),
            remedy,
        )
    }

    /// The same failure with another exit code.
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

/// A path for a message: always one line, whatever bytes are in it.
pub fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// A text for a message: control characters are escaped.
pub fn one_line(text: &str) -> String {
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
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => one_line(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_line_break_stays_on_one_line() {
        assert_eq!(shown(Path::new("a\nb\x1b[0m")), "a\\nb\\u{1b}[0m");
    }

    #[test]
    fn the_number_of_an_os_error_is_left_out() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
    }
}
