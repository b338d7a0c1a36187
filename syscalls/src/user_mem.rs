//! The program's memory, checked.
//!
//! An address from the program is an allegation: [`UserBuf`] and [`UserBufMut`] compare it with the
//! region map before anything is touched, and answer `EFAULT`. Program and library OS share one
//! address space, so this stops mistakes, not attackers.

use alloc::vec::Vec;
use core::marker::PhantomData;

use muslin_abi::Errno;
use muslin_abi::file::Piece;
use muslin_abi::layout::{Iovec, Pod};

use crate::context::Context;
use crate::memory::Access;

/// Longest path with its final 0, in bytes.
pub const PATH_MAX: usize = 4096;

/// How much of a text is looked at at once: most are no longer.
const TEXT_BYTES_AT_ONCE: usize = 64;

/// Most pieces that one call takes.
pub const IOV_MAX: usize = 1024;

/// Most bytes that one read or write moves; longer ones are cut to it.
pub const RW_BYTES_MAX: usize = 0x7fff_f000;

/// Bytes to read from: the program's, or the library OS's own.
#[derive(Clone, Copy)]
pub struct UserBuf<'a> {
    start: *const u8,
    len_bytes: usize,
    is_program: bool,
    owner: PhantomData<&'a [u8]>,
}

impl<'a> UserBuf<'a> {
    /// `len_bytes` readable bytes of the program at `address`.
    ///
    /// # Errors
    /// `EFAULT` not all of them are mapped and readable.
    #[inline]
    pub fn new(context: &Context<'a>, address: usize, len_bytes: usize) -> Result<Self, Errno> {
        context
            .process
            .memory
            .check(address, len_bytes, Access::Read)?;
        Ok(Self {
            start: address as *const u8,
            len_bytes,
            is_program: true,
            owner: PhantomData,
        })
    }

    /// Bytes of the library OS.
    pub fn from_slice(bytes: &'a [u8]) -> Self {
        Self {
            start: bytes.as_ptr(),
            len_bytes: bytes.len(),
            is_program: false,
            owner: PhantomData,
        }
    }

    /// Checks it once more: another thread may have unmapped it while this one waited.
    ///
    /// # Errors
    /// `EFAULT` not all of it is mapped and readable any more.
    pub fn check_again(&self, context: &Context<'_>) -> Result<(), Errno> {
        if !self.is_program {
            return Ok(());
        }
        let memory = &context.process.memory;
        memory.check(self.start.addr(), self.len_bytes, Access::Read)
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len_bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// Copies from `offset` on into `to`; the number of bytes copied, which is less than `to` has
    /// room for at the end.
    #[inline]
    pub fn copy_out(&self, offset: usize, to: &mut [u8]) -> usize {
        let len_bytes = self.len_bytes.saturating_sub(offset).min(to.len());
        if len_bytes > 0 {
            // SAFETY: 1. offset + len_bytes is at most what the constructor checked or borrowed.
            // 2. `to` holds as many. 3. They may overlap if the program passed an address inside
            // the library OS, which `copy` allows.
            unsafe { core::ptr::copy(self.start.add(offset), to.as_mut_ptr(), len_bytes) };
        }
        len_bytes
    }

    /// A part of it, cut at the end.
    #[must_use]
    pub fn part(&self, offset: usize, len_bytes: usize) -> Self {
        let offset = offset.min(self.len_bytes);
        Self {
            start: self.start.wrapping_add(offset),
            len_bytes: len_bytes.min(self.len_bytes - offset),
            is_program: self.is_program,
            owner: PhantomData,
        }
    }

    /// The place itself, for those who answer for what they do there.
    pub fn piece(&self) -> Piece {
        Piece {
            base: self.start.cast_mut(),
            len_bytes: self.len_bytes,
        }
    }

    /// All bytes, copied.
    ///
    /// # Errors
    /// `ENOMEM` they do not fit into memory twice.
    pub fn to_vec(&self) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(self.len_bytes)
            .map_err(|_| Errno::ENOMEM)?;
        bytes.resize(self.len_bytes, 0);
        self.copy_out(0, &mut bytes);
        Ok(bytes)
    }
}

/// Bytes to write to: the program's, or the library OS's own.
pub struct UserBufMut<'a> {
    start: *mut u8,
    len_bytes: usize,
    is_program: bool,
    owner: PhantomData<&'a mut [u8]>,
}

impl<'a> UserBufMut<'a> {
    /// `len_bytes` writable bytes of the program at `address`.
    ///
    /// # Errors
    /// `EFAULT` not all of them are mapped and writable.
    #[inline]
    pub fn new(context: &Context<'a>, address: usize, len_bytes: usize) -> Result<Self, Errno> {
        context
            .process
            .memory
            .check(address, len_bytes, Access::Write)?;
        Ok(Self {
            start: address as *mut u8,
            len_bytes,
            is_program: true,
            owner: PhantomData,
        })
    }

    /// Bytes of the library OS.
    pub fn from_slice(bytes: &'a mut [u8]) -> Self {
        Self {
            start: bytes.as_mut_ptr(),
            len_bytes: bytes.len(),
            is_program: false,
            owner: PhantomData,
        }
    }

    /// Checks it once more: another thread may have unmapped it while this one waited.
    ///
    /// # Errors
    /// `EFAULT` not all of it is mapped and writable any more.
    pub fn check_again(&self, context: &Context<'_>) -> Result<(), Errno> {
        if !self.is_program {
            return Ok(());
        }
        let memory = &context.process.memory;
        memory.check(self.start.addr(), self.len_bytes, Access::Write)
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len_bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// Copies `from` to `offset` and on; the number of bytes copied, which is less than `from` has
    /// at the end.
    #[inline]
    pub fn copy_in(&mut self, offset: usize, from: &[u8]) -> usize {
        let len_bytes = self.len_bytes.saturating_sub(offset).min(from.len());
        if len_bytes > 0 {
            // SAFETY: 1. offset + len_bytes is at most what the constructor checked or borrowed.
            // 2. `from` holds as many. 3. `copy` allows them to overlap.
            unsafe { core::ptr::copy(from.as_ptr(), self.start.add(offset), len_bytes) };
        }
        len_bytes
    }

    /// Fills `len_bytes` from `offset` on with `byte`; the number of bytes filled.
    pub fn fill(&mut self, offset: usize, len_bytes: usize, byte: u8) -> usize {
        let len_bytes = self.len_bytes.saturating_sub(offset).min(len_bytes);
        if len_bytes > 0 {
            // SAFETY: offset + len_bytes is at most what the constructor checked or borrowed.
            unsafe { core::ptr::write_bytes(self.start.add(offset), byte, len_bytes) };
        }
        len_bytes
    }

    /// The place itself, for those who answer for what they do there.
    pub fn piece(&mut self) -> Piece {
        Piece {
            base: self.start,
            len_bytes: self.len_bytes,
        }
    }

    /// A part of it, cut at the end.
    pub fn part(&mut self, offset: usize, len_bytes: usize) -> UserBufMut<'_> {
        let offset = offset.min(self.len_bytes);
        UserBufMut {
            start: self.start.wrapping_add(offset),
            len_bytes: len_bytes.min(self.len_bytes - offset),
            is_program: self.is_program,
            owner: PhantomData,
        }
    }
}

/// A value of the program.
///
/// # Errors
/// `EFAULT` it is not mapped and readable.
pub fn read<T: Pod>(context: &Context<'_>, address: usize) -> Result<T, Errno> {
    const { assert!(T::BYTES > 0) };
    let buffer = UserBuf::new(context, address, T::BYTES)?;
    // SAFETY: as many bytes as were checked, which nobody changes meanwhile: one thread runs at a
    // time.
    let bytes = unsafe { core::slice::from_raw_parts(buffer.start, T::BYTES) };
    Ok(T::from_bytes(bytes))
}

/// Puts a value where the program wants it.
///
/// # Errors
/// `EFAULT` the place is not mapped and writable.
pub fn write<T: Pod>(context: &Context<'_>, address: usize, value: &T) -> Result<(), Errno> {
    const { assert!(T::BYTES > 0) };
    let buffer = UserBufMut::new(context, address, T::BYTES)?;
    // SAFETY: as many bytes as were checked, which nobody else uses meanwhile: one thread runs at a
    // time, and values of the library OS are not where the program may write.
    let bytes = unsafe { core::slice::from_raw_parts_mut(buffer.start, T::BYTES) };
    value.to_bytes(bytes);
    Ok(())
}

/// A text of the program that ends with 0, without the 0.
///
/// # Errors
/// `EFAULT` not readable up to its 0 · `ENAMETOOLONG` longer than `len_bytes_max` with its 0.
pub fn text(context: &Context<'_>, address: usize, len_bytes_max: usize) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    let page_bytes = context.platform.memory().page_bytes();
    let mut chunk = [0; TEXT_BYTES_AT_ONCE];
    while text.len() < len_bytes_max {
        let at = address.checked_add(text.len()).ok_or(Errno::EFAULT)?;
        // Not across a page: the text may end just before memory that is not mapped.
        let len_bytes = (page_bytes - at % page_bytes)
            .min(chunk.len())
            .min(len_bytes_max - text.len());
        let bytes = &mut chunk[..len_bytes];
        UserBuf::new(context, at, len_bytes)?.copy_out(0, bytes);
        let end = bytes.iter().position(|&byte| byte == 0);
        text.try_reserve(len_bytes).map_err(|_| Errno::ENOMEM)?;
        text.extend_from_slice(&bytes[..end.unwrap_or(len_bytes)]);
        if end.is_some() {
            return Ok(text);
        }
    }
    Err(Errno::ENAMETOOLONG)
}

/// A path of the program, without its final 0.
///
/// # Errors
/// `EFAULT` not readable up to its 0 · `ENAMETOOLONG` longer than [`PATH_MAX`] with its 0.
pub fn path(context: &Context<'_>, address: usize) -> Result<Vec<u8>, Errno> {
    text(context, address, PATH_MAX)
}

/// The pieces of a `readv` or `writev`: addresses and lengths, not yet checked. Together they are
/// at most [`RW_BYTES_MAX`]: what is beyond is cut, as Linux does.
///
/// # Errors
/// `EINVAL` more than [`IOV_MAX`], or a length that is negative · `EFAULT` the list itself is not
/// readable.
pub fn iovecs(
    context: &Context<'_>,
    address: usize,
    count: usize,
) -> Result<Vec<(usize, usize)>, Errno> {
    if count > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    let list = UserBuf::new(context, address, count * Iovec::BYTES)?;
    let mut room_bytes = RW_BYTES_MAX;
    let mut pieces = Vec::new();
    pieces.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for at in 0..count {
        let mut bytes = [0; Iovec::BYTES];
        list.copy_out(at * Iovec::BYTES, &mut bytes);
        let piece = Iovec::from_bytes(&bytes);
        if piece.iov_len > isize::MAX as usize {
            return Err(Errno::EINVAL);
        }
        let len_bytes = piece.iov_len.min(room_bytes);
        room_bytes -= len_bytes;
        pieces.push((piece.iov_base, len_bytes));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::sys_munmap;
    use crate::testing::World;
    use muslin_platform::Memory;
    use muslin_sim::PAGE_BYTES;

    #[test]
    fn addresses_are_checked_before_anything_is_touched() {
        let world = World::new();
        let context = world.context();
        let room = world.room(PAGE_BYTES);
        assert!(UserBuf::new(&context, room, PAGE_BYTES).is_ok());
        for (address, len_bytes) in [
            (0, 1),
            (room, PAGE_BYTES + 1),
            (room - 1, 2),
            (usize::MAX, 2),
            (room, usize::MAX),
        ] {
            let buffer = UserBuf::new(&context, address, len_bytes);
            assert_eq!(buffer.err(), Some(Errno::EFAULT));
            let buffer = UserBufMut::new(&context, address, len_bytes);
            assert_eq!(buffer.err(), Some(Errno::EFAULT));
        }
        assert!(UserBuf::new(&context, 0, 0).is_ok());
        assert!(UserBuf::new(&context, world.sim.stack().start, 100).is_ok());
    }

    #[test]
    fn copies_are_cut_at_the_end() {
        let mut own = *b"0123456789";
        let mut buffer = UserBufMut::from_slice(&mut own);
        assert_eq!(buffer.copy_in(8, b"abc"), 2);
        assert_eq!(buffer.copy_in(10, b"abc"), 0);
        assert_eq!(buffer.copy_in(usize::MAX, b"abc"), 0);
        assert_eq!(buffer.part(2, 3).fill(1, 9, b'x'), 2);
        assert_eq!(own, *b"012xx567ab");
        let buffer = UserBuf::from_slice(&own);
        let mut part = [b'.'; 4];
        assert_eq!(buffer.part(7, 100).copy_out(1, &mut part), 2);
        assert_eq!(part, *b"ab..");
        assert!(buffer.part(11, 1).is_empty());
    }

    #[test]
    fn texts_end_at_the_edge_of_memory_or_not_at_all() {
        let world = World::new();
        let context = world.context();
        let room = world.room(3 * PAGE_BYTES);
        let end = room + 2 * PAGE_BYTES;
        assert_eq!(world.call(sys_munmap, [end, PAGE_BYTES]), Ok(0));
        world.put(end - 5, b"/etc\0");
        assert_eq!(path(&context, end - 5), Ok(b"/etc".to_vec()));
        world.put(end - 1, b"!");
        assert_eq!(path(&context, end - 5), Err(Errno::EFAULT));
        assert_eq!(path(&context, 0), Err(Errno::EFAULT));

        world.put(room, &[b'a'; PATH_MAX]);
        assert_eq!(path(&context, room), Err(Errno::ENAMETOOLONG));
        world.put(room + PATH_MAX - 1, b"\0");
        assert_eq!(
            path(&context, room).map(|path| path.len()),
            Ok(PATH_MAX - 1)
        );
    }

    #[test]
    fn lists_of_pieces_are_checked_and_cut() {
        let world = World::new();
        let context = world.context();
        let list = world.value(&[1usize, 0x7fff_0000, 2, 0xf000, 3, 5]);
        assert_eq!(
            iovecs(&context, list, 3),
            Ok(std::vec![(1, 0x7fff_0000), (2, 0xf000), (3, 0)])
        );
        assert_eq!(iovecs(&context, 0, 0), Ok(Vec::new()));
        assert_eq!(iovecs(&context, list, IOV_MAX + 1), Err(Errno::EINVAL));
        assert_eq!(iovecs(&context, 8, 1), Err(Errno::EFAULT));
        let negative = world.value(&[1usize, 1 << 63]);
        assert_eq!(iovecs(&context, negative, 1), Err(Errno::EINVAL));
    }
}
