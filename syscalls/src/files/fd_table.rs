//! Descriptors: small numbers for open file descriptions, always the lowest that is free.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::Errno;

use super::file::File;

/// `RLIMIT_NOFILE` at the start.
pub const FD_MAX: usize = 1024;

/// A descriptor's file and its close-on-exec flag.
#[derive(Clone)]
pub struct Descriptor {
    /// The open file description.
    pub file: Arc<File>,
    /// `FD_CLOEXEC`.
    pub closes_on_exec: bool,
}

/// The table of a process.
pub struct FdTable {
    slots: Vec<Option<Descriptor>>,
    /// No number below it is free.
    lowest_free: usize,
    max: usize,
}

impl Default for FdTable {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            lowest_free: 0,
            max: FD_MAX,
        }
    }
}

impl FdTable {
    /// How many numbers there may be: those from here on are refused. What is open stays.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// How many numbers there may be.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Whether no number is free.
    pub fn is_full(&self) -> bool {
        let mut from = self.slots.iter().take(self.max).skip(self.lowest_free);
        self.slots.len() >= self.max && from.all(Option::is_some)
    }

    /// The descriptor.
    ///
    /// # Errors
    /// `EBADF` it is not open.
    pub fn get(&self, fd: i32) -> Result<&Descriptor, Errno> {
        let slot = usize::try_from(fd).ok().and_then(|fd| self.slots.get(fd));
        slot.and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// The descriptor, to change its flag.
    ///
    /// # Errors
    /// `EBADF` it is not open.
    pub fn get_mut(&mut self, fd: i32) -> Result<&mut Descriptor, Errno> {
        let slot = usize::try_from(fd)
            .ok()
            .and_then(|fd| self.slots.get_mut(fd));
        slot.and_then(Option::as_mut).ok_or(Errno::EBADF)
    }

    /// Puts a file at the lowest free number from `min` on.
    ///
    /// # Errors
    /// `EMFILE` no number is free · `ENOMEM` no memory for a longer table.
    pub fn insert(&mut self, descriptor: Descriptor, min: usize) -> Result<i32, Errno> {
        let mut fd = self.lowest_free.max(min);
        while self.slots.get(fd).is_some_and(Option::is_some) {
            fd += 1;
        }
        if fd >= self.max {
            return Err(Errno::EMFILE);
        }
        self.grow(fd)?;
        self.slots[fd] = Some(descriptor);
        if min <= self.lowest_free {
            self.lowest_free = fd + 1;
        }
        Ok(fd as i32)
    }

    /// Puts a file at this number; what was there comes back and is closed when it is dropped.
    ///
    /// # Errors
    /// `EBADF` the number is out of bounds · `ENOMEM` no memory for a longer table.
    pub fn replace(
        &mut self,
        fd: i32,
        descriptor: Descriptor,
    ) -> Result<Option<Descriptor>, Errno> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if fd >= self.max {
            return Err(Errno::EBADF);
        }
        self.grow(fd)?;
        Ok(self.slots[fd].replace(descriptor))
    }

    /// Takes a descriptor out; its file is closed when it is dropped.
    ///
    /// # Errors
    /// `EBADF` it is not open.
    pub fn remove(&mut self, fd: i32) -> Result<Descriptor, Errno> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let slot = self.slots.get_mut(index).ok_or(Errno::EBADF)?;
        let descriptor = slot.take().ok_or(Errno::EBADF)?;
        self.lowest_free = self.lowest_free.min(index);
        Ok(descriptor)
    }

    /// The open numbers.
    pub fn open(&self) -> impl Iterator<Item = i32> {
        let numbers = self.slots.iter().enumerate();
        numbers.filter_map(|(fd, slot)| slot.is_some().then_some(fd as i32))
    }

    fn grow(&mut self, fd: usize) -> Result<(), Errno> {
        if fd >= self.slots.len() {
            let more = fd + 1 - self.slots.len();
            self.slots.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            self.slots.resize(fd + 1, None);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::devices::Device;
    use alloc::boxed::Box;

    fn descriptor() -> Descriptor {
        Descriptor {
            file: Arc::new(File::new(Box::new(Device::Null), None, 0)),
            closes_on_exec: false,
        }
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut table = FdTable::default();
        for fd in 0..5 {
            assert_eq!(table.insert(descriptor(), 0), Ok(fd));
        }
        assert_eq!(table.insert(descriptor(), 60), Ok(60));
        assert_eq!(table.insert(descriptor(), 60), Ok(61));
        assert!(table.remove(3).is_ok());
        assert!(table.remove(1).is_ok());
        assert_eq!(table.remove(1).err(), Some(Errno::EBADF));
        assert_eq!(table.insert(descriptor(), 0), Ok(1));
        assert_eq!(table.insert(descriptor(), 0), Ok(3));
        assert_eq!(table.insert(descriptor(), 0), Ok(5));
        assert!(
            table
                .replace(6, descriptor())
                .is_ok_and(|old| old.is_none())
        );
        assert_eq!(table.insert(descriptor(), 0), Ok(7));
        assert!(table.open().eq([0, 1, 2, 3, 4, 5, 6, 7, 60, 61]));
    }

    #[test]
    fn a_full_table_is_emfile() {
        let mut table = FdTable::default();
        for _ in 0..FD_MAX {
            assert!(table.insert(descriptor(), 0).is_ok());
        }
        assert_eq!(table.insert(descriptor(), 0), Err(Errno::EMFILE));
        assert_eq!(table.insert(descriptor(), 100_000), Err(Errno::EMFILE));
        assert_eq!(table.replace(1024, descriptor()).err(), Some(Errno::EBADF));
        assert_eq!(table.replace(-1, descriptor()).err(), Some(Errno::EBADF));
    }
}
