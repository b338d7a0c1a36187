// skip-on: solo5-spt: a fault ends the guest there: nothing but Linux sees it
// skip-on: any-linux: a fault ends the process: the library OS has no handler of Linux's signals
/* A stack that overflows: the handler runs on another stack, and may leave by longjmp, again and again. */
#include "expect.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>

static char other[65536], others[65536];
static __thread sigjmp_buf back;
static __thread volatile int inside;
static __thread uintptr_t about, low;

static void overflow(int number, siginfo_t *info, void *context)
{
	char here;
	(void)context;
	inside = (&here >= other && &here < other + sizeof other) || (&here >= others && &here < others + sizeof others);
	about = (uintptr_t)info->si_addr;
	siglongjmp(back, number);
}
/* Not a tail call, and every frame is used. */
static int endless(volatile char *above)
{
	volatile char room[1000];
	room[0] = above ? above[0] : 1;
	low = (uintptr_t)room;
	return endless(room) + room[0];
}
static void *thread(void *unused)
{
	stack_t stack = { .ss_sp = others, .ss_size = sizeof others };
	(void)unused;
	sigaltstack(&stack, NULL);
	for (int i = 0; i < 2; i++) {
		int number = sigsetjmp(back, 1);
		if (!number) endless(NULL);
		say("a thread's ends with signal %d, on the other stack: %d", number, inside);
		CHECK("near the last frame", about - low + 65536 < 2 * 65536);
	}
	return 0;
}

int main(void)
{
	stack_t stack = { .ss_sp = other, .ss_size = sizeof other };
	struct sigaction action = { .sa_sigaction = overflow, .sa_flags = SA_ONSTACK | SA_SIGINFO };
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	setrlimit(RLIMIT_STACK, &(struct rlimit){ 1 << 20, RLIM_INFINITY });
	for (int i = 0; i < 3; i++) {
		int number = sigsetjmp(back, 1);
		if (!number) endless(NULL);
		say("an endless recursion ends with signal %d, on the other stack: %d", number, inside);
		CHECK("near the last frame", about - low + 65536 < 2 * 65536);
	}
	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	return finish();
}
