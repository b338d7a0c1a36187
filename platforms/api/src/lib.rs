//! What the library OS asks of a platform: small traits and nothing else.
//!
//! A platform never sees a system call; the library OS (`syscalls/`) never sees a platform by name.
//! [`Wait::wait_until`] is the only place where anything sleeps; time and entropy come from the
//! platform alone. So a platform can be simulated.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "channels")]
extern crate alloc;

#[cfg(feature = "channels")]
mod channels;

use core::ops::Range;

use muslin_abi::Errno;

#[cfg(feature = "channels")]
pub use channels::{Channel, ChannelState, Channels, Coming};

/// All that a platform offers. What it does not have is `None`, never a panic.
pub trait Platform: Sync {
    /// "solo5-spt", "sim": for people and for tests, never for decisions.
    fn name(&self) -> &'static str;
    /// Memory that the library OS manages.
    fn memory(&self) -> &dyn Memory;
    /// Clocks.
    fn clock(&self) -> &dyn Clock;
    /// The only sleep.
    fn wait(&self) -> &dyn Wait;
    /// Random bytes.
    fn entropy(&self) -> &dyn Entropy;
    /// Text out and, where there is some, in.
    fn console(&self) -> &dyn Console;
    /// The end.
    fn power(&self) -> &dyn Power;
    /// The block device of this number, counted from 0 without gaps, and its name.
    fn block(&self, _index: usize) -> Option<(&str, &dyn BlockDevice)> {
        None
    }
    /// Which of `count` runnable threads, counted in the order in which they became so, runs next:
    /// less than `count`. A platform that simulates puts another order to the test.
    fn choose(&self, _count: usize) -> usize {
        0
    }
    /// Whether the wait that is about to begin ends at once without a reason, as any wait may.
    fn is_spurious(&self) -> bool {
        false
    }
}

/// The methods of [`Platform`] by which a platform is a part of itself: `memory: Memory` for one that
/// implements [`Memory`].
#[macro_export]
macro_rules! own_parts {
    ($($method:ident: $part:ident),* $(,)?) => {
        $(
            fn $method(&self) -> &dyn $crate::$part {
                self
            }
        )*
    };
}

/// Protection of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Loads are allowed.
    pub read: bool,
    /// Stores are allowed.
    pub write: bool,
    /// Instructions may be fetched.
    pub execute: bool,
}

/// The memory that the library OS manages: one range of addresses, all of it readable and writable
/// at the start.
pub trait Memory: Sync {
    /// The addresses, multiples of [`page_bytes`](Memory::page_bytes). Does not change.
    fn range(&self) -> Range<usize>;
    /// Size of a page in bytes, a power of two.
    fn page_bytes(&self) -> usize;
    /// Changes what may be done with whole pages of the range, or of the image itself.
    ///
    /// # Errors
    /// `ENOSYS`: this platform cannot; the pages stay readable and writable. The library OS decides
    /// what that means for a call.
    fn protect(&self, pages: Range<usize>, protection: Protection) -> Result<(), Errno>;
    /// The pages' content is not needed any more: they may be given back below. They read as zeros
    /// afterwards. Where this answers `ENOSYS`, the library OS clears them itself.
    ///
    /// # Errors
    /// `ENOSYS`: this platform cannot.
    fn discard(&self, _pages: Range<usize>) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
    /// The lowest address of the boot stack, and the first above it.
    fn stack(&self) -> Range<usize>;
    /// Address translation, where it is in the guest's own hands. `None`: addresses and memory are
    /// one.
    fn paging(&self) -> Option<&dyn Paging> {
        None
    }
}

/// Address translation in the guest's own hands: addresses without memory, and memory that is put
/// behind them when they are first touched.
///
/// A page is named by its address in [`addresses`](Paging::addresses), a frame by the address in
/// [`Memory::range`] where it can always be read and written. A page is backed while a frame is
/// behind it. Who touches a page that is not backed, or in a way that its protection forbids,
/// faults; the fault is told to the library OS.
///
/// Translations are as told from the moment that a method returns. May be called from the handler of
/// a fault. Tables that were made stay.
pub trait Paging: Sync {
    /// The addresses that can be backed, multiples of the page size, none of them in
    /// [`Memory::range`] or in the image. Does not change.
    fn addresses(&self) -> Range<usize>;
    /// Makes the tables that pages of a range need to be backed. `table_page` gives frames of zeros
    /// for them, which are the tables' for good.
    ///
    /// # Errors
    /// `ENOMEM`: `table_page` had none. Tables that were made stay.
    fn prepare(
        &self,
        pages: Range<usize>,
        table_page: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<(), Errno>;
    /// Puts a frame behind a page that is prepared and not backed.
    fn back(&self, page: usize, frame: usize, protection: Protection);
    /// Takes the frame away that is behind a page, if there is one.
    fn unback(&self, page: usize) -> Option<usize>;
    /// Changes what may be done with those pages of a range that are backed.
    fn protect(&self, pages: Range<usize>, protection: Protection);
    /// The lowest page of a range that is backed, and its frame. Skips what has no tables at once, so
    /// that great ranges with little in them cost little.
    fn first_backed(&self, pages: Range<usize>) -> Option<(usize, usize)>;
}

/// Clocks. Never waits.
pub trait Clock: Sync {
    /// Nanoseconds since an arbitrary point, never backwards.
    fn monotonic_ns(&self) -> u64;
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    fn realtime_ns(&self) -> i64;
}

/// The only sleep.
pub trait Wait: Sync {
    /// Sleeps until `deadline_ns` of the monotonic clock, or until a device is ready, whichever is
    /// first; `None` waits for a device alone. May return early.
    fn wait_until(&self, deadline_ns: Option<u64>);
}

/// Random bytes fit for keys.
pub trait Entropy: Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// `EIO`: there is no source that can be trusted; the console says why.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Errno>;
}

/// Text for the person in front.
pub trait Console: Sync {
    /// Writes as much as the platform takes; the number of bytes taken.
    fn write(&self, bytes: &[u8]) -> usize;
    /// Writes what is said about errors, where the platform keeps that apart.
    fn write_error(&self, bytes: &[u8]) -> usize {
        self.write(bytes)
    }
    /// Reads what is there; 0 is the end of input, unless [`is_quiet`](Console::is_quiet). A platform that
    /// cannot tell waits here.
    fn read(&self, _bytes: &mut [u8]) -> usize {
        0
    }
    /// Whether nothing is there to be read, and something may come: an [`Outside`] will tell.
    fn is_quiet(&self) -> bool {
        false
    }
}

/// What comes from outside unasked: it ends waits, and what it was is asked for here.
pub trait Outside: Sync {
    /// Whether the console has input that it had not when this was asked last.
    fn has_new_input(&self) -> bool;
    /// Whether the guest was asked to end since this was asked last.
    fn is_asked_to_end(&self) -> bool;
}

/// The end.
pub trait Power: Sync {
    /// Ends the machine with an exit status, 0 to 255.
    fn exit(&self, status: i32) -> !;
}

/// A block device. All offsets and lengths are multiples of the sector size. A write is as durable as
/// the platform makes it: nothing here flushes.
pub trait BlockDevice: Sync {
    /// Size of a sector in bytes.
    fn sector_bytes(&self) -> usize;
    /// Size of the device in bytes.
    fn capacity_bytes(&self) -> u64;
    /// Whether writes always fail, with `EPERM`.
    fn is_read_only(&self) -> bool {
        false
    }
    /// Reads whole sectors.
    ///
    /// # Errors
    /// `EINVAL` not whole sectors, or past the end; `EIO`.
    fn read_at(&self, offset_bytes: u64, bytes: &mut [u8]) -> Result<(), Errno>;
    /// Writes whole sectors.
    ///
    /// # Errors
    /// As [`read_at`](BlockDevice::read_at).
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), Errno>;
    /// Makes what was written outlast the machine, where the device can be asked for that.
    ///
    /// # Errors
    /// `EIO`.
    fn flush(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// What is in whole sectors is not needed any more: they may be given back below. What they read as
    /// afterwards is not said.
    ///
    /// # Errors
    /// As [`write_at`](BlockDevice::write_at) · `EOPNOTSUPP` the device has no use for that.
    fn discard(&self, _offset_bytes: u64, _len_bytes: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}

/// A network device: Ethernet frames in and out. Never waits: [`Wait::wait_until`] returns when a frame is
/// there.
///
/// A [`Platform`] does not name its devices: whoever needs them asks the platform's crate, so that an image
/// without a network holds none of them.
pub trait NetDevice: Sync {
    /// Its address.
    fn mac(&self) -> [u8; 6];
    /// How much a frame may hold behind the 14 bytes of its header.
    fn mtu_bytes(&self) -> usize;
    /// From now on each frame has a `struct virtio_net_hdr` in front, both ways, by which it may be longer than
    /// the MTU says and lack checksums.
    ///
    /// # Errors
    /// `EOPNOTSUPP` the device cannot.
    fn offload(&self) -> Result<(), Errno>;
    /// Takes a frame that has come; its length in bytes. `frame` has room for the longest.
    ///
    /// # Errors
    /// `EAGAIN` none is there · `EINVAL` not enough room · `EIO` · `ENODEV` it is gone for good.
    fn receive(&self, frame: &mut [u8]) -> Result<usize, Errno>;
    /// Sends a frame.
    ///
    /// # Errors
    /// `EAGAIN` the device takes no more now · `EINVAL` too long, or without a header · `EIO` · `ENODEV` it is gone for good.
    fn send(&self, frame: &[u8]) -> Result<(), Errno>;
}
