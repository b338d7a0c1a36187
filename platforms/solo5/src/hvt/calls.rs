//! The hypercalls of hvt: a word written to a port, which is the address of a block in the guest's
//! memory. Addresses are those of frames, so what lies elsewhere goes through a buffer.
//!
//! Source: Solo5 0.12.1 `include/hvt_abi.h`.

use core::cell::UnsafeCell;

use muslin_abi::Errno;
use muslin_arch::control;

use super::ring::{self, PLACES_BYTES, Put, Ring};

const PORT: u16 = 0x500;
const WALLTIME: u16 = 1;
const PUTS: u16 = 2;
const POLL: u16 = 3;
const BLOCK_WRITE: u16 = 4;
const BLOCK_READ: u16 = 5;
const NET_WRITE: u16 = 6;
const NET_READ: u16 = 7;
const HALT: u16 = 8;

/// The block of the hypercall that is being made, and bytes on their way out.
struct Shared {
    words: UnsafeCell<[u64; WORDS_MAX]>,
    bytes: UnsafeCell<[u8; BUFFER_BYTES]>,
}

const WORDS_MAX: usize = 5;
const BUFFER_BYTES: usize = 256;

// SAFETY: there is one processor, and nothing interrupts the making of a hypercall.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    words: UnsafeCell::new([0; WORDS_MAX]),
    bytes: UnsafeCell::new([0; BUFFER_BYTES]),
};

/// # Safety
/// The tender knows the number, and frames that the words name are what it asks for.
unsafe fn call<const N: usize>(nr: u16, words: [u64; N]) -> [u64; N] {
    const { assert!(N <= WORDS_MAX) };
    let block = SHARED.words.get().cast::<[u64; N]>();
    // SAFETY: 1. Nobody else uses the block meanwhile. 2. It is in the image, where addresses are
    // frames below 4 GiB. 3. The rest is as the caller promises.
    unsafe {
        block.write(words);
        control::write_port(PORT + nr, block as usize as u32);
        block.read()
    }
}

/// Nanoseconds since 1970.
pub fn wall_time_ns() -> u64 {
    // SAFETY: the tender writes one word.
    unsafe { call(WALLTIME, [0; 4])[0] }
}

/// Writes to the tender's standard output. `frames_end` is where addresses stop being frames.
pub fn write(bytes: &[u8], frames_end: usize) {
    if (bytes.as_ptr() as usize).saturating_add(bytes.len()) <= frames_end {
        return write_frames(bytes);
    }
    for piece in bytes.chunks(BUFFER_BYTES) {
        // SAFETY: nobody else uses the buffer meanwhile.
        let buffer = unsafe { &mut *SHARED.bytes.get() };
        buffer[..piece.len()].copy_from_slice(piece);
        write_frames(&buffer[..piece.len()]);
    }
}

fn write_frames(bytes: &[u8]) {
    let words = [bytes.as_ptr() as u64, bytes.len() as u64, 0, 0];
    // SAFETY: the tender reads a slice that is alive.
    unsafe { call(PUTS, words) };
}

/// Reads a sector of a device into memory where addresses are frames; whether it was done.
pub fn read_sector(handle: usize, offset_bytes: u64, sector: &mut [u8]) -> bool {
    let place = sector.as_mut_ptr() as u64;
    // SAFETY: the tender writes a slice that is ours alone, and the fifth word.
    unsafe { move_sector(BLOCK_READ, handle, offset_bytes, place, sector.len()) }
}

/// Writes a sector from such memory; whether it was done.
pub fn write_sector(handle: usize, offset_bytes: u64, sector: &[u8]) -> bool {
    let place = sector.as_ptr() as u64;
    // SAFETY: the tender reads a slice that is alive, and writes the fifth word.
    unsafe { move_sector(BLOCK_WRITE, handle, offset_bytes, place, sector.len()) }
}

/// # Safety
/// As [`call`].
unsafe fn move_sector(nr: u16, handle: usize, offset: u64, place: u64, len_bytes: usize) -> bool {
    // The answer is 0 if all went well, in the lower half of the last word.
    let words = [handle as u64, offset, place, len_bytes as u64, u64::MAX];
    // SAFETY: as the caller promises.
    let [.., answer] = unsafe { call(nr, words) };
    answer as u32 == 0
}

/// The longest frame: header and MTU of the largest that tenders take.
const FRAME_BYTES_MAX: usize = 14 + u16::MAX as usize;

/// A frame on its way.
struct Frame(UnsafeCell<[u8; FRAME_BYTES_MAX]>);

const _: () = assert!(PLACES_BYTES <= FRAME_BYTES_MAX);

// SAFETY: there is one processor, and nothing interrupts the making of a hypercall.
unsafe impl Sync for Frame {}

/// With a ring, frames that it takes.
static FRAME: Frame = Frame(UnsafeCell::new([0; FRAME_BYTES_MAX]));

/// A frame that comes while those that go have that place.
struct Incoming(UnsafeCell<[u8; ring::FRAME_BYTES_MAX]>);

// SAFETY: as above.
unsafe impl Sync for Incoming {}

static INCOMING: Incoming = Incoming(UnsafeCell::new([0; ring::FRAME_BYTES_MAX]));

/// The ring by which frames go, if there is one.
pub static FRAMES: Ring = Ring::new();

/// Gives the tender time to take what is on its way, but not for ever.
pub fn finish() {
    for _ in 0..FINISH_TRIES {
        if FRAMES.open() == 0 {
            return;
        }
        wait(FINISH_NS);
    }
}

const FINISH_TRIES: u32 = 1000;
const FINISH_NS: u64 = 1_000_000;

/// Takes a frame that has come to a device; its length in bytes. `frames_end` is where addresses stop being
/// frames of memory.
pub fn net_read(handle: usize, frame: &mut [u8], frames_end: usize) -> Result<usize, Errno> {
    if frame.as_ptr_range().end.addr() <= frames_end {
        return net_read_here(handle, frame);
    }
    // SAFETY: nobody else uses the buffers meanwhile.
    let buffer: &mut [u8] = unsafe {
        if FRAMES.is_used() {
            &mut *INCOMING.0.get()
        } else {
            &mut *FRAME.0.get()
        }
    };
    let len_bytes = frame.len().min(buffer.len());
    let got = net_read_here(handle, &mut buffer[..len_bytes])?;
    frame[..got].copy_from_slice(&buffer[..got]);
    Ok(got)
}

fn net_read_here(handle: usize, frame: &mut [u8]) -> Result<usize, Errno> {
    let words = [
        handle as u64,
        frame.as_mut_ptr() as u64,
        frame.len() as u64,
        u64::MAX,
    ];
    // SAFETY: the tender writes a slice that is ours alone, and the last two words.
    let [_, _, got, answer] = unsafe { call(NET_READ, words) };
    net_result(answer)?;
    Ok((got as usize).min(frame.len()))
}

/// Sends a frame. `frames_end` is as above.
pub fn net_write(handle: usize, frame: &[u8], frames_end: usize) -> Result<(), Errno> {
    if FRAMES.is_used() {
        // SAFETY: it is for the ring.
        let places = unsafe { &mut *FRAME.0.get().cast::<[u8; PLACES_BYTES]>() };
        match FRAMES.put(handle, frame, places) {
            Put::There { tell } => {
                if tell {
                    // SAFETY: the ring's tender listens there.
                    unsafe { control::write_port(ring::KICK_PORT, ring::KICK) };
                }
                return Ok(());
            }
            Put::Full => return Err(Errno::EAGAIN),
            Put::Not => {}
        }
    }
    let mut from = frame;
    if frame.as_ptr_range().end.addr() > frames_end {
        // SAFETY: nobody else uses the buffer meanwhile.
        let buffer = unsafe { &mut *FRAME.0.get() };
        let buffer = buffer.get_mut(..frame.len()).ok_or(Errno::EINVAL)?;
        buffer.copy_from_slice(frame);
        from = buffer;
    }
    let words = [
        handle as u64,
        from.as_ptr() as u64,
        from.len() as u64,
        u64::MAX,
    ];
    // SAFETY: the tender reads a slice that is alive, and writes the last word.
    let [.., answer] = unsafe { call(NET_WRITE, words) };
    net_result(answer)
}

/// `solo5_result_t`, in the lower half of a word.
fn net_result(answer: u64) -> Result<(), Errno> {
    match answer as u32 {
        0 => Ok(()),
        1 => Err(Errno::EAGAIN),
        2 => Err(Errno::EINVAL),
        _ => Err(Errno::EIO),
    }
}

/// Waits for a device, for so long at most.
pub fn wait(timeout_ns: u64) {
    // SAFETY: the tender writes the second and the third word.
    unsafe { call(POLL, [timeout_ns, 0, 0, 0]) };
}

/// Ends the guest. `cookie` is the frame of a record for the tender, or 0.
pub fn halt(status: i32, cookie: usize) -> ! {
    loop {
        // SAFETY: nothing comes after it.
        unsafe { call(HALT, [cookie as u64, u64::from(status as u32), 0, 0]) };
    }
}
