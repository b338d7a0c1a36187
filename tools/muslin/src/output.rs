//! Standard output: written in whole, and quiet when the reader has gone away.

use std::io::{self, Write};

use crate::failure::{Failure, reason};

/// Writes a text to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::broken_pipe()),
        Err(error) => Err(Failure::new(
            format_args!("cannot write to standard output: {}", reason(&error)),
            "check where the output goes",
        )),
    }
}

/// Writes a line to standard error, preceded by the program's name; nobody is left to tell if that fails.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "muslin: {line}");
}

/// Writes a text to standard error; nobody is left to tell if that fails.
pub fn print_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
