//! The console: a ring of bytes, which another guest serves, or for a machine's first guest a hypercall,
//! which prints what it is given.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::abi::{__HYPERVISOR_console_io, CONSOLEIO_write};
use crate::console_ring::{ConsoleRing, Port};
use crate::hypercall::ask;
use crate::typed::Typed;
use crate::{events, host};

/// Bytes that go in one hypercall.
const CHUNK_BYTES: usize = 512;

/// Where the ring is, 0 if there is none, and its port.
static RING: AtomicUsize = AtomicUsize::new(0);
static PORT: AtomicU32 = AtomicU32::new(0);

/// How far its input is read.
static TYPED: Typed = Typed::new();

/// The console is this ring from now on.
///
/// # Safety
/// The page is there for good, and for this alone.
pub unsafe fn begin(ring: host::Ring) {
    RING.store(ring.address, Ordering::Relaxed);
    PORT.store(ring.port, Ordering::Relaxed);
}

/// Writes all of it, as far as it is taken; the number of bytes taken.
pub fn write(bytes: &[u8]) -> usize {
    match ring() {
        Some(ring) => ring.write(bytes),
        None => write_to_xen(bytes),
    }
}

/// Waits until everything that was written is out.
pub fn drain() {
    if let Some(ring) = ring() {
        ring.drain();
    }
}

/// Reads what is there; without a ring that is the end.
pub fn read(bytes: &mut [u8]) -> usize {
    ring().map_or(0, |ring| TYPED.read(&ring, bytes))
}

/// Whether nothing is there to be read, and something may come.
pub fn is_quiet() -> bool {
    ring().is_some_and(|ring| TYPED.is_quiet(&ring))
}

/// How far the input is.
pub fn input_made() -> u32 {
    ring().map_or(0, |ring| ring.input_made())
}

/// Waits end when input comes, from now on.
pub fn listen() {
    if ring().is_some() {
        // So many ports that this one is too much are not watched at the start.
        let _ = events::watch(port());
    }
}

fn ring() -> Option<ConsoleRing<Port>> {
    let page = RING.load(Ordering::Relaxed) as *mut u8;
    // SAFETY: `begin` was promised a page for that.
    (!page.is_null()).then(|| unsafe { ConsoleRing::new(page, Port(port())) })
}

fn port() -> u32 {
    PORT.load(Ordering::Relaxed)
}

fn write_to_xen(bytes: &[u8]) -> usize {
    let mut taken = 0;
    for part in bytes.chunks(CHUNK_BYTES) {
        // Xen does not wait for memory that comes when it is touched: this touches it.
        let mut copy = [0; CHUNK_BYTES];
        copy[..part.len()].copy_from_slice(part);
        let arguments = [CONSOLEIO_write, part.len(), copy.as_ptr() as usize, 0, 0];
        // SAFETY: the text is readable.
        if unsafe { ask(__HYPERVISOR_console_io, arguments) }.is_err() {
            break;
        }
        taken += part.len();
    }
    taken
}
