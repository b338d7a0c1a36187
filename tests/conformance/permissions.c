/* access, chmod, chown, utimensat and their relatives. */
#include "expect.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

static void times_of(const char *path)
{
	struct stat st;
	stat(path, &st);
	say("%s: atime %ld.%09ld mtime %ld.%09ld", path, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
		(long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static unsigned mode_of(const char *path)
{
	struct stat st;
	return stat(path, &st) ? 0 : st.st_mode & 07777;
}

int main(void)
{
	umask(022);
	make_file("file", "x");
	symlink("file", "link");
	symlink("nothing", "dangling");
	int fd = open("file", O_RDWR);

	GIVES("access F_OK", access("file", F_OK), 0);
	GIVES("access R_OK|W_OK", access("file", R_OK | W_OK), 0);
	FAILS("access X_OK", access("file", X_OK), EACCES);
	FAILS("access of nothing", access("nothing", F_OK), ENOENT);
	FAILS("access of nonsense", access("file", 0100), EINVAL);
	FAILS("access of a dangling link", access("dangling", F_OK), ENOENT);
	GIVES("faccessat", faccessat(AT_FDCWD, "file", R_OK, 0), 0);
	GIVES("faccessat AT_EACCESS", faccessat(AT_FDCWD, "file", R_OK, AT_EACCESS), 0);
	FAILS("faccessat X_OK AT_EACCESS", faccessat(AT_FDCWD, "file", X_OK, AT_EACCESS), EACCES);
	FAILS("faccessat of nonsense", faccessat(AT_FDCWD, "file", R_OK, 0x4000000), EINVAL);

	GIVES("chmod", chmod("file", 0751), 0);
	GIVES("mode", mode_of("file"), 0751);
	GIVES("now it can be executed", access("file", X_OK), 0);
	GIVES("chmod through a link", chmod("link", 0600), 0);
	GIVES("mode", mode_of("file"), 0600);
	GIVES("fchmod", fchmod(fd, 04711), 0);
	GIVES("mode", mode_of("file"), 04711);
	GIVES("fchmodat", fchmodat(AT_FDCWD, "file", 0640, 0), 0);
	FAILS("fchmodat of a link itself", fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	FAILS("chmod of nothing", chmod("nothing", 0600), ENOENT);
	FAILS("fchmod EBADF", fchmod(-1, 0600), EBADF);
	int path = open("file", O_PATH);
	GIVES("fchmod of O_PATH (musl goes through /proc)", fchmod(path, 0600), 0);

	GIVES("chown to myself", chown("file", getuid(), getgid()), 0);
	GIVES("chown -1 -1", chown("file", -1, -1), 0);
	GIVES("lchown", lchown("dangling", -1, getgid()), 0);
	GIVES("fchown", fchown(fd, -1, -1), 0);
	GIVES("fchownat", fchownat(AT_FDCWD, "dangling", -1, -1, AT_SYMLINK_NOFOLLOW), 0);
	FAILS("chown of a dangling link", chown("dangling", -1, -1), ENOENT);
	FAILS("fchown EBADF", fchown(-1, -1, -1), EBADF);

	struct timespec both[2] = { { 1000, 5 }, { 2000, 999999999 } };
	GIVES("utimensat", utimensat(AT_FDCWD, "file", both, 0), 0);
	times_of("file");
	both[0].tv_nsec = UTIME_OMIT;
	both[1] = (struct timespec){ 3000, 0 };
	GIVES("futimens omits one", futimens(fd, both), 0);
	times_of("file");
	both[1].tv_nsec = 1000000000;
	FAILS("a wrong time", futimens(fd, both), EINVAL);
	struct timeval old[2] = { { 4000, 7 }, { 5000, 8 } };
	GIVES("utimes", utimes("file", old), 0);
	times_of("file");
	GIVES("utime", utime("file", &(struct utimbuf){ 6000, 7000 }), 0);
	times_of("file");
	GIVES("lutimes", lutimes("link", old), 0);
	times_of("file");
	GIVES("futimes", futimes(fd, old), 0);
	times_of("file");
	FAILS("utimensat of nothing", utimensat(AT_FDCWD, "nothing", NULL, 0), ENOENT);
	FAILS("futimens EBADF", futimens(-1, NULL), EBADF);
	GIVES("utimensat now", utimensat(AT_FDCWD, "file", NULL, 0), 0);
	struct stat st;
	stat("file", &st);
	CHECK("now is later", st.st_mtime > 1000000000);
	return finish();
}
