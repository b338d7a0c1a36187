//! What a guest can ask for: a 32-bit write to port 0x500 and the call's number, of the address of a
//! structure.

use std::fmt;

use super::ram::{Access, Barred, Ram};

const PORT_BASE: u16 = 0x500;
const ADDRESS_BYTES: usize = 4;

/// How much of a cookie there is at least.
const COOKIE_BYTES: u64 = 512;

/// A hypercall, read from guest memory. What it says may still be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hypercall {
    Walltime { answer: u64 },
    Puts { text: Span },
    Poll { timeout_ns: u64, answer: u64 },
    Block(Transfer),
    Net(Transfer),
    Halt { status: i32, cookie: Option<Span> },
}

/// Data to or from a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) is_write: bool,
    pub(crate) handle: u64,
    /// Not for networks.
    pub(crate) offset: u64,
    pub(crate) data: Span,
    /// Where the result goes.
    pub(crate) answer: u64,
    /// Where the length of a frame goes that was read.
    pub(crate) len_answer: u64,
}

/// A piece of guest memory, as the guest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) address: u64,
    pub(crate) len: u64,
}

/// What no guest may do; it ends the guest. In words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misuse(pub(crate) String);

/// The calls by their numbers, and the sizes of their structures.
const CALLS: [(&str, u64); 9] = [
    ("", 0),
    ("walltime", 8),
    ("puts", 16),
    ("poll", 24),
    ("block_write", 40),
    ("block_read", 40),
    ("net_write", 32),
    ("net_read", 32),
    ("halt", 16),
];

/// Reads the hypercall behind a write to a port.
pub(crate) fn decode(ram: &Ram, port: u16, data: &[u8]) -> Result<Hypercall, Misuse> {
    let Some(&(name, size)) = port
        .checked_sub(PORT_BASE)
        .and_then(|nr| CALLS.get(usize::from(nr)))
        .filter(|(_, size)| *size > 0)
    else {
        return Err(Misuse(format!(
            "it wrote to port {port:#x}, where no hypercall is"
        )));
    };
    let Ok(address) = <[u8; ADDRESS_BYTES]>::try_from(data) else {
        return Err(Misuse(format!(
            "it wrote {} bytes to the port of {name}, not {ADDRESS_BYTES}",
            data.len()
        )));
    };
    let address = u64::from(u32::from_le_bytes(address));
    // halt and puts have no answer.
    let access = match name {
        "halt" | "puts" => Access::Read,
        _ => Access::Write,
    };
    let what = Span { address, len: size };
    let words = Words::read(ram, what, access)
        .map_err(|barred| what.barred(name, "its arguments", barred))?;
    let span = |at| Span {
        address: words.at(at),
        len: words.at(at + 1),
    };
    Ok(match name {
        "walltime" => Hypercall::Walltime { answer: address },
        "puts" => Hypercall::Puts { text: span(0) },
        "poll" => Hypercall::Poll {
            timeout_ns: words.at(0),
            answer: address + 8,
        },
        "block_write" | "block_read" => Hypercall::Block(Transfer {
            is_write: name == "block_write",
            handle: words.at(0),
            offset: words.at(1),
            data: span(2),
            answer: address + 32,
            len_answer: address + 24,
        }),
        "net_write" | "net_read" => Hypercall::Net(Transfer {
            is_write: name == "net_write",
            handle: words.at(0),
            offset: 0,
            data: span(1),
            answer: address + 24,
            len_answer: address + 16,
        }),
        _ => Hypercall::Halt {
            // The lower half: it is an int.
            status: words.at(1) as i32,
            cookie: (words.at(0) != 0).then_some(Span {
                address: words.at(0),
                len: COOKIE_BYTES,
            }),
        },
    })
}

impl Hypercall {
    /// As the facts about Solo5 name it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Walltime { .. } => "walltime",
            Self::Puts { .. } => "puts",
            Self::Poll { .. } => "poll",
            Self::Block(transfer) if transfer.is_write => "block_write",
            Self::Block(_) => "block_read",
            Self::Net(transfer) if transfer.is_write => "net_write",
            Self::Net(_) => "net_read",
            Self::Halt { .. } => "halt",
        }
    }
}

impl Span {
    /// Says that this is not the guest's to give.
    pub(crate) fn barred(&self, call: &str, what: impl fmt::Display, barred: Barred) -> Misuse {
        let (address, len) = (self.address, self.len);
        let why = match barred {
            Barred::Outside => "are not all in its memory",
            Barred::Closed => "are in pages that its image protects",
        };
        Misuse(format!(
            "bad hypercall {call}: {what}, {len} bytes at {address:#x}, {why}"
        ))
    }
}

/// The structure of a call, by words.
struct Words([u64; 5]);

impl Words {
    fn read(ram: &Ram, span: Span, access: Access) -> Result<Self, Barred> {
        let slice = ram.slice(span.address, span.len, access)?;
        let mut bytes = [0_u8; 40];
        slice.copy_to(&mut bytes);
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Ok(Self(words))
    }

    fn at(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }
}
