//! What tools/setup-xen-lab.sh puts into the cache: Xen, its tools, and a Linux.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kernel;

/// What every version has; one that was made before it was wanted does not.
const NEEDED: [&str; 3] = ["xen", "bin/libxl-save-helper", "modules/loop.ko"];

/// The directory of one version.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// Its name is a hash of what is in it.
    pub(super) dir: PathBuf,
}

impl Files {
    /// The newest version.
    pub(super) fn find() -> Result<Self, String> {
        let all = kernel::cache().join("xen-lab");
        let mut found: Vec<PathBuf> = names_in(&all)
            .into_iter()
            .map(|name| all.join(name))
            .filter(|dir| NEEDED.iter().all(|name| dir.join(name).is_file()))
            .collect();
        found.sort();
        match found.pop() {
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
