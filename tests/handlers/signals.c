// flags: -pthread
/* A signal handler that interrupts a handler and makes the same call: its call goes to the
 * platform, so a lock that the handler holds is not waited for. On an alternate stack, too,
 * wherever that lies. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int null_fd = -1;
static volatile int holding, interrupted_while_holding, signals, handled;

static long locking(const struct muslin_call *call, void *context)
{
	(void)context;
	pthread_mutex_lock(&lock);
	holding = 1;
	handled++;
	long raw = muslin_next(call);
	for (volatile int i = 0; i < 3000; i++);
	holding = 0;
	pthread_mutex_unlock(&lock);
	return raw;
}

static void on_alarm(int signal)
{
	(void)signal;
	signals++;
	if (holding) interrupted_while_holding++;
	write(null_fd, "x", 1);
}

/* Writes until a signal has come `times` times while the lock was held. */
static void *write_much(void *times)
{
	int want = interrupted_while_holding + (int)(long)times;
	int wrote = 0, before = handled;
	while (interrupted_while_holding < want && wrote < 2000000) {
		write(null_fd, "y", 1);
		wrote++;
	}
	CHECK(interrupted_while_holding >= want);
	CHECK(handled - before >= wrote);
	return NULL;
}

static void alternate(char *memory)
{
	stack_t stack = { .ss_sp = memory, .ss_size = 32768 };
	GIVES(sigaltstack(&stack, NULL), 0);
}

static void *on_a_stack_above(void *times)
{
	/* An alternate stack above this thread's own: at the top of the main thread's stack. */
	static __thread char unused;
	(void)unused;
	alternate(((char **)times)[0]);
	write_much(((void **)times)[1]);
	stack_t off = { .ss_flags = SS_DISABLE };
	sigaltstack(&off, NULL);
	return NULL;
}

int main(void)
{
	char high[32768];
	static char low[32768];
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART | SA_ONSTACK };
	sigset_t alarm;
	pthread_t thread;
	GIVES(muslin_passthrough(SYS_open, (long[6]){(long)"/dev/null", 1}) >= 0, 1);
	null_fd = 3;
	GIVES(sigaction(SIGALRM, &action, NULL), 0);
	GIVES(muslin_register_family(muslin_writes, locking, 0, 0), 0);
	struct itimerval often = { { 0, 1500 }, { 0, 1500 } };
	GIVES(setitimer(ITIMER_REAL, &often, NULL), 0);

	write_much((void *)100);
	alternate(low);
	write_much((void *)100);

	/* A thread's stack lies below the main thread's. */
	void *arguments[] = { high, (void *)100 };
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	GIVES(pthread_create(&thread, NULL, on_a_stack_above, arguments), 0);
	GIVES(pthread_sigmask(SIG_BLOCK, &alarm, NULL), 0);
	GIVES(pthread_join(thread, NULL), 0);

	struct itimerval never = { 0 };
	setitimer(ITIMER_REAL, &never, NULL);
	return finish();
}
