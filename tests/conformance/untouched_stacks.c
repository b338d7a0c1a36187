/* Calls from stacks that nothing was written to before: the alternate stack of a signal. */
#include "expect.h"
#include <signal.h>
#include <sys/mman.h>

#define STACK_BYTES (1 << 20)
#define DEPTH 200

static int failed;

/* Leaves most of its frame alone, so that calls are made at new places of the stack, and asks for memory there. */
static __attribute__((noinline)) int deeper(int depth)
{
	volatile char room[3000];
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || munmap(page, 4096)) failed++;
	int below = depth ? deeper(depth - 1) : 0;
	room[0] = 1;
	return below + room[0];
}

static void function(int number)
{
	(void)number;
	GIVES("so deep", deeper(DEPTH), DEPTH + 1);
}

int main(void)
{
	struct sigaction action = { .sa_handler = function, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_size = STACK_BYTES };

	GIVES("sigaction", sigaction(SIGUSR1, &action, NULL), 0);
	for (int round = 0; round < 3; round++) {
		stack.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK("a stack", stack.ss_sp != MAP_FAILED);
		GIVES("sigaltstack", sigaltstack(&stack, NULL), 0);
		GIVES("raise", raise(SIGUSR1), 0);
		GIVES("munmap", munmap(stack.ss_sp, STACK_BYTES), 0);
	}
	GIVES("calls that failed", failed, 0);
	return finish();
}
