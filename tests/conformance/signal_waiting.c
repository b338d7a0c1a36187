/* sigsuspend, pause, sigwait, sigwaitinfo, sigtimedwait, signalfd. */
#include "expect.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/time.h>

static volatile int count;
static void counting(int number) { (void)number; count++; }
/* Again and again: the first one may come before the wait. */
static void alarm_every(long microseconds)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, microseconds }, { 0, microseconds } }, NULL);
}
static void *raise_at(void *thread)
{
	pthread_kill(*(pthread_t *)thread, SIGUSR2);
	return 0;
}

int main(void)
{
	sigset_t set, none, now;
	siginfo_t info;
	int number;
	struct timespec zero = { 0, 0 }, soon = { 0, 10000000 }, wrong = { 0, -1 };
	struct sigaction action = { .sa_handler = counting, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);

	alarm_every(20000);
	FAILS("pause", pause(), EINTR);
	alarm_every(0);
	CHECK("its function ran", count >= 1);
	count = 1;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	GIVES("blocked", count, 1);
	FAILS("sigsuspend", sigsuspend(&none), EINTR);
	GIVES("it came", count, 2);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK("the mask is as before", sigismember(&now, SIGUSR1));

	raise(SIGUSR2);
	CODE("sigwait", sigwait(&set, &number), 0);
	GIVES("SIGUSR2", number, SIGUSR2);
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 7 });
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 8 });
	GIVES("sigwaitinfo", sigwaitinfo(&set, &info), SIGRTMIN + 1);
	say("value %d, SI_QUEUE %d", info.si_value.sival_int, info.si_code == SI_QUEUE);
	GIVES("sigtimedwait", sigtimedwait(&set, &info, &soon), SIGRTMIN + 1);
	say("value %d", info.si_value.sival_int);
	FAILS("sigtimedwait, now", sigtimedwait(&set, &info, &zero), EAGAIN);
	FAILS("sigtimedwait, soon", sigtimedwait(&set, NULL, &soon), EAGAIN);
	FAILS("sigtimedwait with a wrong time", sigtimedwait(&set, NULL, &wrong), EINVAL);
	pthread_t self = pthread_self(), t;
	pthread_create(&t, NULL, raise_at, &self);
	CODE("sigwait for a thread's signal", sigwait(&set, &number), 0);
	pthread_join(t, NULL);
	GIVES("SIGUSR2", number, SIGUSR2);
	alarm_every(20000);
	/* musl's sigwaitinfo goes on after a signal that it does not wait for. */
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 1 });
	GIVES("sigwaitinfo", sigwaitinfo(&set, &info), SIGUSR1);
	alarm_every(0);

	int fd = OPENED("signalfd", signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	struct signalfd_siginfo facts[2];
	FAILS("read of nothing", read(fd, facts, sizeof facts), EAGAIN);
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 99 });
	raise(SIGUSR2);
	struct pollfd p = { fd, POLLIN, 0 };
	GIVES("poll", poll(&p, 1, 0), 1);
	GIVES("read of two", read(fd, facts, sizeof facts), 256);
	say("signals %d %d, value %d, ours %d", facts[0].ssi_signo, facts[1].ssi_signo,
		facts[0].ssi_signo == SIGUSR1 ? facts[0].ssi_int : facts[1].ssi_int, facts[0].ssi_pid == (unsigned)getpid());
	sigdelset(&set, SIGUSR1);
	GIVES("signalfd changes its set", signalfd(fd, &set, 0), fd);
	raise(SIGUSR1);
	FAILS("SIGUSR1 is not for it", read(fd, facts, sizeof facts), EAGAIN);
	FAILS("a short read", (raise(SIGUSR2), read(fd, facts, 4)), EINVAL);
	FAILS("signalfd of a file", signalfd(0, &set, 0), EINVAL);
	FAILS("signalfd EBADF", signalfd(999, &set, 0), EBADF);
	return finish();
}
