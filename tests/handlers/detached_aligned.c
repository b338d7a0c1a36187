// flags: -pthread
/* Handlers of a detached thread's last two calls find the stack as the ABI has it: what the compiler
 * makes of 16-byte values relies on it. */
#include "check.h"
#include <pthread.h>

static int calls, wrong;
static pid_t main_thread;

static long at_the_end(const struct muslin_call *call, void *context)
{
	(void)context;
	if (muslin_passthrough(SYS_gettid, (long[6]){0}) == main_thread) return muslin_next(call);
	/* The frame lies two words below the caller's aligned stack pointer. */
	if ((uintptr_t)__builtin_frame_address(0) % 16) __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	return muslin_next(call);
}

static void *nothing(void *unused)
{
	return unused;
}

int main(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	main_thread = getpid();
	GIVES(muslin_register(SYS_munmap, at_the_end, 0, 0, NULL), 0);
	GIVES(muslin_register(SYS_exit, at_the_end, 0, 0, NULL), 0);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	GIVES(pthread_create(&thread, &attributes, nothing, NULL), 0);
	for (int i = 0; i < 5000 && __atomic_load_n(&calls, __ATOMIC_RELAXED) < 2; i++) sleep_ms(1);
	GIVES(calls, 2);
	GIVES(wrong, 0);
	return finish();
}
