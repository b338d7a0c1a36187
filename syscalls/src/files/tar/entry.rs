//! An entry becomes a file, a directory or a link in the tree.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::Errno;
use muslin_abi::flags::*;

use super::super::content::Content;
use super::super::devices::Device;
use super::super::directory::{self, NAME_BYTES_MAX};
use super::super::inode::{Body, Inode, Time};
use super::super::pipe::Pipe;
use super::What;
use crate::lock::Mutex;

/// Directories in one another at most: a path of 4096 bytes has no more.
const DEPTH_MAX: usize = 2048;

/// An entry on its way into the tree.
pub(super) struct New {
    pub kind: u8,
    pub link: &'static [u8],
    pub permissions: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified: Time,
    pub device: u64,
    pub body: &'static [u8],
}

impl New {
    pub(super) fn put(
        &self,
        root: &Arc<Inode>,
        path: &[u8],
        now: Time,
    ) -> Result<Arc<Inode>, What> {
        let mut components = components(path)?;
        let name = components.pop();
        let parent = directories(root, &components, now)?;
        let Some(name) = name else {
            // The root itself, "./".
            return if self.kind == b'5' {
                self.finish(root.clone())
            } else {
                Err(What::Path)
            };
        };
        if let Some(there) = child(&parent, name)? {
            if self.kind == b'5' && there.is_directory() {
                return self.finish(there);
            }
            // A later entry of a name replaces the earlier one, but never a directory.
            if there.is_directory() {
                return Err(What::Place(Errno::EISDIR));
            }
            if self.kind != b'1' {
                directory::remove(&parent, name, now).map_err(What::Place)?;
            }
        }
        let mode = self.permissions;
        let node = |kind| Body::Node {
            kind,
            device: self.device,
        };
        let inode = match self.kind {
            b'0' => {
                let content = Content::from_base(self.body);
                Inode::new(Body::Regular(Mutex::new(content)), mode, now)
            }
            b'1' => return self.put_link(root, &parent, name, now),
            b'2' => Inode::new(Body::Symlink(self.link.to_vec()), 0o777, now),
            b'3' => {
                let own = Device::by_number(self.device).map(Body::Device);
                Inode::new(own.unwrap_or_else(|| node(S_IFCHR)), mode, now)
            }
            b'4' => Inode::new(node(S_IFBLK), mode, now),
            b'5' => Inode::new_directory(Some(&parent), mode, now),
            b'6' => Inode::new(Body::Pipe(Arc::<Pipe>::default()), mode, now),
            other => return Err(What::Kind(other)),
        };
        directory::insert(&parent, name, &inode, now).map_err(What::Place)?;
        self.finish(inode)
    }

    fn put_link(
        &self,
        root: &Arc<Inode>,
        parent: &Arc<Inode>,
        name: &[u8],
        now: Time,
    ) -> Result<Arc<Inode>, What> {
        let mut current = root.clone();
        for component in components(self.link)? {
            current = child(&current, component)?.ok_or(What::Place(Errno::ENOENT))?;
        }
        if current.is_directory() {
            return Err(What::Place(Errno::EPERM));
        }
        if let Some(there) = child(parent, name)? {
            if Arc::ptr_eq(&there, &current) {
                return Ok(current);
            }
            directory::remove(parent, name, now).map_err(What::Place)?;
        }
        directory::link(parent, name, &current, now).map_err(What::Place)?;
        Ok(current)
    }

    fn finish(&self, inode: Arc<Inode>) -> Result<Arc<Inode>, What> {
        inode.update(|meta| {
            if inode.kind() != S_IFLNK {
                meta.permissions = self.permissions;
            }
            meta.uid = self.uid;
            meta.gid = self.gid;
        });
        Ok(inode)
    }
}

/// The names in a path; it may start with `/` or `./`, and must stay below the root.
fn components(path: &[u8]) -> Result<Vec<&[u8]>, What> {
    let mut names = Vec::new();
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err(What::Path),
            name if name.len() > NAME_BYTES_MAX || name.contains(&0) => return Err(What::Path),
            name => names.push(name),
        }
    }
    if names.len() > DEPTH_MAX {
        Err(What::Path)
    } else {
        Ok(names)
    }
}

/// What a directory has by this name.
fn child(directory: &Inode, name: &[u8]) -> Result<Option<Arc<Inode>>, What> {
    let names = directory.directory().map_err(What::Place)?;
    Ok(names.lock().get(name).cloned())
}

/// The directory at the end of these names; those that no entry made are made.
fn directories(root: &Arc<Inode>, names: &[&[u8]], now: Time) -> Result<Arc<Inode>, What> {
    let mut current = root.clone();
    for name in names {
        current = match child(&current, name)? {
            Some(there) => there,
            None => {
                let made = Inode::new_directory(Some(&current), 0o755, now);
                directory::insert(&current, name, &made, now).map_err(What::Place)?;
                made
            }
        };
    }
    Ok(current)
}
