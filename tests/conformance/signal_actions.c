/* sigaction and its flags, masks, raise, kill, siginfo, the signals that cannot be caught. */
#include "expect.h"
#include <pthread.h>
#include <signal.h>

static volatile int count, nested, value, code, masked_inside, from_us;
static void counting(int number) { (void)number; count++; }
static void detailed(int number, siginfo_t *info, void *context)
{
	sigset_t now;
	(void)number;
	(void)context;
	count++;
	code = info->si_code;
	value = info->si_value.sival_int;
	from_us = info->si_pid == getpid() && info->si_uid == getuid();
	sigprocmask(SIG_BLOCK, NULL, &now);
	masked_inside = sigismember(&now, SIGUSR1) | sigismember(&now, SIGUSR2) << 1;
}
static void nesting(int number)
{
	if (count++ < 3) raise(number);
	if (count > nested) nested = count;
}
int main(void)
{
	struct sigaction action = { .sa_handler = counting }, old;
	sigset_t set, before;

	GIVES("sigaction", sigaction(SIGUSR1, &action, &old), 0);
	CHECK("the default before", old.sa_handler == SIG_DFL && old.sa_flags == 0);
	GIVES("raise", raise(SIGUSR1), 0);
	GIVES("kill of itself", kill(getpid(), SIGUSR1), 0);
	GIVES("count", count, 2);
	GIVES("sigaction reads", sigaction(SIGUSR1, NULL, &old), 0);
	CHECK("our handler", old.sa_handler == counting);

	action.sa_flags = SA_RESETHAND;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	CHECK("SA_RESETHAND", old.sa_handler == SIG_DFL && count == 3);

	action = (struct sigaction){ .sa_sigaction = detailed, .sa_flags = SA_SIGINFO };
	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	GIVES("sigqueue", sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 1234 }), 0);
	say("value %d, code SI_QUEUE: %d, ours: %d, masked inside: %d", value, code == SI_QUEUE, from_us, masked_inside);
	kill(getpid(), SIGUSR1);
	say("code SI_USER: %d, ours: %d", code == SI_USER, from_us);
	pthread_kill(pthread_self(), SIGUSR1);
	say("code SI_TKILL: %d", code == SI_TKILL);

	count = 0;
	action = (struct sigaction){ .sa_handler = nesting };
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR2);
	say("without SA_NODEFER: %d in all", count);
	count = nested = 0;
	action.sa_flags = SA_NODEFER;
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR2);
	say("with SA_NODEFER: %d in all", count);

	count = 0;
	action = (struct sigaction){ .sa_handler = counting };
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	GIVES("SIG_BLOCK", sigprocmask(SIG_BLOCK, &set, &before), 0);
	for (int i = 0; i < 3; i++) raise(SIGUSR1), raise(SIGRTMIN);
	GIVES("none while blocked", count, 0);
	GIVES("sigpending", sigpending(&set), 0);
	CHECK("both are pending", sigismember(&set, SIGUSR1) && sigismember(&set, SIGRTMIN) && !sigismember(&set, SIGUSR2));
	GIVES("SIG_SETMASK", sigprocmask(SIG_SETMASK, &before, &set), 0);
	GIVES("one plain, three real-time", count, 4);
	CHECK("the mask is given back", sigismember(&set, SIGUSR1));
	FAILS("sigprocmask of nonsense", sigprocmask(77, &set, NULL), EINVAL);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	GIVES("SIG_IGN", count, 5);
	CHECK("signal gives the old", signal(SIGUSR1, counting) == SIG_IGN);

	FAILS("SIGKILL cannot be caught", sigaction(SIGKILL, &action, NULL), EINVAL);
	FAILS("SIGSTOP cannot be caught", sigaction(SIGSTOP, &action, NULL), EINVAL);
	FAILS("signal 32 is musl's own", sigaction(32, &action, NULL), EINVAL);
	FAILS("signal 0", sigaction(0, &action, NULL), EINVAL);
	FAILS("signal 65", sigaction(65, &action, NULL), EINVAL);
	FAILS("sigaddset of 33", sigaddset(&set, 33), EINVAL);
	GIVES("SIGRTMIN", SIGRTMIN, 35);
	GIVES("SIGRTMAX", SIGRTMAX, 64);
	GIVES("kill with 0", kill(getpid(), 0), 0);
	FAILS("kill with 65", kill(getpid(), 65), EINVAL);
	FAILS("kill of nobody", kill(0x3fffffff, 0), ESRCH);
	CODE("pthread_kill with 99", pthread_kill(pthread_self(), 99), EINVAL);
	say("strsignal: %s", strsignal(SIGTERM));
	return finish();
}
