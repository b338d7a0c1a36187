//! open, openat, openat2, creat, close.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::lock::Mutex;
use muslin_abi::flags::*;
use muslin_abi::layout::{OpenHow, Pod};
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::content::Content;
use super::directory::{self, Name};
use super::fd_table::Descriptor;
use super::file::File;
use super::file_ops::FileOps;
use super::inode::{Body, Inode, Time};
use super::regular::{OpenDirectory, PathOnly, RegularFile, Snapshot};
use super::walk::{self, AtEnd, Last, Place};
use crate::context::Context;
use crate::gap::gap;
use crate::user_mem;

const MFD_HUGETLB: u32 = 4;
/// The longest name that `memfd_create` takes, less its final 0.
const MEMFD_NAME_BYTES_MAX: usize = 249;

/// All flags that `openat2` knows.
const KNOWN: u32 = O_ACCMODE
    | O_CREAT
    | O_EXCL
    | O_NOCTTY
    | O_TRUNC
    | O_APPEND
    | O_NONBLOCK
    | O_SYNC
    | O_ASYNC
    | O_DIRECT
    | O_LARGEFILE
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_NOATIME
    | O_CLOEXEC
    | O_PATH
    | O_TMPFILE;

/// `open(pathname, flags, mode)` — opens a file; see [`sys_openat`].
///
/// # Errors
/// As [`sys_openat`].
pub fn sys_open(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    open_at(
        context,
        AT_FDCWD,
        args.addr(0),
        args.int(1) as u32,
        args.int(2) as u32,
    )
}

/// `creat(pathname, mode)` — opens a file to write it anew.
///
/// # Errors
/// As [`sys_openat`].
pub fn sys_creat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = O_CREAT | O_WRONLY | O_TRUNC;
    open_at(context, AT_FDCWD, args.addr(0), flags, args.int(1) as u32)
}

/// `openat(dirfd, pathname, flags, mode)` — opens a file.
///
/// - `dirfd`: where a relative path starts, or `AT_FDCWD`.   - `pathname`: at most 4095 bytes.
/// - `flags`: all that Linux knows.   - `mode`: permissions of a new file, less the umask.
///
/// Returns the lowest free descriptor. May wait: a fifo for its other end.
///
/// # Errors
/// `EBADF` bad `dirfd` · `EEXIST` `O_EXCL` and it exists · `EISDIR` a directory for writing ·
/// `ELOOP` too many links, or one with `O_NOFOLLOW` · `EMFILE` · `ENAMETOOLONG` · `ENOENT` ·
/// `ENOTDIR` · `ENXIO` a fifo without a reader and `O_NONBLOCK`, a device that is not there ·
/// `EFAULT`.
/// # Differs from Linux
/// Permissions are kept and said, and never stand in the way: there is one user, root. The image is
/// no file: `/proc/self/exe` can be read as a link, and opened only if the initrd has a file of that
/// name, since a tender gives the guest the image's segments and not its bytes.
/// # Source
/// open(2), man-pages 6.9
pub fn sys_openat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    open_at(
        context,
        args.fd(0),
        args.addr(1),
        args.int(2) as u32,
        args.int(3) as u32,
    )
}

/// `openat2(dirfd, pathname, how, size)` — as [`sys_openat`], but flags that are not known are
/// refused.
///
/// # Errors
/// `E2BIG` `how` is longer and says something there · `EINVAL` unknown flags or modes · `EAGAIN`
/// `resolve` asks for more than plain walks · as [`sys_openat`].
pub fn sys_openat2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let size = args.size(3);
    if size < OpenHow::BYTES {
        return Err(Errno::EINVAL);
    }
    let how: OpenHow = user_mem::read(context, args.addr(2))?;
    for at in OpenHow::BYTES..size {
        if user_mem::read::<u8>(context, args.addr(2).wrapping_add(at))? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    let flags = u32::try_from(how.flags).map_err(|_| Errno::EINVAL)?;
    let makes = flags & O_CREAT != 0 || flags & O_TMPFILE == O_TMPFILE;
    if flags & !KNOWN != 0 || how.mode & !0o7777 != 0 || (how.mode != 0 && !makes) {
        return Err(Errno::EINVAL);
    }
    if how.resolve != 0 {
        return Err(if how.resolve & !0x3f != 0 {
            Errno::EINVAL
        } else {
            gap!(context, Sysno::openat2, "RESOLVE_ flags", EAGAIN)
        });
    }
    open_at(context, args.fd(0), args.addr(1), flags, how.mode as u32)
}

/// `memfd_create(name, flags)` — opens a new file that no path leads to.
///
/// # Errors
/// `EINVAL` unknown flags, or a name of more than 249 bytes · `EFAULT` · `EMFILE`.
/// # Differs from Linux
/// The file cannot be sealed, and is of ordinary pages: `MFD_HUGETLB` is `EINVAL`.
/// # Source
/// memfd_create(2)
pub fn sys_memfd_create(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(1) as u32;
    if flags & MFD_HUGETLB != 0 {
        return Err(gap!(context, Sysno::memfd_create, "huge pages", EINVAL));
    }
    let known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
    if flags & !known != 0 || flags & (MFD_NOEXEC_SEAL | MFD_EXEC) == MFD_NOEXEC_SEAL | MFD_EXEC {
        return Err(Errno::EINVAL);
    }
    let name = user_mem::text(context, args.addr(0), MEMFD_NAME_BYTES_MAX + 1);
    let name = name.map_err(|errno| match errno {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        other => other,
    })?;
    context.process.memory.has_room_for_kernel()?;
    let executable = if flags & MFD_NOEXEC_SEAL == 0 {
        0o111
    } else {
        0
    };
    let inode = new_regular(0o666 | executable, Time::now(context.platform));
    inode.update(|meta| meta.links = 0);
    let ops = Box::new(RegularFile::new(inode.clone(), O_RDWR));
    let mut file = File::new(ops, Some(inode), O_RDWR | O_LARGEFILE);
    let name = [b"memfd:", &name[..]].concat();
    file.name = Some((context.process.files.root().clone(), Name::from(name)));
    let descriptor = Descriptor {
        file: Arc::new(file),
        closes_on_exec: flags & MFD_CLOEXEC != 0,
    };
    let fd = context.process.files.table().lock().insert(descriptor, 0)?;
    Ok(fd as usize)
}

/// `close(fd)` — gives a descriptor back.
///
/// # Errors
/// `EBADF` it is not open.
/// # Source
/// close(2)
pub fn sys_close(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let closed = context.process.files.table().lock().remove(args.fd(0))?;
    closed.file.descriptor_closed();
    Ok(0)
}

fn open_at(
    context: &Context<'_>,
    dirfd: i32,
    address: usize,
    flags: u32,
    mode: u32,
) -> SyscallResult {
    let path = user_mem::path(context, address)?;
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let start = walk::start(context, dirfd, &path)?;
    let file = open(context, start, path, flags, mode)?;
    let descriptor = Descriptor {
        file: Arc::new(file),
        closes_on_exec: flags & O_CLOEXEC != 0,
    };
    let fd = context.process.files.table().lock().insert(descriptor, 0)?;
    Ok(fd as usize)
}

/// Opens what a path leads to.
///
/// # Errors
/// As [`sys_openat`].
pub fn open(
    context: &Context<'_>,
    start: Arc<Inode>,
    path: Vec<u8>,
    flags: u32,
    mode: u32,
) -> Result<File, Errno> {
    let flags = if flags & O_PATH != 0 {
        flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    } else {
        flags | O_LARGEFILE
    };
    // Before Linux 6.4 this made a regular file.
    if flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY {
        return Err(Errno::EINVAL);
    }
    let is_unnamed = flags & O_TMPFILE == O_TMPFILE;
    if is_unnamed && flags & O_ACCMODE == O_RDONLY {
        return Err(Errno::EINVAL);
    }
    let is_new_only = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
    let at_end = if flags & O_CREAT != 0 && path.last() == Some(&b'/') {
        AtEnd::Stay
    } else if flags & O_NOFOLLOW != 0 || is_new_only {
        AtEnd::FollowBeforeSlash
    } else {
        AtEnd::Follow
    };
    let place = walk::walk(context, start, path, at_end)?;
    if flags & O_CREAT != 0 && place.wants_directory && matches!(place.last, Last::Name(_)) {
        return Err(Errno::EISDIR);
    }
    // Full descriptors are said before anything is made or cut.
    let table = context.process.files.table().lock();
    if table.is_full() {
        return Err(Errno::EMFILE);
    }
    drop(table);
    let now = Time::now(context.platform);
    let permissions = mode & 0o7777 & !context.process.files.umask();
    if is_unnamed {
        let directory = place.found()?;
        directory.directory()?;
        context.process.memory.has_room_for_kernel()?;
        let inode = new_regular(permissions, now);
        inode.update(|meta| meta.links = 0);
        return Ok(File::new(
            ops_of(context, &inode, flags)?,
            Some(inode),
            flags,
        ));
    }
    let inode = match &place.inode {
        None if flags & O_CREAT != 0 => {
            context.process.memory.has_room_for_kernel()?;
            let inode = new_regular(permissions, now);
            directory::insert(&place.parent, place.new_name()?, &inode, now)?;
            let mut file = File::new(ops_of(context, &inode, flags)?, Some(inode), flags);
            file.name = name_of(&place);
            file.tell(IN_OPEN);
            return Ok(file);
        }
        None => return Err(Errno::ENOENT),
        Some(_) if is_new_only => return Err(Errno::EEXIST),
        Some(_) => {
            if flags & O_CREAT != 0 && place.wants_directory {
                return Err(Errno::EISDIR);
            }
            place.found()?.clone()
        }
    };
    check_kind(&inode, flags)?;
    let mut is_cut = false;
    if flags & O_TRUNC != 0
        && let Body::Regular(content) = &inode.body
    {
        content.lock().set_len(0)?;
        context.process.memory.hide_behind_files();
        inode.set_modified(now);
        is_cut = true;
    }
    let mut file = File::new(ops_of(context, &inode, flags)?, Some(inode), flags);
    file.name = name_of(&place);
    file.tell(IN_OPEN);
    if is_cut {
        file.tell(IN_MODIFY);
    }
    Ok(file)
}

fn check_kind(inode: &Inode, flags: u32) -> Result<(), Errno> {
    let kind = inode.kind();
    if flags & O_DIRECTORY != 0 && kind != S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    if flags & O_PATH != 0 {
        return Ok(());
    }
    if kind == S_IFLNK {
        return Err(Errno::ELOOP);
    }
    if kind == S_IFDIR && (flags & O_ACCMODE != O_RDONLY || flags & (O_CREAT | O_TRUNC) != 0) {
        return Err(Errno::EISDIR);
    }
    if matches!(inode.body, Body::Report(_)) && flags & O_ACCMODE != O_RDONLY {
        return Err(Errno::EACCES);
    }
    Ok(())
}

fn ops_of(
    context: &Context<'_>,
    inode: &Arc<Inode>,
    flags: u32,
) -> Result<Box<dyn FileOps>, Errno> {
    if flags & O_PATH != 0 {
        return Ok(Box::new(PathOnly));
    }
    Ok(match &inode.body {
        Body::Regular(_) => Box::new(RegularFile::new(inode.clone(), flags)),
        Body::Directory(_) | Body::Descriptors | Body::Threads => Box::new(OpenDirectory),
        Body::Thread(open, tid) => open(context, *tid)?,
        Body::Device(device) => device.open(),
        Body::Block(block) => Box::new(*block),
        Body::Report(report) => Box::new(Snapshot(report.text(context))),
        Body::Pipe(pipe) => pipe.clone().open(context, flags)?,
        Body::Node { .. } => return Err(Errno::ENXIO),
        Body::Symlink(_) | Body::Descriptor(_) | Body::Own(_) => return Err(Errno::ELOOP),
    })
}

/// A file of bytes without a name yet.
pub(super) fn new_regular(permissions: u32, now: Time) -> Arc<Inode> {
    Inode::new(
        Body::Regular(Mutex::new(Content::default())),
        permissions,
        now,
    )
}

fn name_of(place: &Place) -> Option<(Arc<Inode>, Name)> {
    match &place.last {
        Last::Name(name) => Some((place.parent.clone(), Name::from(&name[..]))),
        _ => None,
    }
}

/// The path that an open file was opened by, as `/proc/self/fd` says it.
pub fn path_of_file(context: &Context<'_>, file: &File) -> Vec<u8> {
    let files = &context.process.files;
    let Some(inode) = &file.inode else {
        return match file.ops.stat() {
            Ok(stat) if stat.st_mode & S_IFMT == S_IFSOCK => {
                alloc::format!("socket:[{}]", stat.st_ino).into_bytes()
            }
            _ => [b"anon_inode:", file.ops.name().as_bytes()].concat(),
        };
    };
    let gone = |mut path: Vec<u8>| {
        if inode.meta().links == 0 {
            path.extend_from_slice(b" (deleted)");
        }
        path
    };
    if inode.directory().is_ok() {
        return walk::path_of(files, inode).unwrap_or_else(|_| b"/ (deleted)".to_vec());
    }
    match (&file.name, &inode.body) {
        (Some((parent, name)), _) => {
            let mut path = walk::path_of(files, parent).unwrap_or_default();
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            gone(path)
        }
        (None, Body::Pipe(_)) => alloc::format!("pipe:[{}]", inode.number()).into_bytes(),
        (None, Body::Node { .. }) => alloc::format!("socket:[{}]", inode.number()).into_bytes(),
        (None, Body::Device(_)) => b"/dev/console".to_vec(),
        _ => gone(alloc::format!("/#{}", inode.number()).into_bytes()),
    }
}
