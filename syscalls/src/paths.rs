//! Which arguments of a call are paths. Source: the man page of each call.

use muslin_abi::Sysno;

/// What a relative path starts from when a call has no descriptor for it: `AT_FDCWD`.
pub const AT_FDCWD: i32 = -100;

/// A path among a call's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathArgument {
    /// The argument that holds the descriptor of the directory it starts from, if there is one.
    pub dirfd: Option<usize>,
    /// The argument that holds its address.
    pub path: usize,
}

/// A call that names paths.
#[derive(Clone, Copy, Debug)]
pub struct PathCall {
    /// The call.
    pub nr: Sysno,
    /// Its paths, in the order of its arguments.
    pub paths: &'static [PathArgument],
}

const fn at(dirfd: usize, path: usize) -> PathArgument {
    PathArgument {
        dirfd: Some(dirfd),
        path,
    }
}

const fn cwd(path: usize) -> PathArgument {
    PathArgument { dirfd: None, path }
}

const fn call(nr: Sysno, paths: &'static [PathArgument]) -> PathCall {
    PathCall { nr, paths }
}

/// The path arguments of a call; none if it names no path.
pub fn paths_of(nr: Sysno) -> &'static [PathArgument] {
    PATH_CALLS
        .iter()
        .find(|call| call.nr == nr)
        .map_or(&[], |call| call.paths)
}

/// How many calls name a path.
pub const PATHS_COUNT: usize = PATH_CALLS.len();

/// Every call that names a path, by number. The target of a symbolic link counts as one.
pub const PATH_CALLS: &[PathCall] = &[
    call(Sysno::open, &[cwd(0)]),
    call(Sysno::stat, &[cwd(0)]),
    call(Sysno::lstat, &[cwd(0)]),
    call(Sysno::access, &[cwd(0)]),
    call(Sysno::execve, &[cwd(0)]),
    call(Sysno::truncate, &[cwd(0)]),
    call(Sysno::chdir, &[cwd(0)]),
    call(Sysno::rename, &[cwd(0), cwd(1)]),
    call(Sysno::mkdir, &[cwd(0)]),
    call(Sysno::rmdir, &[cwd(0)]),
    call(Sysno::creat, &[cwd(0)]),
    call(Sysno::link, &[cwd(0), cwd(1)]),
    call(Sysno::unlink, &[cwd(0)]),
    call(Sysno::symlink, &[cwd(0), cwd(1)]),
    call(Sysno::readlink, &[cwd(0)]),
    call(Sysno::chmod, &[cwd(0)]),
    call(Sysno::chown, &[cwd(0)]),
    call(Sysno::lchown, &[cwd(0)]),
    call(Sysno::utime, &[cwd(0)]),
    call(Sysno::mknod, &[cwd(0)]),
    call(Sysno::uselib, &[cwd(0)]),
    call(Sysno::statfs, &[cwd(0)]),
    call(Sysno::pivot_root, &[cwd(0), cwd(1)]),
    call(Sysno::chroot, &[cwd(0)]),
    call(Sysno::acct, &[cwd(0)]),
    call(Sysno::mount, &[cwd(0), cwd(1)]),
    call(Sysno::umount2, &[cwd(0)]),
    call(Sysno::swapon, &[cwd(0)]),
    call(Sysno::swapoff, &[cwd(0)]),
    call(Sysno::quotactl, &[cwd(1)]),
    call(Sysno::setxattr, &[cwd(0)]),
    call(Sysno::lsetxattr, &[cwd(0)]),
    call(Sysno::getxattr, &[cwd(0)]),
    call(Sysno::lgetxattr, &[cwd(0)]),
    call(Sysno::listxattr, &[cwd(0)]),
    call(Sysno::llistxattr, &[cwd(0)]),
    call(Sysno::removexattr, &[cwd(0)]),
    call(Sysno::lremovexattr, &[cwd(0)]),
    call(Sysno::utimes, &[cwd(0)]),
    call(Sysno::inotify_add_watch, &[cwd(1)]),
    call(Sysno::openat, &[at(0, 1)]),
    call(Sysno::mkdirat, &[at(0, 1)]),
    call(Sysno::mknodat, &[at(0, 1)]),
    call(Sysno::fchownat, &[at(0, 1)]),
    call(Sysno::futimesat, &[at(0, 1)]),
    call(Sysno::newfstatat, &[at(0, 1)]),
    call(Sysno::unlinkat, &[at(0, 1)]),
    call(Sysno::renameat, &[at(0, 1), at(2, 3)]),
    call(Sysno::linkat, &[at(0, 1), at(2, 3)]),
    call(Sysno::symlinkat, &[cwd(0), at(1, 2)]),
    call(Sysno::readlinkat, &[at(0, 1)]),
    call(Sysno::fchmodat, &[at(0, 1)]),
    call(Sysno::faccessat, &[at(0, 1)]),
    call(Sysno::utimensat, &[at(0, 1)]),
    call(Sysno::fanotify_mark, &[at(3, 4)]),
    call(Sysno::name_to_handle_at, &[at(0, 1)]),
    call(Sysno::renameat2, &[at(0, 1), at(2, 3)]),
    call(Sysno::execveat, &[at(0, 1)]),
    call(Sysno::statx, &[at(0, 1)]),
    call(Sysno::open_tree, &[at(0, 1)]),
    call(Sysno::move_mount, &[at(0, 1), at(2, 3)]),
    call(Sysno::fspick, &[at(0, 1)]),
    call(Sysno::openat2, &[at(0, 1)]),
    call(Sysno::faccessat2, &[at(0, 1)]),
    call(Sysno::mount_setattr, &[at(0, 1)]),
    call(Sysno::fchmodat2, &[at(0, 1)]),
    call(Sysno::setxattrat, &[at(0, 1)]),
    call(Sysno::getxattrat, &[at(0, 1)]),
    call(Sysno::listxattrat, &[at(0, 1)]),
    call(Sysno::removexattrat, &[at(0, 1)]),
    call(Sysno::open_tree_attr, &[at(0, 1)]),
    call(Sysno::file_getattr, &[at(0, 1)]),
    call(Sysno::file_setattr, &[at(0, 1)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_directory() {
        assert_eq!(paths_of(Sysno::openat), [at(0, 1)]);
        assert_eq!(paths_of(Sysno::renameat2), [at(0, 1), at(2, 3)]);
        assert_eq!(paths_of(Sysno::symlinkat), [cwd(0), at(1, 2)]);
        assert!(paths_of(Sysno::read).is_empty());
    }

    #[test]
    fn the_list_ascends() {
        assert!(PATH_CALLS.windows(2).all(|pair| pair[0].nr < pair[1].nr));
    }
}
