/* setjmp, sigsetjmp, longjmp: values, masks, out of handlers, registers. */
#include "expect.h"
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

static jmp_buf plain;
static sigjmp_buf with_mask;
static void jump(int value) { longjmp(plain, value); }
static void deeper(int depth, int value)
{
	volatile char room[256];
	room[0] = depth;
	if (depth) deeper(depth - 1, value);
	else jump(value);
	room[1] = room[0];
}
static void out_of_handler(int number) { siglongjmp(with_mask, number); }

int main(void)
{
	volatile int turns = 0;
	int value;
	sigset_t now;

	value = setjmp(plain);
	say("setjmp gives %d", value);
	if (turns++ == 0) deeper(20, 5);
	if (turns++ == 2) jump(0);
	value = _setjmp(plain);
	say("_setjmp gives %d", value);
	if (value < 3) _longjmp(plain, value + 2);

	signal(SIGUSR1, out_of_handler);
	value = sigsetjmp(with_mask, 1);
	say("sigsetjmp gives %s", value ? "the signal" : "0");
	if (!value) raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	GIVES("the mask is restored", sigismember(&now, SIGUSR1), 0);
	value = sigsetjmp(with_mask, 0);
	if (!value) raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	GIVES("the mask is not restored", sigismember(&now, SIGUSR1), 1);
	sigemptyset(&now);
	sigprocmask(SIG_SETMASK, &now, NULL);
	for (turns = 0; turns < 1000; turns++)
		if (!sigsetjmp(with_mask, 1)) raise(SIGUSR1);
	say("%d jumps out of a handler", turns);
	double x = 1.5;
	volatile double kept = x;
	if (!setjmp(plain)) jump(1);
	say("floating point is sound: %.2f", kept * 2);
	return finish();
}
