//! The initrd: a tar archive that becomes the root directory. Files are not copied; what is written
//! to later is.
//!
//! Understood: the old form, ustar, GNU's long names and the pax records for paths, links, sizes and
//! times. Files, directories, both kinds of links, fifos and devices.
//!
//! Source: POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended Header"; tar(5).

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ascii::escape_default;
use core::fmt;

use muslin_abi::Errno;

use self::entry::New;
use self::extended::Extended;
use self::header::{GID, Header, MODE, MTIME, SIZE, UID, until_zero};
use super::inode::{Inode, Time};

mod entry;
mod extended;
mod header;
#[cfg(test)]
mod tests;

const BLOCK_BYTES: usize = 512;
/// The kind of a file with holes.
const GNU_SPARSE: u8 = b'S';

/// What is wrong with an archive, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    offset_bytes: usize,
    name: Vec<u8>,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    NotTar,
    Checksum,
    Number,
    Truncated,
    Record,
    Path,
    Kind(u8),
    Place(Errno),
    NoEnd,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::NotTar => write!(f, "this is no tar archive")?,
            What::Checksum => write!(f, "the checksum of a header is wrong")?,
            What::Number => write!(f, "a number in a header is wrong")?,
            What::Truncated => write!(f, "the archive is cut off")?,
            What::Record => write!(f, "an extended header is damaged")?,
            What::Path => write!(f, "a path cannot be a path here")?,
            What::Kind(kind) => {
                write!(
                    f,
                    "an entry of an unknown kind, '{}'",
                    escape_default(*kind)
                )?;
            }
            What::Place(errno) => write!(f, "an entry cannot be put there, {errno}")?,
            What::NoEnd => write!(f, "the archive ends without its two empty blocks")?,
        }
        write!(f, " (at byte {}", self.offset_bytes)?;
        if !self.name.is_empty() {
            write!(f, ", \"{}\"", self.name.escape_ascii())?;
        }
        f.write_str(match self.what {
            What::Kind(GNU_SPARSE) => "); make it anew without --sparse",
            _ => "); make it anew with tar",
        })
    }
}

/// Puts all of an archive below `root`.
///
/// # Errors
/// What is wrong with it; what came before that is there.
pub fn unpack(archive: &'static [u8], root: &Arc<Inode>, now: Time) -> Result<(), Error> {
    let mut at = 0;
    let mut global = Extended::default();
    let mut extended = Extended::default();
    let mut times = Vec::new();
    loop {
        let fail = |what, name: &[u8]| Error {
            offset_bytes: at,
            name: name.to_vec(),
            what,
        };
        let Some(header) = archive.get(at..at + BLOCK_BYTES) else {
            let what = match at {
                0 => What::NotTar,
                _ if at >= archive.len() => What::NoEnd,
                _ => What::Truncated,
            };
            return Err(fail(what, b""));
        };
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        let header = Header(header);
        if !header.is_sound() {
            return Err(fail(
                if at == 0 {
                    What::NotTar
                } else {
                    What::Checksum
                },
                b"",
            ));
        }
        let kind = header.kind();
        let mut entry = global;
        if !matches!(kind, b'x' | b'g' | b'L' | b'K') {
            entry = core::mem::take(&mut extended).or(global);
        }
        let path = entry.path.map_or_else(|| header.path(), Cow::Borrowed);
        let number = |field| {
            header
                .number(field)
                .ok_or_else(|| fail(What::Number, &path))
        };
        let size = match entry.size {
            Some(size) => size,
            None => number(SIZE)?,
        };
        // Links and directories have none, whatever the field says.
        let size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
        let start = at + BLOCK_BYTES;
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| start.checked_add(size));
        let body = end.and_then(|end| archive.get(start..end));
        let body = body.ok_or_else(|| fail(What::Truncated, &path))?;
        let record = |_| fail(What::Record, &path);
        match kind {
            b'x' => extended.read_records(body).map_err(record)?,
            b'g' => global.read_records(body).map_err(record)?,
            b'L' => extended.path = Some(until_zero(body)),
            b'K' => extended.link = Some(until_zero(body)),
            _ => {
                let modified = Time {
                    seconds: number(MTIME)? as i64,
                    nanoseconds: 0,
                };
                let new = New {
                    kind,
                    link: entry.link.unwrap_or_else(|| header.link()),
                    permissions: number(MODE)? as u32 & 0o7777,
                    uid: number(UID)? as u32,
                    gid: number(GID)? as u32,
                    modified: entry.modified.unwrap_or(modified),
                    device: header.device(),
                    body,
                };
                let inode = new
                    .put(root, &path, now)
                    .map_err(|what| fail(what, &path))?;
                times.push((inode, new.modified));
            }
        }
        at = start + body.len().next_multiple_of(BLOCK_BYTES);
    }
    // Last, since every entry changes the time of its directory.
    for (inode, modified) in times {
        inode.update(|meta| meta.modified = modified);
    }
    Ok(())
}
