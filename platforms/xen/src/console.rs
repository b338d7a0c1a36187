//! Text out: for a machine's first guest by a hypercall, which prints what it is given.

use crate::abi::{console, nr};
use crate::hypercall::ask;

/// Bytes that go in one hypercall.
const CHUNK_BYTES: usize = 512;

/// Writes all of it, as far as Xen takes it; the number of bytes taken.
pub fn write(bytes: &[u8]) -> usize {
    let mut taken = 0;
    for part in bytes.chunks(CHUNK_BYTES) {
        // Xen does not wait for memory that comes when it is touched: this touches it.
        let mut copy = [0; CHUNK_BYTES];
        copy[..part.len()].copy_from_slice(part);
        let arguments = [console::WRITE, part.len(), copy.as_ptr() as usize, 0, 0];
        // SAFETY: the text is readable.
        if unsafe { ask(nr::CONSOLE_IO, arguments) }.is_err() {
            break;
        }
        taken += part.len();
    }
    taken
}
