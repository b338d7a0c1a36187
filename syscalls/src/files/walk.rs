//! From a path to a file: component by component, through symbolic links, `.` and `..`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::Errno;
use muslin_abi::flags::*;

use super::Files;
use super::directory::NAME_BYTES_MAX;
use super::inode::{Body, Inode, OwnLink, Time};
use super::thread_files;
use crate::context::Context;
use crate::user_mem::{self, PATH_MAX};

/// Symbolic links that one walk goes through.
pub const LINKS_MAX: usize = 40;

/// Where a path leads.
pub struct Place {
    /// The directory that holds the last component.
    pub parent: Arc<Inode>,
    /// The last component.
    pub last: Last,
    /// What has that name, if anything.
    pub inode: Option<Arc<Inode>>,
    /// Whether the path ends with a slash: only a directory will do.
    pub wants_directory: bool,
}

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// A name.
    Name(Vec<u8>),
    /// `.`, or a path through a descriptor's link.
    Dot,
    /// `..`.
    DotDot,
    /// The path is nothing but slashes.
    Root,
}

impl Last {
    /// The component of a path that stands there; the path's memory becomes the name's.
    fn of(mut path: Vec<u8>, component: Range<usize>) -> Self {
        path.truncate(component.end);
        path.drain(..component.start);
        match &path[..] {
            b"." => Self::Dot,
            b".." => Self::DotDot,
            _ => Self::Name(path),
        }
    }
}

impl Place {
    /// The file.
    ///
    /// # Errors
    /// `ENOENT` there is none · `ENOTDIR` it is no directory and the path ends with a slash.
    pub fn found(&self) -> Result<&Arc<Inode>, Errno> {
        let inode = self.inode.as_ref().ok_or(Errno::ENOENT)?;
        if self.wants_directory && !inode.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        Ok(inode)
    }

    /// The name for a new file.
    ///
    /// # Errors
    /// `EEXIST` it is taken, or is none that can be given.
    pub fn new_name(&self) -> Result<&[u8], Errno> {
        match &self.last {
            Last::Name(name) if self.inode.is_none() => Ok(name),
            _ => Err(Errno::EEXIST),
        }
    }
}

/// Where a relative path starts: the working directory, or what `dirfd` has open.
///
/// # Errors
/// `EBADF` no such descriptor · `ENOTDIR` it is no directory.
pub fn start(context: &Context<'_>, dirfd: i32, path: &[u8]) -> Result<Arc<Inode>, Errno> {
    let files = &context.process.files;
    if path.first() == Some(&b'/') {
        return Ok(files.root().clone());
    }
    if dirfd == AT_FDCWD {
        return Ok(files.working_directory());
    }
    let file = files.any(dirfd)?;
    let inode = file.inode.clone().ok_or(Errno::ENOTDIR)?;
    if !inode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    Ok(inode)
}

/// Reads a path of the program and walks it, to do something with the name at its end: a link there
/// is not followed, whatever comes behind it.
///
/// # Errors
/// As [`start`], [`user_mem::path`] and [`walk`].
pub fn walk_to_name(context: &Context<'_>, dirfd: i32, address: usize) -> Result<Place, Errno> {
    let path = user_mem::path(context, address)?;
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let start = start(context, dirfd, &path)?;
    walk(context, start, path, AtEnd::Stay)
}

/// The file that a path of the program leads to. With `AT_EMPTY_PATH` an empty path is `dirfd`'s own
/// file; with `AT_SYMLINK_NOFOLLOW` a link at the end is the file.
///
/// # Errors
/// As [`walk_at`] and [`Place::found`].
pub fn file_at(
    context: &Context<'_>,
    dirfd: i32,
    address: usize,
    flags: u32,
) -> Result<Arc<Inode>, Errno> {
    let path = user_mem::path(context, address)?;
    if path.is_empty() {
        if flags & AT_EMPTY_PATH == 0 {
            return Err(Errno::ENOENT);
        }
        if dirfd == AT_FDCWD {
            return Ok(context.process.files.working_directory());
        }
        return context
            .process
            .files
            .any(dirfd)?
            .inode
            .clone()
            .ok_or(Errno::EBADF);
    }
    let at_end = match flags & AT_SYMLINK_NOFOLLOW {
        0 => AtEnd::Follow,
        _ => AtEnd::FollowBeforeSlash,
    };
    let place = walk(context, start(context, dirfd, &path)?, path, at_end)?;
    place.found().cloned()
}

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// It is followed.
    Follow,
    /// It is followed if a slash comes after it.
    FollowBeforeSlash,
    /// It is where the walk ends.
    Stay,
}

/// Walks a path from a directory.
///
/// # Errors
/// `ENOENT` a directory on the way is not there · `ENOTDIR` something on the way is none · `ELOOP`
/// too many links · `ENAMETOOLONG` a component is too long.
pub fn walk(
    context: &Context<'_>,
    start: Arc<Inode>,
    path: Vec<u8>,
    at_end: AtEnd,
) -> Result<Place, Errno> {
    let files = &context.process.files;
    let mut current = start;
    let mut rest = path;
    let mut at = 0;
    let mut links = 0;
    loop {
        let slashes = leading_slashes(&rest[at..]);
        at += slashes;
        let component_len = rest[at..]
            .iter()
            .position(|&byte| byte == b'/')
            .unwrap_or(rest.len() - at);
        if component_len == 0 {
            // Nothing but slashes: of the path itself, or of a link that leads to the root.
            return Ok(Place {
                parent: current.clone(),
                last: Last::Root,
                inode: Some(current),
                wants_directory: true,
            });
        }
        let component = &rest[at..at + component_len];
        let after = at + component_len;
        let trailing = leading_slashes(&rest[after..]);
        let is_last = after + trailing == rest.len();
        let wants_directory = is_last && trailing > 0;
        if component_len > NAME_BYTES_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if !current.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let next = match component {
            b"." => Some(current.clone()),
            b".." => Some(parent_of(files, &current)?),
            name => lookup(context, &current, name)?,
        };
        let goes_on = !is_last
            || match at_end {
                AtEnd::Follow => true,
                AtEnd::FollowBeforeSlash => wants_directory,
                AtEnd::Stay => false,
            };
        match next {
            Some(next) if goes_on => match target_of(context, &next)? {
                Target::Itself if is_last => {
                    return Ok(Place {
                        parent: current,
                        last: Last::of(rest, at..after),
                        inode: Some(next),
                        wants_directory,
                    });
                }
                Target::Itself => current = next,
                target => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::ELOOP);
                    }
                    match target {
                        Target::Path(mut target) => {
                            if target.len() + rest.len() - after > 2 * PATH_MAX {
                                return Err(Errno::ENAMETOOLONG);
                            }
                            if target.first() == Some(&b'/') {
                                current = files.root().clone();
                            }
                            target.extend_from_slice(&rest[after..]);
                            rest = target;
                            at = 0;
                            continue;
                        }
                        Target::File(inode) if is_last => {
                            return Ok(Place {
                                parent: current,
                                last: Last::Dot,
                                inode: Some(inode),
                                wants_directory,
                            });
                        }
                        Target::File(inode) => current = inode,
                        Target::Itself => {}
                    }
                }
            },
            inode if is_last => {
                return Ok(Place {
                    parent: current,
                    last: Last::of(rest, at..after),
                    inode,
                    wants_directory,
                });
            }
            _ => return Err(Errno::ENOENT),
        }
        at = after;
    }
}

enum Target {
    Itself,
    Path(Vec<u8>),
    File(Arc<Inode>),
}

fn target_of(context: &Context<'_>, inode: &Arc<Inode>) -> Result<Target, Errno> {
    let files = &context.process.files;
    match &inode.body {
        Body::Symlink(target) => Ok(Target::Path(target.clone())),
        Body::Own(OwnLink::Executable) => Ok(Target::Path(files.executable())),
        Body::Own(OwnLink::WorkingDirectory) => Ok(Target::File(files.working_directory())),
        Body::Own(OwnLink::Root) => Ok(Target::File(files.root().clone())),
        Body::Own(OwnLink::Thread) => Ok(Target::Path(thread_files::own_path(context))),
        Body::Descriptor(file) => file.inode.clone().map(Target::File).ok_or(Errno::ENXIO),
        _ => Ok(Target::Itself),
    }
}

fn parent_of(files: &Files, inode: &Arc<Inode>) -> Result<Arc<Inode>, Errno> {
    match inode.directory() {
        Ok(directory) => directory.lock().parent.upgrade().ok_or(Errno::ENOENT),
        // The only directories that are not kept as such lie below /proc/self.
        Err(_) => files.proc_self().ok_or(Errno::ENOENT),
    }
}

fn lookup(
    context: &Context<'_>,
    directory: &Arc<Inode>,
    name: &[u8],
) -> Result<Option<Arc<Inode>>, Errno> {
    if let Body::Descriptors = directory.body {
        let number = core::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse().ok());
        let file = number.and_then(|fd: i32| context.process.files.any(fd).ok());
        let now = Time::now(context.platform);
        return Ok(file.map(|file| Inode::new(Body::Descriptor(file), 0o700, now)));
    }
    if let Body::Threads = directory.body {
        return match context.process.threads.files() {
            Some(lookup) => Ok(lookup(context, directory, name)),
            // The only thread's directory is that of the process.
            None if name == b"1" => Ok(context.process.files.proc_self()),
            None => Ok(None),
        };
    }
    Ok(directory.directory()?.lock().get(name).cloned())
}

fn leading_slashes(path: &[u8]) -> usize {
    path.iter().take_while(|&&byte| byte == b'/').count()
}

/// The path of a directory from the root.
///
/// # Errors
/// `ENOENT` it was removed · `ENAMETOOLONG` longer than a path may be.
pub fn path_of(files: &Files, directory: &Arc<Inode>) -> Result<Vec<u8>, Errno> {
    // From its end, with names and bytes turned round: one piece of memory, of a known size.
    let mut path = Vec::new();
    let mut current = directory.clone();
    while !Arc::ptr_eq(&current, files.root()) {
        let parent = match current.directory() {
            Ok(directory) => {
                let directory = directory.lock();
                if directory.is_removed {
                    return Err(Errno::ENOENT);
                }
                path.extend(directory.name.iter().rev());
                directory.parent.upgrade().ok_or(Errno::ENOENT)?
            }
            Err(_) => {
                let name = match current.body {
                    Body::Threads => &b"task"[..],
                    _ => b"fd",
                };
                path.extend(name.iter().rev());
                files.proc_self().ok_or(Errno::ENOENT)?
            }
        };
        path.push(b'/');
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        current = parent;
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path.reverse();
    Ok(path)
}
