// also: library_os
/* A signal handler interrupts a handler and leaves it by siglongjmp: handlers are called
 * afterwards, wherever on the stack the next call is made, and on their own stack if they want. */
#include "check.h"
#include <setjmp.h>
#include <sys/resource.h>

static sigjmp_buf back;
static int calls, on_own_stack;
static volatile int leave;
static char *program_stack;

static void on_usr1(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

static long left(const struct muslin_call *call, void *context)
{
	char here;
	(void)context;
	calls++;
	on_own_stack = labs(&here - program_stack) > 1 << 20;
	if (leave) {
		leave = 0;
		muslin_passthrough(SYS_tkill, (long[6]){muslin_passthrough(SYS_gettid, (long[6]){0}), SIGUSR1});
	}
	return muslin_next(call);
}

/* Left from its own call, one level further in. */
static long left_inside(const struct muslin_call *call, void *context)
{
	(void)call, (void)context;
	if (leave) {
		leave = 0;
		return getppid();
	}
	muslin_passthrough(SYS_tkill, (long[6]){muslin_passthrough(SYS_gettid, (long[6]){0}), SIGUSR1});
	return 0;
}

static long counted(const struct muslin_call *call, void *context)
{
	(void)context;
	calls++;
	return muslin_next(call);
}

/* Runs `call_it` below so many bytes of stack. */
static void deep(int bytes, void (*call_it)(void))
{
	volatile char pad[bytes];
	pad[0] = pad[bytes - 1] = 1;
	call_it();
	pad[0] = 2;
}

static void get(void)
{
	getppid();
}

static void try(unsigned flags, int depth_left, int depth_next)
{
	muslin_restore(SYS_getppid);
	muslin_register(SYS_getppid, left, 0, flags, NULL);
	calls = 0;
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(back, 1)) {
			leave = 1;
			deep(depth_left, get);
			CHECK(!"left");
		}
		GIVES(calls, 2 * i + 1);
		deep(depth_next, get);
		GIVES(calls, 2 * i + 2);
		GIVES(on_own_stack, flags == MUSLIN_OWN_STACK);
	}
}

static void try_inside(unsigned flags)
{
	muslin_restore(SYS_getppid);
	muslin_register(SYS_getppid, left_inside, 0, MUSLIN_REENTRANT | flags, NULL);
	calls = 0;
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(back, 1)) {
			leave = 1;
			getppid();
			CHECK(!"left");
		}
		getuid();
		GIVES(calls, i + 1);
	}
}

int main(void)
{
	char here;
	program_stack = &here;
	struct sigaction action = { .sa_handler = on_usr1 };
	GIVES(sigaction(SIGUSR1, &action, NULL), 0);
	for (unsigned flags = 0; flags <= MUSLIN_OWN_STACK; flags += MUSLIN_OWN_STACK) {
		try(flags, 20000, 16);
		try(flags, 16, 16);
		try(flags, 16, 20000);
	}
	muslin_register(SYS_getuid, counted, 0, 0, NULL);
	try_inside(0);
	try_inside(MUSLIN_OWN_STACK);
	return finish();
}
