//! `struct sockaddr_un`: a path, an abstract name that begins with 0, or nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::Errno;
use muslin_abi::flags::*;
use muslin_abi::layout::Pod;

use crate::context::Context;
use crate::files::inode::Inode;
use crate::user_mem::{self, UserBuf, UserBufMut};

/// Where the path begins: behind the family.
const PATH_AT: usize = 2;
/// The longest address of this family.
const ADDRESS_BYTES_MAX: usize = 110;
/// The longest address of any family, `struct sockaddr_storage`.
const STORAGE_BYTES: i32 = 128;

/// What a call wants to reach or to be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket's name in the file system.
    Path(Vec<u8>),
    /// A name of its own world. It begins with 0.
    Abstract(Vec<u8>),
}

impl Address {
    /// What the bytes of an address say.
    ///
    /// # Errors
    /// `EINVAL` too long or too short, or another family.
    pub fn parse(bytes: &[u8]) -> Result<Self, Errno> {
        let is_long_enough = bytes.len() > PATH_AT && bytes.len() <= ADDRESS_BYTES_MAX;
        if !is_long_enough || family(bytes) != Some(AF_UNIX) {
            return Err(Errno::EINVAL);
        }
        let path = &bytes[PATH_AT..];
        if path[0] == 0 {
            return Ok(Self::Abstract(path.to_vec()));
        }
        let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Self::Path(path.to_vec()))
    }
}

/// The family that the bytes of an address begin with.
pub fn family(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_bytes(bytes.get(..PATH_AT)?))
}

/// Whether the bytes are a family and nothing more.
pub fn is_family_alone(bytes: &[u8]) -> bool {
    bytes.len() == PATH_AT
}

/// What an end is bound to.
pub enum Name {
    /// A file of the file system.
    Path {
        /// As it was called then.
        path: Vec<u8>,
        /// The socket's file, kept as long as the name.
        inode: Arc<Inode>,
    },
    /// A name that begins with 0.
    Abstract(Vec<u8>),
}

/// The bytes of an end's address: the family alone if it has no name.
pub fn bytes_of(name: Option<&Name>) -> Vec<u8> {
    let mut bytes = AF_UNIX.to_le_bytes().to_vec();
    match name {
        Some(Name::Path { path, .. }) => {
            bytes.extend_from_slice(path);
            bytes.push(0);
        }
        Some(Name::Abstract(name)) => bytes.extend_from_slice(name),
        None => {}
    }
    bytes
}

/// The bytes of an address that a call names.
///
/// # Errors
/// `EINVAL` a length that no address has · `EFAULT`.
pub fn read(context: &Context<'_>, address: usize, len: i32) -> Result<Vec<u8>, Errno> {
    if !(0..=STORAGE_BYTES).contains(&len) {
        return Err(Errno::EINVAL);
    }
    UserBuf::new(context, address, len as usize)?.to_vec()
}

/// Gives the program an address: as much as it has room for, and how long it is.
///
/// # Errors
/// `EINVAL` negative room · `EFAULT`.
pub fn write(
    context: &Context<'_>,
    bytes: &[u8],
    address: usize,
    len_address: usize,
) -> Result<(), Errno> {
    let room: i32 = user_mem::read(context, len_address)?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let bytes_there = &bytes[..bytes.len().min(room)];
    UserBufMut::new(context, address, bytes_there.len())?.copy_in(0, bytes_there);
    user_mem::write(context, len_address, &(bytes.len() as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_or_begin_with_zero() {
        let parse = |path: &[u8]| Address::parse(&[&[1, 0], path].concat());
        assert_eq!(parse(b"/a\0b"), Ok(Address::Path(b"/a".to_vec())));
        assert_eq!(parse(b"/a"), Ok(Address::Path(b"/a".to_vec())));
        assert_eq!(parse(b"\0a\0"), Ok(Address::Abstract(b"\0a\0".to_vec())));
        assert_eq!(parse(&[b'a'; 108]), Ok(Address::Path([b'a'; 108].to_vec())));
        assert_eq!(parse(&[b'a'; 109]), Err(Errno::EINVAL));
        assert_eq!(parse(b""), Err(Errno::EINVAL));
        assert_eq!(Address::parse(&[2, 0, 1]), Err(Errno::EINVAL));
        assert_eq!(Address::parse(&[1]), Err(Errno::EINVAL));
    }

    #[test]
    fn names_become_addresses() {
        assert_eq!(bytes_of(None), [1, 0]);
        assert_eq!(
            bytes_of(Some(&Name::Abstract(b"\0n".to_vec()))),
            b"\x01\0\0n"
        );
    }
}
