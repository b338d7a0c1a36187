//! Text for the person in front: file descriptor 2, no buffer, no lock, past the table.

use crate::raw;
pub use crate::raw::{abort, write as print};

/// Writes one line and ends the process as abort(3) does: status 134 to a shell.
pub fn fatal(parts: &[&[u8]]) -> ! {
    print_line(parts);
    abort()
}

/// Writes one line and ends the process with status 1: what was asked for cannot be done.
pub fn refuse(parts: &[&[u8]]) -> ! {
    print_line(parts);
    raw::exit(1)
}

/// Writes one line.
pub fn print_line(parts: &[&[u8]]) {
    for part in parts {
        print(part);
    }
    print(b"\n");
}

/// A number in decimal, in `buffer`.
pub fn decimal(mut number: usize, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || at == 0 {
            return &buffer[at..];
        }
    }
}

/// A number in hexadecimal, in `buffer`.
#[cfg(feature = "bare")]
pub fn hexadecimal(mut number: usize, buffer: &mut [u8; 18]) -> &[u8] {
    let mut at = buffer.len();
    while number != 0 || at == buffer.len() {
        at -= 1;
        buffer[at] = b"0123456789abcdef"[number % 16];
        number /= 16;
    }
    buffer[at - 2..at].copy_from_slice(b"0x");
    &buffer[at - 2..]
}
