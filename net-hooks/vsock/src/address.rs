//! `struct sockaddr_vm`: the number of a guest, and a port.

use muslin::{Errno, user};

/// The family.
pub const AF_VSOCK: u16 = 40;
/// Any guest, or any port.
pub const ANY: u32 = u32::MAX;
/// Bytes of the structure.
const BYTES: usize = 16;
/// The longest address of any family.
const STORAGE_BYTES: i32 = 128;

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The guest.
    pub guest: u32,
    /// Its port.
    pub port: u32,
}

impl Address {
    /// What a call names.
    ///
    /// # Errors
    /// `EINVAL` a length that none has · `EAFNOSUPPORT` of another family · `EFAULT`.
    pub fn take(place: usize, len: i32) -> Result<Self, Errno> {
        if !(BYTES as i32..=STORAGE_BYTES).contains(&len) {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; BYTES];
        user::read_bytes(place, &mut bytes)?;
        Self::of(&bytes)
    }

    fn of(bytes: &[u8; BYTES]) -> Result<Self, Errno> {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        if word(0) as u16 != AF_VSOCK {
            return Err(Errno::EAFNOSUPPORT);
        }
        // As Linux: what is reserved is 0.
        if word(0) >> 16 != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            guest: word(8),
            port: word(4),
        })
    }

    fn bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..2].copy_from_slice(&AF_VSOCK.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.port.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.guest.to_le_bytes());
        bytes
    }

    /// Gives it to the program: as much as it has room for, and how long it is.
    ///
    /// # Errors
    /// `EINVAL` negative room · `EFAULT`.
    pub fn give(self, place: usize, len_place: usize) -> Result<(), Errno> {
        let room: i32 = user::read(len_place)?;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        let bytes = self.bytes();
        user::write_bytes(place, bytes.get(..room).unwrap_or(&bytes))?;
        user::write(len_place, &(BYTES as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_linux() {
        let address = Address {
            guest: 3,
            port: 0x1234,
        };
        let bytes = [40, 0, 0, 0, 0x34, 0x12, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(address.bytes(), bytes);
        assert_eq!(Address::of(&bytes), Ok(address));
        let mut other = bytes;
        other[0] = 2;
        assert_eq!(Address::of(&other), Err(Errno::EAFNOSUPPORT));
        other = bytes;
        other[2] = 1;
        assert_eq!(Address::of(&other), Err(Errno::EINVAL));
    }
}
