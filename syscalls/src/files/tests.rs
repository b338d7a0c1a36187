//! The calls of files on the simulated platform. What Linux answers is in tests/conformance; here is
//! what those programs cannot see, and the answers that others would hide.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::format;
use std::string::String;
use std::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::layout::{Pod, Pollfd, Stat, Timespec};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};
use muslin_sim::Sim;

use super::*;
use crate::context::{Context, Given};
use crate::testing::{World, numbers};

type Handler = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

const CWD: usize = AT_FDCWD as usize;

/// Opens a path.
fn open(world: &World, path: &str, flags: u32, mode: usize) -> SyscallResult {
    world.call(sys_open, [world.text(path), flags as usize, mode])
}

/// A call whose first argument is a path.
fn with<const N: usize>(
    world: &World,
    handler: Handler,
    path: &str,
    more: [usize; N],
) -> SyscallResult {
    let mut words = [0; 6];
    words[0] = world.text(path);
    words[1..=N].copy_from_slice(&more);
    world.call(handler, words)
}

/// A call that takes two paths.
fn two(world: &World, handler: Handler, one: &str, other: &str) -> SyscallResult {
    world.call(handler, [world.text(one), world.text(other)])
}

fn write(world: &World, fd: usize, bytes: &[u8]) -> SyscallResult {
    world.call(sys_write, [fd, world.bytes(bytes), bytes.len()])
}

fn read(world: &World, fd: usize, len: usize) -> Result<Vec<u8>, Errno> {
    let room = world.room(len);
    let got = world.call(sys_read, [fd, room, len])?;
    Ok(world.get(room, got))
}

fn make(world: &World, path: &str, text: &str) {
    let fd = open(world, path, O_CREAT | O_TRUNC | O_WRONLY, 0o644).unwrap();
    assert_eq!(write(world, fd, text.as_bytes()), Ok(text.len()));
    assert_eq!(world.call(sys_close, [fd]), Ok(0));
}

fn text_of(world: &World, path: &str) -> Result<String, Errno> {
    let fd = open(world, path, O_RDONLY, 0)?;
    let text = read(world, fd, 4096);
    assert_eq!(world.call(sys_close, [fd]), Ok(0));
    Ok(String::from_utf8_lossy(&text?).into_owned())
}

fn stat(world: &World, path: &str) -> Result<Stat, Errno> {
    let room = world.room(Stat::BYTES);
    with(world, sys_lstat, path, [room])?;
    Ok(world.get_value(room))
}

fn names(world: &World, path: &str) -> Vec<String> {
    let fd = open(world, path, O_RDONLY | O_DIRECTORY, 0).unwrap();
    let room = world.room(100);
    let mut names = Vec::new();
    loop {
        let got = world.call(sys_getdents64, [fd, room, 100]).unwrap();
        if got == 0 {
            break;
        }
        let bytes = world.get(room, got);
        let mut at = 0;
        while at < got {
            let len = u16::from_bytes(&bytes[at + 16..]) as usize;
            let name = &bytes[at + 19..at + len];
            let end = name.iter().position(|&byte| byte == 0).unwrap();
            names.push(String::from_utf8_lossy(&name[..end]).into_owned());
            at += len;
        }
    }
    assert_eq!(world.call(sys_close, [fd]), Ok(0));
    names
}

#[test]
fn the_console_is_0_1_and_2() {
    let world = World::new();
    world.sim.type_in(b"typed");
    assert_eq!(read(&world, 0, 3), Ok(b"typ".to_vec()));
    assert_eq!(read(&world, 0, 30), Ok(b"ed".to_vec()));
    assert_eq!(read(&world, 0, 30), Ok(Vec::new()));
    assert_eq!(write(&world, 1, &[b'x'; 2000]), Ok(2000));
    assert_eq!(write(&world, 2, b"err"), Ok(3));
    let out = world.sim.take_output();
    assert_eq!(out.len(), 2003);
    assert!(out.ends_with(b"xerr"));
    assert_eq!(write(&world, 0, b"x"), Err(Errno::EBADF));
    assert_eq!(read(&world, 1, 1), Err(Errno::EBADF));
    assert_eq!(world.call(sys_lseek, [0, 0, 1]), Err(Errno::ESPIPE));
    let room = world.room(8);
    assert_eq!(
        world.call(sys_ioctl, [1, TIOCGWINSZ as usize, room]),
        Err(Errno::ENOTTY)
    );
}

#[test]
fn what_is_written_is_read_back_at_places_and_in_pieces() {
    let world = World::new();
    let fd = open(&world, "/tmp/file", O_CREAT | O_RDWR, 0o600).unwrap();
    assert_eq!(fd, 3);
    assert_eq!(write(&world, fd, b"0123456789"), Ok(10));
    let room = world.room(64);
    assert_eq!(world.call(sys_pread64, [fd, room, 4, 3]), Ok(4));
    assert_eq!(world.get(room, 4), b"3456");
    let minus_one = usize::MAX;
    assert_eq!(
        world.call(sys_pread64, [fd, room, 4, minus_one]),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        world.call(sys_pwrite64, [fd, world.bytes(b"end"), 3, 13]),
        Ok(3)
    );
    assert_eq!(world.call(sys_lseek, [fd, 0, 0]), Ok(0));
    let pieces = world.value(&[room, 4, room + 4, 4, room + 8, 16]);
    assert_eq!(world.call(sys_readv, [fd, pieces, 3]), Ok(16));
    assert_eq!(world.get(room, 16), b"0123456789\0\0\0end");
    assert_eq!(
        world.call(sys_readv, [fd, pieces, minus_one]),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.call(sys_readv, [fd, 8, 1]), Err(Errno::EFAULT));
    assert_eq!(world.call(sys_pwritev2, [fd, pieces, 1, 0, 0, 0x10]), Ok(4));
    assert_eq!(world.call(sys_lseek, [fd, 0, 2]), Ok(20));
    assert_eq!(world.call(sys_read, [fd, 8, 4]), Err(Errno::EFAULT));
    assert_eq!(world.call(sys_read, [99, room, 4]), Err(Errno::EBADF));
    let appending = open(&world, "/tmp/file", O_WRONLY | O_APPEND, 0).unwrap();
    assert_eq!(world.call(sys_pwrite64, [appending, room, 2, 0]), Ok(2));
    assert_eq!(stat(&world, "/tmp/file").map(|stat| stat.st_size), Ok(22));
}

#[test]
fn devices_are_as_on_linux() {
    let world = World::new();
    let null = open(&world, "/dev/null", O_RDWR, 0).unwrap();
    assert_eq!(write(&world, null, b"text"), Ok(4));
    assert_eq!(read(&world, null, 4), Ok(Vec::new()));
    assert_eq!(world.call(sys_lseek, [null, 77, 0]), Ok(0));
    let zero = open(&world, "/dev/zero", O_RDONLY, 0).unwrap();
    assert_eq!(read(&world, zero, 70), Ok(std::vec![0; 70]));
    let full = open(&world, "/dev/full", O_WRONLY, 0).unwrap();
    assert_eq!(write(&world, full, b"x"), Err(Errno::ENOSPC));
    let random = open(&world, "/dev/urandom", O_RDONLY, 0).unwrap();
    assert_ne!(read(&world, random, 32), read(&world, random, 32));
    let stat = stat(&world, "/dev/null").unwrap();
    assert_eq!((stat.st_mode, stat.st_rdev), (S_IFCHR | 0o666, 0x103));
    let out = open(&world, "/dev/stdout", O_WRONLY, 0).unwrap();
    assert_eq!(write(&world, out, b"through a link"), Ok(14));
    assert_eq!(world.sim.take_output(), b"through a link");
}

#[test]
fn a_link_that_is_read_was_accessed() {
    let world = World::new();
    assert_eq!(two(&world, sys_symlink, "target", "/tmp/link"), Ok(0));
    let room = world.room(size_of::<Stat>());
    let accessed = || {
        assert_eq!(with(&world, sys_lstat, "/tmp/link", [room]), Ok(0));
        world.get_value::<Stat>(room).st_atim.tv_nsec
    };
    let before = accessed();
    world.sim.advance(5);
    assert_eq!(with(&world, sys_readlink, "/tmp/link", [room, 6]), Ok(6));
    assert_eq!(accessed(), before + 5);
}

#[test]
fn a_directory_is_not_made_by_opening_it() {
    let world = World::new();
    for flags in [O_RDONLY, O_RDWR] {
        let refused = open(&world, "/tmp/d", flags | O_CREAT | O_DIRECTORY, 0o755);
        assert_eq!(refused, Err(Errno::EINVAL));
    }
    assert_eq!(stat(&world, "/tmp/d").err(), Some(Errno::ENOENT));
    assert!(open(&world, "/tmp", O_PATH | O_CREAT | O_DIRECTORY, 0).is_ok());
}

#[test]
fn wrong_paths_have_their_own_errnos() {
    let world = World::new();
    make(&world, "file", "x");
    let long_name = "n".repeat(256);
    let long_path = "./".repeat(2048);
    for (path, errno) in [
        ("", Errno::ENOENT),
        ("nothing", Errno::ENOENT),
        ("nothing/x", Errno::ENOENT),
        ("file/", Errno::ENOTDIR),
        ("file/x", Errno::ENOTDIR),
        ("file/..", Errno::ENOTDIR),
        (&long_name, Errno::ENAMETOOLONG),
        (&long_path, Errno::ENAMETOOLONG),
    ] {
        assert_eq!(stat(&world, path).err(), Some(errno), "{path:.20}");
    }
    assert_eq!(world.call(sys_open, [8, 0, 0]), Err(Errno::EFAULT));
    assert!(stat(&world, &"n".repeat(255)).is_err_and(|errno| errno == Errno::ENOENT));
    assert!(stat(&world, &"./".repeat(2047)).is_ok());
    assert!(stat(&world, "/../..//tmp/../file").is_ok());
    let name = world.text("x");
    assert_eq!(world.call(sys_openat, [77, name, 0]), Err(Errno::EBADF));
    assert_eq!(world.call(sys_openat, [0, name, 0]), Err(Errno::ENOTDIR));
}

#[test]
fn links_are_followed_up_to_forty() {
    let world = World::new();
    make(&world, "/tmp/end", "found");
    assert_eq!(two(&world, sys_symlink, "end", "/tmp/link00"), Ok(0));
    for i in 1..50 {
        let target = format!("link{:02}", i - 1);
        assert_eq!(
            two(&world, sys_symlink, &target, &format!("/tmp/link{i:02}")),
            Ok(0)
        );
    }
    assert_eq!(text_of(&world, "/tmp/link39"), Ok("found".into()));
    assert_eq!(text_of(&world, "/tmp/link40"), Err(Errno::ELOOP));
    assert_eq!(two(&world, sys_symlink, "round", "round"), Ok(0));
    assert_eq!(text_of(&world, "round"), Err(Errno::ELOOP));
    assert_eq!(two(&world, sys_symlink, "/tmp/", "to-tmp"), Ok(0));
    assert_eq!(text_of(&world, "to-tmp/end"), Ok("found".into()));
    assert_eq!(text_of(&world, "to-tmp/../tmp/link05"), Ok("found".into()));
    assert_eq!(open(&world, "to-tmp", O_NOFOLLOW, 0), Err(Errno::ELOOP));
    // A new file comes to where the link leads.
    assert_eq!(two(&world, sys_symlink, "tmp/made", "dangling"), Ok(0));
    let excl = O_CREAT | O_EXCL | O_WRONLY;
    assert_eq!(open(&world, "dangling", excl, 0o600), Err(Errno::EEXIST));
    make(&world, "dangling", "new");
    assert_eq!(text_of(&world, "/tmp/made"), Ok("new".into()));
}

#[test]
fn names_move_and_go() {
    let world = World::new();
    make(&world, "file", "hello");
    assert_eq!(two(&world, sys_link, "file", "hard"), Ok(0));
    assert_eq!(two(&world, sys_link, "file", "hard"), Err(Errno::EEXIST));
    assert_eq!(stat(&world, "hard").map(|stat| stat.st_nlink), Ok(2));
    assert_eq!(two(&world, sys_rename, "file", "hard"), Ok(0));
    assert!(stat(&world, "file").is_ok(), "two names of one file stay");
    for directory in ["dir", "full", "full/below"] {
        assert_eq!(with(&world, sys_mkdir, directory, [0o755]), Ok(0));
    }
    for (from, to, errno) in [
        ("nothing", "x", Errno::ENOENT),
        ("file", "dir", Errno::EISDIR),
        ("dir", "file", Errno::ENOTDIR),
        ("dir", "full", Errno::ENOTEMPTY),
        ("full", "full/below/x", Errno::EINVAL),
        ("full/below", "full", Errno::ENOTEMPTY),
        ("dir/.", "x", Errno::EBUSY),
        ("/", "x", Errno::EBUSY),
        ("file", "x/", Errno::ENOTDIR),
    ] {
        assert_eq!(two(&world, sys_rename, from, to), Err(errno), "{from} {to}");
    }
    assert_eq!(two(&world, sys_rename, "full", "dir"), Ok(0));
    assert_eq!(names(&world, "dir"), [".", "..", "below"]);
    assert_eq!(with(&world, sys_rmdir, "dir", []), Err(Errno::ENOTEMPTY));
    assert_eq!(with(&world, sys_rmdir, "file", []), Err(Errno::ENOTDIR));
    assert_eq!(with(&world, sys_rmdir, "dir/.", []), Err(Errno::EINVAL));
    assert_eq!(with(&world, sys_rmdir, "/", []), Err(Errno::EBUSY));
    assert_eq!(with(&world, sys_unlink, "dir", []), Err(Errno::EISDIR));
    let room = world.room(64);
    assert_eq!(with(&world, sys_chdir, "dir/below", []), Ok(0));
    assert_eq!(world.call(sys_getcwd, [room, 64]), Ok(11));
    assert_eq!(world.get(room, 11), b"/dir/below\0");
    assert_eq!(world.call(sys_getcwd, [room, 10]), Err(Errno::ERANGE));
    assert_eq!(with(&world, sys_rmdir, "../below", []), Ok(0));
    assert_eq!(world.call(sys_getcwd, [room, 64]), Err(Errno::ENOENT));
    assert_eq!(with(&world, sys_mkdir, "new", [0o755]), Err(Errno::ENOENT));
    let root = stat(&world, "/").unwrap();
    assert_eq!(root.st_nlink, 2 + 5, "dev, dir, proc, sys and tmp");
}

#[test]
fn what_is_open_outlives_its_name() {
    let world = World::new();
    make(&world, "file", "hello");
    let fd = open(&world, "file", O_RDONLY, 0).unwrap();
    assert_eq!(with(&world, sys_unlink, "file", []), Ok(0));
    assert_eq!(read(&world, fd, 64), Ok(b"hello".to_vec()));
    let room = world.room(64);
    let link = world.text(&format!("/proc/self/fd/{fd}"));
    let got = world.call(sys_readlink, [link, room, 64]).unwrap();
    assert_eq!(world.get(room, got), b"/file (deleted)");
    let again = world.call(sys_open, [link, O_RDONLY as usize, 0]).unwrap();
    assert_eq!(read(&world, again, 64), Ok(b"hello".to_vec()));
}

#[test]
fn reading_a_directory_meets_every_name_once() {
    let world = World::new();
    assert_eq!(with(&world, sys_mkdir, "dir", [0o755]), Ok(0));
    for i in 0..40 {
        make(&world, &format!("dir/{i:02}"), "");
    }
    assert_eq!(names(&world, "dir").len(), 42);
    let fd = open(&world, "dir", O_RDONLY, 0).unwrap();
    let room = world.room(64);
    assert_eq!(
        world.call(sys_getdents64, [fd, room, 8]),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        world.call(sys_getdents64, [0, room, 64]),
        Err(Errno::ENOTDIR)
    );
    let mut seen = 0;
    while world.call(sys_getdents64, [fd, room, 24]).unwrap() > 0 {
        let name = String::from_utf8_lossy(&world.get(room + 19, 2)).into_owned();
        // What is removed behind the place moves nothing.
        let _ = with(&world, sys_unlink, &format!("dir/{name}"), []);
        seen += 1;
    }
    assert_eq!(seen, 42);
    assert_eq!(names(&world, "dir"), [".", ".."]);
}

#[test]
fn descriptors_run_out() {
    let world = World::new();
    make(&world, "file", "");
    let path = world.text("file");
    for fd in 3..1024 {
        assert_eq!(world.call(sys_open, [path, 0, 0]), Ok(fd));
    }
    assert_eq!(
        open(&world, "new", O_CREAT | O_WRONLY, 0o600),
        Err(Errno::EMFILE)
    );
    assert_eq!(
        stat(&world, "new").err(),
        Some(Errno::ENOENT),
        "nothing was made"
    );
}

#[test]
fn pipes_carry_bytes_and_end() {
    let world = World::new();
    let room = world.room(8);
    assert_eq!(world.call(sys_pipe2, [room, O_NONBLOCK as usize]), Ok(0));
    assert_eq!(world.get_value::<[i32; 2]>(room), [3, 4]);
    assert_eq!(read(&world, 3, 1), Err(Errno::EAGAIN));
    assert_eq!(write(&world, 4, &[7; 70000]), Ok(65536));
    assert_eq!(write(&world, 4, b"x"), Err(Errno::EAGAIN));
    assert_eq!(read(&world, 3, 70000).map(|bytes| bytes.len()), Ok(65536));
    assert_eq!(write(&world, 3, b"x"), Err(Errno::EBADF));
    let list = world.value(&[
        Pollfd {
            fd: 3,
            events: POLLIN,
            revents: 9,
        },
        Pollfd {
            fd: 4,
            events: POLLOUT,
            revents: 0,
        },
        Pollfd {
            fd: -1,
            events: POLLIN,
            revents: 9,
        },
        Pollfd {
            fd: 99,
            events: POLLIN,
            revents: 0,
        },
    ]);
    assert_eq!(world.call(sys_poll, [list, 4, usize::MAX]), Ok(2));
    let bits = world
        .get_value::<[Pollfd; 4]>(list)
        .map(|entry| entry.revents);
    assert_eq!(bits, [0, POLLOUT, 0, POLLNVAL]);
    assert_eq!(world.call(sys_close, [4]), Ok(0));
    assert_eq!(read(&world, 3, 1), Ok(Vec::new()));
    assert_eq!(world.call(sys_poll, [list, 1, 0]), Ok(1));
    assert_eq!(world.get_value::<Pollfd>(list).revents, POLLHUP);
    assert_eq!(
        world.call(sys_pipe2, [room, O_APPEND as usize]),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.call(sys_pipe2, [8, 0]), Err(Errno::EFAULT));
    assert_eq!(world.call(sys_pipe, [room]), Ok(0));
    assert_eq!(world.get_value::<[i32; 2]>(room), [4, 5]);
}

#[test]
#[should_panic(expected = "exit 134")]
fn a_read_that_nobody_can_end_ends_the_program() {
    let world = World::new();
    let room = world.room(8);
    assert_eq!(world.call(sys_pipe, [room]), Ok(0));
    let _ = read(&world, 3, 1);
}

#[test]
fn poll_sleeps_by_the_platform_alone() {
    let world = World::new();
    let start = world.sim.clock().monotonic_ns();
    assert_eq!(world.call(sys_poll, [0, 0, 50]), Ok(0));
    assert_eq!(world.sim.clock().monotonic_ns() - start, 50_000_000);
    let time = world.value(&Timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000_000,
    });
    assert_eq!(world.call(sys_ppoll, [0, 0, time, 0]), Err(Errno::EINVAL));
}

#[test]
fn modes_owners_and_times_are_kept() {
    let world = World::new();
    world.sim.set_realtime_ns(5_000_000_007);
    make(&world, "file", "x");
    let made = stat(&world, "file").unwrap();
    assert_eq!(made.st_mode, S_IFREG | 0o644);
    assert_eq!((made.st_mtim.tv_sec, made.st_mtim.tv_nsec), (5, 7));
    assert_eq!(
        with(&world, sys_access, "file", [X_OK as usize]),
        Err(Errno::EACCES)
    );
    assert_eq!(with(&world, sys_access, "file", [8]), Err(Errno::EINVAL));
    assert_eq!(with(&world, sys_chmod, "file", [0o4711]), Ok(0));
    assert_eq!(with(&world, sys_access, "file", [X_OK as usize]), Ok(0));
    assert_eq!(with(&world, sys_chown, "file", [7, usize::MAX]), Ok(0));
    let changed = stat(&world, "file").unwrap();
    assert_eq!(
        (changed.st_mode & 0o7777, changed.st_uid, changed.st_gid),
        (0o711, 7, 0)
    );
    let path = world.text("file");
    let times = world.value(&[
        Timespec {
            tv_sec: -5,
            tv_nsec: UTIME_OMIT,
        },
        Timespec {
            tv_sec: -5,
            tv_nsec: 999_999_999,
        },
    ]);
    assert_eq!(world.call(sys_utimensat, [CWD, path, times, 0]), Ok(0));
    let changed = stat(&world, "file").unwrap();
    assert_eq!(
        changed.st_mtim,
        Timespec {
            tv_sec: -5,
            tv_nsec: 999_999_999
        }
    );
    assert_eq!(changed.st_atim, made.st_atim);
    let wrong = world.value(
        &[Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000_000,
        }; 2],
    );
    assert_eq!(
        world.call(sys_utimensat, [CWD, path, wrong, 0]),
        Err(Errno::EINVAL)
    );
}

#[test]
fn a_file_that_does_not_fit_is_enospc_and_can_be_cut_again() {
    let world = World::new();
    let fd = open(&world, "big", O_CREAT | O_RDWR, 0o600).unwrap();
    let beyond = i64::MAX as usize;
    assert_eq!(world.call(sys_ftruncate, [fd, beyond]), Ok(0));
    assert_eq!(
        stat(&world, "big").map(|stat| (stat.st_size, stat.st_blocks)),
        Ok((i64::MAX, 0))
    );
    let byte = world.bytes(b"x");
    assert_eq!(
        world.call(sys_pwrite64, [fd, byte, 1, beyond]),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.call(sys_ftruncate, [fd, 0]), Ok(0));
    assert_eq!(world.call(sys_fallocate, [fd, 0, 0, 10_000]), Ok(0));
    assert_eq!(
        stat(&world, "big").map(|stat| (stat.st_size, stat.st_blocks)),
        Ok((10_000, 24))
    );
    assert_eq!(world.call(sys_fallocate, [fd, 3, 0, 8192]), Ok(0));
    assert_eq!(stat(&world, "big").map(|stat| stat.st_blocks), Ok(8));
}

#[test]
fn the_limit_of_a_files_size_cuts_writes() {
    let world = World::new();
    let limit = world.value(&[10_u64, 10]);
    assert_eq!(world.call(crate::process::sys_setrlimit, [1, limit]), Ok(0));
    // SIGXFSZ is ignored.
    let ignored = world.value(&[1_usize, 0, 0, 0]);
    let action = [25, ignored, 0, 8];
    assert_eq!(world.call(crate::signals::sys_rt_sigaction, action), Ok(0));
    let fd = open(&world, "file", O_CREAT | O_RDWR, 0o600).unwrap();
    assert_eq!(write(&world, fd, b"0123456789abcdef"), Ok(10));
    assert_eq!(write(&world, fd, b"x"), Err(Errno::EFBIG));
    assert_eq!(world.call(sys_ftruncate, [fd, 11]), Err(Errno::EFBIG));
    assert_eq!(world.call(sys_ftruncate, [fd, 10]), Ok(0));
    assert_eq!(write(&world, 1, b"the console has no size"), Ok(23));
}

#[test]
fn proc_tells_of_the_program() {
    let world = World::given(
        Sim::new(4096, 1),
        Given {
            program: b"/bin/program",
            arguments: b"-x\0",
            environment: b"MUSLIN_CWD=/\0A=1\0MUSLIN_HOSTNAME=h\0B=\0",
            ..Given::default()
        },
    );
    let room = world.room(64);
    let exe = world.text("/proc/self/exe");
    assert_eq!(world.call(sys_readlink, [exe, room, 64]), Ok(12));
    assert_eq!(world.get(room, 12), b"/bin/program");
    assert_eq!(open(&world, "/proc/self/exe", 0, 0), Err(Errno::ENOENT));
    assert_eq!(
        text_of(&world, "/proc/self/environ"),
        Ok("A=1\0B=\0".into())
    );
    assert_eq!(
        text_of(&world, "/proc/self/cmdline"),
        Ok("/bin/program\0-x\0".into())
    );
    let memory = text_of(&world, "/proc/meminfo").unwrap();
    assert!(
        memory.starts_with("MemTotal:          16384 kB\n"),
        "{memory}"
    );
    let word = |path: &str, at: usize| {
        let text = text_of(&world, path).unwrap();
        text.split_ascii_whitespace().nth(at).map(String::from)
    };
    assert_eq!(text_of(&world, "/proc/self/comm"), Ok("program\n".into()));
    assert_eq!(word("/proc/self/stat", 1).as_deref(), Some("(program)"));
    assert!(word("/proc/self/stat", 51).is_some());
    assert_eq!(word("/proc/self/stat", 52), None);
    assert!(
        text_of(&world, "/proc/self/status")
            .unwrap()
            .contains("\nPid:\t1\n")
    );
    assert_eq!(
        text_of(&world, "/proc/sys/kernel/osrelease"),
        Ok("6.6.0-muslin\n".into())
    );
    assert_eq!(
        text_of(&world, "/sys/devices/system/cpu/online"),
        Ok("0\n".into())
    );
    let uuid = text_of(&world, "/proc/sys/kernel/random/uuid").unwrap();
    assert_eq!((uuid.len(), &uuid[14..15]), (37, "4"), "{uuid}");
    assert_ne!(text_of(&world, "/proc/sys/kernel/random/uuid"), Ok(uuid));
    let boot = text_of(&world, "/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!((boot.len(), &boot[14..15]), (37, "4"), "{boot}");
    assert_eq!(text_of(&world, "/proc/sys/kernel/random/boot_id"), Ok(boot));
    assert_eq!(with(&world, sys_chdir, "/dev/shm", []), Ok(0));
    let cwd = world.text("/proc/self/cwd");
    assert_eq!(world.call(sys_readlink, [cwd, room, 64]), Ok(8));
    assert_eq!(world.get(room, 8), b"/dev/shm");
    assert_eq!(
        stat(&world, "/proc/self/cwd/..").map(|about| about.st_ino),
        stat(&world, "/dev").map(|about| about.st_ino)
    );
    assert!(stat(&world, "/proc/self/root/proc/mounts").is_ok());
    assert_eq!(
        names(&world, "/proc/self/fd"),
        [".", "..", "0", "1", "2", "3"]
    );
    assert_eq!(open(&world, "/proc/meminfo", O_RDWR, 0), Err(Errno::EACCES));
    assert!(stat(&world, "/proc/self/fd/../exe").is_ok());
}

#[test]
fn an_initrd_is_the_root_and_is_copied_only_where_it_is_written() {
    // As `tar --format=ustar` writes a file "hello" of five bytes.
    let mut archive = std::vec![0; 2048];
    archive[..5].copy_from_slice(b"hello");
    archive[100..107].copy_from_slice(b"0000600");
    archive[124..135].copy_from_slice(b"00000000005");
    archive[156] = b'0';
    archive[257..265].copy_from_slice(b"ustar\x0000");
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|&byte| u32::from(byte)).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive[512..517].copy_from_slice(b"there");
    let archive: &'static [u8] = archive.leak();
    let world = World::with(Sim::new(1024, 1), Some(archive));
    assert_eq!(text_of(&world, "/hello"), Ok("there".into()));
    let fd = open(&world, "/hello", O_RDWR, 0).unwrap();
    assert_eq!(write(&world, fd, b"TH"), Ok(2));
    assert_eq!(text_of(&world, "/hello"), Ok("THere".into()));
    assert_eq!(&archive[512..517], b"there");
    assert_eq!(
        names(&world, "/"),
        [".", "..", "hello", "tmp", "dev", "proc", "sys"]
    );
}

#[test]
#[should_panic(expected = "exit 1")]
fn a_damaged_initrd_ends_the_machine() {
    let world = World::with(Sim::new(1024, 1), Some(b"no archive"));
    let _ = open(&world, "/", O_RDONLY, 0);
}

#[test]
fn the_working_directory_may_be_given() {
    let given = Given {
        working_directory: Some(b"/dev/./shm/"),
        ..Given::default()
    };
    let world = World::given(Sim::new(1024, 1), given);
    make(&world, "file", "here");
    assert_eq!(text_of(&world, "/dev/shm/file"), Ok("here".into()));
}

#[test]
#[should_panic(expected = "exit 1")]
fn a_working_directory_that_is_not_there_ends_the_machine() {
    let given = Given {
        working_directory: Some(b"/nowhere"),
        ..Given::default()
    };
    let world = World::given(Sim::new(1024, 1), given);
    let _ = open(&world, "/", O_RDONLY, 0);
}

#[test]
fn locks_of_descriptions_stand_in_each_others_way() {
    let world = World::new();
    make(&world, "file", "");
    let one = open(&world, "file", O_RDWR, 0).unwrap();
    let other = open(&world, "file", O_RDWR, 0).unwrap();
    let nb = LOCK_NB as usize;
    assert_eq!(world.call(sys_flock, [one, 2]), Ok(0));
    assert_eq!(world.call(sys_flock, [other, 2 | nb]), Err(Errno::EAGAIN));
    assert_eq!(world.call(sys_flock, [one, 1]), Ok(0));
    assert_eq!(world.call(sys_flock, [other, 1 | nb]), Ok(0));
    assert_eq!(world.call(sys_close, [one]), Ok(0));
    assert_eq!(world.call(sys_flock, [other, 2 | nb]), Ok(0));
    assert_eq!(world.call(sys_flock, [other, 77]), Err(Errno::EINVAL));
}

#[test]
fn copies_move_the_places_they_are_told() {
    let world = World::new();
    make(&world, "from", "The quick brown fox");
    let from = open(&world, "from", O_RDONLY, 0).unwrap();
    let to = open(&world, "to", O_CREAT | O_RDWR, 0o600).unwrap();
    let place = world.value(&4_u64);
    assert_eq!(world.call(sys_sendfile, [to, from, place, 5]), Ok(5));
    assert_eq!(world.get_value::<u64>(place), 9);
    assert_eq!(world.call(sys_sendfile, [to, from, 0, 1000]), Ok(19));
    assert_eq!(world.call(sys_sendfile, [to, from, 0, 1000]), Ok(0));
    assert_eq!(text_of(&world, "to"), Ok("quickThe quick brown fox".into()));
    assert_eq!(world.call(sys_sendfile, [to, 1, 0, 1]), Err(Errno::EBADF));
    let (zero, two) = (world.value(&0_u64), world.value(&2_u64));
    assert_eq!(
        world.call(sys_copy_file_range, [to, zero, to, two, 5, 0]),
        Err(Errno::EINVAL)
    );
    let room = world.room(8);
    assert_eq!(world.call(sys_pipe, [room]), Ok(0));
    assert_eq!(world.call(sys_splice, [from, zero, 6, 0, 3, 0]), Ok(3));
    assert_eq!(
        world.call(sys_splice, [from, 0, to, 0, 1, 0]),
        Err(Errno::EINVAL)
    );
    assert_eq!(read(&world, 5, 9), Ok(b"The".to_vec()));
    assert_eq!(
        world.call(sys_splice, [5, 0, to, 0, 1, 2]),
        Err(Errno::EAGAIN)
    );
}

/// Every call, so that none is left out below.
const CALLS: &[(&str, Handler)] = &[
    ("access", sys_access),
    ("chdir", sys_chdir),
    ("chmod", sys_chmod),
    ("chown", sys_chown),
    ("close", sys_close),
    ("close_range", sys_close_range),
    ("copy_file_range", sys_copy_file_range),
    ("creat", sys_creat),
    ("dup", sys_dup),
    ("dup2", sys_dup2),
    ("dup3", sys_dup3),
    ("faccessat", sys_faccessat),
    ("faccessat2", sys_faccessat2),
    ("fadvise64", sys_fadvise64),
    ("fallocate", sys_fallocate),
    ("fchdir", sys_fchdir),
    ("fchmod", sys_fchmod),
    ("fchmodat", sys_fchmodat),
    ("fchmodat2", sys_fchmodat2),
    ("fchown", sys_fchown),
    ("fchownat", sys_fchownat),
    ("fcntl", sys_fcntl),
    ("fdatasync", sys_fdatasync),
    ("flock", sys_flock),
    ("fstat", sys_fstat),
    ("fstatfs", sys_fstatfs),
    ("fsync", sys_fsync),
    ("ftruncate", sys_ftruncate),
    ("futimesat", sys_futimesat),
    ("getcwd", sys_getcwd),
    ("getdents", sys_getdents),
    ("getdents64", sys_getdents64),
    ("ioctl", sys_ioctl),
    ("lchown", sys_lchown),
    ("link", sys_link),
    ("linkat", sys_linkat),
    ("lseek", sys_lseek),
    ("lstat", sys_lstat),
    ("mkdir", sys_mkdir),
    ("mkdirat", sys_mkdirat),
    ("mknod", sys_mknod),
    ("mknodat", sys_mknodat),
    ("newfstatat", sys_newfstatat),
    ("open", sys_open),
    ("openat", sys_openat),
    ("openat2", sys_openat2),
    ("pipe", sys_pipe),
    ("pipe2", sys_pipe2),
    ("poll", sys_poll),
    ("ppoll", sys_ppoll),
    ("pread64", sys_pread64),
    ("preadv", sys_preadv),
    ("preadv2", sys_preadv2),
    ("pselect6", sys_pselect6),
    ("pwrite64", sys_pwrite64),
    ("pwritev", sys_pwritev),
    ("pwritev2", sys_pwritev2),
    ("read", sys_read),
    ("readahead", sys_readahead),
    ("readlink", sys_readlink),
    ("readlinkat", sys_readlinkat),
    ("readv", sys_readv),
    ("rename", sys_rename),
    ("renameat", sys_renameat),
    ("renameat2", sys_renameat2),
    ("rmdir", sys_rmdir),
    ("select", sys_select),
    ("sendfile", sys_sendfile),
    ("splice", sys_splice),
    ("stat", sys_stat),
    ("statfs", sys_statfs),
    ("statx", sys_statx),
    ("symlink", sys_symlink),
    ("symlinkat", sys_symlinkat),
    ("sync", sys_sync),
    ("sync_file_range", sys_sync_file_range),
    ("syncfs", sys_syncfs),
    ("tee", sys_tee),
    ("truncate", sys_truncate),
    ("umask", sys_umask),
    ("unlink", sys_unlink),
    ("unlinkat", sys_unlinkat),
    ("utime", sys_utime),
    ("utimensat", sys_utimensat),
    ("utimes", sys_utimes),
    ("vmsplice", sys_vmsplice),
    ("write", sys_write),
    ("writev", sys_writev),
];

/// Arguments that are lengths of what a call makes by itself: kept small, since the simulated library
/// OS takes its memory from the machine's.
const LENGTHS: &[(&str, usize)] = &[("sendfile", 3), ("copy_file_range", 4), ("fallocate", 3)];

#[test]
fn nonsense_by_seed_is_never_more_than_an_errno() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let world = World::new();
    let room = world.room(4096);
    let texts = [
        "",
        ".",
        "..",
        "/",
        "tmp",
        "tmp/",
        "file",
        "file/x",
        "/dev/zero",
        "/proc/self/fd",
    ];
    let mut menu: Vec<usize> = texts.iter().map(|text| world.text(text)).collect();
    // Descriptors, flags, modes, sizes, and numbers at the edges of their types.
    menu.extend([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 0o100, 0o2000, 0o4000, 0o101102, 0o600, 0o10644, 511,
    ]);
    menu.extend([
        4096,
        65536,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        CWD,
        usize::MAX,
    ]);
    menu.extend([
        i64::MAX as usize,
        i64::MIN as usize,
        room,
        room + 1,
        room + 4095,
        room + 4096,
    ]);
    let mut numbers = numbers(1);
    let mut next = |below: usize| numbers(below as u64) as usize;
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..60_000 {
        let which = next(CALLS.len());
        let (name, handler) = CALLS[which];
        let mut words: [usize; 6] = core::array::from_fn(|_| menu[next(menu.len())]);
        for &(_, length) in LENGTHS.iter().filter(|&&(call, _)| call == name) {
            words[length] %= 100_000;
        }
        for place in 0..8 {
            world.put(room + place * 8, &menu[next(menu.len())].to_le_bytes());
        }
        // Pipes that nobody serves end the program, and so does SIGPIPE: both by name.
        let outcome = catch_unwind(AssertUnwindSafe(|| world.call(handler, words)));
        let answer = match outcome {
            Ok(answer) => answer.map(|_| ()),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                assert!(text.contains("exit 1"), "{name} {words:x?}: {text}");
                Ok(())
            }
        };
        *answers.entry((which, answer.is_ok())).or_insert(0) += 1;
    }
    let succeeded = answers.keys().filter(|&&(_, is_ok)| is_ok).count();
    assert!(
        succeeded > CALLS.len() * 3 / 4,
        "{succeeded} of {}",
        CALLS.len()
    );
    // The file system is still one.
    assert_eq!(with(&world, sys_chdir, "/", []), Ok(0));
    make(&world, "/at-the-end", "whole");
    assert_eq!(text_of(&world, "/at-the-end"), Ok("whole".into()));
}

#[test]
fn a_block_device_takes_any_place_and_any_length() {
    const SECTORS: usize = 40;
    let world = World::with(Sim::new(4096, 1).with_disk(SECTORS), None);
    let fd = open(&world, "/dev/storage", O_RDWR, 0).unwrap();
    let mut model = std::vec![0; SECTORS * 512];
    let mut numbers = numbers(1);
    let mut next = |below: usize| numbers(below as u64) as usize;
    for step in 0..600 {
        let (at, len) = (next(model.len() + 600), next(9000));
        let inside = at.min(model.len())..(at + len).min(model.len());
        if step % 2 == 0 {
            let text = std::vec![step as u8 | 1; len];
            let written = world.call(sys_pwrite64, [fd, world.bytes(&text), len, at]);
            let expected = match inside.len() {
                0 if len > 0 => Err(Errno::ENOSPC),
                done => Ok(done),
            };
            assert_eq!(written, expected, "step {step}: {len} at {at}");
            model[inside].fill(step as u8 | 1);
        } else {
            let room = world.room(len);
            let got = world.call(sys_pread64, [fd, room, len, at]);
            assert_eq!(got, Ok(inside.len()), "step {step}: {len} at {at}");
            assert_eq!(world.get(room, inside.len()), model[inside], "step {step}");
        }
    }
    assert_eq!(world.sim.disk().unwrap().bytes(), model);
}

#[test]
fn a_block_device_tells_its_size() {
    let world = World::with(Sim::new(1024, 1).with_disk(8), None);
    let about = stat(&world, "/dev/storage").unwrap();
    assert_eq!(about.st_mode & S_IFMT, S_IFBLK);
    assert_eq!((about.st_rdev, about.st_size), (259 << 8, 0));
    let fd = open(&world, "/dev/storage", O_RDWR | O_TRUNC | O_DIRECT, 0).unwrap();
    let room = world.room(8);
    let ask = |request: u32| world.call(sys_ioctl, [fd, request as usize, room]);
    assert_eq!(ask(BLKGETSIZE64), Ok(0));
    assert_eq!(world.get_value::<u64>(room), 8 * 512);
    assert_eq!(ask(BLKGETSIZE), Ok(0));
    assert_eq!(world.get_value::<u64>(room), 8);
    assert_eq!(ask(BLKSSZGET), Ok(0));
    assert_eq!(world.get_value::<u32>(room), 512);
    assert_eq!(ask(TCGETS), Err(Errno::ENOTTY));
    assert_eq!(
        world.call(sys_ioctl, [fd, BLKGETSIZE64 as usize, 8]),
        Err(Errno::EFAULT)
    );
    let seek =
        |offset: i64, whence: u32| world.call(sys_lseek, [fd, offset as usize, whence as usize]);
    assert_eq!(seek(0, SEEK_END), Ok(4096));
    assert_eq!(seek(1, SEEK_CUR), Err(Errno::EINVAL));
    assert_eq!(seek(-1, SEEK_SET), Err(Errno::EINVAL));
    assert_eq!(seek(100, SEEK_DATA), Ok(100));
    assert_eq!(seek(100, SEEK_HOLE), Ok(4096));
    assert_eq!(seek(4096, SEEK_DATA), Err(Errno::ENXIO));
    assert_eq!(read(&world, fd, 1), Ok(std::vec![]));
    assert_eq!(write(&world, fd, b"x"), Err(Errno::ENOSPC));
    assert_eq!(world.call(sys_fsync, [fd]), Ok(0));
    assert_eq!(world.call(sys_ftruncate, [fd, 0]), Err(Errno::EINVAL));
    assert_eq!(
        open(&world, "/dev/storage/x", O_RDWR, 0),
        Err(Errno::ENOTDIR)
    );
    assert_eq!(open(&world, "/dev/other", O_RDWR, 0), Err(Errno::ENOENT));
}

#[test]
fn attributes_are_kept_by_name() {
    let world = World::new();
    make(&world, "file", "x");
    let (path, name) = (world.text("file"), world.text("user.a"));
    let (value, room) = (world.bytes(b"value"), world.room(300));
    assert_eq!(
        world.call(sys_setxattr, [path, name, value, 5, 2]),
        Err(Errno::ENODATA)
    );
    assert_eq!(world.call(sys_setxattr, [path, name, value, 5, 1]), Ok(0));
    assert_eq!(world.call(sys_setxattr, [path, name, value, 3, 0]), Ok(0));
    assert_eq!(world.call(sys_getxattr, [path, name, room, 300]), Ok(3));
    assert_eq!(world.get(room, 3), b"val");
    assert_eq!(world.call(sys_listxattr, [path, room, 300]), Ok(7));
    assert_eq!(world.get(room, 7), b"user.a\0");
    for (name, errno) in [
        ("", Errno::ERANGE),
        (&*"a".repeat(256), Errno::ERANGE),
        ("user.", Errno::EINVAL),
        ("system.x", Errno::EOPNOTSUPP),
    ] {
        let name = world.text(name);
        assert_eq!(world.call(sys_getxattr, [path, name, 0, 0]), Err(errno));
    }
    let null = world.text("/dev/null");
    assert_eq!(
        world.call(sys_setxattr, [null, name, value, 5, 0]),
        Err(Errno::EPERM)
    );
    assert_eq!(
        world.call(sys_getxattr, [null, name, 0, 0]),
        Err(Errno::ENODATA)
    );
    assert_eq!(
        world.call(sys_setxattr, [path, name, value, 65_537, 0]),
        Err(Errno::E2BIG)
    );
    assert_eq!(
        world.call(sys_setxattr, [path, name, 8, 5, 0]),
        Err(Errno::EFAULT)
    );
    assert_eq!(world.call(sys_removexattr, [path, name]), Ok(0));
    assert_eq!(world.call(sys_listxattr, [path, 0, 0]), Ok(0));
}

#[test]
fn a_memfd_is_a_file_without_a_path() {
    let world = World::new();
    let name = world.text("some name");
    let fd = world
        .call(sys_memfd_create, [name, MFD_CLOEXEC as usize])
        .unwrap();
    assert_eq!(write(&world, fd, b"text"), Ok(4));
    let (link, room) = (world.text(&format!("/proc/self/fd/{fd}")), world.room(64));
    let len = world.call(sys_readlink, [link, room, 64]).unwrap();
    assert_eq!(world.get(room, len), b"/memfd:some name (deleted)");
    assert_eq!(
        text_of(&world, &format!("/proc/self/fd/{fd}")),
        Ok("text".into())
    );
    assert_eq!(world.call(sys_memfd_create, [name, 4]), Err(Errno::EINVAL));
    let long = world.text(&"n".repeat(250));
    assert_eq!(world.call(sys_memfd_create, [long, 0]), Err(Errno::EINVAL));
    assert_eq!(world.call(sys_memfd_create, [8, 0]), Err(Errno::EFAULT));
}
