//! The console of a guest below another: a ring of bytes each way, which dom0's console daemon serves.
//!
//! Source: Xen 4.17 `xen/include/public/io/console.h`.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use crate::abi::xencons_interface;
use crate::hypercall;

/// Where the two rings are, and their bytes.
const IN_AT: usize = offset_of!(xencons_interface, in_);
const OUT_AT: usize = offset_of!(xencons_interface, out);
const IN_BYTES: usize = OUT_AT - IN_AT;
const OUT_BYTES: usize = IN_TAKEN - OUT_AT;
/// The words that count their bytes: taken and made.
const IN_TAKEN: usize = offset_of!(xencons_interface, in_cons);
const IN_MADE: usize = offset_of!(xencons_interface, in_prod);
const OUT_TAKEN: usize = offset_of!(xencons_interface, out_cons);
const OUT_MADE: usize = offset_of!(xencons_interface, out_prod);

/// How the daemon is told, and how it gets the processor.
pub trait Daemon {
    /// Tells it of bytes, or of room.
    fn tell(&self);
    /// Lets others run for a moment.
    fn give_way(&self);
}

/// The daemon behind a port.
#[derive(Clone, Copy, Debug)]
pub struct Port(pub u32);

impl Daemon for Port {
    fn tell(&self) {
        // A console that cannot be told has nobody to complain to.
        let _ = hypercall::notify(self.0);
    }
    fn give_way(&self) {
        hypercall::give_way();
    }
}

/// A console.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleRing<D> {
    page: *mut u8,
    daemon: D,
}

impl<D: Daemon> ConsoleRing<D> {
    /// The console in this page.
    ///
    /// # Safety
    /// The page is writable and nobody else's but the daemon's, for ever.
    pub unsafe fn new(page: *mut u8, daemon: D) -> Self {
        Self { page, daemon }
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        // SAFETY: an aligned word of the page, which is there for ever.
        unsafe { AtomicU32::from_ptr(self.page.add(at).cast()) }
    }

    /// Writes all of it, waiting for room; the number of bytes taken, which is less only if the daemon
    /// does not keep to the rules.
    pub fn write(&self, bytes: &[u8]) -> usize {
        for (number, &byte) in bytes.iter().enumerate() {
            let made = self.word(OUT_MADE).load(Ordering::Relaxed);
            loop {
                let taken = self.word(OUT_TAKEN).load(Ordering::Acquire);
                match made.wrapping_sub(taken) as usize {
                    0..OUT_BYTES => break,
                    OUT_BYTES => {
                        self.daemon.tell();
                        self.daemon.give_way();
                    }
                    _ => return number,
                }
            }
            // SAFETY: inside the ring.
            unsafe {
                let place = self.page.add(OUT_AT + made as usize % OUT_BYTES);
                place.write_volatile(byte);
            }
            let next = made.wrapping_add(1);
            self.word(OUT_MADE).store(next, Ordering::Release);
        }
        self.daemon.tell();
        bytes.len()
    }

    /// Whether nothing is there to be read.
    pub fn is_quiet(&self) -> bool {
        self.input_made() == self.word(IN_TAKEN).load(Ordering::Relaxed)
    }

    /// How many bytes of input were made so far.
    pub fn input_made(&self) -> u32 {
        self.word(IN_MADE).load(Ordering::Acquire)
    }

    /// The byte that will be read next, if one is there.
    pub fn first(&self) -> Option<u8> {
        let taken = self.word(IN_TAKEN).load(Ordering::Relaxed);
        // SAFETY: inside the ring.
        let first = || unsafe { self.page.add(taken as usize % IN_BYTES).read_volatile() };
        (!self.is_quiet()).then(first)
    }

    /// Reads what is there; 0 if nothing is.
    pub fn read(&self, bytes: &mut [u8]) -> usize {
        let taken = self.word(IN_TAKEN).load(Ordering::Relaxed);
        let made = self.word(IN_MADE).load(Ordering::Acquire);
        let ready = (made.wrapping_sub(taken) as usize).min(IN_BYTES);
        let count = ready.min(bytes.len());
        for (at, byte) in (taken..).zip(&mut bytes[..count]) {
            // SAFETY: inside the ring.
            *byte = unsafe {
                self.page
                    .add(IN_AT + at as usize % IN_BYTES)
                    .read_volatile()
            };
        }
        if count > 0 {
            fence(Ordering::SeqCst);
            let next = taken.wrapping_add(count as u32);
            self.word(IN_TAKEN).store(next, Ordering::Release);
            self.daemon.tell();
        }
        count
    }

    /// Waits until the daemon has taken everything: what it has not is lost when the guest ends.
    pub fn drain(&self) {
        loop {
            let made = self.word(OUT_MADE).load(Ordering::Relaxed);
            let taken = self.word(OUT_TAKEN).load(Ordering::Acquire);
            if !(1..=OUT_BYTES).contains(&(made.wrapping_sub(taken) as usize)) {
                return;
            }
            self.daemon.give_way();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::vec::Vec;

    use super::*;
    use crate::hostile::Page;

    /// Takes a part of what is there when it gets the processor.
    struct Slow<'a> {
        page: &'a RefCell<Page>,
        heard: &'a RefCell<Vec<u8>>,
    }

    fn get(page: &RefCell<Page>, at: usize) -> u32 {
        let mut page = page.borrow_mut();
        let bytes = &page.bytes()[at..at + 4];
        bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u32::from(byte))
    }

    fn set(page: &RefCell<Page>, at: usize, value: u32) {
        page.borrow_mut().bytes()[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Has somebody type this.
    pub(crate) fn put(page: &RefCell<Page>, text: &[u8]) {
        let made = get(page, IN_MADE);
        for (at, &byte) in (made..).zip(text) {
            page.borrow_mut().bytes()[at as usize % IN_BYTES] = byte;
        }
        set(page, IN_MADE, made.wrapping_add(text.len() as u32));
    }

    impl Daemon for Slow<'_> {
        fn tell(&self) {}
        fn give_way(&self) {
            let (made, taken) = (get(self.page, OUT_MADE), get(self.page, OUT_TAKEN));
            let count = made.wrapping_sub(taken).min(300);
            for number in 0..count {
                let place = OUT_AT + taken.wrapping_add(number) as usize % OUT_BYTES;
                let byte = self.page.borrow_mut().bytes()[place];
                self.heard.borrow_mut().push(byte);
            }
            set(self.page, OUT_TAKEN, taken.wrapping_add(count));
        }
    }

    #[test]
    fn all_that_is_written_is_heard_in_order() {
        let (page, heard) = (RefCell::new(Page::new()), RefCell::default());
        // The counters go round.
        set(&page, OUT_MADE, u32::MAX - 1000);
        set(&page, OUT_TAKEN, u32::MAX - 1000);
        let pointer = page.borrow().pointer();
        let daemon = Slow {
            page: &page,
            heard: &heard,
        };
        // SAFETY: the page is the test's.
        let ring = unsafe { ConsoleRing::new(pointer, daemon) };
        let text: Vec<u8> = (0..10_000_u32).map(|number| (number % 251) as u8).collect();
        for part in text.chunks(777) {
            assert_eq!(ring.write(part), part.len());
        }
        ring.drain();
        assert_eq!(*heard.borrow(), text);
    }

    #[test]
    fn what_is_typed_is_read_and_wrong_counters_end_nothing() {
        let (page, heard) = (RefCell::new(Page::new()), RefCell::default());
        let pointer = page.borrow().pointer();
        let daemon = Slow {
            page: &page,
            heard: &heard,
        };
        // SAFETY: the page is the test's.
        let ring = unsafe { ConsoleRing::new(pointer, daemon) };
        let mut room = [0; 8];
        assert_eq!(ring.read(&mut room), 0);
        assert!(ring.is_quiet());
        put(&page, b"hello world");
        assert!(!ring.is_quiet());
        assert_eq!(ring.input_made(), 11);
        assert_eq!(ring.read(&mut room), 8);
        assert_eq!(&room, b"hello wo");
        assert_eq!(ring.read(&mut room), 3);
        assert!(ring.is_quiet());
        assert_eq!(ring.read(&mut room), 0);
        set(&page, IN_MADE, 5);
        assert_eq!(ring.read(&mut room), 8);
        set(&page, OUT_TAKEN, 1);
        assert_eq!(ring.write(b"lost"), 0);
        ring.drain();
    }
}
