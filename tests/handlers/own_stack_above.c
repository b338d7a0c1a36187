// flags: -pthread
/* A handler's own stack may lie above the thread's: its own calls still go to the platform. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

static int calls, above;
static char *thread_stack;

static long nested(const struct muslin_call *call, void *context)
{
	char here;
	(void)context;
	calls++;
	above = &here > thread_stack;
	if (calls > 100) muslin_abort("a handler met its own calls");
	getppid();
	return muslin_next(call);
}

static void *work(void *unused)
{
	thread_stack = __builtin_frame_address(0);
	(void)unused;
	for (int i = 0; i < 10; i++) getppid();
	return NULL;
}

int main(void)
{
	char *stack = mmap((void *)(1l << 32), 1 << 18, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(stack == (char *)(1l << 32));
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	GIVES(pthread_attr_setstack(&attributes, stack, 1 << 18), 0);
	GIVES(muslin_register(SYS_getppid, nested, 0, MUSLIN_OWN_STACK, NULL), 0);
	pthread_t thread;
	GIVES(pthread_create(&thread, &attributes, work, NULL), 0);
	GIVES(pthread_join(thread, NULL), 0);
	CHECK(above);
	GIVES(calls, 10);
	return finish();
}
