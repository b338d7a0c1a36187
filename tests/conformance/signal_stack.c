/* sigaltstack: where a handler runs, and what the call says there. */
#include "expect.h"
#include <pthread.h>
#include <signal.h>

static char other[65536];
static volatile int inside;
static volatile unsigned flags_inside;

static void where(int number)
{
	char here;
	stack_t now;
	(void)number;
	inside = &here >= other && &here < other + sizeof other;
	sigaltstack(NULL, &now);
	flags_inside = now.ss_flags;
}
static void *thread(void *unused)
{
	stack_t now;
	(void)unused;
	sigaltstack(NULL, &now);
	CHECK("a new thread has none", now.ss_flags == SS_DISABLE);
	return 0;
}

int main(void)
{
	stack_t stack = { .ss_sp = other, .ss_size = sizeof other }, old;
	struct sigaction action = { .sa_handler = where, .sa_flags = SA_ONSTACK };

	GIVES("there is none", (sigaltstack(NULL, &old), old.ss_flags), SS_DISABLE);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	GIVES("SA_ONSTACK without one: the usual stack", inside, 0);
	GIVES("sigaltstack", sigaltstack(&stack, &old), 0);
	raise(SIGUSR1);
	GIVES("SA_ONSTACK", inside, 1);
	GIVES("SS_ONSTACK inside", flags_inside, SS_ONSTACK);
	GIVES("sigaltstack reads", sigaltstack(NULL, &old), 0);
	CHECK("what was set", old.ss_sp == other && old.ss_size == sizeof other && old.ss_flags == 0);
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	GIVES("without SA_ONSTACK", inside, 0);
	stack.ss_size = 100;
	FAILS("too small", sigaltstack(&stack, NULL), ENOMEM);
	stack.ss_flags = 77;
	stack.ss_size = sizeof other;
	FAILS("flags of nonsense", sigaltstack(&stack, NULL), EINVAL);

	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	stack.ss_flags = SS_DISABLE;
	GIVES("SS_DISABLE", sigaltstack(&stack, NULL), 0);
	GIVES("there is none", (sigaltstack(NULL, &old), old.ss_flags), SS_DISABLE);
	return finish();
}
