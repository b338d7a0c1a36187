/* EFAULT: what the calls say to addresses that nobody owns. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/resource.h>
#include <time.h>

int main(void)
{
	void *bad = (void *)8;
	int pipes[2], fd = open("file", O_CREAT | O_RDWR, 0600);
	GIVES("pipe", pipe(pipes), 0);

	FAILS("open", open(bad, O_RDONLY), EFAULT);
	FAILS("stat of NULL", syscall(SYS_stat, 0L, 0L), EFAULT);
	FAILS("fstat", syscall(SYS_fstat, fd, bad), EFAULT);
	FAILS("lstat", syscall(SYS_lstat, ".", bad), EFAULT);
	FAILS("access", access(bad, F_OK), EFAULT);
	FAILS("unlink", unlink(bad), EFAULT);
	FAILS("rename", rename("file", bad), EFAULT);
	FAILS("link", link(bad, "other"), EFAULT);
	FAILS("symlink", symlink(bad, "other"), EFAULT);
	FAILS("readlink", readlink(bad, NULL, 1), EFAULT);
	FAILS("mkdir", mkdir(bad, 0700), EFAULT);
	FAILS("chdir", chdir(bad), EFAULT);
	FAILS("chmod", chmod(bad, 0600), EFAULT);
	FAILS("truncate", truncate(bad, 0), EFAULT);
	FAILS("execve", execve(bad, NULL, NULL), EFAULT);
	FAILS("getcwd", syscall(SYS_getcwd, bad, 4096L), EFAULT);
	FAILS("pipe2", pipe2(bad, 0), EFAULT);
	FAILS("write to a pipe", write(pipes[1], bad, 1), EFAULT);
	GIVES("write", write(pipes[1], "x", 1), 1);
	FAILS("read from a pipe", read(pipes[0], bad, 1), EFAULT);
	FAILS("poll", poll(bad, 1, 0), EFAULT);
	FAILS("nanosleep", nanosleep(bad, NULL), EFAULT);
	FAILS("clock_gettime, the call", syscall(SYS_clock_gettime, CLOCK_REALTIME, bad), EFAULT);
	FAILS("gettimeofday, the call", syscall(SYS_gettimeofday, bad, 0L), EFAULT);
	FAILS("times, the call", syscall(SYS_times, bad), EFAULT);
	FAILS("getrusage", getrusage(RUSAGE_SELF, bad), EFAULT);
	FAILS("rt_sigaction, the call", syscall(SYS_rt_sigaction, 10L, bad, 0L, 8L), EFAULT);
	FAILS("rt_sigprocmask, the call", syscall(SYS_rt_sigprocmask, 0L, bad, 0L, 8L), EFAULT);
	FAILS("sigaltstack, the call", syscall(SYS_sigaltstack, bad, 0L), EFAULT);
	FAILS("futex", syscall(SYS_futex, bad, 1L << 7, 0L, 0L), EFAULT);
	FAILS("getrandom", syscall(SYS_getrandom, bad, 1L, 0L), EFAULT);
	FAILS("sched_getaffinity", syscall(SYS_sched_getaffinity, 0L, 128L, bad), EFAULT);
	FAILS("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, bad), EFAULT);
	FAILS("select", select(1, bad, NULL, NULL, NULL), EFAULT);
	FAILS("wait4 waits first", syscall(SYS_wait4, -1L, bad, 0L, 0L), ECHILD);
	int epoll = epoll_create1(0);
	FAILS("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], bad), EFAULT);
	int pair[2];
	GIVES("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	FAILS("send", send(pair[0], bad, 1, 0), EFAULT);
	FAILS("sendmsg", syscall(SYS_sendmsg, pair[0], bad, 0L), EFAULT);
	return finish();
}
