//! A socket as an open file.

use core::ffi::{CStr, c_int};

use alloc::sync::Arc;

use muslin::fd::{FileObject, Kind as FileKind};
use muslin::user::{Input, Output};
use muslin::{Errno, SyscallResult};
use muslin_net_stack::{Family, Kind, ReceiveHow, SendTo, SocketId};

use crate::interfaces;
use crate::net;

/// A socket of ours.
pub struct Socket {
    /// Its name in the stack.
    pub id: SocketId,
    /// Which addresses it has.
    pub family: Family,
    /// What it carries.
    pub kind: Kind,
}

/// Sockets among the open files.
pub static SOCKETS: FileKind<Socket> = FileKind::new();

/// The socket of a descriptor; `None`: it is not open or not ours.
pub fn of(fd: c_int) -> Option<Arc<Socket>> {
    SOCKETS.get(fd)
}

impl FileObject for Socket {
    const NAME: &'static CStr = c"socket";
    const MODE: u32 = 0o140_777;

    fn read(&self, to: &mut Output<'_>) -> Result<usize, Errno> {
        let how = ReceiveHow::default();
        net::attempt(|net| {
            let received = net.receive(self, to, how, false);
            net.tell_level(self.id);
            received.map(|received| received.bytes)
        })
    }

    fn write(&self, from: &mut Input<'_>) -> Result<usize, Errno> {
        net::attempt(|net| {
            let sent = net.send(self, from, &SendTo::default(), false);
            net.tell_level(self.id);
            sent
        })
    }

    fn ioctl(&self, request: u32, argument: usize) -> SyscallResult {
        interfaces::ioctl(Some(self), request, argument)
    }

    fn read_timeout_ns(&self) -> Option<u64> {
        let timeout = net::attempt(|net| Ok(net.kept(self.id)?.receive_timeout_ns));
        timeout.unwrap_or_default()
    }

    fn write_timeout_ns(&self) -> Option<u64> {
        let timeout = net::attempt(|net| Ok(net.kept(self.id)?.send_timeout_ns));
        timeout.unwrap_or_default()
    }

    fn closed(&self) {
        // Without a network there is nothing to close.
        let _ = net::with(|net| net.leave(self.id));
    }
}
