/* read, write, pread, pwrite, readv, writev, preadv, pwritev. */
#include "expect.h"
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>

int main(void)
{
	char text[64] = "", a[4] = "", b[4] = "", c[16] = "";
	int fd = OPENED("open", open("file", O_CREAT | O_RDWR, 0600));

	GIVES("write", write(fd, "0123456789", 10), 10);
	GIVES("write nothing", write(fd, "", 0), 0);
	GIVES("read at the end", read(fd, text, 10), 0);
	GIVES("pread 4 at 3", pread(fd, text, 4, 3), 4);
	say("text %.4s", text);
	GIVES("the place has not moved", lseek(fd, 0, SEEK_CUR), 10);
	GIVES("pread across the end", pread(fd, text, 64, 8), 2);
	GIVES("pread beyond the end", pread(fd, text, 64, 800), 0);
	FAILS("pread at a negative place", pread(fd, text, 4, -1), EINVAL);
	GIVES("pwrite at 5", pwrite(fd, "FGH", 3, 5), 3);
	FAILS("pwrite at a negative place", pwrite(fd, "x", 1, -1), EINVAL);
	GIVES("pwrite leaves a hole", pwrite(fd, "end", 3, 13), 3);

	GIVES("lseek", lseek(fd, 0, SEEK_SET), 0);
	struct iovec in[3] = { { a, 4 }, { b, 4 }, { c, 16 } };
	GIVES("readv", readv(fd, in, 3), 16);
	say("%.4s %.4s %.2s %d %.3s", a, b, c, c[2], c + 5);
	GIVES("readv at the end", readv(fd, in, 3), 0);
	GIVES("readv of none", readv(fd, in, 0), 0);
	FAILS("readv -1", readv(fd, in, -1), EINVAL);
	FAILS("readv too many", readv(fd, in, IOV_MAX + 1), EINVAL);
	struct iovec negative = { a, -1 };
	FAILS("readv of a negative length", readv(fd, &negative, 1), EINVAL);
	FAILS("readv of a bad list", readv(fd, (void *)8, 1), EFAULT);

	struct iovec out[3] = { { "one ", 4 }, { "", 0 }, { "two", 3 } };
	GIVES("lseek", lseek(fd, 0, SEEK_SET), 0);
	GIVES("writev", writev(fd, out, 3), 7);
	GIVES("pwritev at 20", pwritev(fd, out, 3, 20), 7);
	GIVES("preadv at 20", preadv(fd, in, 2, 20), 7);
	say("%.4s|%.3s", a, b);
	GIVES("preadv2 with no flag", preadv2(fd, in, 1, 0, 0), 4);
	GIVES("pwritev2 appends", pwritev2(fd, out, 1, 0, 0x10), 4);
	GIVES("size", lseek(fd, 0, SEEK_END), 31);

	FAILS("read EFAULT", (lseek(fd, 0, SEEK_SET), read(fd, (void *)8, 4)), EFAULT);
	FAILS("write EFAULT", write(fd, (void *)8, 4), EFAULT);
	FAILS("read EBADF", read(-1, text, 1), EBADF);
	FAILS("write EBADF", write(-1, text, 1), EBADF);
	FAILS("readv EBADF", readv(999, in, 1), EBADF);
	FAILS("writev EBADF", writev(999, in, 1), EBADF);
	FAILS("pread EBADF", pread(-1, text, 1, 0), EBADF);
	FAILS("pwrite EBADF", pwrite(-1, text, 1, 0), EBADF);

	FAILS("pread behind the last place", pread(fd, text, 1, LONG_MAX), EINVAL);
	FAILS("pread across the last place", pread(fd, text, 2, LONG_MAX - 1), EINVAL);
	GIVES("pread at the last place", pread(fd, text, 1, LONG_MAX - 1), 0);
	GIVES("pread nothing behind it", pread(fd, text, 0, LONG_MAX), 0);
	FAILS("preadv behind the last place", preadv(fd, in, 2, LONG_MAX), EINVAL);
	FAILS("pwrite behind the last place", pwrite(fd, text, 1, LONG_MAX), EINVAL);
	FAILS("pwrite across the last place", pwrite(fd, text, 2, LONG_MAX - 1), EINVAL);
	GIVES("pwrite nothing behind it", pwrite(fd, text, 0, LONG_MAX), 0);
	FAILS("pwritev behind the last place", pwritev(fd, out, 3, LONG_MAX), EINVAL);

	GIVES("read half of a bad buffer", (lseek(fd, 0, SEEK_SET), read(fd, text, 0)), 0);
	int full = OPENED("/dev/full", open("/dev/full", O_WRONLY));
	FAILS("write to /dev/full", write(full, "x", 1), ENOSPC);
	int zero = OPENED("/dev/zero", open("/dev/zero", O_RDONLY));
	memset(text, 1, sizeof text);
	GIVES("read zeros", read(zero, text, sizeof text), 64);
	CHECK("zeros", text[0] == 0 && text[63] == 0);
	GIVES("read /dev/null", read(0, text, 1), 0);
	return finish();
}
