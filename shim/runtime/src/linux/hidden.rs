//! The runtime's own descriptors: few, at high numbers, and not for the program, to which they are not
//! open (`EBADF`).

use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::flags::{AF_UNIX, F_DUPFD_CLOEXEC, SHUT_RD, SOCK_CLOEXEC, SOCK_DGRAM};
use muslin_abi::{Errno, Sysno};

use crate::fd_table;
use crate::kernel;

/// The lowest number of theirs, once it is known.
static FIRST: AtomicUsize = AtomicUsize::new(0);
/// One more than the highest.
static END: AtomicUsize = AtomicUsize::new(0);
/// They begin below the limit of open files, but not above this, as the kernel's table grows with the
/// highest number.
const FIRST_MAX: u64 = 14 * 1024;

/// One more than the highest number that was ever hidden.
pub fn end() -> usize {
    END.load(Ordering::Acquire)
}

/// Moves a descriptor to a high number and hides it.
pub fn hide(fd: i32) -> i32 {
    let args = [fd as usize, F_DUPFD_CLOEXEC as usize, first(), 0, 0, 0];
    // SAFETY: a new number for a descriptor of the runtime's own.
    let hidden = match unsafe { kernel::call(Sysno::fcntl, args) } {
        Ok(high) => {
            kernel::close(fd);
            high as i32
        }
        // No high number is free: the one that it has will do.
        Err(_) => fd,
    };
    if fd_table::hide(hidden) {
        END.fetch_max(hidden as usize + 1, Ordering::AcqRel);
    }
    hidden
}

fn first() -> usize {
    const RLIMIT_NOFILE: usize = 7;
    let known = FIRST.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let mut limit = [0u64; 2];
    let args = [0, RLIMIT_NOFILE, 0, &raw mut limit as usize, 0, 0];
    // SAFETY: the structure is alive.
    let asked = unsafe { kernel::call(Sysno::prlimit64, args) };
    let limit = if asked.is_ok() { limit[0] } else { 1024 };
    let first = (limit - limit / 8).min(FIRST_MAX) as usize;
    FIRST.store(first, Ordering::Relaxed);
    first
}

/// Says whose abstract addresses these are.
static TOKEN: AtomicU64 = AtomicU64::new(0);

/// The abstract address of a socket of the runtime's own, by its serial number.
pub struct Address {
    bytes: [u8; ADDRESS_BYTES],
}

/// Family, a zero, and the name.
const ADDRESS_BYTES: usize = 2 + 1 + 7 + 16 + 1 + 16;

impl Address {
    /// The address of this serial number.
    pub fn new(serial: u64) -> Self {
        let mut bytes = [0; ADDRESS_BYTES];
        bytes[..2].copy_from_slice(&AF_UNIX.to_le_bytes());
        bytes[3..10].copy_from_slice(b"muslin-");
        hexadecimal(TOKEN.load(Ordering::Relaxed), &mut bytes[10..26]);
        bytes[26] = b'-';
        hexadecimal(serial, &mut bytes[27..]);
        Self { bytes }
    }

    fn words(&self) -> (usize, usize) {
        (self.bytes.as_ptr() as usize, ADDRESS_BYTES)
    }

    /// Gives it to a socket.
    pub fn bind(&self, fd: i32) -> Result<(), Errno> {
        let (start, len_bytes) = self.words();
        // SAFETY: an address that is alive, and a socket of the runtime's own.
        unsafe { kernel::call(Sysno::bind, [fd as usize, start, len_bytes, 0, 0, 0]) }.map(|_| ())
    }

    /// Makes it the peer of a socket.
    pub fn connect(&self, fd: i32) -> Result<(), Errno> {
        let (start, len_bytes) = self.words();
        // SAFETY: as above.
        unsafe { kernel::call(Sysno::connect, [fd as usize, start, len_bytes, 0, 0, 0]) }
            .map(|_| ())
    }

    /// Sends a message there.
    pub fn send(&self, fd: i32, message: &[u8]) -> Result<(), Errno> {
        const DONTWAIT_NOSIGNAL: usize = 0x4040;
        let (start, len_bytes) = self.words();
        let (message, message_bytes) = (message.as_ptr() as usize, message.len());
        let args = [
            fd as usize,
            message,
            message_bytes,
            DONTWAIT_NOSIGNAL,
            start,
            len_bytes,
        ];
        // SAFETY: as above, and a message that is alive.
        unsafe { kernel::call(Sysno::sendto, args) }.map(|_| ())
    }
}

fn hexadecimal(mut number: u64, place: &mut [u8]) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % 16) as usize];
        number /= 16;
    }
}

/// Drops a message that a socket has; the socket's error, if it has one, instead.
pub fn drop_message(fd: i32) -> Result<(), Errno> {
    const DONTWAIT: usize = 0x40;
    // SAFETY: takes no byte.
    unsafe { kernel::call(Sysno::recvfrom, [fd as usize, 0, 0, DONTWAIT, 0, 0]) }.map(|_| ())
}

/// A new socket for messages, at a low number.
pub fn socket(flags: u32) -> Result<i32, Errno> {
    let kind = (SOCK_DGRAM | SOCK_CLOEXEC | flags) as usize;
    // SAFETY: makes a descriptor.
    unsafe { kernel::call(Sysno::socket, [AF_UNIX as usize, kind, 0, 0, 0, 0]) }.map(|fd| fd as i32)
}

/// The socket that sends the messages which minted descriptors show as readable. They have it as their
/// peer, so nobody else can send to them; and nobody can send to it.
static HUB: AtomicI32 = AtomicI32::new(-1);
const HUB_SERIAL: u64 = 0;

/// Makes the hub. Once.
pub fn start() -> Result<(), Errno> {
    if HUB.load(Ordering::Relaxed) >= 0 {
        return Ok(());
    }
    let mut token = [0; 8];
    if !kernel::random(&mut token) {
        return Err(Errno::ENOMEM);
    }
    TOKEN.store(u64::from_le_bytes(token), Ordering::Relaxed);
    let hub = socket(0)?;
    let result = Address::new(HUB_SERIAL).bind(hub).and_then(|()| {
        // SAFETY: the runtime's own socket.
        unsafe {
            kernel::call(
                Sysno::shutdown,
                [hub as usize, SHUT_RD as usize, 0, 0, 0, 0],
            )
        }
    });
    if let Err(errno) = result {
        kernel::close(hub);
        return Err(errno);
    }
    HUB.store(hide(hub), Ordering::Relaxed);
    Ok(())
}

/// The hub.
pub fn hub() -> (i32, Address) {
    (HUB.load(Ordering::Relaxed), Address::new(HUB_SERIAL))
}

/// A socket that takes a message which a minted descriptor shows as its full buffer.
#[derive(Clone, Copy)]
pub struct Sink {
    /// Its descriptor.
    pub fd: i32,
    serial: u64,
}

/// Sinks that are not in use: descriptor plus one above, serial number below; 0 is none.
static SINKS: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];
const SERIAL_BITS: u32 = 40;

impl Sink {
    /// One that is empty.
    pub fn take() -> Result<Self, Errno> {
        for place in &SINKS {
            let word = place.swap(0, Ordering::AcqRel);
            if word != 0 {
                return Ok(Self::of_word(word));
            }
        }
        let serial = fd_table::next_serial();
        let fd = socket(0)?;
        if let Err(errno) = Address::new(serial).bind(fd) {
            kernel::close(fd);
            return Err(errno);
        }
        Ok(Self {
            fd: hide(fd),
            serial,
        })
    }

    /// Gives an empty one back.
    pub fn give(self) {
        let is_kept = SINKS.iter().any(|place| {
            place
                .compare_exchange(0, self.word(), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        });
        if !is_kept {
            self.close();
        }
    }

    /// Gives one up.
    pub fn close(self) {
        fd_table::unhide(self.fd);
        kernel::close(self.fd);
    }

    /// Where it is.
    pub fn address(self) -> Address {
        Address::new(self.serial)
    }

    /// It in a word that is not 0.
    pub fn word(self) -> u64 {
        (self.fd as u64 + 1) << SERIAL_BITS | self.serial
    }

    /// The sink of a word.
    pub fn of_word(word: u64) -> Self {
        Self {
            fd: ((word >> SERIAL_BITS) - 1) as i32,
            serial: word & ((1 << SERIAL_BITS) - 1),
        }
    }
}
