//! The block in front of each entry: what it is called, what it is, and how long.

use alloc::borrow::Cow;

/// One that was not looked at yet: see [`Header::is_sound`].
pub(super) struct Header(pub &'static [u8]);

pub(super) type Field = core::ops::Range<usize>;
pub(super) const NAME: Field = 0..100;
pub(super) const MODE: Field = 100..108;
pub(super) const UID: Field = 108..116;
pub(super) const GID: Field = 116..124;
pub(super) const SIZE: Field = 124..136;
pub(super) const MTIME: Field = 136..148;
pub(super) const CHECKSUM: Field = 148..156;
pub(super) const KIND: usize = 156;
pub(super) const LINK: Field = 157..257;
pub(super) const MAGIC: Field = 257..265;
pub(super) const MAJOR: Field = 329..337;
pub(super) const MINOR: Field = 337..345;
pub(super) const PREFIX: Field = 345..500;

impl Header {
    pub(super) fn is_sound(&self) -> bool {
        let Some(said) = self.number(CHECKSUM) else {
            return false;
        };
        // Some old archives were summed up with signed bytes.
        let (mut sum, mut signed_sum) = (0, 0);
        for (at, &byte) in self.0.iter().enumerate() {
            let byte = if CHECKSUM.contains(&at) { b' ' } else { byte };
            sum += i64::from(byte);
            signed_sum += i64::from(byte as i8);
        }
        said as i64 == sum || said as i64 == signed_sum
    }

    pub(super) fn kind(&self) -> u8 {
        match self.0[KIND] {
            // Old archives mark directories by the name alone; contiguous files are files.
            0 | b'0' | b'7' if self.path().ends_with(b"/") => b'5',
            0 | b'7' => b'0',
            kind => kind,
        }
    }

    pub(super) fn path(&self) -> Cow<'static, [u8]> {
        let name = until_zero(&self.0[NAME]);
        let prefix = until_zero(&self.0[PREFIX]);
        // GNU's own form has other things where the prefix is.
        if &self.0[MAGIC] != b"ustar\x0000" || prefix.is_empty() {
            return Cow::Borrowed(name);
        }
        Cow::Owned([prefix, b"/", name].concat())
    }

    pub(super) fn link(&self) -> &'static [u8] {
        until_zero(&self.0[LINK])
    }

    pub(super) fn device(&self) -> u64 {
        let (major, minor) = (
            self.number(MAJOR).unwrap_or(0),
            self.number(MINOR).unwrap_or(0),
        );
        (major & 0xfff) << 8 | minor & 0xff
    }

    /// Octal digits, or GNU's binary form for large numbers and negative ones; those as two's complement.
    pub(super) fn number(&self, field: Field) -> Option<u64> {
        let bytes = &self.0[field];
        if bytes[0] & 0x80 != 0 {
            // A negative one has all bits set above what it needs.
            let is_negative = bytes[0] & 0x40 != 0;
            let first = if is_negative {
                bytes[0]
            } else {
                bytes[0] & 0x7f
            };
            let mut value = i64::from(first as i8);
            for &byte in &bytes[1..] {
                value = value.checked_mul(256)? | i64::from(byte);
            }
            return Some(value as u64);
        }
        let text = until_zero(bytes).trim_ascii();
        let mut value: u64 = 0;
        for &digit in text {
            if !(b'0'..=b'7').contains(&digit) {
                return None;
            }
            value = value.checked_mul(8)? | u64::from(digit - b'0');
        }
        Some(value)
    }
}

/// The bytes in front of the first zero, or all.
pub(super) fn until_zero(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0);
    &bytes[..end.unwrap_or(bytes.len())]
}
