//! A socket as an open file.

use alloc::sync::Arc;
use core::ffi::{CStr, c_int};

use muslin::fd::{FileObject, Kind};
use muslin::user::{self, Input, Output};
use muslin::{Errno, SyscallResult};
use muslin_abi::flags::FIONREAD;

use crate::entry::Settings;
use crate::sockets::{self, Id};

/// `IOCTL_VM_SOCKETS_GET_LOCAL_CID`
const GET_LOCAL_CID: u32 = 0x7b9;

/// A socket of ours.
#[derive(Debug)]
pub struct Socket {
    /// Its name.
    pub id: Id,
}

/// Sockets among the open files.
pub static KIND: Kind<Socket> = Kind::new();

/// The socket of a descriptor; `None`: it is not open or not ours.
pub fn of(fd: c_int) -> Option<Arc<Socket>> {
    KIND.get(fd)
}

impl Socket {
    fn settings(&self) -> Option<Settings> {
        sockets::with_one(self.id, |entry, _| Ok(entry.settings)).ok()
    }
}

impl FileObject for Socket {
    const NAME: &'static CStr = c"vsock";
    const MODE: u32 = 0o140_777;

    fn read(&self, to: &mut Output<'_>) -> Result<usize, Errno> {
        sockets::with_one(self.id, |entry, _| entry.read(to, false))
    }

    fn write(&self, from: &mut Input<'_>) -> Result<usize, Errno> {
        sockets::with_one(self.id, |entry, _| entry.write(from))
    }

    fn ioctl(&self, request: u32, argument: usize) -> SyscallResult {
        match request {
            FIONREAD => {
                let ready = sockets::with_one(self.id, |entry, _| Ok(entry.ready_bytes()))?;
                user::write(argument, &i32::try_from(ready).unwrap_or(i32::MAX))?;
            }
            GET_LOCAL_CID => {
                let own = sockets::with(|sockets| sockets.channels.own_number())?;
                user::write(argument, &own)?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn read_timeout_ns(&self) -> Option<u64> {
        self.settings()?.receive_timeout_ns
    }

    fn write_timeout_ns(&self) -> Option<u64> {
        self.settings()?.send_timeout_ns
    }

    fn closed(&self) {
        let _ = sockets::with(|sockets| {
            sockets.leave(self.id);
            Ok(())
        });
    }
}
