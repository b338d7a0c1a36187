/* dup, dup2, dup3, fcntl, close_range, close. */
#include "expect.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

int main(void)
{
	int fd = OPENED("open", open("file", O_CREAT | O_RDWR, 0600));
	char text[16] = "";

	int copy = OPENED("dup", dup(fd));
	GIVES("write through one", write(fd, "abc", 3), 3);
	GIVES("write through the other", write(copy, "def", 3), 3);
	GIVES("one place for both", lseek(fd, 0, SEEK_CUR), 6);
	GIVES("dup2", dup2(fd, 40), 40);
	GIVES("dup2 onto itself", dup2(fd, fd), fd);
	GIVES("dup2 closes what was there", dup2(0, 40), 40);
	GIVES("it is /dev/null now", read(40, text, 1), 0);
	GIVES("dup3 O_CLOEXEC", dup3(fd, 41, O_CLOEXEC), 41);
	GIVES("F_GETFD", fcntl(41, F_GETFD), FD_CLOEXEC);
	GIVES("dup2 clears it", (dup2(41, 42), fcntl(42, F_GETFD)), 0);
	FAILS("dup3 onto itself", dup3(fd, fd, 0), EINVAL);
	FAILS("dup3 of nonsense", dup3(fd, 43, O_APPEND), EINVAL);
	FAILS("dup EBADF", dup(-1), EBADF);
	FAILS("dup2 EBADF", dup2(-1, 5), EBADF);
	FAILS("dup2 to -1", dup2(fd, -1), EBADF);
	FAILS("dup2 of a closed one onto itself", dup2(77, 77), EBADF);

	GIVES("F_DUPFD 60", fcntl(fd, F_DUPFD, 60), 60);
	GIVES("F_DUPFD 60 again", fcntl(fd, F_DUPFD, 60), 61);
	GIVES("F_DUPFD_CLOEXEC", fcntl(fd, F_DUPFD_CLOEXEC, 62), 62);
	GIVES("F_GETFD", fcntl(62, F_GETFD), FD_CLOEXEC);
	GIVES("F_SETFD 0", fcntl(62, F_SETFD, 0), 0);
	GIVES("F_GETFD", fcntl(62, F_GETFD), 0);
	FAILS("F_DUPFD -1", fcntl(fd, F_DUPFD, -1), EINVAL);
	FAILS("F_GETFD EBADF", fcntl(999, F_GETFD), EBADF);
	GIVES("F_SETFL", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK), 0);
	GIVES("F_GETFL", fcntl(copy, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND | O_NONBLOCK);
	GIVES("F_SETFL 0", fcntl(fd, F_SETFL, 0), 0);
	FAILS("a command of nonsense", fcntl(fd, 7777), EINVAL);
	GIVES("F_SETOWN", fcntl(fd, F_SETOWN, getpid()), 0);
	CHECK("F_GETOWN", fcntl(fd, F_GETOWN) == getpid());
	GIVES("F_SETSIG", fcntl(fd, F_SETSIG, SIGUSR1), 0);
	GIVES("F_GETSIG", fcntl(fd, F_GETSIG), SIGUSR1);
	int pipes[2];
	GIVES("pipe", pipe(pipes), 0);
	CHECK("F_GETPIPE_SZ", fcntl(pipes[0], F_GETPIPE_SZ) >= 4096);
	GIVES("F_SETPIPE_SZ", fcntl(pipes[0], F_SETPIPE_SZ, 8192), 8192);

	GIVES("the lowest free number", (close(fd), dup(0)), fd);
	GIVES("close_range", syscall(SYS_close_range, 60, 61, 0), 0);
	FAILS("60 is closed", fcntl(60, F_GETFD), EBADF);
	GIVES("62 is not", fcntl(62, F_GETFD), 0);
	FAILS("close -1", close(-1), EBADF);
	FAILS("close of a closed one", close(61), EBADF);
	GIVES("read through the copy", pread(copy, text, 6, 0), 6);
	say("text %s", text);
	return finish();
}
