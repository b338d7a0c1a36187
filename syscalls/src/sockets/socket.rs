//! An end as an open file.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallResult, Sysno};

use super::endpoint::Endpoint;
use super::pieces::{Pieces, Source, Target};
use super::receive::Receiving;
use super::send::Sending;
use super::wait::Patience;
use crate::context::Context;
use crate::files::fd_table::Descriptor;
use crate::files::file::File;
use crate::files::inode::{Body, Inode, Time};
use crate::files::{FileOps, Readiness};
use crate::gap::gap;
use crate::threads::WaitQueue;
use crate::user_mem::{self, UserBuf, UserBufMut};

/// Requests of network interfaces: bits 8 to 15.
const INTERFACE_REQUESTS: u32 = 0x89;

/// An open end. It is over when nobody has it open.
pub struct Socket(Arc<Endpoint>);

impl Socket {
    /// The end that a file is, if it is a socket of this family.
    pub fn of(file: &File) -> Option<&Arc<Endpoint>> {
        let socket: &Self = file.ops.as_any().downcast_ref()?;
        Some(&socket.0)
    }

    /// Opens an end, with the flags of `socket` and `accept4`.
    pub fn open(context: &Context<'_>, end: Arc<Endpoint>, flags: u32) -> Descriptor {
        let body = Body::Node {
            kind: S_IFSOCK,
            device: 0,
        };
        let inode = Inode::new(body, 0o777, Time::now(context.platform));
        let flags_of_file = O_RDWR | flags & SOCK_NONBLOCK;
        let file = File::new(Box::new(Self(end)), Some(inode), flags_of_file);
        Descriptor {
            file: Arc::new(file),
            closes_on_exec: flags & SOCK_CLOEXEC != 0,
        }
    }

    fn send(
        &self,
        context: &Context<'_>,
        source: &dyn Source,
        patience: Patience,
    ) -> SyscallResult {
        let sending = Sending {
            end: &self.0,
            source,
            to: None,
            files: alloc::vec::Vec::new(),
            credentials: None,
            flags: 0,
            patience,
            call: Sysno::write,
        };
        sending.send(context)
    }

    fn receive(
        &self,
        context: &Context<'_>,
        target: &mut dyn Target,
        patience: Patience,
    ) -> SyscallResult {
        if target.len() == 0 {
            return Ok(0);
        }
        let receiving = Receiving {
            end: &self.0,
            target,
            flags: 0,
            patience,
            call: Sysno::read,
        };
        Ok(receiving.receive(context)?.0)
    }
}

/// The end that a descriptor names.
///
/// # Errors
/// `EBADF` it is not open · `ENOTSOCK` it is no socket of this family.
pub fn end_of(file: &File) -> Result<&Arc<Endpoint>, Errno> {
    Socket::of(file).ok_or(Errno::ENOTSOCK)
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.release(false);
    }
}

impl FileOps for Socket {
    fn read(&self, context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        self.receive(context, dst, Patience::None)
    }

    fn write(&self, context: &Context<'_>, src: &UserBuf<'_>) -> Result<usize, Errno> {
        self.send(context, src, Patience::None)
    }

    fn read_whole(
        &self,
        context: &Context<'_>,
        file: &File,
        pieces: &[(usize, usize)],
    ) -> Option<SyscallResult> {
        let patience = Patience::to_receive(context, file, &self.0, 0);
        Some(self.receive(context, &mut Pieces(pieces), patience))
    }

    fn write_whole(
        &self,
        context: &Context<'_>,
        file: &File,
        pieces: &[(usize, usize)],
    ) -> Option<SyscallResult> {
        let patience = Patience::to_send(context, file, &self.0, 0);
        Some(self.send(context, &Pieces(pieces), patience))
    }

    fn poll(&self, _context: &Context<'_>) -> Readiness {
        self.0.readiness()
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.queue)
    }

    fn ioctl(&self, context: &Context<'_>, request: u32, arg: usize) -> SyscallResult {
        let value = match request {
            FIONREAD => self.0.bytes_to_receive()? as i32,
            TIOCOUTQ => self.0.state().on_its_way_bytes as i32,
            // No byte is urgent.
            SIOCATMARK => 0,
            _ if request >> 8 == INTERFACE_REQUESTS => {
                return Err(gap!(context, Sysno::ioctl, "network interfaces", ENODEV));
            }
            _ => return Err(Errno::ENOTTY),
        };
        user_mem::write(context, arg, &value)?;
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
