// skip-on: linux-catch-stray: vfork is fork while stray calls are caught
/* vfork: the child runs in its parent's memory while the parent waits. */
#include "expect.h"
#include <pthread.h>
#include <sys/wait.h>

static int status_of(pid_t child)
{
	int status;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
static void *in_thread(void *unused)
{
	volatile int seen = 0;
	(void)unused;
	pid_t child = vfork();
	if (!child) {
		seen = 5;
		_exit(44);
	}
	return (void *)(long)(status_of(child) + seen);
}

int main(void)
{
	volatile int seen = 0;
	pid_t child = vfork();
	if (!child) {
		seen = 5;
		_exit(6);
	}
	GIVES("its status", status_of(child), 6);
	GIVES("the parent sees what the child wrote", seen, 5);
	child = vfork();
	if (!child) {
		execl("/bin/sh", "sh", "-c", "exit 9", (char *)0);
		_exit(10);
	}
	GIVES("vfork and exec", status_of(child), 9);
	child = vfork();
	if (!child) {
		execl("nothing", "nothing", (char *)0);
		seen = errno;
		_exit(7);
	}
	GIVES("an exec that fails", status_of(child), 7);
	CODE("the parent can be told why", seen, ENOENT);
	int good = 0;
	for (int i = 0; i < 200; i++) {
		child = vfork();
		if (!child) _exit(i & 127);
		good += status_of(child) == (i & 127);
	}
	say("%d of 200", good);
	pthread_t t;
	void *result;
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, &result);
	say("in a thread: %ld", (long)result);
	return finish();
}
