/* Signals that queue: values, order, who takes them; and what waits twice. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>

static volatile int order[64], taken;
static void note(int number, siginfo_t *info, void *context)
{
	(void)context;
	order[taken++] = (number - SIGRTMIN) * 100 + info->si_value.sival_int;
}
static int queue(int number, int value)
{
	return sigqueue(getpid(), number, (union sigval){ .sival_int = value });
}
static void show(const char *what)
{
	char line[300] = "";
	for (int i = 0; i < taken; i++) sprintf(line + strlen(line), " %d", order[i]);
	say("%s:%s", what, line);
	taken = 0;
}

static sem_t sem;
static __thread int mine;
static volatile int everybody;
static void count(int number) { (void)number; mine++; everybody++; }
static void *taker(void *which)
{
	sigset_t set, now;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	if (!which) pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	while (sem_wait(&sem)) ;
	return (void *)(long)(mine * 10 + sigismember(&now, SIGUSR1));
}
static void *awaits(void *unused)
{
	sigset_t set;
	siginfo_t info;
	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	int number = sigwaitinfo(&set, &info);
	return (void *)(long)(number == SIGRTMIN + 5 ? info.si_value.sival_int : -1);
}
static void *sends_to_itself(void *unused)
{
	sigset_t pending;
	(void)unused;
	pthread_kill(pthread_self(), SIGUSR2);
	kill(getpid(), SIGHUP);
	sigpending(&pending);
	return (void *)(long)(sigismember(&pending, SIGUSR2) | sigismember(&pending, SIGHUP) << 1);
}

int main(void)
{
	sigset_t set, none;
	siginfo_t info;
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	sigemptyset(&none);
	sigemptyset(&set);
	for (int i = 0; i < 6; i++) {
		sigaction(SIGRTMIN + i, &action, NULL);
		sigaddset(&set, SIGRTMIN + i);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 1; i <= 3; i++) {
		queue(SIGRTMIN + 2, i);
		queue(SIGRTMIN + 1, i);
	}
	/* Taken one by one: the lowest first, and each in its order. */
	for (int i = 0; i < 3; i++) {
		GIVES("sigwaitinfo", sigwaitinfo(&set, &info), SIGRTMIN + 1);
		GIVES("  its value", info.si_value.sival_int, i + 1);
	}
	/* Handlers that let no other in run in that order, too. */
	action.sa_mask = set;
	for (int i = 0; i < 6; i++) sigaction(SIGRTMIN + i, &action, NULL);
	queue(SIGRTMIN + 1, 9);
	queue(SIGRTMIN, 8);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	show("handlers that block the others");
	/* Those that do not are interrupted at once. */
	sigemptyset(&action.sa_mask);
	for (int i = 0; i < 6; i++) sigaction(SIGRTMIN + i, &action, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 1; i <= 2; i++) queue(SIGRTMIN + i, i), queue(SIGRTMIN + i, i + 1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	show("handlers that do not");
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 40; i++) queue(SIGRTMIN + 3, i);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK("forty come", taken == 40 && order[0] == 300 && order[39] == 339);
	taken = 0;
	queue(SIGRTMIN, 1);
	show("at once");
	GIVES("sigqueue of 0", queue(0, 1), 0);
	FAILS("sigqueue of 65", queue(65, 1), EINVAL);
	FAILS("sigqueue to nobody", sigqueue(0x3fffffff, SIGRTMIN, (union sigval){ 0 }), ESRCH);
	FAILS("rt_sigqueueinfo from nowhere", syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, (void *)8), EFAULT);

	/* A plain signal waits once, and keeps what was said first. */
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &action, NULL);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	queue(SIGUSR1, 5);
	queue(SIGUSR1, 6);
	GIVES("sigwaitinfo", sigwaitinfo(&set, &info), SIGUSR1);
	GIVES("  the first value", info.si_value.sival_int, 5);
	/* To the thread and to the process it waits in two places. */
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	GIVES("the thread's first", sigwaitinfo(&set, &info), SIGUSR1);
	CHECK("  SI_TKILL", info.si_code == SI_TKILL);
	GIVES("then the process's", sigwaitinfo(&set, &info), SIGUSR1);
	CHECK("  SI_USER", info.si_code == SI_USER && info.si_pid == getpid());
	sigpending(&none);
	CHECK("nothing is left", !sigismember(&none, SIGUSR1));

	/* The process's signals go to who does not block them. */
	pthread_t t[3];
	void *result;
	signal(SIGUSR1, count);
	sem_init(&sem, 0, 0);
	for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, taker, (void *)(i != 1));
	usleep(10000);
	for (int i = 1; i <= 3; i++) {
		kill(getpid(), SIGUSR1);
		while (everybody < i) sched_yield();
	}
	for (int i = 0; i < 3; i++) sem_post(&sem);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &result);
		say("thread %d took %ld, and began with the mask of its maker: %ld", i, (long)result / 10, (long)result % 10);
	}
	GIVES("none here", mine, 0);
	pthread_create(&t[0], NULL, awaits, NULL);
	usleep(10000);
	queue(SIGRTMIN + 5, 77);
	pthread_join(t[0], &result);
	say("a thread that awaits it gets it, value %ld", (long)result);
	/* What waits for a thread is gone with it; what waits for the process is not. */
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t[0], NULL, sends_to_itself, NULL);
	pthread_join(t[0], &result);
	say("pending in the thread: %ld", (long)result);
	sigpending(&none);
	say("after it: %d %d", sigismember(&none, SIGUSR2), sigismember(&none, SIGHUP));
	GIVES("sigwaitinfo", sigwaitinfo(&set, &info), SIGHUP);
	/* Ignoring forgets. */
	raise(SIGUSR2);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGUSR2, SIG_DFL);
	sigpending(&none);
	CHECK("ignoring forgets what waits", !sigismember(&none, SIGUSR2));
	return finish();
}
