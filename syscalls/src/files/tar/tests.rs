#![allow(clippy::unwrap_used, reason = "tests")]

use super::header::{CHECKSUM, KIND, LINK, MAGIC};
use super::*;
use crate::files::inode::Body;
use alloc::string::ToString;
use alloc::{format, vec};
use muslin_abi::flags::S_IFREG;

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
fn times_before_1970_count_onwards() {
    let mut archive = Vec::new();
    let second_before = [0xff; 12];
    let mut block = header(b"gnu", b'0', 0, b"");
    block[MTIME].copy_from_slice(&second_before);
    seal(&mut block);
    archive.extend(block);
    entry(&mut archive, b"pax", b'x', b"15 mtime=-1.25\n");
    entry(&mut archive, b"pax", b'0', b"");
    entry(&mut archive, b"pax", b'x', b"12 mtime=-3\n");
    entry(&mut archive, b"whole", b'0', b"");
    let root = root();
    assert_eq!(unpack(end(archive), &root, Time::default()), Ok(()));
    let modified = |name| {
        let stat = find(&root, name).unwrap().stat();
        (stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec)
    };
    assert_eq!(modified("gnu"), (-1, 0));
    assert_eq!(modified("pax"), (-2, 750_000_000));
    assert_eq!(modified("whole"), (-3, 0));
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
