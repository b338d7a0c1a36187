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

use crate::lock::Mutex;
use muslin_abi::Errno;
use muslin_abi::flags::*;

use super::content::Content;
use super::devices::Device;
use super::directory::{self, NAME_BYTES_MAX};
use super::inode::{Body, Inode, Time};
use super::pipe::Pipe;

const BLOCK_BYTES: usize = 512;
/// Directories in one another at most: a path of 4096 bytes has no more.
const DEPTH_MAX: usize = 2048;
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

/// What extended headers say of the next entry, or of all that follow.
#[derive(Clone, Copy, Default)]
struct Extended {
    path: Option<&'static [u8]>,
    link: Option<&'static [u8]>,
    size: Option<u64>,
    modified: Option<Time>,
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

struct Header(&'static [u8]);

type Field = core::ops::Range<usize>;
const NAME: Field = 0..100;
const MODE: Field = 100..108;
const UID: Field = 108..116;
const GID: Field = 116..124;
const SIZE: Field = 124..136;
const MTIME: Field = 136..148;
const CHECKSUM: Field = 148..156;
const KIND: usize = 156;
const LINK: Field = 157..257;
const MAGIC: Field = 257..265;
const MAJOR: Field = 329..337;
const MINOR: Field = 337..345;
const PREFIX: Field = 345..500;

impl Header {
    fn is_sound(&self) -> bool {
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

    fn kind(&self) -> u8 {
        match self.0[KIND] {
            // Old archives mark directories by the name alone; contiguous files are files.
            0 | b'0' | b'7' if self.path().ends_with(b"/") => b'5',
            0 | b'7' => b'0',
            kind => kind,
        }
    }

    fn path(&self) -> Cow<'static, [u8]> {
        let name = until_zero(&self.0[NAME]);
        let prefix = until_zero(&self.0[PREFIX]);
        // GNU's own form has other things where the prefix is.
        if &self.0[MAGIC] != b"ustar\x0000" || prefix.is_empty() {
            return Cow::Borrowed(name);
        }
        Cow::Owned([prefix, b"/", name].concat())
    }

    fn link(&self) -> &'static [u8] {
        until_zero(&self.0[LINK])
    }

    fn device(&self) -> u64 {
        let (major, minor) = (
            self.number(MAJOR).unwrap_or(0),
            self.number(MINOR).unwrap_or(0),
        );
        (major & 0xfff) << 8 | minor & 0xff
    }

    /// Octal digits, or for large ones GNU's binary form.
    fn number(&self, field: Field) -> Option<u64> {
        let bytes = &self.0[field];
        if bytes[0] & 0x80 != 0 {
            let mut value = u64::from(bytes[0] & 0x7f);
            for &byte in &bytes[1..] {
                value = value.checked_mul(256)? | u64::from(byte);
            }
            return Some(value);
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

impl Extended {
    fn or(self, other: Self) -> Self {
        Self {
            path: self.path.or(other.path),
            link: self.link.or(other.link),
            size: self.size.or(other.size),
            modified: self.modified.or(other.modified),
        }
    }

    /// Reads records of the form "length key=value\n".
    fn read_records(&mut self, mut bytes: &'static [u8]) -> Result<(), ()> {
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

/// An entry on its way into the tree.
struct New {
    kind: u8,
    link: &'static [u8],
    permissions: u32,
    uid: u32,
    gid: u32,
    modified: Time,
    device: u64,
    body: &'static [u8],
}

impl New {
    fn put(&self, root: &Arc<Inode>, path: &[u8], now: Time) -> Result<Arc<Inode>, What> {
        let mut components = components(path)?;
        let name = components.pop();
        let parent = directories(root, &components, now)?;
        let Some(name) = name else {
            // The root itself, "./".
            return if self.kind == b'5' {
                self.finish(root.clone())
            } else {
                Err(What::Path)
            };
        };
        let there = parent
            .directory()
            .map_err(What::Place)?
            .lock()
            .get(name)
            .cloned();
        if let Some(there) = there {
            if self.kind == b'5' && there.is_directory() {
                return self.finish(there);
            }
            // A later entry of a name replaces the earlier one, but never a directory.
            if there.is_directory() {
                return Err(What::Place(Errno::EISDIR));
            }
            if self.kind != b'1' {
                directory::remove(&parent, name, now).map_err(What::Place)?;
            }
        }
        let mode = self.permissions;
        let node = |kind| Body::Node {
            kind,
            device: self.device,
        };
        let inode = match self.kind {
            b'0' => {
                let content = Content::from_base(self.body);
                Inode::new(Body::Regular(Mutex::new(content)), mode, now)
            }
            b'1' => return self.put_link(root, &parent, name, now),
            b'2' => Inode::new(Body::Symlink(self.link.to_vec()), 0o777, now),
            b'3' => {
                let own = Device::by_number(self.device).map(Body::Device);
                Inode::new(own.unwrap_or_else(|| node(S_IFCHR)), mode, now)
            }
            b'4' => Inode::new(node(S_IFBLK), mode, now),
            b'5' => Inode::new_directory(Some(&parent), mode, now),
            b'6' => Inode::new(Body::Pipe(Arc::<Pipe>::default()), mode, now),
            other => return Err(What::Kind(other)),
        };
        directory::insert(&parent, name, &inode, now).map_err(What::Place)?;
        self.finish(inode)
    }

    fn put_link(
        &self,
        root: &Arc<Inode>,
        parent: &Arc<Inode>,
        name: &[u8],
        now: Time,
    ) -> Result<Arc<Inode>, What> {
        let mut current = root.clone();
        for component in components(self.link)? {
            let next = current
                .directory()
                .map_err(What::Place)?
                .lock()
                .get(component)
                .cloned();
            current = next.ok_or(What::Place(Errno::ENOENT))?;
        }
        if current.is_directory() {
            return Err(What::Place(Errno::EPERM));
        }
        let there = parent
            .directory()
            .map_err(What::Place)?
            .lock()
            .get(name)
            .cloned();
        if let Some(there) = there {
            if Arc::ptr_eq(&there, &current) {
                return Ok(current);
            }
            directory::remove(parent, name, now).map_err(What::Place)?;
        }
        directory::link(parent, name, &current, now).map_err(What::Place)?;
        Ok(current)
    }

    fn finish(&self, inode: Arc<Inode>) -> Result<Arc<Inode>, What> {
        inode.update(|meta| {
            if inode.kind() != S_IFLNK {
                meta.permissions = self.permissions;
            }
            meta.uid = self.uid;
            meta.gid = self.gid;
        });
        Ok(inode)
    }
}

/// The names in a path; it may start with `/` or `./`, and must stay below the root.
fn components(path: &[u8]) -> Result<Vec<&[u8]>, What> {
    let mut names = Vec::new();
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err(What::Path),
            name if name.len() > NAME_BYTES_MAX || name.contains(&0) => return Err(What::Path),
            name => names.push(name),
        }
    }
    if names.len() > DEPTH_MAX {
        Err(What::Path)
    } else {
        Ok(names)
    }
}

/// The directory at the end of these names; those that no entry made are made.
fn directories(root: &Arc<Inode>, names: &[&[u8]], now: Time) -> Result<Arc<Inode>, What> {
    let mut current = root.clone();
    for name in names {
        let there = current
            .directory()
            .map_err(What::Place)?
            .lock()
            .get(name)
            .cloned();
        current = match there {
            Some(there) => there,
            None => {
                let made = Inode::new_directory(Some(&current), 0o755, now);
                directory::insert(&current, name, &made, now).map_err(What::Place)?;
                made
            }
        };
    }
    Ok(current)
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0);
    &bytes[..end.unwrap_or(bytes.len())]
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
    let (sign, digits) = match whole.strip_prefix(b"-") {
        Some(digits) => (-1, digits),
        None => (1, whole),
    };
    Some(Time {
        seconds: sign * i64::try_from(parse(digits)?).ok()?,
        nanoseconds,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use alloc::string::ToString;
    use alloc::{format, vec};

    fn header(name: &[u8], kind: u8, size: usize, link: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK_BYTES];
        block[..name.len()].copy_from_slice(name);
        for (field, value) in [
            (MODE, 0o644),
            (UID, 7),
            (GID, 8),
            (SIZE, size),
            (MTIME, 1000),
        ] {
            let digits = format!("{value:0width$o}", width = field.len() - 1);
            block[field.start..field.end - 1].copy_from_slice(digits.as_bytes());
        }
        block[KIND] = kind;
        block[LINK.start..LINK.start + link.len()].copy_from_slice(link);
        block[MAGIC].copy_from_slice(b"ustar\x0000");
        seal(&mut block);
        block
    }

    fn seal(block: &mut [u8]) {
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    fn entry(archive: &mut Vec<u8>, name: &[u8], kind: u8, body: &[u8]) {
        archive.extend(header(name, kind, body.len(), b""));
        archive.extend(body);
        archive.resize(archive.len().next_multiple_of(BLOCK_BYTES), 0);
    }

    fn link(archive: &mut Vec<u8>, name: &[u8], kind: u8, target: &[u8]) {
        archive.extend(header(name, kind, 0, target));
    }

    fn end(mut archive: Vec<u8>) -> &'static [u8] {
        archive.resize(archive.len() + 2 * BLOCK_BYTES, 0);
        archive.leak()
    }

    fn root() -> Arc<Inode> {
        Inode::new_directory(None, 0o755, Time::default())
    }

    fn find(root: &Arc<Inode>, path: &str) -> Option<Arc<Inode>> {
        let mut current = root.clone();
        for name in path.split('/') {
            let next = current
                .directory()
                .ok()?
                .lock()
                .get(name.as_bytes())
                .cloned();
            current = next?;
        }
        Some(current)
    }

    fn text(inode: &Inode) -> Vec<u8> {
        let Body::Regular(content) = &inode.body else {
            panic!("no file");
        };
        let mut bytes = Vec::new();
        content
            .lock()
            .read(0, usize::MAX, |_, piece| bytes.extend_from_slice(piece));
        bytes
    }

    #[test]
    fn files_directories_and_links_come_out() {
        let mut archive = Vec::new();
        entry(&mut archive, b"./", b'5', b"");
        entry(&mut archive, b"./dir/", b'5', b"");
        entry(&mut archive, b"./dir/file", b'0', b"hello");
        entry(&mut archive, b"deep/er/file", b'0', &[9; 1000]);
        link(&mut archive, b"soft", b'2', b"dir/file");
        link(&mut archive, b"hard", b'1', b"./dir/file");
        let long = [b"long/".repeat(60), b"x".to_vec()].concat();
        entry(
            &mut archive,
            b"././@LongLink",
            b'L',
            &[&long[..], b"\0"].concat(),
        );
        entry(&mut archive, b"cut", b'0', b"by GNU");
        entry(
            &mut archive,
            b"pax",
            b'x',
            b"18 path=by/pax/00\n19 mtime=1234.5678\n",
        );
        entry(&mut archive, b"cut", b'0', b"by pax");
        let root = root();
        assert_eq!(unpack(end(archive), &root, Time::default()), Ok(()));
        let file = find(&root, "dir/file").unwrap();
        assert_eq!(text(&file), b"hello");
        let stat = file.stat();
        assert_eq!(
            (stat.st_mode, stat.st_uid, stat.st_gid),
            (S_IFREG | 0o644, 7, 8)
        );
        assert_eq!((stat.st_nlink, stat.st_mtim.tv_sec), (2, 1000));
        assert!(Arc::ptr_eq(&file, &find(&root, "hard").unwrap()));
        assert_eq!(text(&find(&root, "deep/er/file").unwrap()), [9; 1000]);
        let soft = find(&root, "soft").unwrap();
        assert!(matches!(&soft.body, Body::Symlink(target) if target == b"dir/file"));
        let long = core::str::from_utf8(&long).unwrap();
        assert_eq!(text(&find(&root, long).unwrap()), b"by GNU");
        let pax = find(&root, "by/pax/00").unwrap();
        assert_eq!(text(&pax), b"by pax");
        assert_eq!(pax.stat().st_mtim.tv_nsec, 567_800_000);
        assert_eq!(find(&root, "dir").unwrap().stat().st_mtim.tv_sec, 1000);
    }

    #[test]
    fn damage_is_named() {
        let mut archive = Vec::new();
        entry(&mut archive, b"first", b'0', b"text");
        entry(&mut archive, b"second", b'0', &[1; 2000]);
        let whole = end(archive);
        let outcome = |bytes: &[u8]| match unpack(bytes.to_vec().leak(), &root(), Time::default()) {
            Ok(()) => "whole".to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome(whole), "whole");
        assert_eq!(
            outcome(b""),
            "this is no tar archive (at byte 0); make it anew with tar"
        );
        assert_eq!(
            outcome(&[b'x'; 1024]),
            "this is no tar archive (at byte 0); make it anew with tar"
        );
        assert_eq!(
            outcome(&whole[..1600]),
            "the archive is cut off (at byte 1024, \"second\"); make it anew with tar"
        );
        assert!(outcome(&whole[..1024]).starts_with("the archive ends without"));
        let mut bent = whole.to_vec();
        bent[1024] ^= 1;
        assert!(outcome(&bent).starts_with("the checksum of a header is wrong (at byte 1024"));
        for name in [&b"../up"[..], b"a/../../b"] {
            let mut archive = Vec::new();
            entry(&mut archive, name, b'0', b"");
            assert!(outcome(end(archive)).starts_with("a path cannot be a path here"));
        }
        let mut archive = Vec::new();
        entry(&mut archive, b"odd", b'V', b"");
        assert!(outcome(end(archive)).starts_with("an entry of an unknown kind, 'V'"));
        let mut archive = Vec::new();
        entry(&mut archive, b"holes", b'S', b"");
        assert_eq!(
            outcome(end(archive)),
            "an entry of an unknown kind, 'S' (at byte 0, \"holes\"); make it anew without --sparse"
        );
        let mut archive = Vec::new();
        entry(&mut archive, b"odd", b'x', b"99 path=x\n");
        assert!(outcome(end(archive)).starts_with("an extended header is damaged"));
    }

    #[test]
    fn bent_bytes_never_panic() {
        let mut archive = Vec::new();
        entry(&mut archive, b"dir/", b'5', b"");
        entry(&mut archive, b"dir/a", b'0', b"text");
        entry(
            &mut archive,
            b"pax",
            b'x',
            b"18 path=by/pax/00\n13 size=00003\n",
        );
        entry(&mut archive, b"b", b'0', b"123");
        link(&mut archive, b"c", b'1', b"dir/a");
        let whole = end(archive);
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize % below
        };
        let mut refused = 0;
        for _ in 0..3000 {
            let mut bytes = whole.to_vec();
            bytes.truncate(bytes.len() - next(3) * next(2000));
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
                // Half of them with a sum that fits again, to get further.
                if next(2) == 0 {
                    let block = at / BLOCK_BYTES * BLOCK_BYTES;
                    if let Some(block) = bytes.get_mut(block..block + BLOCK_BYTES) {
                        seal(block);
                    }
                }
            }
            refused += usize::from(unpack(bytes.leak(), &root(), Time::default()).is_err());
        }
        assert!(refused > 1000, "{refused}");
    }
}
