/* A signal does not end the wait for a lock with priority inheritance, whatever its function wants. */
#include "expect.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

static volatile uint32_t word;
static volatile sig_atomic_t came;
static void function(int number) { (void)number; came++; }
static long futex(int op) { return syscall(SYS_futex, &word, op, 0, NULL, NULL, 0); }
static void *waits(void *unused)
{
	(void)unused;
	GIVES("locked at last", futex(FUTEX_LOCK_PI), 0);
	GIVES("functions before that", came, 3);
	GIVES("given away", futex(FUTEX_UNLOCK_PI), 0);
	return NULL;
}

int main(void)
{
	struct sigaction action = { .sa_handler = function };
	pthread_t thread;

	GIVES("sigaction", sigaction(SIGUSR1, &action, NULL), 0);
	GIVES("locked", futex(FUTEX_LOCK_PI), 0);
	CODE("a thread", pthread_create(&thread, NULL, waits, NULL), 0);
	while (!(word & FUTEX_WAITERS)) sched_yield();
	for (int i = 0; i < 3; i++) {
		CODE("pthread_kill", pthread_kill(thread, SIGUSR1), 0);
		while (came == i) sched_yield();
	}
	long given = futex(FUTEX_UNLOCK_PI);
	CODE("joined", pthread_join(thread, NULL), 0);
	GIVES("given away", given, 0);
	return finish();
}
