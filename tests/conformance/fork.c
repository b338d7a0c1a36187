/* fork: what a child has and has not; atfork handlers; fork from threads. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

static int value = 1;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static void *volatile churn_stop;

static void prepare(void) { say("prepare"); }
static void prepare_second(void) { say("prepare second"); }
static void parent_side(void) { say("parent"); }
static int child_handlers;
static void child_side(void) { child_handlers++; }

static int status_of(pid_t child)
{
	int status;
	pid_t got;
	while ((got = waitpid(child, &status, 0)) < 0 && errno == EINTR) ;
	if (got != child) return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
static void *forks(void *unused)
{
	(void)unused;
	pid_t child = fork();
	if (!child) {
		/* The thread that forked is the child's only one; threads can be made anew. */
		pthread_t t;
		void *result = NULL;
		char *p = malloc(100000);
		if (gettid() != getpid() || !p) _exit(1);
		pthread_create(&t, NULL, (void *(*)(void *))(void *)getpid, NULL);
		pthread_join(t, &result);
		_exit((int)(long)result == getpid() ? 33 : 2);
	}
	return (void *)(long)status_of(child);
}
static void *churn(void *unused)
{
	(void)unused;
	while (!churn_stop) {
		void *p = malloc(1000);
		FILE *file = fopen("/dev/null", "w");
		fputs("x", file);
		fclose(file);
		free(p);
	}
	return 0;
}

int main(void)
{
	pthread_t t[4];
	void *result;
	int fd = open("file", O_CREAT | O_RDWR, 0600), status;
	volatile int on_stack = 1;
	volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	write(fd, "abcdef", 6);
	lseek(fd, 0, SEEK_SET);

	pid_t self = getpid(), child = fork();
	if (!child) {
		char byte;
		value = on_stack = 2;
		*shared = 2;
		read(fd, &byte, 1);
		_exit(getppid() == self && getpid() != self && byte == 'a' ? 17 : 18);
	}
	CHECK("fork gives the child's pid", child > 0 && child != self);
	GIVES("the child's status", status_of(child), 17);
	say("static %d, stack %d, shared %d", value, on_stack, *shared);
	GIVES("the file's place is shared", lseek(fd, 0, SEEK_CUR), 1);
	FAILS("no child is left", waitpid(-1, &status, 0), ECHILD);

	sigset_t set, now;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 100, 0 } }, NULL);
	child = fork();
	if (!child) {
		struct itimerval timer;
		sigpending(&now);
		getitimer(ITIMER_REAL, &timer);
		int pending = sigismember(&now, SIGUSR1);
		sigprocmask(SIG_BLOCK, NULL, &now);
		_exit(pending * 4 + sigismember(&now, SIGUSR1) * 2 + (timer.it_value.tv_sec != 0));
	}
	GIVES("inherited: the mask only, no pending signal, no timer", status_of(child), 2);

	CODE("atfork", pthread_atfork(prepare, parent_side, child_side), 0);
	CODE("atfork", pthread_atfork(prepare_second, NULL, child_side), 0);
	child = fork();
	if (!child) _exit(child_handlers);
	GIVES("child handlers", status_of(child), 2);
	child = _Fork();
	if (!child) _exit(40 + child_handlers);
	GIVES("_Fork runs none", status_of(child), 40);

	pthread_create(&t[0], NULL, forks, NULL);
	pthread_join(t[0], &result);
	say("fork from a thread: %ld", (long)result);

	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, churn, NULL);
	int good = 0;
	for (int i = 0; i < 50; i++) {
		child = _Fork();
		if (!child) _exit(3);
		good += status_of(child) == 3;
	}
	say("_Fork among busy threads: %d good", good);
	churn_stop = &good;
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);

	pthread_mutex_lock(&held);
	child = _Fork();
	if (!child) _exit(pthread_mutex_unlock(&held) || pthread_mutex_lock(&held));
	GIVES("the child can use the lock it held", status_of(child), 0);
	return finish();
}
