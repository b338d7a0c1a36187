//! Printing from any handler.

use core::fmt;

use crate::ffi;

/// The longest line, its end and a zero behind it.
const LINE_BYTES: usize = 257;

/// A line that is being put together on the stack, and goes out when it is dropped; what does not
/// fit is cut. For `print!`.
pub struct Line {
    bytes: [u8; LINE_BYTES],
    len_bytes: usize,
}

impl Line {
    /// Writes one line.
    pub fn print(text: fmt::Arguments<'_>) {
        let mut line = Self {
            bytes: [0; LINE_BYTES],
            len_bytes: 0,
        };
        // A line that is too long is cut, which is not an error of the caller's.
        let _ = fmt::Write::write_fmt(&mut line, text);
        line.bytes[line.len_bytes] = b'\n';
        // SAFETY: bytes with a zero behind them, as the buffer began with zeros and has two more.
        unsafe { ffi::muslin_print(line.bytes.as_ptr().cast()) };
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len_bytes..LINE_BYTES - 2];
        let fits = text.len().min(room.len());
        room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len_bytes += fits;
        if fits < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

/// Prints a line of at most 255 bytes to standard error: no lock, no buffer, no allocation, past
/// the table. Safe in every handler.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::Line::print(::core::format_args!($($argument)*))
    };
}
