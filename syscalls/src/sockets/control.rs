//! What travels beside the bytes, as the program lays it out: headers, each with data behind it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::Errno;
use muslin_abi::control::{ALIGNMENT, each_header};
use muslin_abi::flags::*;
use muslin_abi::layout::{Cmsghdr, Pod, Ucred};

use super::receive::Received;
use super::send::own_credentials;
use crate::context::Context;
use crate::files::fd_table::Descriptor;
use crate::files::file::File;
use crate::process::PID;
use crate::user_mem::{self, UserBuf, UserBufMut};

/// Open files that one message can carry.
const FILES_MAX: usize = 253;
/// Bytes of a descriptor.
const FD_BYTES: usize = 4;

/// What a program sends beside the bytes.
#[derive(Default)]
pub struct Control {
    /// Open files.
    pub files: Vec<Arc<File>>,
    /// Who it says that it is.
    pub credentials: Option<Ucred>,
}

/// Reads what a program sends beside the bytes.
///
/// # Errors
/// `EINVAL` not laid out right, or of another kind, or too many files · `EBADF` one is not open ·
/// `EPERM` `ESRCH` wrong credentials · `ENOBUFS` too long · `EFAULT`.
pub fn read(context: &Context<'_>, address: usize, len: usize) -> Result<Control, Errno> {
    let mut control = Control::default();
    if address == 0 || len == 0 {
        return Ok(control);
    }
    if len > i32::MAX as usize {
        return Err(Errno::ENOBUFS);
    }
    if len < Cmsghdr::BYTES {
        return Ok(control);
    }
    let bytes = UserBuf::new(context, address, len)?.to_vec()?;
    each_header(&bytes, |header, data| {
        if header.cmsg_level == SOL_SOCKET {
            match header.cmsg_type {
                SCM_RIGHTS => add_files(context, data, &mut control.files)?,
                SCM_CREDENTIALS if data.len() == Ucred::BYTES => {
                    let credentials = Ucred::from_bytes(data);
                    check_credentials(context, credentials)?;
                    control.credentials = Some(credentials);
                }
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(())
    })?;
    Ok(control)
}

fn add_files(context: &Context<'_>, data: &[u8], files: &mut Vec<Arc<File>>) -> Result<(), Errno> {
    if files.len() + data.len() / FD_BYTES > FILES_MAX {
        return Err(Errno::EINVAL);
    }
    for fd in data.chunks_exact(FD_BYTES) {
        files.push(context.process.files.any(i32::from_bytes(fd))?);
    }
    Ok(())
}

/// Root may say that it is anybody, but no process that there is not.
fn check_credentials(context: &Context<'_>, said: Ucred) -> Result<(), Errno> {
    let (users, groups) = context.process.identity.numbers();
    let is_root = own_credentials(context).uid == 0;
    if said.pid != PID {
        return Err(if is_root { Errno::ESRCH } else { Errno::EPERM });
    }
    if is_root || (users.contains(&said.uid) && groups.contains(&said.gid)) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// Gives the program what came beside the bytes: how much of its room that took, and `MSG_CTRUNC` if it
/// was too little.
pub fn write(
    context: &Context<'_>,
    received: Received,
    (address, len): (usize, usize),
    closes_on_exec: bool,
) -> (usize, u32) {
    let mut room = Room {
        context,
        address,
        left_bytes: if address == 0 { 0 } else { len },
        flags: 0,
    };
    if let Some(credentials) = received.credentials {
        let mut bytes = [0; Ucred::BYTES];
        credentials.to_bytes(&mut bytes);
        room.put(SCM_CREDENTIALS, &bytes);
    }
    if !received.files.is_empty() {
        room.put_files(received.files, closes_on_exec);
    }
    (room.address - address, room.flags)
}

struct Room<'a> {
    context: &'a Context<'a>,
    address: usize,
    left_bytes: usize,
    flags: u32,
}

impl Room<'_> {
    /// Puts a header and its data, cut where the room ends.
    fn put(&mut self, kind: i32, data: &[u8]) {
        if self.left_bytes < Cmsghdr::BYTES {
            self.flags |= MSG_CTRUNC;
            return;
        }
        let len = Cmsghdr::BYTES + data.len();
        if self.left_bytes < len {
            self.flags |= MSG_CTRUNC;
        }
        let header = Cmsghdr {
            cmsg_len: len.min(self.left_bytes),
            cmsg_level: SOL_SOCKET,
            cmsg_type: kind,
        };
        let room = self.left_bytes - Cmsghdr::BYTES;
        let data = data.get(..room).unwrap_or(data);
        let data_address = self.address.wrapping_add(Cmsghdr::BYTES);
        let written = user_mem::write(self.context, self.address, &header).and_then(|()| {
            UserBufMut::new(self.context, data_address, data.len())?.copy_in(0, data);
            Ok(())
        });
        // As Linux does: what the program cannot be told is left out.
        if written.is_ok() {
            let taken = len.next_multiple_of(ALIGNMENT).min(self.left_bytes);
            self.address += taken;
            self.left_bytes -= taken;
        }
    }

    /// Opens descriptors for as many files as there is room for; the others are closed.
    fn put_files(&mut self, files: Vec<Arc<File>>, closes_on_exec: bool) {
        let count = files.len();
        let fits = self.left_bytes.saturating_sub(Cmsghdr::BYTES) / FD_BYTES;
        let mut numbers = Vec::new();
        let len = Cmsghdr::BYTES + fits.min(count) * FD_BYTES;
        if fits > 0 && UserBufMut::new(self.context, self.address, len).is_ok() {
            for file in files.into_iter().take(fits) {
                let descriptor = Descriptor {
                    file,
                    closes_on_exec,
                };
                let table = self.context.process.files.table();
                let Ok(fd) = table.lock().insert(descriptor, 0) else {
                    break;
                };
                numbers.extend(fd.to_le_bytes());
            }
        }
        if !numbers.is_empty() {
            self.put(SCM_RIGHTS, &numbers);
        }
        if numbers.len() < count * FD_BYTES {
            self.flags |= MSG_CTRUNC;
        }
    }
}
