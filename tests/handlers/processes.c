// flags: -pthread
// only: plain
// only: counted
/* Handlers of the calls that make processes and threads: they pass the call on, twice return, and
 * the child has all handlers. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

static int calls[512], by_passthrough;

static long note(const struct muslin_call *call, void *context)
{
	(void)context;
	__atomic_add_fetch(&calls[call->nr], 1, __ATOMIC_RELAXED);
	if (by_passthrough) return muslin_passthrough(call->nr, call->args);
	return muslin_next(call);
}

static long answer(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context;
}

static int status_of(pid_t child)
{
	int status = -1;
	if (waitpid(child, &status, 0) != child) return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void *in_a_thread(void *argument)
{
	return (void *)((long)getuid() + (long)argument);
}

static int in_a_clone(void *argument)
{
	_exit(getuid() == 77 ? *(int *)argument : 99);
}

static int runs(void)
{
	volatile int mine = 5;
	pid_t child = fork();
	if (!child) _exit(getuid() == 77 ? 20 : 99);
	GIVES(status_of(child), 20);

	child = vfork();
	if (!child) {
		mine = 6;
		_exit(getuid() == 77 ? 21 : 99);
	}
	GIVES(status_of(child), 21);

	pthread_t thread;
	void *result = NULL;
	for (long i = 0; i < 20; i++) {
		GIVES(pthread_create(&thread, NULL, in_a_thread, (void *)i), 0);
		GIVES(pthread_join(thread, &result), 0);
		GIVES((long)result, 77 + i);
	}

	static char stack[65536];
	int exits = 22;
	child = clone(in_a_clone, stack + sizeof stack, SIGCHLD, &exits);
	GIVES(status_of(child), 22);
	child = clone(in_a_clone, stack + sizeof stack, SIGCHLD | CLONE_VM | CLONE_VFORK, &exits);
	GIVES(status_of(child), 22);
	return mine;
}

int main(void)
{
	GIVES(muslin_register(SYS_getuid, answer, (void *)77, 0, NULL), 0);
	/* A vfork without a handler shares memory. */
	GIVES(runs(), 6);
	for (unsigned flags = 0; flags <= MUSLIN_OWN_STACK; flags += MUSLIN_OWN_STACK) {
		for (by_passthrough = 0; by_passthrough < 2; by_passthrough++) {
			for (const long *nr = muslin_processes; *nr >= 0; nr++) muslin_restore(*nr);
			memset(calls, 0, sizeof calls);
			GIVES(muslin_register_family(muslin_processes, note, 0, flags), 0);
			/* With one it is a fork. */
			GIVES(runs(), 5);
			GIVES(calls[SYS_fork], 1);
			GIVES(calls[SYS_vfork], 1);
			GIVES(calls[SYS_clone], 22);
		}
	}
	/* Restored, it shares memory again. */
	for (const long *nr = muslin_processes; *nr >= 0; nr++) muslin_restore(*nr);
	GIVES(runs(), 6);
	return finish();
}
