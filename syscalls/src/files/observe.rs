//! What happens to files, told to whoever observes them.
//!
//! Every file may be observed, and in few programs one is: what tells of it is put here by the first
//! `inotify_init`.

use alloc::sync::Arc;

use muslin_abi::flags::{IN_ISDIR, IN_MOVED_FROM, IN_MOVED_TO};
use spin::Once;

use super::directory::Name;
use super::inode::Inode;

/// A name in a directory.
pub type NameIn = (Arc<Inode>, Name);

/// What happened in a directory to a name.
pub struct Named<'a> {
    /// What happened.
    pub mask: u32,
    /// The same for both ends of a move; 0 otherwise.
    pub cookie: u32,
    /// To which name.
    pub name: &'a [u8],
}

/// Who is told.
pub struct Observers {
    /// Something happened to a file: for the file, and for the directory that it is in. If it was opened,
    /// by which name.
    pub file: fn(&Inode, Option<&NameIn>, u32),
    /// For the file alone.
    pub own: fn(&Inode, u32),
    /// For a directory, of a name in it.
    pub name: fn(&Inode, Named<'_>),
    /// A number for a move that no other has.
    pub cookie: fn() -> u32,
    /// A file goes.
    pub gone: fn(&Inode),
}

/// Those who are told, once there are some.
pub static OBSERVERS: Once<&'static Observers> = Once::new();

impl Inode {
    /// Something happened to this file.
    #[inline]
    pub(super) fn tell(&self, mask: u32) {
        if let Some(observers) = OBSERVERS.get() {
            (observers.file)(self, None, mask);
        }
    }

    /// Something happened to this file that does not concern its directory.
    pub(super) fn tell_own(&self, mask: u32) {
        if let Some(observers) = OBSERVERS.get() {
            (observers.own)(self, mask);
        }
    }

    /// Something happened to a name in this directory.
    pub(super) fn tell_of_name(&self, mask: u32, name: &[u8], is_directory: bool) {
        if let Some(observers) = OBSERVERS.get() {
            let mask = mask | if is_directory { IN_ISDIR } else { 0 };
            let cookie = 0;
            (observers.name)(self, Named { mask, cookie, name });
        }
    }
}

/// A file was moved from one name to another.
pub(super) fn tell_of_move(from: (&Inode, &[u8]), to: (&Inode, &[u8]), moved: &Inode) {
    let Some(observers) = OBSERVERS.get() else {
        return;
    };
    let cookie = (observers.cookie)();
    let kind = if moved.is_directory() { IN_ISDIR } else { 0 };
    for ((directory, name), mask) in [(from, IN_MOVED_FROM), (to, IN_MOVED_TO)] {
        let mask = mask | kind;
        (observers.name)(directory, Named { mask, cookie, name });
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        if let Some(observers) = OBSERVERS.get() {
            (observers.gone)(self);
        }
    }
}
