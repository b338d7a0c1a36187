//! What tools/setup-xen-lab.sh puts into the cache: Xen, its tools, and a Linux.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::kernel;

/// The script that makes labs; its hash is the end of a lab's name.
const SCRIPT: &[u8] = include_bytes!("../../../setup-xen-lab.sh");
/// So much of it.
const HASH_BYTES: usize = 8;

/// The directory of one version, which has the name of what made it.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) dir: PathBuf,
}

impl Files {
    /// That which this copy's script has made.
    pub(super) fn find() -> Result<Self, String> {
        let hash = Sha256::digest(SCRIPT);
        let script: String = hash[..HASH_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let all = kernel::cache().join("xen-lab");
        let mut found = names_in(&all)
            .into_iter()
            .filter(|name| name.ends_with(&script))
            .map(|name| all.join(name))
            .filter(|dir| dir.join("xen").is_file());
        match found.next() {
            Some(dir) => Ok(Self { dir }),
            None => Err("there is no Xen for QEMU; tools/setup-xen-lab.sh gets one".to_owned()),
        }
    }

    /// The hypervisor, as QEMU starts it.
    pub(super) fn xen(&self) -> PathBuf {
        self.dir.join("xen")
    }

    /// The Linux of dom0.
    pub(super) fn linux(&self) -> Result<PathBuf, String> {
        kernel::unpacked(&self.dir)
    }

    /// One of the files.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.dir.join(name);
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The names of the files in one of the directories, sorted.
    pub(super) fn names_in(&self, directory: &str) -> Vec<String> {
        names_in(&self.dir.join(directory))
    }
}

/// The names that do not begin with a dot, sorted.
pub(super) fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| !name.starts_with('.'))
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}
