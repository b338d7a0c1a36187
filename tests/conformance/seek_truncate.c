/* lseek, ftruncate, truncate, fallocate, posix_fallocate, fsync, posix_fadvise. */
#include "expect.h"
#include <fcntl.h>
#include <sys/stat.h>

static long size_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) ? -1 : (long)st.st_size;
}

int main(void)
{
	int fd = OPENED("open", open("file", O_CREAT | O_RDWR, 0600)), pipes[2];
	char text[8];

	GIVES("write", write(fd, "0123456789", 10), 10);
	GIVES("SEEK_SET 4", lseek(fd, 4, SEEK_SET), 4);
	GIVES("SEEK_CUR 2", lseek(fd, 2, SEEK_CUR), 6);
	GIVES("SEEK_CUR -6", lseek(fd, -6, SEEK_CUR), 0);
	FAILS("SEEK_CUR -1", lseek(fd, -1, SEEK_CUR), EINVAL);
	GIVES("SEEK_END 5", lseek(fd, 5, SEEK_END), 15);
	GIVES("SEEK_END -10", lseek(fd, -10, SEEK_END), 0);
	GIVES("SEEK_DATA 0", lseek(fd, 0, SEEK_DATA), 0);
	GIVES("SEEK_HOLE 0", lseek(fd, 0, SEEK_HOLE), 10);
	FAILS("SEEK_DATA beyond the end", lseek(fd, 10, SEEK_DATA), ENXIO);
	FAILS("whence of nonsense", lseek(fd, 0, 77), EINVAL);
	GIVES("a place beyond 4 GiB", lseek(fd, 5L << 32, SEEK_SET), 5L << 32);
	FAILS("EBADF", lseek(-1, 0, SEEK_SET), EBADF);
	GIVES("pipe", pipe(pipes), 0);
	FAILS("lseek of a pipe", lseek(pipes[0], 0, SEEK_CUR), ESPIPE);
	FAILS("pread of a pipe", pread(pipes[0], text, 1, 0), ESPIPE);

	GIVES("ftruncate to 4", ftruncate(fd, 4), 0);
	GIVES("size", size_of(fd), 4);
	GIVES("ftruncate to 100", ftruncate(fd, 100), 0);
	GIVES("size", size_of(fd), 100);
	GIVES("pread of the new part", pread(fd, text, 2, 50), 2);
	CHECK("zeros", text[0] == 0 && text[1] == 0);
	GIVES("truncate to 7", truncate("file", 7), 0);
	GIVES("size", size_of(fd), 7);
	FAILS("ftruncate to -1", ftruncate(fd, -1), EINVAL);
	FAILS("truncate of nothing", truncate("nothing", 1), ENOENT);
	FAILS("truncate of a directory", truncate(".", 1), EISDIR);
	FAILS("ftruncate EBADF", ftruncate(-1, 0), EBADF);
	FAILS("ftruncate of a pipe", ftruncate(pipes[1], 0), EINVAL);
	int reader = open("file", O_RDONLY);
	FAILS("ftruncate of a read-only descriptor", ftruncate(reader, 0), EINVAL);

	CODE("posix_fallocate 4096", posix_fallocate(fd, 0, 4096), 0);
	GIVES("size", size_of(fd), 4096);
	CODE("posix_fallocate of nothing", posix_fallocate(fd, 0, 0), EINVAL);
	GIVES("fallocate keeps the size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 4096, 8192), 0);
	GIVES("size", size_of(fd), 4096);
	FAILS("fallocate EBADF", fallocate(-1, 0, 0, 1), EBADF);
	CODE("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	CODE("posix_fadvise of nonsense", posix_fadvise(fd, 0, 0, 99), EINVAL);
	GIVES("readahead", readahead(fd, 0, 4096), 0);

	GIVES("fsync", fsync(fd), 0);
	GIVES("fdatasync", fdatasync(fd), 0);
	FAILS("fsync EBADF", fsync(-1), EBADF);
	FAILS("fsync of a pipe", fsync(pipes[0]), EINVAL);
	GIVES("sync_file_range", sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
	return finish();
}
