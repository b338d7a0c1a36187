// flags: -pthread
/* Threads with the smallest stacks that there are: 2 KiB. */
#include "check.h"
#include <limits.h>
#include <pthread.h>

static int small_calls, large_calls, exits;

static long small(const struct muslin_call *call, void *context)
{
	(void)context;
	__atomic_add_fetch(&small_calls, 1, __ATOMIC_RELAXED);
	return muslin_next(call);
}

static long large(const struct muslin_call *call, void *context)
{
	volatile char buffer[32 * 1024];
	for (unsigned i = 0; i < sizeof buffer; i += 256) buffer[i] = (char)call->nr;
	__atomic_add_fetch((int *)context, 1, __ATOMIC_RELAXED);
	long raw = muslin_next(call);
	for (unsigned i = 0; i < sizeof buffer; i += 256)
		if (buffer[i] != (char)call->nr) muslin_abort("somebody else's stack");
	return raw;
}

static void *make_calls(void *unused)
{
	(void)unused;
	for (int i = 0; i < 50; i++) {
		getpid();
		getppid();
		getuid();
		usleep(10);
	}
	return NULL;
}

static void run(int detached, int threads)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	GIVES(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN), 0);
	if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_t thread[threads];
	for (int i = 0; i < threads; i++)
		GIVES(pthread_create(&thread[i], &attributes, make_calls, NULL), 0);
	if (detached) sleep_ms(200);
	else for (int i = 0; i < threads; i++) GIVES(pthread_join(thread[i], NULL), 0);
}

int main(void)
{
	run(0, 4);
	GIVES(muslin_register(SYS_getppid, small, 0, 0, NULL), 0);
	run(0, 4);
	GIVES(small_calls, 200);
	GIVES(muslin_register(SYS_getuid, large, &large_calls, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_nanosleep, large, &large_calls, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_clock_nanosleep, large, &large_calls, MUSLIN_OWN_STACK, NULL), 0);
	run(0, 4);
	GIVES(large_calls, 400);
	/* The last calls of a thread. */
	GIVES(muslin_register(SYS_exit, large, &exits, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_munmap, large, &large_calls, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_rt_sigprocmask, large, &large_calls, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_futex, large, &large_calls, MUSLIN_OWN_STACK, NULL), 0);
	run(0, 4);
	GIVES(exits, 4);
	run(1, 4);
	GIVES(exits, 8);
	return finish();
}
