/* open and openat: every flag with a meaning on a plain file. */
#include "expect.h"
#include <fcntl.h>
#include <sys/stat.h>

static void show(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY);
	ssize_t length = read(fd, text, sizeof text - 1);
	text[length < 0 ? 0 : length] = 0;
	say("%s holds \"%s\"", path, text);
	close(fd);
}

int main(void)
{
	char byte;
	struct stat st;
	umask(022);

	FAILS("no such file", open("file", O_RDWR), ENOENT);
	int fd = OPENED("O_CREAT", open("file", O_CREAT | O_RDWR, 0666));
	GIVES("fstat", fstat(fd, &st), 0);
	GIVES("mode without the umask", st.st_mode, S_IFREG | 0644);
	GIVES("write", write(fd, "abcdef", 6), 6);
	close(fd);
	FAILS("O_EXCL on an existing file", open("file", O_CREAT | O_EXCL | O_RDWR, 0666), EEXIST);

	fd = OPENED("O_RDONLY", open("file", O_RDONLY));
	FAILS("write to a read-only descriptor", write(fd, "x", 1), EBADF);
	close(fd);
	fd = OPENED("O_WRONLY", open("file", O_WRONLY));
	FAILS("read from a write-only descriptor", read(fd, &byte, 1), EBADF);
	GIVES("overwrite", write(fd, "X", 1), 1);
	close(fd);
	show("file");

	fd = OPENED("O_APPEND", open("file", O_WRONLY | O_APPEND));
	GIVES("seek to 0", lseek(fd, 0, SEEK_SET), 0);
	GIVES("append", write(fd, "gh", 2), 2);
	GIVES("the place is the end", lseek(fd, 0, SEEK_CUR), 8);
	GIVES("pwrite appends too (Linux)", pwrite(fd, "ij", 2, 0), 2);
	close(fd);
	show("file");

	close(OPENED("O_TRUNC", open("file", O_WRONLY | O_TRUNC)));
	show("file");

	fd = OPENED("O_CLOEXEC", open("file", O_RDONLY | O_CLOEXEC));
	GIVES("F_GETFD", fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = OPENED("O_NONBLOCK", open("file", O_RDWR | O_NONBLOCK));
	GIVES("F_GETFL", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND), O_RDWR | O_NONBLOCK);
	close(fd);
	fd = OPENED("O_SYNC", open("file", O_RDWR | O_SYNC));
	GIVES("F_GETFL has O_SYNC", (fcntl(fd, F_GETFL) & O_SYNC) == O_SYNC, 1);
	close(fd);

	mkdir("dir", 0755);
	symlink("file", "link");
	FAILS("O_DIRECTORY on a file", open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS("a directory for writing", open("dir", O_RDWR), EISDIR);
	FAILS("O_CREAT on a directory", open("dir", O_RDWR | O_CREAT, 0666), EISDIR);
	FAILS("O_NOFOLLOW on a link", open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	FAILS("O_EXCL on a link", open("link", O_CREAT | O_EXCL | O_RDWR, 0666), EEXIST);
	fd = OPENED("O_PATH", open("file", O_PATH));
	FAILS("read from O_PATH", read(fd, &byte, 1), EBADF);
	GIVES("fstat of O_PATH", fstat(fd, &st), 0);
	close(fd);

	int dir = OPENED("directory", open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	FAILS("read from a directory", read(dir, &byte, 1), EISDIR);
	fd = OPENED("openat", openat(dir, "inner", O_CREAT | O_WRONLY, 0600));
	GIVES("write", write(fd, "inner", 5), 5);
	close(fd);
	show("dir/inner");
	close(OPENED("openat ..", openat(dir, "../file", O_RDONLY)));
	close(OPENED("openat AT_FDCWD", openat(AT_FDCWD, "dir/inner", O_RDONLY)));
	FAILS("openat EBADF", openat(-7, "inner", O_RDONLY), EBADF);
	FAILS("openat at a file", openat(0, "inner", O_RDONLY), ENOTDIR);
	close(OPENED("creat", creat("created", 0600)));
	FAILS("close twice", (fd = dup(0), close(fd), close(fd)), EBADF);
	return finish();
}
