//! Is an archive whole? Looked at before a guest starts, header by header, in the guest's own words;
//! what lies between is not read. What entries mean is left to the guest.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use tar::{EntryType, Header, PaxExtensions};

const BLOCK_BYTES: u64 = 512;
/// More than an extended header has.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with an archive.
#[derive(Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is none.
    NotTar,
    /// What, and in which entry.
    At(&'static str, u64, Vec<u8>),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTar => f.write_str("this is no tar archive"),
            Self::At(what, at, name) if name.is_empty() => write!(f, "{what} (at byte {at})"),
            Self::At(what, at, name) => {
                write!(f, "{what} (at byte {at}, \"{}\")", name.escape_ascii())
            }
        }
    }
}

/// Looks at each header of an archive. `None` if nothing is wrong with them.
pub fn damage(file: &File) -> io::Result<Option<Damage>> {
    let about = file.metadata()?;
    if !about.is_file() {
        // What can be read only once is the guest's to read.
        return Ok(None);
    }
    let len = about.len();
    let (mut at, mut size_for_all, mut size_for_next) = (0, None, None);
    loop {
        let broken = |what, name: &[u8]| Ok(Some(Damage::At(what, at, name.to_vec())));
        if len < at + BLOCK_BYTES {
            return match at {
                0 => Ok(Some(Damage::NotTar)),
                _ if at >= len => broken("the archive ends without its two empty blocks", b""),
                _ => broken("the archive is cut off", b""),
            };
        }
        let mut header = Header::new_old();
        file.read_exact_at(header.as_mut_bytes(), at)?;
        if header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        if !is_sound(&header) {
            return match at {
                0 => Ok(Some(Damage::NotTar)),
                _ => broken("the checksum of a header is wrong", b""),
            };
        }
        let kind = header.entry_type();
        let is_about_others = is_extended(kind) || kind.is_gnu_longname() || kind.is_gnu_longlink();
        let said = match is_about_others {
            true => size_for_all,
            false => size_for_next.take().or(size_for_all),
        };
        let size = match (said, header.entry_size()) {
            // Links and directories have none, whatever the field says.
            _ if matches!(kind.as_byte(), b'1'..=b'6') => 0,
            (Some(size), _) | (None, Ok(size)) => size,
            (None, Err(_)) => return broken("a number in a header is wrong", &header.path_bytes()),
        };
        let start = at + BLOCK_BYTES;
        let Some(end) = start.checked_add(size).filter(|&end| end <= len) else {
            return broken("the archive is cut off", &header.path_bytes());
        };
        if is_extended(kind) && size <= EXTENDED_BYTES_MAX {
            let mut records = vec![0; size as usize];
            file.read_exact_at(&mut records, start)?;
            let said = size_in(&records);
            if kind.is_pax_global_extensions() {
                size_for_all = said.or(size_for_all);
            } else {
                size_for_next = said.or(size_for_next);
            }
        }
        at = end.next_multiple_of(BLOCK_BYTES);
    }
}

fn is_extended(kind: EntryType) -> bool {
    kind.is_pax_local_extensions() || kind.is_pax_global_extensions()
}

fn is_sound(header: &Header) -> bool {
    let mut summed = header.clone();
    summed.set_cksum();
    header.cksum().ok() == summed.cksum().ok()
}

/// The size that extended headers say. Damaged ones are the guest's to name.
fn size_in(records: &[u8]) -> Option<u64> {
    let sizes = PaxExtensions::new(records).filter_map(|record| {
        let record = record.ok()?;
        (record.key_bytes() == b"size").then(|| record.value().ok()?.parse().ok())?
    });
    sizes.last()
}
