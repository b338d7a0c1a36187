//! How a guest ended, as the process that ran it tells its parent.

use crate::unwind::Stack;

/// The words of [`Message::registers`].
pub(crate) const REGISTERS: usize = 20;

/// The end of a guest, or of the attempt to start it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// Of a guest that halted.
    pub(crate) status: i32,
    /// Why it was not started, or what stopped it.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
    /// What a guest that halted gave to its tender.
    pub(crate) cookie: Vec<u8>,
    /// Those that [`muslin_abi::fault::REGISTERS`] names, then rsp, rip, rflags and the bases of fs and
    /// gs.
    pub(crate) registers: [u64; REGISTERS],
    /// The guest's stack, from its stack pointer upwards.
    pub(crate) stack: Stack,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Refused,
    Halted,
    Stopped,
}

impl Message {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind as u8];
        bytes.extend_from_slice(&self.status.to_le_bytes());
        for register in self.registers {
            bytes.extend_from_slice(&register.to_le_bytes());
        }
        bytes.extend_from_slice(&self.stack.start.to_le_bytes());
        for field in [
            self.what.as_bytes(),
            self.remedy.as_bytes(),
            &self.cookie,
            &self.stack.bytes,
        ] {
            bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }

    /// `None` if the process ended before it had said all.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let kind = match rest.take(1)? {
            [0] => Kind::Refused,
            [1] => Kind::Halted,
            [2] => Kind::Stopped,
            _ => return None,
        };
        let status = i32::from_le_bytes(rest.take(4)?.try_into().ok()?);
        let mut registers = [0; REGISTERS];
        for register in &mut registers {
            *register = rest.word()?;
        }
        let start = rest.word()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Self {
            kind,
            status,
            what: text(rest.field()?),
            remedy: text(rest.field()?),
            cookie: rest.field()?.to_vec(),
            registers,
            stack: Stack {
                start,
                bytes: rest.field()?.to_vec(),
            },
        })
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.word()?).ok()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard_or_nothing() {
        let message = Message {
            kind: Kind::Stopped,
            status: -1,
            what: "hlt".to_owned(),
            remedy: "ä".to_owned(),
            cookie: vec![1, 2, 3],
            registers: std::array::from_fn(|index| index as u64),
            stack: Stack {
                start: 0x1000,
                bytes: vec![7; 100],
            },
        };
        let bytes = message.to_bytes();
        assert_eq!(Message::parse(&bytes), Some(message));
        for len in 0..bytes.len() {
            assert_eq!(Message::parse(&bytes[..len]), None, "{len} bytes");
        }
    }
}
