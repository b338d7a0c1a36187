//! What is typed on the console, as on a terminal: the byte [`END`] is the end of the input, for good, and [`QUOTE`]
//! takes the byte behind it as it is. Xen's consoles know no end themselves.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::console_ring::{ConsoleRing, Daemon};

/// Control and D: nothing follows.
const END: u8 = 4;
/// Control and V: the next byte means nothing else.
const QUOTE: u8 = 22;

/// How far the reading is.
#[derive(Debug)]
pub struct Typed {
    is_over: AtomicBool,
    /// The next byte is quoted.
    is_quoted: AtomicBool,
}

impl Typed {
    /// Nothing was read yet.
    pub const fn new() -> Self {
        Self {
            is_over: AtomicBool::new(false),
            is_quoted: AtomicBool::new(false),
        }
    }

    /// Reads what is there; 0 is the end, unless it [is quiet](Self::is_quiet).
    pub fn read<D: Daemon>(&self, ring: &ConsoleRing<D>, bytes: &mut [u8]) -> usize {
        let mut kept = 0;
        while kept < bytes.len() && !self.is_quiet(ring) && !self.is_over.load(Ordering::Relaxed) {
            let room = &mut bytes[kept..];
            let got = ring.read(room);
            kept += self.take(&mut room[..got]);
        }
        kept
    }

    /// Whether nothing is there to be read, and something may come.
    pub fn is_quiet<D: Daemon>(&self, ring: &ConsoleRing<D>) -> bool {
        // A mark of quoting is no input.
        while !self.is_quoted.load(Ordering::Relaxed) && ring.first() == Some(QUOTE) {
            ring.read(&mut [0]);
            self.is_quoted.store(true, Ordering::Relaxed);
        }
        !self.is_over.load(Ordering::Relaxed) && ring.is_quiet()
    }

    /// Moves the input among these bytes to their beginning; how many there are of it.
    fn take(&self, bytes: &mut [u8]) -> usize {
        let mut kept = 0;
        for at in 0..bytes.len() {
            let byte = bytes[at];
            match (byte, self.is_quoted.swap(false, Ordering::Relaxed)) {
                (END, false) => {
                    self.is_over.store(true, Ordering::Relaxed);
                    break;
                }
                (QUOTE, false) => self.is_quoted.store(true, Ordering::Relaxed),
                _ => {
                    bytes[kept] = byte;
                    kept += 1;
                }
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;
    use std::vec::Vec;

    use super::*;
    use crate::hostile::Page;

    struct Nobody;

    impl Daemon for Nobody {
        fn tell(&self) {}
        fn give_way(&self) {}
    }

    /// What is read when this is typed in pieces, in reads of so many bytes; whether that was the end.
    fn read(pieces: &[&[u8]], len_bytes: usize) -> (Vec<u8>, bool) {
        let page = RefCell::new(Page::new());
        let pointer = page.borrow().pointer();
        // SAFETY: the page is the test's.
        let ring = unsafe { ConsoleRing::new(pointer, Nobody) };
        let typed = Typed::new();
        let mut text = Vec::new();
        for piece in pieces {
            crate::console_ring::tests::put(&page, piece);
            while !typed.is_quiet(&ring) {
                let mut room = std::vec![0; len_bytes];
                let got = typed.read(&ring, &mut room);
                text.extend_from_slice(&room[..got]);
                if got == 0 {
                    return (text, true);
                }
            }
        }
        (text, false)
    }

    #[test]
    fn the_end_is_what_is_typed_for_it() {
        for len_bytes in 1..8 {
            let read = |pieces: &[&[u8]]| read(pieces, len_bytes);
            assert_eq!(read(&[b"text"]), (b"text".to_vec(), false));
            assert_eq!(read(&[b"te", b"xt\x04more"]), (b"text".to_vec(), true));
            assert_eq!(read(&[b"\x04"]), (Vec::new(), true));
            assert_eq!(read(&[b""]), (Vec::new(), false));
        }
    }

    #[test]
    fn quoted_bytes_are_input() {
        let typed = b"a\x16\x04b\x16\x16c\x16d\x04";
        let meant = b"a\x04b\x16cd".to_vec();
        for len_bytes in 1..8 {
            for at in 0..typed.len() {
                let (first, second) = typed.split_at(at);
                assert_eq!(read(&[first, second], len_bytes), (meant.clone(), true));
            }
        }
    }
}
