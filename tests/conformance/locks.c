/* File locks: flock, fcntl F_SETLK and F_OFD_SETLK, lockf. */
#include "expect.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

/* What the call gives in a child: 0, or the error number. */
static int in_child(int (*call)(int), int fd)
{
	int status;
	pid_t child = fork();
	if (!child) _exit(call(fd) ? errno : 0);
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

static int write_lock(int fd, int command, off_t start, off_t length)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
	return fcntl(fd, command, &lock);
}
static int lock_low(int fd) { return write_lock(fd, F_SETLK, 0, 10); }
static int lock_high(int fd) { return write_lock(fd, F_SETLK, 50, 10); }
static int lock_ofd(int fd)
{
	(void)fd;
	return write_lock(open("file", O_RDWR), F_OFD_SETLK, 0, 0);
}
static int flock_anew(int fd)
{
	(void)fd;
	return flock(open("file", O_RDWR), LOCK_EX | LOCK_NB);
}
static int lockf_now(int fd) { return lseek(fd, 0, SEEK_SET) || lockf(fd, F_TLOCK, 10) ? -1 : 0; }

int main(void)
{
	make_file("file", "some text to be locked");
	int fd = OPENED("open", open("file", O_RDWR)), second = OPENED("open again", open("file", O_RDWR));

	GIVES("flock LOCK_EX", flock(fd, LOCK_EX), 0);
	FAILS("flock of the second", flock(second, LOCK_EX | LOCK_NB), EAGAIN);
	CODE("flock in a child", in_child(flock_anew, 0), EAGAIN);
	GIVES("flock LOCK_SH", flock(fd, LOCK_SH), 0);
	GIVES("flock LOCK_SH of the second", flock(second, LOCK_SH | LOCK_NB), 0);
	GIVES("flock LOCK_UN", flock(fd, LOCK_UN), 0);
	GIVES("flock LOCK_UN", flock(second, LOCK_UN), 0);
	FAILS("flock of nonsense", flock(fd, 77), EINVAL);
	FAILS("flock EBADF", flock(-1, LOCK_SH), EBADF);

	GIVES("F_SETLK 0..10", write_lock(fd, F_SETLK, 0, 10), 0);
	GIVES("a second lock of one process", write_lock(second, F_SETLK, 5, 10), 0);
	CODE("F_SETLK in a child", in_child(lock_low, fd), EAGAIN);
	CODE("F_SETLK of another part in a child", in_child(lock_high, fd), 0);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	GIVES("F_GETLK", fcntl(fd, F_GETLK, &lock), 0);
	GIVES("no other's lock", lock.l_type, F_UNLCK);
	close(second);
	CODE("closing any descriptor frees them", in_child(lock_low, fd), 0);
	lock = (struct flock){ .l_type = 77, .l_whence = SEEK_SET };
	FAILS("F_SETLK of nonsense", fcntl(fd, F_SETLK, &lock), EINVAL);
	FAILS("F_SETLK EBADF", write_lock(-1, F_SETLK, 0, 0), EBADF);
	FAILS("F_SETLK EFAULT", fcntl(fd, F_SETLK, (void *)8), EFAULT);
	int reader = open("file", O_RDONLY);
	FAILS("a write lock on a reader", write_lock(reader, F_OFD_SETLK, 0, 0), EBADF);

	GIVES("F_OFD_SETLK", write_lock(fd, F_OFD_SETLK, 0, 0), 0);
	CODE("F_OFD_SETLK in a child", in_child(lock_ofd, 0), EAGAIN);
	lock = (struct flock){ .l_type = F_UNLCK, .l_whence = SEEK_SET };
	GIVES("unlock", fcntl(fd, F_OFD_SETLK, &lock), 0);

	GIVES("lockf F_LOCK", (lseek(fd, 0, SEEK_SET), lockf(fd, F_LOCK, 10)), 0);
	CODE("lockf F_TLOCK in a child", in_child(lockf_now, fd), EAGAIN);
	GIVES("lockf F_TEST of our own", (lseek(fd, 0, SEEK_SET), lockf(fd, F_TEST, 10)), 0);
	GIVES("lockf F_ULOCK", lockf(fd, F_ULOCK, 10), 0);
	CODE("lockf F_TLOCK in a child", in_child(lockf_now, fd), 0);
	FAILS("lockf of nonsense", lockf(fd, 77, 0), EINVAL);
	return finish();
}
