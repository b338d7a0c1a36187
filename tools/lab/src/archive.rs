//! The archive that a Linux kernel takes for its first files: cpio, in the format `newc`.

use std::collections::BTreeSet;

const DIRECTORY: u32 = 0o04_0755;
const PROGRAM: u32 = 0o10_0755;
const DEVICE: u32 = 0o02_0600;
const LINK: u32 = 0o12_0777;

/// An archive that grows.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    inodes: u32,
}

impl Archive {
    /// Adds a file, which may be executed, and the directories that it is in.
    pub(crate) fn file(&mut self, name: &str, content: &[u8]) {
        self.directories_of(name);
        self.entry(name, PROGRAM, (0, 0), content);
    }

    /// Adds an empty directory.
    pub(crate) fn directory(&mut self, name: &str) {
        self.directories_of(name);
        if self.directories.insert(name.to_owned()) {
            self.entry(name, DIRECTORY, (0, 0), &[]);
        }
    }

    /// Adds a device for characters.
    pub(crate) fn device(&mut self, name: &str, major: u32, minor: u32) {
        self.directories_of(name);
        self.entry(name, DEVICE, (major, minor), &[]);
    }

    /// Adds another name for a file.
    pub(crate) fn link(&mut self, name: &str, target: &str) {
        self.directories_of(name);
        self.entry(name, LINK, (0, 0), target.as_bytes());
    }

    /// The whole archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn directories_of(&mut self, name: &str) {
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        self.inodes += 1;
        let name_bytes = name.len() as u32 + 1;
        let fields = [
            self.inodes,
            mode,
            0, // user
            0, // group
            1, // links
            0, // time
            content.len() as u32,
            0, // device that it is on
            0,
            major,
            minor,
            name_bytes,
            0, // checksum
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_directories_come_first() {
        let mut archive = Archive::default();
        archive.file("a/b/c", b"hello");
        archive.file("a/b/d", b"");
        let bytes = archive.finish();
        let names: Vec<usize> = ["a\0", "a/b\0", "a/b/c\0", "a/b/d\0", "TRAILER!!!\0"]
            .iter()
            .map(|name| {
                bytes
                    .windows(name.len())
                    .position(|window| window == name.as_bytes())
                    .unwrap_or_default()
            })
            .collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[..6], b"070701");
        for (start, _) in bytes
            .windows(6)
            .enumerate()
            .filter(|(_, window)| *window == b"070701")
        {
            assert_eq!(start % 4, 0);
        }
    }
}
