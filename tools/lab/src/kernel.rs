//! The Linux kernel of the lab, which tools/setup-lab.sh puts into the cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What makes /dev/kvm, in the order in which the parts need each other.
pub(crate) const MODULES: [&str; 5] = ["irqbypass.ko", "kvm.ko", "ccp.ko", "kvm-amd.ko", "tun.ko"];

/// The compressed kernel, as Debian has it.
const PACKED: &str = "vmlinuz";

/// Unpacked, which saves seconds at each start.
const UNPACKED: &str = "vmlinux";

/// Places in the header of a packed kernel. Source: Linux `Documentation/arch/x86/boot.rst`.
const SETUP_SECTORS_AT: usize = 0x1f1;
const PAYLOAD_OFFSET_AT: usize = 0x248;
const PAYLOAD_LENGTH_AT: usize = 0x24c;
const SECTOR_BYTES: usize = 512;

/// The directory of a kernel and its modules; the newest, if there are several.
pub(crate) fn find() -> Result<PathBuf, String> {
    let all = cache().join("lab");
    let mut found: Vec<PathBuf> = fs::read_dir(&all)
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|dir| dir.join(PACKED).is_file())
                .collect()
        })
        .unwrap_or_default();
    found.sort();
    found
        .pop()
        .ok_or_else(|| "there is no kernel for QEMU; tools/setup-lab.sh gets one".to_owned())
}

/// Where everything is kept that took time to get or to make.
pub(crate) fn cache() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(dir) = set("MUSLIN_CACHE") {
        return dir.into();
    }
    let all = set("XDG_CACHE_HOME").map_or_else(
        || Path::new(&set("HOME").unwrap_or_default()).join(".cache"),
        PathBuf::from,
    );
    all.join("muslin")
}

/// The kernel as QEMU starts it fastest.
pub(crate) fn unpacked(dir: &Path) -> Result<PathBuf, String> {
    let ready = dir.join(UNPACKED);
    if ready.is_file() {
        return Ok(ready);
    }
    let packed = dir.join(PACKED);
    let bytes = fs::read(&packed).map_err(|error| format!("{}: {error}", packed.display()))?;
    let payload =
        payload(&bytes).ok_or_else(|| format!("{} is not a Linux kernel", packed.display()))?;
    let scratch =
        tempfile::tempdir_in(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let input = scratch.path().join("payload.xz");
    let output = scratch.path().join(UNPACKED);
    let made = fs::write(&input, payload)
        .and_then(|()| {
            Command::new("xz")
                // Behind the stream is its length.
                .args(["--decompress", "--stdout", "--single-stream"])
                .arg(&input)
                .stdout(fs::File::create(&output)?)
                .stderr(Stdio::null())
                .status()
        })
        .map_err(|error| format!("cannot unpack {}: {error}", packed.display()))?;
    if !made.success() {
        // Packed by something else: slower to start, but it starts.
        return Ok(packed);
    }
    fs::rename(&output, &ready).map_err(|error| format!("{}: {error}", ready.display()))?;
    Ok(ready)
}

fn payload(bytes: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(word.try_into().ok()?)).ok()
    };
    let sectors = usize::from(*bytes.get(SETUP_SECTORS_AT)?) + 1;
    let start = sectors * SECTOR_BYTES + word(PAYLOAD_OFFSET_AT)?;
    bytes.get(start..)?.get(..word(PAYLOAD_LENGTH_AT)?)
}
