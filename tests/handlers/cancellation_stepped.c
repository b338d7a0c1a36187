// flags: -pthread -mno-red-zone
// only: plain
// only: counted
/* A signal handler that makes a call after each instruction on the way to a cancellation point's
 * `syscall`: its calls are never taken for that point, which can still be cancelled. */
#include "check.h"
#include <pthread.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100L

static int data[2], steps, wrong;

static void on_step(int signal, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *next = (const void *)registers[REG_RIP];
	(void)signal, (void)info;
	steps++;
	if (getppid() < 0) wrong++;
	if (next[0] == 0x0f && next[1] == 0x05) registers[REG_EFL] &= ~TRAP_FLAG;
}

static long pass_on(const struct muslin_call *call, void *context)
{
	(void)context;
	return muslin_next(call);
}

static void *reads_stepped(void *unused)
{
	char byte;
	(void)unused;
	__asm__ volatile ("pushf; orl $0x100, (%%rsp); popf" ::: "memory", "cc");
	read(data[0], &byte, 1);
	CHECK(!"cancelled");
	return NULL;
}

static void try(void)
{
	pthread_t thread;
	void *result = NULL;
	steps = 0;
	GIVES(pthread_create(&thread, NULL, reads_stepped, NULL), 0);
	sleep_ms(100);
	GIVES(pthread_cancel(thread), 0);
	alarm(10); /* one that is lost ends the test */
	GIVES(pthread_join(thread, &result), 0);
	alarm(0);
	CHECK(result == PTHREAD_CANCELED);
	CHECK(steps > 10);
	GIVES(wrong, 0);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	GIVES(pipe(data), 0);
	GIVES(sigaction(SIGTRAP, &action, NULL), 0);
	try();
	GIVES(muslin_register(SYS_read, pass_on, 0, 0, NULL), 0);
	try();
	GIVES(muslin_register(SYS_getppid, pass_on, 0, 0, NULL), 0);
	try();
	return finish();
}
