//! A cache key: a hash over everything that a result depends on.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::Error;

/// Collects inputs; equal keys mean equal inputs in equal order.
pub(crate) struct Key {
    hash: Sha256,
}

impl Key {
    /// A key that differs between versions of the builder.
    pub(crate) fn new(builder_version: &str) -> Key {
        let mut key = Key {
            hash: Sha256::new(),
        };
        key.text("builder", builder_version);
        key
    }

    /// Adds a named text.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.bytes(name, text.as_bytes());
    }

    /// Adds a file, or every file below a directory, by path and content. What is not there counts
    /// as not there.
    ///
    /// # Errors
    /// Something is there but cannot be read.
    pub(crate) fn tree(&mut self, root: &Path, path: &str) -> Result<(), Error> {
        let full = root.join(path);
        if full.is_dir() {
            for name in crate::install::names_in(&full)? {
                self.tree(root, &format!("{path}/{name}"))?;
            }
        } else if full.is_file() {
            let content = fs::read(&full).map_err(|why| Error::io("reading", &full, why))?;
            self.bytes(path, &content);
        }
        Ok(())
    }

    /// The first 64 bits in hex.
    pub(crate) fn hex(self) -> String {
        let mut hex = hex(&self.hash.finalize());
        hex.truncate(16);
        hex
    }

    fn bytes(&mut self, name: &str, content: &[u8]) {
        for part in [name.as_bytes(), content] {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
    }
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    fn key_of(parts: &[(&str, &str)]) -> String {
        let mut key = Key::new("1");
        for (name, text) in parts {
            key.text(name, text);
        }
        key.hex()
    }

    #[test]
    fn equal_inputs_give_equal_keys_of_sixteen_digits() {
        let key = key_of(&[("flags", "-O2"), ("compiler", "gcc 12")]);
        assert_eq!(key, key_of(&[("flags", "-O2"), ("compiler", "gcc 12")]));
        assert_eq!(key.len(), 16);
    }

    #[test]
    fn any_changed_input_changes_the_key() {
        let base = key_of(&[("flags", "-O2"), ("compiler", "gcc 12")]);
        assert_ne!(base, key_of(&[("flags", "-Os"), ("compiler", "gcc 12")]));
        assert_ne!(base, key_of(&[("flags", "-O2"), ("compiler", "gcc 13")]));
        assert_ne!(base, key_of(&[("flags", "-O2")]));
        assert_ne!(base, key_of(&[("flags", "-O2compiler"), ("", "gcc 12")]));
    }

    #[test]
    fn builder_version_is_part_of_the_key() {
        assert_ne!(Key::new("1").hex(), Key::new("2").hex());
    }

    #[test]
    fn tree_sees_content_name_and_absence() {
        let dir = tempfile::tempdir().unwrap();
        let key = || {
            let mut key = Key::new("1");
            key.tree(dir.path(), "src").unwrap();
            key.hex()
        };
        let absent = key();
        fs::create_dir(dir.path().join("src")).unwrap();
        fs::write(dir.path().join("src/a.rs"), "a").unwrap();
        let one = key();
        fs::write(dir.path().join("src/a.rs"), "b").unwrap();
        let changed = key();
        fs::rename(dir.path().join("src/a.rs"), dir.path().join("src/b.rs")).unwrap();
        let renamed = key();
        let all = [&absent, &one, &changed, &renamed];
        for (i, left) in all.iter().enumerate() {
            for right in &all[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }
}
