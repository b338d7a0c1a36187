//! Extended attributes: names and values that a file has besides its own, and their calls.
//!
//! `user.` is for files and directories alone, `trusted.` and `security.` for all kinds; other
//! names have no meaning here.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::inode::{Inode, Time};
use super::walk;
use crate::context::Context;
use crate::gap::gap;
use crate::user_mem::{self, UserBuf, UserBufMut};

/// The longest name with its final 0.
const NAME_BYTES_MAX: usize = 256;
/// The longest value.
const VALUE_BYTES_MAX: usize = 65_536;

/// The names and values of one file.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// `setxattr(path, name, value, size, flags)` — sets an attribute.
///
/// # Errors
/// `EEXIST` `XATTR_CREATE` and it is there · `ENODATA` `XATTR_REPLACE` and it is not · `EINVAL`
/// unknown flags · `ERANGE` an empty name, or one of more than 255 bytes · `E2BIG` a value of more
/// than 64 KiB · `EOPNOTSUPP` no such kind of name · `EPERM` a `user.` attribute of a link or a
/// device · `EFAULT` · as [`walk`](super::walk).
/// # Source
/// setxattr(2), xattr(7)
pub fn sys_setxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    set(context, Sysno::setxattr, &at(context, args, 0)?, args)
}

/// `lsetxattr(path, name, value, size, flags)` — as [`sys_setxattr`], of a link itself.
///
/// # Errors
/// As [`sys_setxattr`].
pub fn sys_lsetxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    set(
        context,
        Sysno::lsetxattr,
        &at(context, args, AT_SYMLINK_NOFOLLOW)?,
        args,
    )
}

/// `fsetxattr(fd, name, value, size, flags)` — as [`sys_setxattr`], of an open file.
///
/// # Errors
/// `EBADF` · as [`sys_setxattr`].
pub fn sys_fsetxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    set(context, Sysno::fsetxattr, &open(context, args)?, args)
}

/// `getxattr(path, name, value, size)` — an attribute's value; with a size of 0 only its length.
///
/// # Errors
/// `ENODATA` it is not there · `ERANGE` too little room, or no such name · `EOPNOTSUPP` no such kind
/// of name · `EFAULT` · as [`walk`](super::walk).
/// # Source
/// getxattr(2)
pub fn sys_getxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    get(context, Sysno::getxattr, &at(context, args, 0)?, args)
}

/// `lgetxattr(path, name, value, size)` — as [`sys_getxattr`], of a link itself.
///
/// # Errors
/// As [`sys_getxattr`].
pub fn sys_lgetxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    get(
        context,
        Sysno::lgetxattr,
        &at(context, args, AT_SYMLINK_NOFOLLOW)?,
        args,
    )
}

/// `fgetxattr(fd, name, value, size)` — as [`sys_getxattr`], of an open file.
///
/// # Errors
/// `EBADF` · as [`sys_getxattr`].
pub fn sys_fgetxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    get(context, Sysno::fgetxattr, &open(context, args)?, args)
}

/// `listxattr(path, list, size)` — the names, each with its final 0; with a size of 0 only their
/// length.
///
/// # Errors
/// `ERANGE` too little room · `EFAULT` · as [`walk`](super::walk).
/// # Source
/// listxattr(2)
pub fn sys_listxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    list(context, &at(context, args, 0)?, args)
}

/// `llistxattr(path, list, size)` — as [`sys_listxattr`], of a link itself.
///
/// # Errors
/// As [`sys_listxattr`].
pub fn sys_llistxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    list(context, &at(context, args, AT_SYMLINK_NOFOLLOW)?, args)
}

/// `flistxattr(fd, list, size)` — as [`sys_listxattr`], of an open file.
///
/// # Errors
/// `EBADF` · as [`sys_listxattr`].
pub fn sys_flistxattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    list(context, &open(context, args)?, args)
}

/// `removexattr(path, name)` — takes an attribute away.
///
/// # Errors
/// `ENODATA` it is not there · `EPERM` `ERANGE` `EOPNOTSUPP` as [`sys_setxattr`] · `EFAULT` · as
/// [`walk`](super::walk).
/// # Source
/// removexattr(2)
pub fn sys_removexattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    remove(context, Sysno::removexattr, &at(context, args, 0)?, args)
}

/// `lremovexattr(path, name)` — as [`sys_removexattr`], of a link itself.
///
/// # Errors
/// As [`sys_removexattr`].
pub fn sys_lremovexattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    remove(
        context,
        Sysno::lremovexattr,
        &at(context, args, AT_SYMLINK_NOFOLLOW)?,
        args,
    )
}

/// `fremovexattr(fd, name)` — as [`sys_removexattr`], of an open file.
///
/// # Errors
/// `EBADF` · as [`sys_removexattr`].
pub fn sys_fremovexattr(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    remove(context, Sysno::fremovexattr, &open(context, args)?, args)
}

fn at(context: &Context<'_>, args: &SyscallArgs, flags: u32) -> Result<Arc<Inode>, Errno> {
    walk::file_at(context, AT_FDCWD, args.addr(0), flags)
}

fn open(context: &Context<'_>, args: &SyscallArgs) -> Result<Arc<Inode>, Errno> {
    let file = context.process.files.file(args.fd(0))?;
    file.inode.clone().ok_or(Errno::EOPNOTSUPP)
}

fn set(
    context: &Context<'_>,
    call: Sysno,
    inode: &Arc<Inode>,
    args: &SyscallArgs,
) -> SyscallResult {
    let flags = args.int(4) as u32;
    if flags & !(XATTR_CREATE | XATTR_REPLACE) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = name(context, args)?;
    let size = args.size(3);
    if size > VALUE_BYTES_MAX {
        return Err(Errno::E2BIG);
    }
    context.process.memory.has_room_for_kernel()?;
    let value = UserBuf::new(context, args.addr(2), size)?.to_vec()?;
    check(context, call, inode, &name, Errno::EPERM)?;
    let mut attributes = inode.attributes.lock();
    let place = attributes.iter_mut().find(|(other, _)| *other == name);
    match place {
        Some(_) if flags & XATTR_CREATE != 0 => return Err(Errno::EEXIST),
        Some((_, old)) => *old = value,
        None if flags & XATTR_REPLACE != 0 => return Err(Errno::ENODATA),
        None => {
            attributes.try_reserve(1).map_err(|_| Errno::ENOSPC)?;
            attributes.push((name, value));
        }
    }
    drop(attributes);
    changed(context, inode);
    Ok(0)
}

fn get(
    context: &Context<'_>,
    call: Sysno,
    inode: &Arc<Inode>,
    args: &SyscallArgs,
) -> SyscallResult {
    let name = name(context, args)?;
    check(context, call, inode, &name, Errno::ENODATA)?;
    let attributes = inode.attributes.lock();
    let found = attributes.iter().find(|(other, _)| *other == name);
    let value = &found.ok_or(Errno::ENODATA)?.1;
    give(context, args.addr(2), args.size(3), value)
}

fn list(context: &Context<'_>, inode: &Arc<Inode>, args: &SyscallArgs) -> SyscallResult {
    let mut names = Vec::new();
    for (name, _) in inode.attributes.lock().iter() {
        names.extend_from_slice(name);
        names.push(0);
    }
    give(context, args.addr(1), args.size(2), &names)
}

fn remove(
    context: &Context<'_>,
    call: Sysno,
    inode: &Arc<Inode>,
    args: &SyscallArgs,
) -> SyscallResult {
    let name = name(context, args)?;
    check(context, call, inode, &name, Errno::EPERM)?;
    let mut attributes = inode.attributes.lock();
    let place = attributes.iter().position(|(other, _)| *other == name);
    attributes.remove(place.ok_or(Errno::ENODATA)?);
    drop(attributes);
    changed(context, inode);
    Ok(0)
}

fn name(context: &Context<'_>, args: &SyscallArgs) -> Result<Vec<u8>, Errno> {
    match user_mem::text(context, args.addr(1), NAME_BYTES_MAX) {
        Ok(name) if name.is_empty() => Err(Errno::ERANGE),
        Err(Errno::ENAMETOOLONG) => Err(Errno::ERANGE),
        other => other,
    }
}

/// Whether a file of this kind may have an attribute of that name; `refusal` where `user.` may not.
fn check(
    context: &Context<'_>,
    call: Sysno,
    inode: &Inode,
    name: &[u8],
    refusal: Errno,
) -> Result<(), Errno> {
    let of = |space: &[u8]| name.strip_prefix(space);
    let rest = of(b"user.")
        .or_else(|| of(b"trusted."))
        .or_else(|| of(b"security."))
        .ok_or_else(|| {
            if name.starts_with(b"system.posix_acl_") {
                gap!(context, call, "access lists", EOPNOTSUPP);
            }
            Errno::EOPNOTSUPP
        })?;
    if rest.is_empty() {
        return Err(Errno::EINVAL);
    }
    let has_users = matches!(inode.kind(), S_IFREG | S_IFDIR);
    if name.starts_with(b"user.") && !has_users {
        return Err(refusal);
    }
    Ok(())
}

fn give(context: &Context<'_>, address: usize, size: usize, bytes: &[u8]) -> SyscallResult {
    if size == 0 {
        return Ok(bytes.len());
    }
    if size < bytes.len() {
        return Err(Errno::ERANGE);
    }
    UserBufMut::new(context, address, bytes.len())?.copy_in(0, bytes);
    Ok(bytes.len())
}

fn changed(context: &Context<'_>, inode: &Inode) {
    let now = Time::now(context.platform);
    inode.update(|meta| meta.changed = now);
    inode.tell(IN_ATTRIB);
}
