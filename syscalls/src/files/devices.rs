//! The character devices of `/dev`. Two of them are the [`Console`].

use alloc::boxed::Box;
use core::any::Any;

use muslin_abi::Errno;
use muslin_abi::flags::*;

use super::console::Console;
use super::file_ops::FileOps;
use crate::context::Context;
use crate::user_mem::{UserBuf, UserBufMut};

/// A character device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Takes all, holds nothing.
    Null,
    /// Takes all, holds zeros without end.
    Zero,
    /// Takes nothing, holds zeros without end.
    Full,
    /// `/dev/random`.
    Random,
    /// `/dev/urandom`: the same generator.
    Urandom,
    /// The platform's console.
    Console,
    /// `/dev/tty`: the console by another name.
    Tty,
}

impl Device {
    /// All of `/dev`, with their names.
    pub const ALL: &[(&str, Self)] = &[
        ("null", Self::Null),
        ("zero", Self::Zero),
        ("full", Self::Full),
        ("random", Self::Random),
        ("urandom", Self::Urandom),
        ("console", Self::Console),
        ("tty", Self::Tty),
    ];

    /// `S_IF*`.
    pub fn kind(self) -> u32 {
        S_IFCHR
    }

    /// Major and minor number, as Linux numbers them.
    pub fn number(self) -> u64 {
        let (major, minor) = match self {
            Self::Null => (1, 3),
            Self::Zero => (1, 5),
            Self::Full => (1, 7),
            Self::Random => (1, 8),
            Self::Urandom => (1, 9),
            Self::Tty => (5, 0),
            Self::Console => (5, 1),
        };
        major << 8 | minor
    }

    /// The device that has this number.
    pub fn by_number(number: u64) -> Option<Self> {
        let mut all = Self::ALL.iter().map(|&(_, device)| device);
        all.find(|device| device.number() == number)
    }

    /// What it can do once it is open.
    pub fn open(self) -> Box<dyn FileOps> {
        match self {
            Self::Console | Self::Tty => Box::new(Console {
                is_for_errors: false,
            }),
            _ => Box::new(self),
        }
    }
}

impl FileOps for Device {
    fn has_places(&self) -> bool {
        true
    }

    fn read_at(
        &self,
        context: &Context<'_>,
        _offset_bytes: u64,
        dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        let len = dst.len();
        match self {
            Self::Null => Ok(0),
            Self::Zero | Self::Full => Ok(dst.fill(0, len, 0)),
            Self::Random | Self::Urandom => context.process.random.fill(context.platform, dst),
            Self::Console | Self::Tty => Err(Errno::ESPIPE),
        }
    }

    fn write_at(
        &self,
        _context: &Context<'_>,
        offset_bytes: Option<u64>,
        src: &UserBuf<'_>,
    ) -> Result<(usize, u64), Errno> {
        match self {
            Self::Full => Err(Errno::ENOSPC),
            Self::Console | Self::Tty => Err(Errno::ESPIPE),
            _ => Ok((src.len(), offset_bytes.unwrap_or(0))),
        }
    }

    fn seek(&self, _place: u64, _offset: i64, _whence: u32) -> Result<u64, Errno> {
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
