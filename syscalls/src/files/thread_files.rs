//! `/proc/self/task`: a directory for each thread, made when it is looked up.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use muslin_abi::Errno;

use super::directory::{self, Name};
use super::file_ops::FileOps;
use super::inode::{Body, Inode, Time};
use super::proc;
use super::regular::Snapshot;
use crate::context::Context;
use crate::process::without_zeros;
use crate::threads::{COMM_BYTES, Thread};
use crate::user_mem::{UserBuf, UserBufMut};

/// Opens a file of the thread with this number.
pub type OpenFn = fn(&Context<'_>, i32) -> Result<Box<dyn FileOps>, Errno>;

/// Finds the directory of a thread in the directory of all.
pub type LookupFn = fn(&Context<'_>, &Arc<Inode>, &[u8]) -> Option<Arc<Inode>>;

const FILES: [(&str, OpenFn, u32); 3] = [
    ("comm", open_comm, 0o644),
    ("status", open_status, 0o444),
    ("stat", open_stat, 0o444),
];

/// The directory of a thread in the directory of all.
pub fn lookup(context: &Context<'_>, all: &Arc<Inode>, name: &[u8]) -> Option<Arc<Inode>> {
    let tid = core::str::from_utf8(name).ok()?.parse().ok()?;
    context.process.threads.find(tid)?;
    let now = Time::now(context.platform);
    let made = Inode::new_directory(Some(all), 0o555, now);
    made.directory().ok()?.lock().name = Name::from(name);
    for (name, open, mode) in FILES {
        let inode = Inode::new(Body::Thread(open, tid), mode, now);
        directory::insert(&made, name.as_bytes(), &inode, now).ok()?;
    }
    Some(made)
}

fn open_comm(context: &Context<'_>, tid: i32) -> Result<Box<dyn FileOps>, Errno> {
    find(context, tid)?;
    Ok(Box::new(Comm(tid)))
}

fn open_status(context: &Context<'_>, tid: i32) -> Result<Box<dyn FileOps>, Errno> {
    let text = proc::status(context, find(context, tid)?);
    Ok(Box::new(Snapshot(text.into_bytes())))
}

fn open_stat(context: &Context<'_>, tid: i32) -> Result<Box<dyn FileOps>, Errno> {
    let thread = find(context, tid)?;
    let cpu_ns = context.process.threads.cpu_ns(context, thread);
    let text = proc::stat(context, thread, cpu_ns);
    Ok(Box::new(Snapshot(text.into_bytes())))
}

fn find(context: &Context<'_>, tid: i32) -> Result<&'static Thread, Errno> {
    context.process.threads.find(tid).ok_or(Errno::ESRCH)
}

/// The name of a thread.
struct Comm(i32);

impl FileOps for Comm {
    fn has_places(&self) -> bool {
        true
    }

    fn read_at(
        &self,
        context: &Context<'_>,
        offset_bytes: u64,
        dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        let comm = context.process.identity.comm_of(find(context, self.0)?);
        let mut text = without_zeros(&comm);
        text.push(b'\n');
        Snapshot(text).read_at(context, offset_bytes, dst)
    }

    fn write_at(
        &self,
        context: &Context<'_>,
        offset_bytes: Option<u64>,
        src: &UserBuf<'_>,
    ) -> Result<(usize, u64), Errno> {
        let thread = find(context, self.0)?;
        let mut name = [0; COMM_BYTES - 1];
        let len_bytes = src.copy_out(0, &mut name);
        context
            .process
            .identity
            .set_comm_of(thread, &without_zeros(&name[..len_bytes]));
        let end = offset_bytes.unwrap_or(0).saturating_add(src.len() as u64);
        Ok((src.len(), end))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The path of the current thread's directory.
pub fn own_path(context: &Context<'_>) -> Vec<u8> {
    let tid = context.process.threads.current().tid();
    format!("self/task/{tid}").into_bytes()
}
