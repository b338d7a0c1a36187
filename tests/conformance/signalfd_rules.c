/* signalfd: what it takes, in which order, with what it tells; masks that change; polls and waits. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

static int fd;
static struct signalfd_siginfo info[8];

static void *take(void *unused)
{
	(void)unused;
	struct signalfd_siginfo one;
	return read(fd, &one, sizeof one) == sizeof one ? (void *)(long)one.ssi_signo : (void *)-1;
}
static void *own(void *unused)
{
	(void)unused;
	raise(SIGUSR2);
	return (void *)(long)read(fd, info, sizeof *info);
}

static sigset_t of(int a, int b)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, a);
	if (b) sigaddset(&set, b);
	return set;
}

int main(void)
{
	pthread_t t;
	void *result;
	sigset_t both = of(SIGUSR1, SIGUSR2), one = of(SIGUSR1, 0), real = of(SIGRTMIN + 3, 0), pending;
	sigset_t all = both;
	sigaddset(&all, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &all, NULL);
	fd = OPENED("signalfd", signalfd(-1, &both, SFD_NONBLOCK | SFD_CLOEXEC));
	GIVES("flags", fcntl(fd, F_GETFD), FD_CLOEXEC);
	FAILS("nothing yet", read(fd, info, sizeof info), EAGAIN);
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	GIVES("poll", poll(&p, 1, 0), 0);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	GIVES("poll", poll(&p, 1, 0), 1);
	GIVES("revents", p.revents, POLLIN);
	FAILS("too short", read(fd, info, sizeof *info - 1), EINVAL);
	GIVES("two signals", read(fd, info, sizeof info), 2 * (long)sizeof *info);
	say("%u, then %u", info[0].ssi_signo, info[1].ssi_signo);
	CHECK("from whom", info[0].ssi_pid == (unsigned)getpid() && info[0].ssi_code == SI_USER && info[0].ssi_uid == getuid());
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	GIVES("room for one and a half", read(fd, info, sizeof *info * 3 / 2), (long)sizeof *info);
	GIVES("the other", read(fd, info, sizeof *info), (long)sizeof *info);

	GIVES("another mask", signalfd(fd, &one, 0), fd);
	GIVES("flags are as they were", fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	kill(getpid(), SIGUSR2);
	FAILS("not the other any more", read(fd, info, sizeof info), EAGAIN);
	sigpending(&pending);
	CHECK("it waits", sigismember(&pending, SIGUSR2));
	signalfd(fd, &both, 0);
	GIVES("now it is", read(fd, info, sizeof info), (long)sizeof *info);
	sigpending(&pending);
	CHECK("it is taken", !sigismember(&pending, SIGUSR2));

	signalfd(fd, &real, 0);
	for (int i = 0; i < 3; i++) GIVES("sigqueue", sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 40 + i }), 0);
	GIVES("all three", read(fd, info, sizeof info), 3 * (long)sizeof *info);
	for (int i = 0; i < 3; i++) say("%d %d %d", info[i].ssi_signo == (unsigned)SIGRTMIN + 3, info[i].ssi_code == SI_QUEUE, info[i].ssi_int);

	signalfd(fd, &both, 0);
	int ep = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	GIVES("in an epoll", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), 0);
	GIVES("nothing", epoll_wait(ep, &event, 1, 0), 0);
	raise(SIGUSR1);
	GIVES("a signal for the thread", epoll_wait(ep, &event, 1, -1), 1);
	GIVES("is read", read(fd, info, sizeof info), (long)sizeof *info);
	GIVES("by number", info->ssi_signo, SIGUSR1);

	fcntl(fd, F_SETFL, 0);
	pthread_create(&t, NULL, take, NULL);
	usleep(20000);
	kill(getpid(), SIGUSR1);
	pthread_join(t, &result);
	GIVES("a read that waits", (long)result, SIGUSR1);
	pthread_create(&t, NULL, own, NULL);
	pthread_join(t, &result);
	GIVES("a thread's own signal", (long)result, (long)sizeof *info);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	pthread_create(&t, NULL, take, NULL);
	pthread_join(t, &result);
	GIVES("nothing of it is left", (long)result, -1);

	FAILS("not for a file", signalfd(0, &one, 0), EINVAL);
	FAILS("not open", signalfd(999, &one, 0), EBADF);
	FAILS("flags of nonsense", signalfd(-1, &one, 1), EINVAL);
	FAILS("a mask of another size", syscall(SYS_signalfd4, -1L, &one, 16L, 0L), EINVAL);
	FAILS("a mask nowhere", syscall(SYS_signalfd4, -1L, 8L, 8L, 0L), EFAULT);
	FAILS("write", write(fd, info, sizeof *info), EINVAL);
	sigset_t kill_set = of(SIGKILL, SIGSTOP);
	OPENED("SIGKILL is left out", signalfd(-1, &kill_set, 0));
	return finish();
}
