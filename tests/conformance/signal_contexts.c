/* How handlers are left and what they may change: longjmp, registers, masks, other stacks, control
 * words, handlers in handlers. */
#include "expect.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static sigjmp_buf back;
static jmp_buf plain;
static volatile int depth, deepest, count;
static char other[65536], more[65536];
static char *volatile where;

static void leave(int number) { siglongjmp(back, number); }
static void leave_plainly(int number) { (void)number; longjmp(plain, 1); }
static void nest(int number)
{
	if (++depth > deepest) deepest = depth;
	if (depth < 20) raise(number);
	depth--;
}
static void second(int number) { (void)number; count += 10; }
static void first(int number) { (void)number; count++; raise(SIGUSR2); count *= 2; }
static void note(int number) { char here; (void)number; where = &here; count++; }
static void unblock(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)number; (void)info;
	count = sigismember(&u->uc_sigmask, SIGHUP);
	sigaddset(&u->uc_sigmask, SIGTERM);
	sigdelset(&u->uc_sigmask, SIGHUP);
}
/* The call that was under way gives what the handler says. */
static void answer(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)number; (void)info;
	u->uc_mcontext.gregs[REG_RAX] = 4711;
}
static void divert_target(void) { say("somewhere else"); siglongjmp(back, 7); }
static void divert(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)number; (void)info;
	u->uc_mcontext.gregs[REG_RIP] = (uintptr_t)divert_target;
	u->uc_mcontext.gregs[REG_RSP] = (u->uc_mcontext.gregs[REG_RSP] - 512) / 16 * 16 - 8;
}
static unsigned control(void) { unsigned word; __asm__ volatile ("stmxcsr %0" : "=m"(word)); return word & 0xffc0; }
static void set_control(unsigned word) { __asm__ volatile ("ldmxcsr %0" :: "m"(word)); }
static volatile unsigned inside;
static void control_words(int number) { (void)number; inside = control(); set_control(0x7f80); }
static void on_stack(int number)
{
	char here;
	stack_t now;
	(void)number;
	where = &here;
	sigaltstack(NULL, &now);
	say("  inside: flags %x, size %d", now.ss_flags, (int)now.ss_size);
	now = (stack_t){ .ss_sp = more, .ss_size = sizeof more };
	if (sigaltstack(&now, NULL)) say("  another one: %s", errno_name(errno));
	else say("  another one: yes");
}
static int is_in(char *stack) { return where >= stack && where < stack + 65536; }

int main(void)
{
	sigset_t set, now;
	struct sigaction action = { .sa_handler = leave };
	sigemptyset(&set);
	sigaction(SIGUSR1, &action, NULL);
	for (volatile int i = 0; i < 1000; i++) {
		if (!sigsetjmp(back, 1)) raise(SIGUSR1);
		else count++;
	}
	GIVES("siglongjmp out of a handler", count, 1000);
	sigprocmask(SIG_BLOCK, NULL, &now);
	GIVES("the mask came back", sigismember(&now, SIGUSR1), 0);
	signal(SIGUSR1, leave_plainly);
	if (!setjmp(plain)) raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	GIVES("longjmp leaves it blocked", sigismember(&now, SIGUSR1), 1);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);

	action = (struct sigaction){ .sa_handler = nest, .sa_flags = SA_NODEFER };
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	say("handlers in handlers: %d deep, %d left", deepest, depth);
	signal(SIGUSR1, first);
	signal(SIGUSR2, second);
	count = 1;
	raise(SIGUSR1);
	GIVES("one in the middle of another", count, 24);
	action = (struct sigaction){ .sa_handler = first };
	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	count = 1;
	raise(SIGUSR1);
	GIVES("one behind another", count, 14);

	action = (struct sigaction){ .sa_sigaction = unblock, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* raise has a mask of its own. */
	kill(getpid(), SIGUSR1);
	GIVES("the handler saw the mask", count, 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	say("and changed it: SIGHUP %d, SIGTERM %d", sigismember(&now, SIGHUP), sigismember(&now, SIGTERM));
	action.sa_sigaction = answer;
	sigaction(SIGUSR1, &action, NULL);
	errno = 0;
	GIVES("the call gives what the handler says", kill(getpid(), SIGUSR1), 4711);
	action.sa_sigaction = divert;
	sigaction(SIGUSR1, &action, NULL);
	GIVES("the program goes on elsewhere", sigsetjmp(back, 1) ? 7 : (kill(getpid(), SIGUSR1), 1), 7);

	signal(SIGUSR1, control_words);
	set_control(0x3f80);
	raise(SIGUSR1);
	say("control words: %x, inside %x", control(), inside);
	set_control(0x1f80);

	stack_t stack = { .ss_sp = other, .ss_size = sizeof other }, old;
	action = (struct sigaction){ .sa_handler = on_stack, .sa_flags = SA_ONSTACK };
	sigaction(SIGUSR1, &action, NULL);
	GIVES("sigaltstack", sigaltstack(&stack, NULL), 0);
	raise(SIGUSR1);
	GIVES("on it", is_in(other), 1);
	sigaltstack(NULL, &old);
	CHECK("it is as before", old.ss_sp == other && old.ss_flags == 0);
	stack.ss_flags = SS_AUTODISARM;
	GIVES("SS_AUTODISARM", sigaltstack(&stack, NULL), 0);
	for (int i = 0; i < 2; i++) {
		raise(SIGUSR1);
		GIVES("on it", is_in(other), 1);
		sigaltstack(NULL, &old);
		CHECK("it is as before", old.ss_sp == other && old.ss_flags == (int)SS_AUTODISARM);
	}
	action = (struct sigaction){ .sa_handler = note, .sa_flags = SA_RESETHAND | SA_NODEFER | SA_NOCLDSTOP };
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR1, NULL, &action);
	CHECK("flags are kept", (action.sa_flags & ~0x04000000) == (int)(SA_RESETHAND | SA_NODEFER | SA_NOCLDSTOP));
	count = 0;
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &action);
	say("once: %d, then the default: %d", count, action.sa_handler == SIG_DFL);
	return finish();
}
