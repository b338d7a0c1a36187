//! Where a message's bytes come from and go to: pieces of the program's memory, looked up each time
//! they are used, since a wait may lie between; or a buffer of the caller.

use alloc::vec::Vec;

use muslin_abi::Errno;

use crate::context::Context;
use crate::user_mem::{UserBuf, UserBufMut};

/// Addresses and lengths of the program, not yet checked.
#[derive(Clone, Copy)]
pub struct Pieces<'a>(pub &'a [(usize, usize)]);

impl Pieces<'_> {
    fn len(&self) -> usize {
        self.0.iter().map(|&(_, len)| len).sum()
    }

    /// The parts of the pieces that lie from `offset` to `offset + len`, each with where it begins among
    /// these bytes.
    fn parts(&self, offset: usize, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let mut start = 0_usize;
        self.0.iter().filter_map(move |&(address, bytes)| {
            let first = offset.max(start);
            let end = (offset + len).min(start + bytes);
            let skipped = first - start;
            start += bytes;
            (first < end).then(|| (first - offset, address.wrapping_add(skipped), end - first))
        })
    }
}

/// What a message is made of.
pub trait Source {
    /// Bytes in all.
    fn len(&self) -> usize;
    /// `len` bytes from `offset` on.
    ///
    /// # Errors
    /// `EFAULT` · `ENOBUFS` no memory for them.
    fn take(&self, context: &Context<'_>, offset: usize, len: usize) -> Result<Vec<u8>, Errno>;
}

impl Source for Pieces<'_> {
    fn len(&self) -> usize {
        Pieces::len(self)
    }

    fn take(&self, context: &Context<'_>, offset: usize, len: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = room_for(context, len)?;
        for (at, address, len) in self.parts(offset, len) {
            let part = bytes.get_mut(at..at + len).unwrap_or_default();
            UserBuf::new(context, address, len)?.copy_out(0, part);
        }
        Ok(bytes)
    }
}

impl Source for UserBuf<'_> {
    fn len(&self) -> usize {
        UserBuf::len(self)
    }

    fn take(&self, context: &Context<'_>, offset: usize, len: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = room_for(context, len)?;
        self.copy_out(offset, &mut bytes);
        Ok(bytes)
    }
}

fn room_for(context: &Context<'_>, len: usize) -> Result<Vec<u8>, Errno> {
    let memory = &context.process.memory;
    memory.has_room_for_kernel().map_err(|_| Errno::ENOBUFS)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOBUFS)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// Where a message goes.
pub trait Target {
    /// Bytes in all.
    fn len(&self) -> usize;
    /// Puts bytes at `offset`.
    ///
    /// # Errors
    /// `EFAULT`.
    fn put(&mut self, context: &Context<'_>, offset: usize, bytes: &[u8]) -> Result<(), Errno>;
}

impl Target for Pieces<'_> {
    fn len(&self) -> usize {
        Pieces::len(self)
    }

    fn put(&mut self, context: &Context<'_>, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        for (at, address, len) in self.parts(offset, bytes.len()) {
            let part = bytes.get(at..at + len).unwrap_or_default();
            UserBufMut::new(context, address, len)?.copy_in(0, part);
        }
        Ok(())
    }
}

impl Target for UserBufMut<'_> {
    fn len(&self) -> usize {
        UserBufMut::len(self)
    }

    fn put(&mut self, _context: &Context<'_>, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        self.copy_in(offset, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::World;

    #[test]
    fn bytes_come_from_and_go_to_pieces() {
        let world = World::new();
        let context = world.context();
        let (one, two) = (world.bytes(b"abc"), world.bytes(b"defgh"));
        let list = [(one, 3), (0, 0), (two, 5)];
        let mut pieces = Pieces(&list);
        assert_eq!(Source::len(&pieces), 8);
        assert_eq!(pieces.take(&context, 0, 8).unwrap(), b"abcdefgh");
        assert_eq!(pieces.take(&context, 2, 3).unwrap(), b"cde");
        assert_eq!(pieces.take(&context, 4, 1).unwrap(), b"e");
        pieces.put(&context, 1, b"1234").unwrap();
        assert_eq!(world.get(one, 3), b"a12");
        assert_eq!(world.get(two, 5), b"34fgh");
        let bad = [(one, 3), (8, 5)];
        assert_eq!(Pieces(&bad).take(&context, 0, 8), Err(Errno::EFAULT));
        assert_eq!(Pieces(&bad).take(&context, 0, 3).unwrap(), b"a12");
    }
}
