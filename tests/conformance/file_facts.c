/* The stat family: stat, lstat, fstat, fstatat, statx. */
#include "expect.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void show(const char *what, const struct stat *st)
{
	say("%s: mode=%o size=%ld links=%lu mine=%d", what, st->st_mode, (long)st->st_size,
		(unsigned long)st->st_nlink, st->st_uid == geteuid());
}

int main(void)
{
	struct stat st, other;
	struct statx x;
	umask(022);
	make_file("file", "hello");
	mkdir("dir", 0750);
	symlink("file", "link");
	GIVES("mkfifo", mkfifo("fifo", 0640), 0);
	FAILS("mkfifo again", mkfifo("fifo", 0640), EEXIST);

	GIVES("stat", stat("file", &st), 0);
	show("file", &st);
	GIVES("stat dir", stat("dir", &st), 0);
	CHECK("dir", S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0750);
	GIVES("stat link", stat("link", &other), 0);
	show("link, followed", &other);
	GIVES("lstat link", lstat("link", &st), 0);
	show("link", &st);
	GIVES("stat fifo", stat("fifo", &st), 0);
	show("fifo", &st);
	GIVES("stat /dev/null", stat("/dev/null", &st), 0);
	CHECK("character device 1:3", S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 && minor(st.st_rdev) == 3);
	int fd = open("file", O_RDONLY);
	GIVES("fstat", fstat(fd, &st), 0);
	CHECK("the same file", st.st_ino == other.st_ino && st.st_dev == other.st_dev);
	CHECK("times are set and in order", st.st_mtime > 0 && st.st_ctim.tv_sec >= st.st_mtim.tv_sec);
	CHECK("block size", st.st_blksize > 0);
	GIVES("fstatat", fstatat(AT_FDCWD, "file", &st, 0), 0);
	show("fstatat", &st);
	GIVES("fstatat without following", fstatat(AT_FDCWD, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	show("fstatat link", &st);
	GIVES("fstatat of a descriptor", fstatat(fd, "", &st, AT_EMPTY_PATH), 0);
	show("fstatat empty", &st);
	int pipes[2];
	GIVES("pipe", pipe(pipes), 0);
	GIVES("fstat of a pipe", fstat(pipes[0], &st), 0);
	CHECK("a pipe is a fifo", S_ISFIFO(st.st_mode));

	FAILS("stat of nothing", stat("nothing", &st), ENOENT);
	FAILS("stat of an empty path", stat("", &st), ENOENT);
	FAILS("stat below a file", stat("file/x", &st), ENOTDIR);
	FAILS("stat of file/", stat("file/", &st), ENOTDIR);
	FAILS("stat EFAULT", stat((void *)8, &st), EFAULT);
	FAILS("lstat of nothing", lstat("nothing", &st), ENOENT);
	FAILS("fstat EBADF", fstat(-1, &st), EBADF);
	FAILS("fstat EBADF 900", fstat(900, &st), EBADF);
	FAILS("fstatat of nonsense", fstatat(AT_FDCWD, "file", &st, 0x8000000), EINVAL);

	GIVES("statx", statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x), 0);
	say("statx: mode=%o size=%lu links=%u", x.stx_mode, (unsigned long)x.stx_size, x.stx_nlink);
	CHECK("statx agrees with stat", x.stx_ino == other.st_ino && x.stx_mtime.tv_sec == other.st_mtime);
	FAILS("statx of nothing", statx(AT_FDCWD, "nothing", 0, STATX_BASIC_STATS, &x), ENOENT);
	FAILS("statx EBADF", statx(-7, "file", 0, STATX_BASIC_STATS, &x), EBADF);
	CHECK("a file is no terminal: ENOTTY", !isatty(fd) && errno == ENOTTY);
	return finish();
}
