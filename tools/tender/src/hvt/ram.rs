//! The memory of a guest, and what of it the tender may touch for the guest.
//!
//! Segments of the image are protected in the tender's own mapping, as in the stock tender: a guest
//! with page tables of its own cannot write to its code either. So the tender must not write there
//! for a guest that asks it to.

use std::ffi::c_void;
use std::io;
use std::ops::Range;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, VolatileSlice};

use crate::image::Segment;
use crate::initrd::Initrd;

/// Guest memory, from address 0 on.
#[derive(Debug)]
pub(crate) struct Ram {
    memory: GuestMemoryMmap<()>,
    bytes: u64,
    /// What of that is behind the guest's own.
    behind_bytes: u64,
    /// The pages with less than all rights.
    closed: Vec<Closed>,
}

#[derive(Debug)]
struct Closed {
    pages: Range<u64>,
    can_read: bool,
}

/// What the tender does with a piece of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Why it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    Outside,
    Closed,
}

impl Ram {
    /// The guest's own memory, and what is to be shared with it behind that.
    pub(crate) fn new(own_bytes: u64, behind_bytes: u64) -> io::Result<Self> {
        let bytes = own_bytes + behind_bytes;
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        let memory =
            GuestMemoryMmap::from_ranges(&[(GuestAddress(0), len)]).map_err(io::Error::other)?;
        Ok(Self {
            memory,
            bytes,
            behind_bytes,
            closed: Vec::new(),
        })
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the guest was given.
    pub(crate) const fn own_bytes(&self) -> u64 {
        self.bytes - self.behind_bytes
    }

    /// Where what is shared with it begins, if there is something.
    pub(crate) fn behind(&self) -> Option<u64> {
        (self.behind_bytes > 0).then(|| self.own_bytes())
    }

    /// Where the memory is in this process.
    pub(crate) fn host_address(&self) -> io::Result<u64> {
        let place = self
            .memory
            .get_host_address(GuestAddress(0))
            .map_err(io::Error::other)?;
        Ok(place as u64)
    }

    /// Puts bytes into the guest's memory before it starts.
    pub(crate) fn load(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory
            .write_slice(bytes, GuestAddress(address))
            .map_err(io::Error::other)
    }

    /// Takes away what a segment must not be used for. A guest reads what it executes.
    pub(crate) fn protect(&mut self, segment: &Segment<'_>) -> io::Result<()> {
        let pages = segment.pages.clone();
        let can_read = segment.can_read || segment.can_execute;
        let slice = self.piece(pages.start, pages.end - pages.start)?;
        let mut flags = MprotectFlags::empty();
        flags.set(MprotectFlags::READ, can_read || segment.can_write);
        flags.set(MprotectFlags::WRITE, segment.can_write);
        let place = slice.ptr_guard_mut().as_ptr().cast::<c_void>();
        // SAFETY: the pages are guest memory, of which this process has no references; all that
        // goes through `slice` is checked against `closed` first.
        unsafe { mprotect(place, slice.len(), flags)? };
        if !segment.can_write {
            self.closed.push(Closed { pages, can_read });
        }
        Ok(())
    }

    /// Puts an archive into memory: pages of the file, to be read.
    pub(crate) fn map(&mut self, address: u64, initrd: &Initrd) -> io::Result<()> {
        if initrd.len_bytes == 0 {
            return Ok(());
        }
        let slice = self.piece(address, initrd.mapped_bytes())?;
        let place = slice.ptr_guard_mut().as_ptr().cast::<c_void>();
        // SAFETY: whole pages of guest memory, of which this process has no references, are replaced
        // by others. All that goes through `slice` is checked against `closed` first.
        unsafe {
            mmap(
                place,
                slice.len(),
                ProtFlags::READ,
                MapFlags::PRIVATE | MapFlags::FIXED,
                &initrd.file,
                0,
            )?
        };
        self.closed.push(Closed {
            pages: address..address + initrd.mapped_bytes(),
            can_read: true,
        });
        Ok(())
    }

    /// A piece of memory for the tender to use.
    pub(crate) fn slice(
        &self,
        address: u64,
        len: u64,
        access: Access,
    ) -> Result<VolatileSlice<'_>, Barred> {
        let end = address
            .checked_add(len)
            .filter(|&end| end <= self.bytes)
            .ok_or(Barred::Outside)?;
        let is_closed = self.closed.iter().any(|closed| {
            let is_touched = len > 0 && closed.pages.start < end && address < closed.pages.end;
            is_touched && (access == Access::Write || !closed.can_read)
        });
        if is_closed {
            return Err(Barred::Closed);
        }
        self.piece(address, len).map_err(|_| Barred::Outside)
    }

    fn piece(&self, address: u64, len: u64) -> io::Result<VolatileSlice<'_>> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.memory
            .get_slice(GuestAddress(address), len)
            .map_err(io::Error::other)
    }

    /// A copy of what can be read from an address upwards, at most so many bytes.
    pub(crate) fn copy_up(&self, address: u64, len_max: u64) -> Vec<u8> {
        let len = self.bytes.saturating_sub(address).min(len_max);
        let Ok(slice) = self.slice(address, len, Access::Read) else {
            return Vec::new();
        };
        let mut bytes = vec![0; slice.len()];
        slice.copy_to(&mut bytes);
        bytes
    }
}
