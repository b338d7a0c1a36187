//! Records of pax: what headers have no room for.

use super::super::inode::Time;

/// What extended headers say of the next entry, or of all that follow.
#[derive(Clone, Copy, Default)]
pub(super) struct Extended {
    pub path: Option<&'static [u8]>,
    pub link: Option<&'static [u8]>,
    pub size: Option<u64>,
    pub modified: Option<Time>,
}

impl Extended {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            path: self.path.or(other.path),
            link: self.link.or(other.link),
            size: self.size.or(other.size),
            modified: self.modified.or(other.modified),
        }
    }

    /// Reads records of the form "length key=value\n".
    pub(super) fn read_records(&mut self, mut bytes: &'static [u8]) -> Result<(), ()> {
        while !bytes.is_empty() {
            let space = bytes.iter().position(|&byte| byte == b' ').ok_or(())?;
            let len = parse(&bytes[..space]).ok_or(())? as usize;
            let record = bytes.get(space + 1..len).ok_or(())?;
            let record = record.strip_suffix(b"\n").ok_or(())?;
            let equals = record.iter().position(|&byte| byte == b'=').ok_or(())?;
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" => self.path = Some(value),
                b"linkpath" => self.link = Some(value),
                b"size" => self.size = Some(parse(value).ok_or(())?),
                b"mtime" => self.modified = Some(time(value).ok_or(())?),
                _ => {}
            }
            bytes = &bytes[len..];
        }
        Ok(())
    }
}

/// A decimal number.
fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Seconds with up to nine digits behind a point.
fn time(text: &[u8]) -> Option<Time> {
    let point = text.iter().position(|&byte| byte == b'.');
    let (whole, part) = text.split_at(point.unwrap_or(text.len()));
    let mut nanoseconds = 0;
    for place in 1..=9 {
        let digit = part
            .get(place)
            .map_or(Some(0), |&byte| char::from(byte).to_digit(10))?;
        nanoseconds = nanoseconds * 10 + digit;
    }
    let seconds_of = |digits| i64::try_from(parse(digits)?).ok();
    let Some(before) = whole.strip_prefix(b"-") else {
        let seconds = seconds_of(whole)?;
        return Some(Time {
            seconds,
            nanoseconds,
        });
    };
    // A time counts its nanoseconds onwards from a second, also before 1970.
    let seconds = -seconds_of(before)?;
    Some(match nanoseconds {
        0 => Time {
            seconds,
            nanoseconds,
        },
        _ => Time {
            seconds: seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}
