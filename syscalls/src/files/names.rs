//! Names come and go: mkdir, mknod, link, symlink, readlink, unlink, rmdir, rename; and the
//! directory that relative paths start in.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::devices::Device;
use super::directory;
use super::inode::{Body, Inode, OwnLink, Time};
use super::observe::tell_of_move;
use super::open::{new_regular, path_of_file};
use super::pipe::Pipe;
use super::thread_files::own_path;
use super::walk::{self, Last, Place};
use crate::context::Context;
use crate::user_mem::{self, UserBufMut};

/// `mkdir(pathname, mode)` — see [`sys_mkdirat`].
///
/// # Errors
/// As [`sys_mkdirat`].
pub fn sys_mkdir(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make_directory(context, AT_FDCWD, args.addr(0), args.int(1) as u32)
}

/// `mkdirat(dirfd, pathname, mode)` — makes a directory.
///
/// # Errors
/// `EEXIST` the name is taken · as [`walk`](super::walk).
/// # Source
/// mkdir(2)
pub fn sys_mkdirat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make_directory(context, args.fd(0), args.addr(1), args.int(2) as u32)
}

/// `mknod(pathname, mode, dev)` — see [`sys_mknodat`].
///
/// # Errors
/// As [`sys_mknodat`].
pub fn sys_mknod(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make_node(
        context,
        AT_FDCWD,
        args.addr(0),
        args.int(1) as u32,
        args.raw(2),
    )
}

/// `mknodat(dirfd, pathname, mode, dev)` — makes a file, a fifo, a device or a socket's name.
///
/// # Errors
/// `EEXIST` the name is taken · `EINVAL` no such kind · `EPERM` a directory · as
/// [`walk`](super::walk).
/// # Source
/// mknod(2)
pub fn sys_mknodat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make_node(
        context,
        args.fd(0),
        args.addr(1),
        args.int(2) as u32,
        args.raw(3),
    )
}

/// `link(oldpath, newpath)` — see [`sys_linkat`].
///
/// # Errors
/// As [`sys_linkat`].
pub fn sys_link(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    link(
        context,
        (AT_FDCWD, args.addr(0)),
        (AT_FDCWD, args.addr(1)),
        0,
    )
}

/// `linkat(olddirfd, oldpath, newdirfd, newpath, flags)` — one more name for a file.
///
/// # Errors
/// `EEXIST` the name is taken · `EPERM` a directory · `EMLINK` too many names · `EINVAL` unknown
/// flags · as [`walk`](super::walk).
/// # Source
/// link(2)
pub fn sys_linkat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(4) as u32;
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    link(
        context,
        (args.fd(0), args.addr(1)),
        (args.fd(2), args.addr(3)),
        flags,
    )
}

/// `symlink(target, linkpath)` — see [`sys_symlinkat`].
///
/// # Errors
/// As [`sys_symlinkat`].
pub fn sys_symlink(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    symlink(context, args.addr(0), AT_FDCWD, args.addr(1))
}

/// `symlinkat(target, newdirfd, linkpath)` — makes a symbolic link.
///
/// # Errors
/// `EEXIST` the name is taken · `ENOENT` an empty target · as [`walk`](super::walk).
/// # Source
/// symlink(2)
pub fn sys_symlinkat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    symlink(context, args.addr(0), args.fd(1), args.addr(2))
}

/// `readlink(pathname, buf, bufsiz)` — see [`sys_readlinkat`].
///
/// # Errors
/// As [`sys_readlinkat`].
pub fn sys_readlink(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    readlink(context, AT_FDCWD, args.addr(0), args.addr(1), args.int(2))
}

/// `readlinkat(dirfd, pathname, buf, bufsiz)` — what a symbolic link says, cut to the room.
///
/// # Errors
/// `EINVAL` no link, or no room · `EFAULT` · as [`walk`](super::walk).
/// # Source
/// readlink(2)
pub fn sys_readlinkat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    readlink(context, args.fd(0), args.addr(1), args.addr(2), args.int(3))
}

/// `unlink(pathname)` — takes the name of a file away.
///
/// # Errors
/// `EISDIR` a directory · `ENOENT` · as [`walk`](super::walk).
/// # Source
/// unlink(2)
pub fn sys_unlink(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    unlink(context, AT_FDCWD, args.addr(0))
}

/// `rmdir(pathname)` — takes an empty directory away.
///
/// # Errors
/// `ENOTEMPTY` · `ENOTDIR` · `EBUSY` the root · `EINVAL` the path ends in `.` · as
/// [`walk`](super::walk).
/// # Source
/// rmdir(2)
pub fn sys_rmdir(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    remove_directory(context, AT_FDCWD, args.addr(0))
}

/// `unlinkat(dirfd, pathname, flags)` — [`sys_unlink`], or [`sys_rmdir`] with `AT_REMOVEDIR`.
///
/// # Errors
/// `EINVAL` unknown flags · as the two.
pub fn sys_unlinkat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    match args.int(2) as u32 {
        0 => unlink(context, args.fd(0), args.addr(1)),
        AT_REMOVEDIR => remove_directory(context, args.fd(0), args.addr(1)),
        _ => Err(Errno::EINVAL),
    }
}

/// `rename(oldpath, newpath)` — see [`sys_renameat2`].
///
/// # Errors
/// As [`sys_renameat2`].
pub fn sys_rename(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    rename(
        context,
        (AT_FDCWD, args.addr(0)),
        (AT_FDCWD, args.addr(1)),
        0,
    )
}

/// `renameat(olddirfd, oldpath, newdirfd, newpath)` — see [`sys_renameat2`].
///
/// # Errors
/// As [`sys_renameat2`].
pub fn sys_renameat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    rename(
        context,
        (args.fd(0), args.addr(1)),
        (args.fd(2), args.addr(3)),
        0,
    )
}

/// `renameat2(olddirfd, oldpath, newdirfd, newpath, flags)` — gives a file another name; what had it
/// loses it.
///
/// - `flags`: `RENAME_NOREPLACE` or `RENAME_EXCHANGE`.
///
/// # Errors
/// `EBUSY` the root, or a path that ends in `.` or `..` · `EEXIST` the name is taken and must not be
/// · `EINVAL` a directory into itself, or unknown flags · `EISDIR` `ENOTDIR` one is a directory and
/// the other is not · `ENOTEMPTY` · as [`walk`](super::walk).
/// # Source
/// rename(2)
pub fn sys_renameat2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(4) as u32;
    if flags & !(RENAME_NOREPLACE | RENAME_EXCHANGE) != 0
        || flags == RENAME_NOREPLACE | RENAME_EXCHANGE
    {
        return Err(Errno::EINVAL);
    }
    rename(
        context,
        (args.fd(0), args.addr(1)),
        (args.fd(2), args.addr(3)),
        flags,
    )
}

/// `getcwd(buf, size)` — the path of the working directory.
///
/// Returns its length with the final 0.
///
/// # Errors
/// `ERANGE` no room · `ENAMETOOLONG` it is longer than any path may be · `ENOENT` it was removed ·
/// `EFAULT`.
/// # Source
/// getcwd(2)
pub fn sys_getcwd(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let files = &context.process.files;
    let mut path = walk::path_of(files, &files.working_directory())?;
    path.push(0);
    if args.size(1) < path.len() {
        return Err(Errno::ERANGE);
    }
    UserBufMut::new(context, args.addr(0), path.len())?.copy_in(0, &path);
    Ok(path.len())
}

/// `chdir(path)` — changes the working directory.
///
/// # Errors
/// `ENOTDIR` · as [`walk`](super::walk).
/// # Source
/// chdir(2)
pub fn sys_chdir(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let inode = walk::file_at(context, AT_FDCWD, args.addr(0), 0)?;
    context.process.files.set_working_directory(inode)?;
    Ok(0)
}

/// `fchdir(fd)` — changes the working directory to an open one.
///
/// # Errors
/// `EBADF` · `ENOTDIR`.
/// # Source
/// fchdir(2)
pub fn sys_fchdir(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let inode = context.process.files.any(args.fd(0))?.inode.clone();
    context
        .process
        .files
        .set_working_directory(inode.ok_or(Errno::ENOTDIR)?)?;
    Ok(0)
}

fn make_directory(context: &Context<'_>, dirfd: i32, address: usize, mode: u32) -> SyscallResult {
    context.process.memory.has_room_for_kernel()?;
    let place = walk::walk_to_name(context, dirfd, address)?;
    let name = place.new_name()?;
    let now = Time::now(context.platform);
    let permissions = mode & 0o1777 & !context.process.files.umask();
    let inode = Inode::new_directory(Some(&place.parent), permissions, now);
    directory::insert(&place.parent, name, &inode, now)?;
    Ok(0)
}

fn make_node(
    context: &Context<'_>,
    dirfd: i32,
    address: usize,
    mode: u32,
    device: usize,
) -> SyscallResult {
    context.process.memory.has_room_for_kernel()?;
    let kind = mode & S_IFMT;
    let permissions = mode & 0o7777 & !context.process.files.umask();
    let now = Time::now(context.platform);
    let device = device as u32 as u64;
    let inode = match kind {
        0 | S_IFREG => new_regular(permissions, now),
        S_IFIFO => Inode::new(Body::Pipe(Arc::<Pipe>::default()), permissions, now),
        S_IFCHR | S_IFBLK | S_IFSOCK => {
            let own = if kind == S_IFCHR {
                Device::by_number(device)
            } else {
                None
            };
            let body = own.map_or(Body::Node { kind, device }, Body::Device);
            Inode::new(body, permissions, now)
        }
        S_IFDIR => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    let place = walk::walk_to_name(context, dirfd, address)?;
    directory::insert(&place.parent, file_name(&place)?, &inode, now)?;
    Ok(0)
}

fn link(context: &Context<'_>, old: (i32, usize), new: (i32, usize), flags: u32) -> SyscallResult {
    context.process.memory.has_room_for_kernel()?;
    let follows = flags & AT_SYMLINK_FOLLOW != 0;
    let lookup = flags & AT_EMPTY_PATH | if follows { 0 } else { AT_SYMLINK_NOFOLLOW };
    let inode = walk::file_at(context, old.0, old.1, lookup)?;
    let place = walk::walk_to_name(context, new.0, new.1)?;
    let name = file_name(&place)?;
    if inode.is_directory() {
        return Err(Errno::EPERM);
    }
    directory::link(&place.parent, name, &inode, Time::now(context.platform))?;
    Ok(0)
}

fn symlink(context: &Context<'_>, target: usize, dirfd: i32, address: usize) -> SyscallResult {
    context.process.memory.has_room_for_kernel()?;
    let target = user_mem::path(context, target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    let place = walk::walk_to_name(context, dirfd, address)?;
    let name = file_name(&place)?;
    let now = Time::now(context.platform);
    let inode = Inode::new(Body::Symlink(target), 0o777, now);
    directory::insert(&place.parent, name, &inode, now)?;
    Ok(0)
}

fn readlink(
    context: &Context<'_>,
    dirfd: i32,
    address: usize,
    room: usize,
    room_bytes: i32,
) -> SyscallResult {
    let room_bytes = usize::try_from(room_bytes).ok().filter(|&bytes| bytes > 0);
    let room_bytes = room_bytes.ok_or(Errno::EINVAL)?;
    let flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    let inode = walk::file_at(context, dirfd, address, flags)?;
    let target: Vec<u8> = match &inode.body {
        Body::Symlink(target) => {
            inode.set_accessed(context.platform);
            target.clone()
        }
        Body::Own(OwnLink::Executable) => context.process.files.executable(),
        Body::Own(OwnLink::WorkingDirectory) => {
            let files = &context.process.files;
            walk::path_of(files, &files.working_directory())?
        }
        Body::Own(OwnLink::Root) => b"/".to_vec(),
        Body::Own(OwnLink::Thread) => own_path(context),
        Body::Descriptor(file) => path_of_file(context, file),
        _ if user_mem::path(context, address)?.is_empty() => return Err(Errno::ENOENT),
        _ => return Err(Errno::EINVAL),
    };
    let len = target.len().min(room_bytes);
    Ok(UserBufMut::new(context, room, len)?.copy_in(0, &target[..len]))
}

fn unlink(context: &Context<'_>, dirfd: i32, address: usize) -> SyscallResult {
    let mut place = walk::walk_to_name(context, dirfd, address)?;
    let Last::Name(name) = &place.last else {
        return Err(Errno::EISDIR);
    };
    let inode = place.found()?;
    if inode.is_directory() {
        return Err(Errno::EISDIR);
    }
    directory::remove(&place.parent, name, Time::now(context.platform))?;
    inode.tell_own(IN_ATTRIB);
    // As on Linux the end of a file is told before the end of its name.
    place.inode = None;
    place.parent.tell_of_name(IN_DELETE, name, false);
    Ok(0)
}

fn remove_directory(context: &Context<'_>, dirfd: i32, address: usize) -> SyscallResult {
    let mut place = walk::walk_to_name(context, dirfd, address)?;
    let name = match &place.last {
        Last::Name(name) => name,
        Last::Dot => return Err(Errno::EINVAL),
        Last::DotDot => return Err(Errno::ENOTEMPTY),
        Last::Root => return Err(Errno::EBUSY),
    };
    let inode = place.found()?;
    if !inode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    // The only directory that is not kept as one is /proc's own.
    let held = inode.directory().map_err(|_| Errno::EPERM)?;
    if !held.lock().is_empty() {
        return Err(Errno::ENOTEMPTY);
    }
    directory::remove(&place.parent, name, Time::now(context.platform))?;
    place.inode = None;
    place.parent.tell_of_name(IN_DELETE, name, true);
    Ok(0)
}

fn rename(
    context: &Context<'_>,
    old: (i32, usize),
    new: (i32, usize),
    flags: u32,
) -> SyscallResult {
    context.process.memory.has_room_for_kernel()?;
    let old = walk::walk_to_name(context, old.0, old.1)?;
    let new = walk::walk_to_name(context, new.0, new.1)?;
    let (Last::Name(old_name), Last::Name(new_name)) = (&old.last, &new.last) else {
        return Err(Errno::EBUSY);
    };
    let inode = old.inode.as_ref().ok_or(Errno::ENOENT)?;
    if !inode.is_directory() && (old.wants_directory || new.wants_directory) {
        return Err(Errno::ENOTDIR);
    }
    if inode.is_directory() && directory::is_within(&new.parent, inode) {
        return Err(Errno::EINVAL);
    }
    let now = Time::now(context.platform);
    let from = (&old.parent, &old_name[..]);
    let to = (&new.parent, &new_name[..]);
    if flags & RENAME_EXCHANGE != 0 {
        let other = new.inode.as_ref().ok_or(Errno::ENOENT)?;
        if other.is_directory() && directory::is_within(&old.parent, other) {
            return Err(Errno::EINVAL);
        }
        directory::exchange(from, to, now)?;
        tell_of_move((from.0, from.1), (to.0, to.1), inode);
        inode.tell_own(IN_MOVE_SELF);
        tell_of_move((to.0, to.1), (from.0, from.1), other);
        other.tell_own(IN_MOVE_SELF);
        return Ok(0);
    }
    if let Some(other) = &new.inode {
        if flags & RENAME_NOREPLACE != 0 {
            return Err(Errno::EEXIST);
        }
        if Arc::ptr_eq(inode, other) {
            return Ok(0);
        }
        if other.is_directory() && directory::is_within(&old.parent, other) {
            return Err(Errno::ENOTEMPTY);
        }
        match (inode.is_directory(), other.is_directory()) {
            (false, true) => return Err(Errno::EISDIR),
            (true, false) => return Err(Errno::ENOTDIR),
            (true, true) if !other.directory()?.lock().is_empty() => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
    }
    directory::rename(from, to, now)?;
    tell_of_move((from.0, from.1), (to.0, to.1), inode);
    if let Some(other) = new.inode.as_ref().filter(|other| !other.is_directory()) {
        other.tell_own(IN_ATTRIB);
    }
    inode.tell_own(IN_MOVE_SELF);
    Ok(0)
}

/// The name for a new file that is no directory.
fn file_name(place: &Place) -> Result<&[u8], Errno> {
    let name = place.new_name()?;
    if place.wants_directory {
        Err(Errno::ENOENT)
    } else {
        Ok(name)
    }
}
