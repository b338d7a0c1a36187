//! How well a call is supported: the truth that `muslin syscalls` prints.

use muslin_abi::{Errno, Sysno};

/// How well a call is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As Linux does it.
    Full,
    /// With the differences that the note names.
    Partial(&'static str),
    /// Answered, without the effect: the note says why.
    Stub(&'static str),
    /// Refused with this errno: the note says why.
    Missing(Errno, &'static str),
}

impl Support {
    /// The level in one word.
    pub fn level(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial(_) => "partial",
            Self::Stub(_) => "stub",
            Self::Missing(..) => "missing",
        }
    }

    /// What there is to know beyond the level.
    pub fn note(&self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Partial(note) | Self::Stub(note) | Self::Missing(_, note) => note,
        }
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The call.
    pub nr: Sysno,
    /// Its name.
    pub name: &'static str,
    /// The name of the code that answers it on Linux.
    pub handler: &'static str,
    /// How well it is supported on Linux.
    pub support: Support,
    /// The name of the handler that answers it on bare platforms.
    pub bare_handler: &'static str,
    /// How well it is supported there.
    pub bare_support: Support,
}
