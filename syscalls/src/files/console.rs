//! The platform's console as a file, and the descriptors that start on it.
//!
//! It is a kind of its own, apart from the other devices: every program has it open, and pays for no
//! more than this.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;

use spin::Once;

use muslin_abi::Errno;
use muslin_abi::flags::*;

use super::devices::Device;
use super::fd_table::{Descriptor, FdTable};
use super::file::File;
use super::file_ops::{FileOps, Readiness};
use super::inode::{Body, Inode, Time};
use crate::context::Context;
use crate::threads::WaitQueue;
use crate::user_mem::{UserBuf, UserBufMut};

/// Bytes that go through the library OS at once.
const PIECE_BYTES: usize = 512;

/// Who waits for input, where somebody tells when it comes.
pub static CONSOLE_READERS: Once<Arc<WaitQueue>> = Once::new();

/// The open console. No terminal to `isatty`: nobody below says whether a person or a file is at
/// the other end, and programs print the same as into a pipe on Linux.
pub struct Console {
    /// Is it for what is said about errors?
    pub is_for_errors: bool,
}

impl FileOps for Console {
    fn read(&self, context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        let console = context.platform.console();
        if console.is_quiet() && !dst.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let mut piece = [0; PIECE_BYTES];
        let len = piece.len().min(dst.len());
        let got = console.read(&mut piece[..len]).min(len);
        Ok(dst.copy_in(0, &piece[..got]))
    }

    fn poll(&self, context: &Context<'_>) -> Readiness {
        match context.platform.console().is_quiet() {
            true => Readiness::WRITABLE,
            false => Readiness::BOTH,
        }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        CONSOLE_READERS.get().map(|readers| &**readers)
    }

    fn name(&self) -> &'static str {
        "the console"
    }

    fn write(&self, context: &Context<'_>, src: &UserBuf<'_>) -> Result<usize, Errno> {
        let console = context.platform.console();
        let mut piece = [0; PIECE_BYTES];
        let mut done = 0;
        while done < src.len() {
            let len = src.copy_out(done, &mut piece);
            let mut taken = 0;
            while taken < len {
                let rest = &piece[taken..len];
                let more = if self.is_for_errors {
                    console.write_error(rest)
                } else {
                    console.write(rest)
                };
                match more {
                    0 if done + taken == 0 => return Err(Errno::EIO),
                    0 => return Ok(done + taken),
                    more => taken += more.min(len - taken),
                }
            }
            done += len;
        }
        Ok(done)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Descriptors 0, 1 and 2 on the console: one to read, two to write.
pub fn standard_streams(now: Time) -> FdTable {
    let inode = Inode::new(Body::Device(Device::Console), 0o600, now);
    let mut table = FdTable::default();
    for (access, is_for_errors) in [(O_RDONLY, false), (O_WRONLY, false), (O_WRONLY, true)] {
        let file = File::new(
            Box::new(Console { is_for_errors }),
            Some(inode.clone()),
            access,
        );
        let descriptor = Descriptor {
            file: Arc::new(file),
            closes_on_exec: false,
        };
        let inserted = table.insert(descriptor, 0);
        debug_assert!(inserted.is_ok(), "a new table has room");
    }
    table
}
