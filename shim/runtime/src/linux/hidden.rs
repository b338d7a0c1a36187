//! The runtime's own descriptors: few, at high numbers, and not for the program, to which they are not
//! open (`EBADF`).

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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

/// The sockets that send the messages which minted descriptors show as readable, in the words of
/// [`Sink::word`]. A descriptor has one of them as its peer, so nobody else can send to it; and nobody can
/// send to them. Linux counts what is unread with its sender, and lets a sender of a usual buffer have 277
/// such messages unread: so there are more of these when more descriptors are readable.
static HUBS: [AtomicU64; HUBS_MAX] = [const { AtomicU64::new(0) }; HUBS_MAX];
/// With these 70,000 descriptors can be readable.
pub const HUBS_MAX: usize = 256;
/// The one that had room last.
static ROOMY: AtomicUsize = AtomicUsize::new(0);

/// Makes the first hub. Once.
pub fn start() -> Result<(), Errno> {
    if HUBS[0].load(Ordering::Relaxed) != 0 {
        return Ok(());
    }
    let mut token = [0; 8];
    if !kernel::random(&mut token) {
        return Err(Errno::ENOMEM);
    }
    TOKEN.store(u64::from_le_bytes(token), Ordering::Relaxed);
    hub(0).map(|_| ())
}

/// A hub, which is made if there was none in this place.
pub fn hub(place: usize) -> Result<Sink, Errno> {
    let word = HUBS[place].load(Ordering::Acquire);
    if word != 0 {
        return Ok(Sink::of_word(word));
    }
    let hub = Sink::new()?;
    let silent = [hub.fd as usize, SHUT_RD as usize, 0, 0, 0, 0];
    // SAFETY: the runtime's own socket.
    if let Err(errno) = unsafe { kernel::call(Sysno::shutdown, silent) } {
        hub.close();
        return Err(errno);
    }
    let made = HUBS[place].compare_exchange(0, hub.word(), Ordering::AcqRel, Ordering::Acquire);
    made.map(|_| hub).or_else(|other| {
        hub.close();
        Ok(Sink::of_word(other))
    })
}

/// Which hub had room when one was looked for last.
pub fn roomy() -> usize {
    ROOMY.load(Ordering::Relaxed)
}

/// This one has room.
pub fn set_roomy(place: usize) {
    ROOMY.store(place, Ordering::Relaxed);
}

/// A socket with an address: one that takes a message which a minted descriptor shows as its full buffer,
/// or a hub.
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
        Self::new()
    }

    fn new() -> Result<Self, Errno> {
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
