//! The program's memory, for handlers: an address in a call is an allegation until it is checked.
//!
//! On Linux nothing is checked, and a bad address is a fault of the program there. Others of the
//! program's threads may write meanwhile, so nothing here lends what lies there: it is copied.

use alloc::vec::Vec;

use muslin_abi::args::from_raw;
use muslin_abi::file::Piece;
use muslin_abi::layout::{Iovec, Pod};
use muslin_abi::{Errno, SyscallResult};

use crate::ffi;

/// The largest value that [`read`] and [`write`] copy by way of the stack, in bytes, and the largest for
/// which they make little room there: it is filled with zeros first.
const VALUE_BYTES_MAX: usize = 512;
const SMALL_BYTES_MAX: usize = 16;

fn check(address: usize, len_bytes: usize, is_write: bool) -> SyscallResult {
    let is_write = i32::from(is_write);
    // SAFETY: looks at the map of memory only.
    from_raw(unsafe { ffi::muslin_user_check(address as *const u8, len_bytes, is_write) } as isize)
}

/// Reads a value of the program's.
///
/// # Errors
/// `EFAULT` it cannot be read.
pub fn read<T: Pod>(address: usize) -> Result<T, Errno> {
    const { assert!(T::BYTES <= VALUE_BYTES_MAX, "copy it piece by piece") };
    if T::BYTES <= SMALL_BYTES_MAX {
        read_by::<T, SMALL_BYTES_MAX>(address)
    } else {
        read_by::<T, VALUE_BYTES_MAX>(address)
    }
}

fn read_by<T: Pod, const ROOM_BYTES: usize>(address: usize) -> Result<T, Errno> {
    let mut bytes = [0; ROOM_BYTES];
    let bytes = &mut bytes[..T::BYTES.min(ROOM_BYTES)];
    read_bytes(address, bytes)?;
    Ok(T::from_bytes(bytes))
}

/// Writes a value of the program's.
///
/// # Errors
/// `EFAULT` it cannot be written.
pub fn write<T: Pod>(address: usize, value: &T) -> Result<(), Errno> {
    const { assert!(T::BYTES <= VALUE_BYTES_MAX, "copy it piece by piece") };
    let mut bytes = [0; VALUE_BYTES_MAX];
    let bytes = &mut bytes[..T::BYTES];
    value.to_bytes(bytes);
    write_bytes(address, bytes)
}

/// Fills `bytes` with the program's.
///
/// # Errors
/// `EFAULT` they cannot be read.
pub fn read_bytes(address: usize, bytes: &mut [u8]) -> Result<(), Errno> {
    Input::new(address, bytes.len())?.take(bytes);
    Ok(())
}

/// Puts `bytes` into the program's memory.
///
/// # Errors
/// `EFAULT` they cannot be written.
pub fn write_bytes(address: usize, bytes: &[u8]) -> Result<(), Errno> {
    Output::new(address, bytes.len())?.put(bytes);
    Ok(())
}

/// A piece of the program's memory as `readv` and its kin name it, checked.
fn piece(iovec: &Iovec, is_write: bool) -> Result<Piece, Errno> {
    check(iovec.iov_base, iovec.iov_len, is_write)?;
    Ok(Piece {
        base: iovec.iov_base as *mut u8,
        len_bytes: iovec.iov_len,
    })
}

/// The pieces of `struct iovec`s, checked.
fn pieces_of(address: usize, count: usize, is_write: bool) -> Result<Vec<Piece>, Errno> {
    let mut pieces = Vec::new();
    pieces.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for i in 0..count {
        let iovec: Iovec = read(address.wrapping_add(i * Iovec::BYTES))?;
        if isize::try_from(iovec.iov_len).is_err() {
            return Err(Errno::EINVAL);
        }
        pieces.push(piece(&iovec, is_write)?);
    }
    Ok(pieces)
}

/// Pieces of the program's that are to be read, as `writev` and `sendmsg` name them.
#[derive(Debug)]
pub struct Sources(Vec<Piece>);

impl Sources {
    /// `count` pieces, named by `struct iovec`s at an address. How many there may be is the caller's
    /// to say.
    ///
    /// # Errors
    /// `EFAULT` they cannot be read · `EINVAL` a negative length · `ENOMEM`.
    pub fn read(address: usize, count: usize) -> Result<Self, Errno> {
        pieces_of(address, count, false).map(Self)
    }

    /// What lies there.
    pub fn input(&self) -> Input<'_> {
        // SAFETY: they were checked.
        unsafe { Input::of_checked(&self.0) }
    }
}

/// Pieces of the program's that are to be written, as `readv` and `recvmsg` name them.
#[derive(Debug)]
pub struct Targets(Vec<Piece>);

impl Targets {
    /// As [`Sources::read`].
    ///
    /// # Errors
    /// `EFAULT` they cannot be written · `EINVAL` a negative length · `ENOMEM`.
    pub fn read(address: usize, count: usize) -> Result<Self, Errno> {
        pieces_of(address, count, true).map(Self)
    }

    /// The room there.
    pub fn output(&self) -> Output<'_> {
        // SAFETY: they were checked.
        unsafe { Output::of_checked(&self.0) }
    }
}

/// Pieces of memory, one behind another, and how far somebody has come.
#[derive(Clone, Debug)]
enum Pieces<'a> {
    One(Piece),
    Many(&'a [Piece]),
}

#[derive(Clone, Debug)]
struct Place<'a> {
    pieces: Pieces<'a>,
    /// Which piece is next, and how much of it is done.
    index: usize,
    done_bytes: usize,
}

impl<'a> Place<'a> {
    /// The beginning of one piece, once that is checked.
    fn one(address: usize, len_bytes: usize, is_write: bool) -> Result<Self, Errno> {
        let iovec = Iovec {
            iov_base: address,
            iov_len: len_bytes,
        };
        let piece = piece(&iovec, is_write)?;
        Ok(Self::new(Pieces::One(piece)))
    }

    fn new(pieces: Pieces<'a>) -> Self {
        Self {
            pieces,
            index: 0,
            done_bytes: 0,
        }
    }

    fn pieces(&self) -> &[Piece] {
        match &self.pieces {
            Pieces::One(piece) => core::slice::from_ref(piece),
            Pieces::Many(pieces) => pieces,
        }
    }

    fn left_bytes(&self) -> usize {
        let pieces = self.pieces().iter().skip(self.index);
        let all = pieces.fold(0usize, |sum, piece| sum.saturating_add(piece.len_bytes));
        all - self.done_bytes
    }

    /// Goes through up to `len_bytes`, run by run: an address, the place in the caller's bytes, and how
    /// many. How many there were in all.
    fn advance(&mut self, len_bytes: usize, mut each: impl FnMut(*mut u8, usize, usize)) -> usize {
        let mut moved = 0;
        while moved < len_bytes {
            let Some(piece) = self.pieces().get(self.index).copied() else {
                break;
            };
            let run = (piece.len_bytes - self.done_bytes).min(len_bytes - moved);
            if run > 0 {
                each(piece.base.wrapping_add(self.done_bytes), moved, run);
            }
            moved += run;
            self.done_bytes += run;
            if self.done_bytes == piece.len_bytes {
                self.index += 1;
                self.done_bytes = 0;
            }
        }
        moved
    }
}

/// Memory of the program's that is read, in the order of its pieces.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    place: Place<'a>,
}

impl<'a> Input<'a> {
    /// `len_bytes` at an address.
    ///
    /// # Errors
    /// `EFAULT` they cannot be read.
    pub fn new(address: usize, len_bytes: usize) -> Result<Self, Errno> {
        Place::one(address, len_bytes, false).map(|place| Self { place })
    }

    /// # Safety
    /// The pieces were checked.
    pub(crate) unsafe fn of_checked(pieces: &'a [Piece]) -> Self {
        Self {
            place: Place::new(Pieces::Many(pieces)),
        }
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.place.left_bytes()
    }

    /// Whether none are left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the next bytes into `to`; how many, which is less than it holds at the end.
    pub fn take(&mut self, to: &mut [u8]) -> usize {
        let (start, len_bytes) = (to.as_mut_ptr(), to.len());
        self.place.advance(len_bytes, |from, at, run| {
            // SAFETY: a run of a piece that was checked, and of `to`; they may overlap if the program
            // says so.
            unsafe { core::ptr::copy(from.cast_const(), start.add(at), run) };
        })
    }
}

/// Memory of the program's that is written, in the order of its pieces.
#[derive(Debug)]
pub struct Output<'a> {
    place: Place<'a>,
}

impl<'a> Output<'a> {
    /// `len_bytes` at an address.
    ///
    /// # Errors
    /// `EFAULT` they cannot be written.
    pub fn new(address: usize, len_bytes: usize) -> Result<Self, Errno> {
        Place::one(address, len_bytes, true).map(|place| Self { place })
    }

    /// # Safety
    /// The pieces were checked.
    pub(crate) unsafe fn of_checked(pieces: &'a [Piece]) -> Self {
        Self {
            place: Place::new(Pieces::Many(pieces)),
        }
    }

    /// How many bytes of room are left.
    pub fn len(&self) -> usize {
        self.place.left_bytes()
    }

    /// Whether there is no room left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves the next bytes as they are; how many, which is less than asked at the end.
    pub fn skip(&mut self, len_bytes: usize) -> usize {
        self.place.advance(len_bytes, |_, _, _| {})
    }

    /// Copies `from` into what comes next; how many bytes, which is less than all at the end.
    pub fn put(&mut self, from: &[u8]) -> usize {
        let (start, len_bytes) = (from.as_ptr(), from.len());
        self.place.advance(len_bytes, |to, at, run| {
            // SAFETY: as in `Input::take`.
            unsafe { core::ptr::copy(start.add(at), to, run) };
        })
    }
}
