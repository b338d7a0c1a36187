//! The block devices of a process: files that its environment names.
//!
//! The image's manifest says which devices it wants; `MUSLIN_BLOCK_storage=disk.img` gives it the
//! one that is called `storage`.

use muslin_abi::Errno;
use muslin_abi::args::from_raw;
use muslin_platform::Console;

use crate::block::BLOCKS;
use crate::calls;
use crate::host_files::HOST_FILES;
use crate::linux_process::{LINUX_PROCESS, LSEEK, OPEN, SEEK_END, text};
use crate::manifest::{self, Entry};

/// How the variable begins; the device's name follows.
const VARIABLE: &[u8] = b"MUSLIN_BLOCK_";
const O_RDWR: usize = 2;
const SECTOR_BYTES: u16 = 512;
/// Bytes of the note before the manifest.
const NOTE_HEADER_BYTES: usize = 24;

unsafe extern "C" {
    /// The note with the image's manifest.
    static __muslin_manifest: u8;
}

/// Where the image's own manifest is.
pub fn manifest() -> usize {
    &raw const __muslin_manifest as usize + NOTE_HEADER_BYTES
}

/// Opens the files, and ends the process where one is missing.
///
/// # Safety
/// The process was just entered; `environment` is as the kernel laid it out.
pub unsafe fn take(environment: *mut *const u8) {
    // SAFETY: the image's own note; the caller promises the rest.
    unsafe {
        let found = manifest::declared(manifest()).map(|(handle, mut entry)| {
            open(&mut entry, environment);
            (handle, entry)
        });
        BLOCKS.take(found, &HOST_FILES);
    }
}

/// # Safety
/// As [`take`].
unsafe fn open(entry: &mut Entry, environment: *mut *const u8) {
    let path = (0..)
        // SAFETY: C strings up to a null, which ends the search.
        .map_while(|i| unsafe { text(*environment.add(i)) })
        .find_map(|variable| {
            let name = variable.strip_prefix(VARIABLE)?;
            name.strip_prefix(entry.name_bytes())?.strip_prefix(b"=")
        });
    let problem: &[u8] = match path.map(open_file) {
        Some(Ok([fd, len_bytes])) => {
            entry.host_fd = fd as i32;
            entry.capacity_bytes = len_bytes as u64;
            entry.sector_bytes = SECTOR_BYTES;
            return;
        }
        Some(Err(_)) => b", whose file cannot be opened, or is not of whole sectors\n",
        None => b", which is not given: name a file in the variable MUSLIN_BLOCK_ and its name\n",
    };
    LINUX_PROCESS.write_error(b"muslin: the image declares the block device ");
    LINUX_PROCESS.write_error(entry.name_bytes());
    LINUX_PROCESS.refuse(problem)
}

/// Opens a file for reading and writing; its descriptor, and its length in bytes. `path` ends with a
/// zero behind its last byte.
fn open_file(path: &[u8]) -> Result<[usize; 2], Errno> {
    let args = [path.as_ptr() as usize, O_RDWR, 0, 0, 0, 0];
    // SAFETY: the calls read the path.
    let [fd, len_bytes] = unsafe {
        let fd = from_raw(calls::call(OPEN, args))?;
        [
            fd,
            from_raw(calls::call(LSEEK, [fd, 0, SEEK_END, 0, 0, 0]))?,
        ]
    };
    if len_bytes == 0 || !len_bytes.is_multiple_of(SECTOR_BYTES.into()) {
        return Err(Errno::EINVAL);
    }
    Ok([fd, len_bytes])
}
