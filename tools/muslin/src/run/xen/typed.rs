//! Input as it is typed on the console of a guest of Xen, which has no end of its own: the byte [`END`] ends it, and
//! [`QUOTE`] stands before bytes that would mean something.

use std::io::{self, Read};

/// Control and D, as on a terminal.
const END: u8 = 4;
/// Control and V.
const QUOTE: u8 = 22;

/// What to type, so that this is read.
pub struct Typed<R> {
    input: R,
    /// It has ended, and that was said.
    is_over: bool,
}

impl<R: Read> Typed<R> {
    /// Of this input.
    pub fn new(input: R) -> Self {
        Self {
            input,
            is_over: false,
        }
    }
}

impl<R: Read> Read for Typed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.is_over || bytes.len() < 2 {
            return Ok(0);
        }
        // Each of them may become two.
        let mut piece = vec![0; bytes.len() / 2];
        let got = self.input.read(&mut piece)?;
        if got == 0 {
            self.is_over = true;
            bytes[0] = END;
            return Ok(1);
        }
        let mut len = 0;
        for &byte in &piece[..got] {
            if matches!(byte, END | QUOTE) {
                bytes[len] = QUOTE;
                len += 1;
            }
            bytes[len] = byte;
            len += 1;
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_typed_and_what_looks_like_it_is_quoted() {
        for (input, expected) in [
            (&b""[..], &b"\x04"[..]),
            (b"text\n", b"text\n\x04"),
            (b"\x04a\x16", b"\x16\x04a\x16\x16\x04"),
        ] {
            for len in 2..9 {
                let (mut typed, mut text) = (Typed::new(input), Vec::new());
                let mut bytes = vec![0; len];
                while let Ok(got @ 1..) = typed.read(&mut bytes) {
                    text.extend_from_slice(&bytes[..got]);
                }
                assert_eq!(text, expected);
            }
        }
    }
}
