//! Block devices as files of `/dev`, at any place and of any length: what is not a whole sector is
//! read first and written back changed.
//!
//! Nothing is kept here: a write has reached the platform when the call returns.

use alloc::vec::Vec;
use core::any::Any;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallResult};
use muslin_platform::{BlockDevice, Platform};

use super::file_ops::FileOps;
use crate::context::Context;
use crate::user_mem::{self, UserBuf, UserBufMut};

/// Major number of block devices whose drivers have none of their own, as on Linux.
const MAJOR: u64 = 259;
/// Bytes that go through the library OS at once, as long as there is memory for them.
const PIECE_BYTES_MAX: usize = 128 << 10;
/// And if there is little, unless a sector is larger; this is what programs are told to prefer.
const PIECE_BYTES: usize = 4096;
/// The unit of `BLKGETSIZE`, whatever the size of a sector.
const COUNT_UNIT_BYTES: u64 = 512;

/// A block device by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    index: usize,
    capacity_bytes: u64,
}

impl Block {
    /// All that the platform has, with their names.
    pub fn all(platform: &dyn Platform) -> impl Iterator<Item = (&str, Self)> {
        (0..).map_while(move |index| {
            let (name, device) = platform.block(index)?;
            let capacity_bytes = device.capacity_bytes();
            let block = Self {
                index,
                capacity_bytes,
            };
            Some((name, block))
        })
    }

    /// Major and minor number.
    pub fn number(self) -> u64 {
        MAJOR << 8 | self.index as u64
    }

    /// Has the device make what was written outlast the machine, if it can be asked for that.
    pub fn flush(self, context: &Context<'_>) -> Result<(), Errno> {
        self.device(context)?.flush()
    }

    fn device<'a>(self, context: &Context<'a>) -> Result<&'a dyn BlockDevice, Errno> {
        let device = context.platform.block(self.index);
        device.map(|(_, device)| device).ok_or(Errno::ENXIO)
    }

    /// How much of a transfer lies before the end.
    fn before_end(self, place: u64, len_bytes: usize) -> usize {
        let left = self.capacity_bytes.saturating_sub(place);
        left.min(len_bytes as u64) as usize
    }
}

/// What of a transfer lies in one piece of whole sectors.
struct Piece {
    /// Where the piece begins on the device.
    start: u64,
    /// Its bytes.
    len_bytes: usize,
    /// The bytes of the transfer in it.
    wanted: core::ops::Range<usize>,
}

/// The piece that a transfer of `len_bytes` at `place` begins with, at most `room_bytes` of whole sectors. The
/// device is not empty there.
fn piece(device: &dyn BlockDevice, place: u64, len_bytes: usize, room_bytes: usize) -> Piece {
    let sector_bytes = device.sector_bytes();
    let before = (place % sector_bytes as u64) as usize;
    let start = place - before as u64;
    let whole = (before + len_bytes).next_multiple_of(sector_bytes);
    let piece_bytes = whole.min(room_bytes);
    Piece {
        start,
        len_bytes: piece_bytes,
        wanted: before..piece_bytes.min(before + len_bytes),
    }
}

/// Room for the pieces of a transfer of `len_bytes`.
fn room(device: &dyn BlockDevice, len_bytes: usize) -> Result<Vec<u8>, Errno> {
    let sector_bytes = device.sector_bytes();
    let least = PIECE_BYTES.next_multiple_of(sector_bytes);
    // It may begin and end within a sector.
    let wanted = (len_bytes + 2 * sector_bytes).min(PIECE_BYTES_MAX);
    let mut bytes = Vec::new();
    for len in [wanted.next_multiple_of(sector_bytes).max(least), least] {
        if bytes.try_reserve_exact(len).is_ok() {
            bytes.resize(len, 0);
            return Ok(bytes);
        }
    }
    Err(Errno::ENOMEM)
}

impl FileOps for Block {
    fn has_places(&self) -> bool {
        true
    }

    fn read_at(
        &self,
        context: &Context<'_>,
        offset_bytes: u64,
        dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        let device = self.device(context)?;
        let len_bytes = self.before_end(offset_bytes, dst.len());
        if len_bytes == 0 {
            return Ok(0);
        }
        let mut room = room(device, len_bytes)?;
        let mut done = 0;
        while done < len_bytes {
            let place = offset_bytes + done as u64;
            let piece = piece(device, place, len_bytes - done, room.len());
            let bytes = &mut room[..piece.len_bytes];
            match device.read_at(piece.start, bytes) {
                Ok(()) => done += dst.copy_in(done, &bytes[piece.wanted]),
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(done)
    }

    fn write_at(
        &self,
        context: &Context<'_>,
        offset_bytes: Option<u64>,
        src: &UserBuf<'_>,
    ) -> Result<(usize, u64), Errno> {
        let device = self.device(context)?;
        let place = offset_bytes.unwrap_or(self.capacity_bytes);
        let len_bytes = self.before_end(place, src.len());
        if len_bytes == 0 && !src.is_empty() {
            return Err(Errno::ENOSPC);
        }
        if len_bytes == 0 {
            return Ok((0, place));
        }
        if device.is_read_only() {
            return Err(Errno::EPERM);
        }
        let mut room = room(device, len_bytes)?;
        let mut done = 0;
        while done < len_bytes {
            let start = place + done as u64;
            let piece = piece(device, start, len_bytes - done, room.len());
            let bytes = &mut room[..piece.len_bytes];
            let is_whole = piece.wanted.len() == piece.len_bytes;
            let read = if is_whole {
                Ok(())
            } else {
                device.read_at(piece.start, bytes)
            };
            let copied = src.copy_out(done, &mut bytes[piece.wanted]);
            match read.and_then(|()| device.write_at(piece.start, bytes)) {
                Ok(()) => done += copied,
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok((done, place + done as u64))
    }

    fn seek(&self, place: u64, offset: i64, whence: u32) -> Result<u64, Errno> {
        let end = self.capacity_bytes;
        let base = match whence {
            SEEK_SET => 0,
            SEEK_CUR => place,
            SEEK_END => end,
            // All of it is data.
            SEEK_DATA | SEEK_HOLE if offset < 0 || offset as u64 >= end => {
                return Err(Errno::ENXIO);
            }
            SEEK_DATA => 0,
            SEEK_HOLE => return Ok(end),
            _ => return Err(Errno::EINVAL),
        };
        let place = base.checked_add_signed(offset).ok_or(Errno::EINVAL)?;
        if place > end {
            return Err(Errno::EINVAL);
        }
        Ok(place)
    }

    fn ioctl(&self, context: &Context<'_>, request: u32, arg: usize) -> SyscallResult {
        let device = self.device(context)?;
        let sector_bytes = device.sector_bytes() as u32;
        match request {
            BLKGETSIZE64 => user_mem::write(context, arg, &self.capacity_bytes)?,
            BLKGETSIZE => {
                user_mem::write(context, arg, &(self.capacity_bytes / COUNT_UNIT_BYTES))?;
            }
            BLKSSZGET | BLKPBSZGET | BLKIOMIN => user_mem::write(context, arg, &sector_bytes)?,
            BLKBSZGET => user_mem::write(context, arg, &(PIECE_BYTES as u32))?,
            BLKROGET => {
                let is_read_only = u32::from(device.is_read_only());
                user_mem::write(context, arg, &is_read_only)?;
            }
            BLKDISCARD => {
                let [start, len_bytes]: [u64; 2] = user_mem::read(context, arg)?;
                device.discard(start, len_bytes)?;
            }
            // Nothing is kept that could be written back.
            BLKFLSBUF => {}
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
