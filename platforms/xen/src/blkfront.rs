//! Disks of another guest: what the library OS sees of them. How requests are made is in `disk`, by which pages in
//! `pools`.
//!
//! A transfer goes through pages that the back end may use for good, and has ended when the call returns. A
//! back end that breaks the rules loses the device: every call then says `EIO`.

mod disk;
mod pools;
#[cfg(test)]
mod tests;

use muslin_abi::Errno;
use muslin_platform::BlockDevice;

use crate::shared::{self, Shared};
use crate::turn::Turn;
use crate::{console, xenbus};
use disk::{Disk, Trouble};
use pools::Pools;

/// Disks that are looked for.
const DISKS_MAX: usize = 4;
/// The first disk's number, `xvda`, and from one to the next.
pub const FIRST_NUMBER: u64 = 202 << 8;
/// See [`FIRST_NUMBER`].
pub const NUMBER_STEP: u64 = 16;

/// A disk's place.
#[derive(Debug)]
pub struct Place {
    name: &'static str,
    found: Turn<Found>,
}

/// What is known of a disk.
#[allow(
    clippy::large_enum_variant,
    reason = "it is a static, and there is no heap to put the rest on"
)]
#[derive(Debug)]
enum Found {
    /// Nobody has asked yet.
    Unknown,
    /// It is not there, or cannot be connected, which was said.
    Nothing,
    Disk(Disk),
}

static PLACES: [Place; DISKS_MAX] = [
    Place::new("xvda"),
    Place::new("xvdb"),
    Place::new("xvdc"),
    Place::new("xvdd"),
];

static POOLS: Pools = Pools::new();

/// The disk of this number, counted from 0 without gaps, and its name.
pub fn device(index: usize) -> Option<(&'static str, &'static dyn BlockDevice)> {
    let place = PLACES
        .iter()
        .enumerate()
        .filter(|(number, place)| place.is_there(*number))
        .nth(index)?;
    Some((place.1.name, place.1))
}

impl Place {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            found: Turn::new(Found::Unknown),
        }
    }

    fn disk(&self) -> Option<&mut Disk> {
        match self.found.get() {
            Found::Disk(disk) => Some(disk),
            _ => None,
        }
    }

    /// Is the disk there? It is connected by the first who asks.
    fn is_there(&'static self, number: usize) -> bool {
        let found = self.found.get();
        if matches!(found, Found::Unknown) {
            let number = FIRST_NUMBER + number as u64 * NUMBER_STEP;
            *found = match shared::with(|shared| Disk::connect(shared, &POOLS, number)) {
                Ok(disk) => Found::Disk(disk),
                Err(errno) => {
                    if !matches!(errno, Errno::ENODEV) {
                        self.complain(xenbus::why(errno));
                    }
                    Found::Nothing
                }
            };
        }
        matches!(found, Found::Disk(_))
    }

    fn complain(&self, why: &str) {
        for text in ["muslin: the disk ", self.name, " is lost: ", why, "\n"] {
            console::write(text.as_bytes());
        }
    }

    /// Does something with the disk, and gives it up if its back end breaks the rules.
    fn with(
        &self,
        work: impl FnOnce(&mut Disk, &mut Shared) -> Result<(), Trouble>,
    ) -> Result<(), Errno> {
        let disk = self.disk().ok_or(Errno::ENXIO)?;
        shared::with(|shared| {
            disk.check()?;
            match work(disk, shared) {
                Ok(()) => Ok(()),
                Err(Trouble::Errno(errno)) => Err(errno),
                Err(Trouble::Broken(broken)) => {
                    disk.give_up(shared);
                    self.complain(broken.name());
                    Err(Errno::EIO)
                }
            }
        })
    }
}

impl BlockDevice for Place {
    fn sector_bytes(&self) -> usize {
        self.disk()
            .map_or(disk::UNIT_BYTES, |disk| disk.sector_bytes)
    }
    fn capacity_bytes(&self) -> u64 {
        self.disk().map_or(0, |disk| disk.capacity_bytes)
    }
    fn is_read_only(&self) -> bool {
        self.disk().is_some_and(|disk| disk.is_read_only)
    }
    fn read_at(&self, offset_bytes: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        self.with(|disk, shared| disk.read(shared, offset_bytes, bytes))
    }
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.with(|disk, shared| disk.write(shared, offset_bytes, bytes))
    }
    fn flush(&self) -> Result<(), Errno> {
        self.with(|disk, shared| disk.flush(shared))
    }
    fn discard(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), Errno> {
        self.with(|disk, shared| disk.discard(shared, offset_bytes, len_bytes))
    }
}
