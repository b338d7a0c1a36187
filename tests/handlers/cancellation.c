// flags: -pthread
/* A thread that is blocked below a handler can be cancelled as one that is blocked in libc: at any
 * moment, also between the check and the call, and after signal handlers that make calls. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

static int data[2];                     /* nothing ever arrives here, unless a test writes */
static sem_t never;
static volatile int entered, reached, cleaned, signals;
static unsigned long seed, random_state;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % limit;
}

static void spin(unsigned rounds)
{
	for (volatile unsigned i = 0; i < rounds; i++);
}

/* Handlers. */

static long next(const struct muslin_call *call, void *context)
{
	(void)context;
	if (call->nr == SYS_read) entered++;
	return muslin_next(call);
}

static long past_all(const struct muslin_call *call, void *context)
{
	(void)context;
	if (call->nr == SYS_read) entered++;
	return muslin_passthrough(call->nr, call->args);
}

static long again_later(const struct muslin_call *call, void *context)
{
	(void)context;
	if (call->nr == SYS_read) entered++;
	long raw = muslin_next(call);
	return raw == -EINTR ? -EAGAIN : raw;
}

/* The cancellation comes when the handler runs already and has not passed the call on yet. */
static long cancelled_inside(const struct muslin_call *call, void *context)
{
	(void)context;
	if (call->nr == SYS_read) entered++;
	pthread_cancel(pthread_self());
	return muslin_next(call);
}

/* Threads. */

static void clean(void *unused)
{
	(void)unused;
	cleaned++;
}

#define BLOCKS(name, call) \
	static void *name(void *unused) \
	{ \
		char byte; \
		(void)unused, (void)byte; \
		pthread_cleanup_push(clean, NULL); \
		for (;;) call; \
		pthread_cleanup_pop(0); \
		return NULL; \
	}

BLOCKS(in_read, read(data[0], &byte, 1))
BLOCKS(in_poll, poll(&((struct pollfd){ data[0], POLLIN, 0 }), 1, -1))
BLOCKS(in_ppoll, ppoll(&((struct pollfd){ data[0], POLLIN, 0 }), 1, NULL, &((sigset_t){ { 0 } })))
BLOCKS(in_sleep, usleep(10000000))
BLOCKS(in_pause, pause())
BLOCKS(in_sem_wait, sem_wait(&never))
BLOCKS(in_cond_wait, { pthread_mutex_lock(&mutex); pthread_cond_wait(&condition, &mutex); })

static const struct {
	const char *name;
	void *(*body)(void *);
	int number;
} bodies[] = {
	{ "read", in_read, SYS_read },
	{ "poll", in_poll, SYS_poll },
	{ "ppoll", in_ppoll, SYS_ppoll },
	{ "sleep", in_sleep, SYS_nanosleep },
	{ "pause", in_pause, SYS_pause },
	{ "sem_wait", in_sem_wait, SYS_futex },
	{ "cond_wait", in_cond_wait, SYS_futex },
};
#define BODIES ((int)(sizeof bodies / sizeof *bodies))

static void register_all(muslin_handler_fn handler, unsigned flags)
{
	for (int i = 0; i < BODIES; i++) {
		muslin_restore(bodies[i].number);
		if (handler) muslin_register(bodies[i].number, handler, NULL, flags, NULL);
	}
	if (bodies[3].number == SYS_nanosleep && handler)
		muslin_register(SYS_clock_nanosleep, handler, NULL, flags, NULL);
	else muslin_restore(SYS_clock_nanosleep);
}

static int joins(pthread_t thread, const char *what, int round)
{
	struct timespec deadline;
	void *result = NULL;
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 20;
	int error = pthread_timedjoin_np(thread, &result, &deadline);
	if (error || result != PTHREAD_CANCELED) {
		char text[200];
		snprintf(text, sizeof text, "%s, round %d, seed %lu: %s\n", what, round, seed,
			error ? "the cancellation was lost" : "not cancelled");
		muslin_print(text);
		exit(1);
	}
	return 1;
}

static void on_usr1(int signal)
{
	(void)signal;
	signals++;
	write(-1, "", 1);               /* a cancellation point, and calls that are none */
	getppid();
	sigset_t none = { { 0 } };
	sigprocmask(SIG_BLOCK, &none, NULL);
}

static void cancel_at_any_moment(const char *what, int rounds, int with_signals)
{
	for (int round = 0; round < rounds; round++) {
		/* musl itself loses the cancellation of a thread in pthread_cond_wait when a signal handler
		 * meets a cancellation point there; cond_wait is the last. */
		int which = random_below(BODIES - with_signals);
		pthread_t thread;
		pthread_mutex_unlock(&mutex);
		int before = cleaned;
		if (pthread_create(&thread, NULL, bodies[which].body, NULL)) abort();
		if (round % 4) spin(random_below(60000));
		else sleep_ms(1);
		for (int i = with_signals * random_below(4); i > 0; i--) {
			pthread_kill(thread, SIGUSR1);
			spin(random_below(20000));
		}
		pthread_cancel(thread);
		if (random_below(2) && with_signals) pthread_kill(thread, SIGUSR1);
		char text[100];
		snprintf(text, sizeof text, "%s: %s", what, bodies[which].name);
		joins(thread, text, round);
		if (which < BODIES - 1 && cleaned > before + 1) CHECK(!"cleaned twice");
	}
	CHECK(1);
}

static void *disabled_then_enabled(void *unused)
{
	char byte = 0;
	(void)unused;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	GIVES(read(data[0], &byte, 1), 1);
	GIVES(byte, 'd');
	GIVES(read(-1, &byte, 1), -1);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	reached = 100;
	pthread_testcancel();
	return NULL;
}

static void *one_byte_then_block(void *unused)
{
	char byte = 0;
	(void)unused;
	if (read(data[0], &byte, 1) == 1 && byte == 'p') reached = 200;
	for (;;) read(data[0], &byte, 1);
	return NULL;
}

static void *called_once(void *unused)
{
	char byte;
	(void)unused;
	if (read(data[0], &byte, 1) == -1 && errno == EAGAIN) reached = 300;
	for (;;) read(data[0], &byte, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 20261120;
	random_state = seed;
	GIVES(pipe(data), 0);
	sem_init(&never, 0, 0);
	struct sigaction action = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	GIVES(sigaction(SIGUSR1, &action, NULL), 0);

	cancel_at_any_moment("no handler", 150, 0);
	cancel_at_any_moment("no handler, signals", 150, 1);
	register_all(next, 0);
	cancel_at_any_moment("handler", 400, 0);
	cancel_at_any_moment("handler, signals", 300, 1);
	muslin_register(SYS_write, next, NULL, 0, NULL);
	muslin_register(SYS_getppid, next, NULL, 0, NULL);
	muslin_register(SYS_tkill, next, NULL, 0, NULL);
	muslin_register(SYS_rt_sigprocmask, next, NULL, 0, NULL);
	cancel_at_any_moment("handlers, signals", 300, 1);
	register_all(next, MUSLIN_OWN_STACK);
	cancel_at_any_moment("own stack, signals", 200, 1);
	CHECK(signals > 100);
	/* For read alone: this thread waits, too. */
	register_all(NULL, 0);
	GIVES(muslin_register(SYS_read, cancelled_inside, NULL, 0, NULL), 0);
	for (int round = 0; round < 50; round++) {
		GIVES(pthread_create(&thread, NULL, in_read, NULL), 0);
		joins(thread, "cancelled in the handler", round);
	}

	/* Disabled: nothing happens until it is enabled. */
	register_all(next, 0);
	entered = 0;
	GIVES(pthread_create(&thread, NULL, disabled_then_enabled, NULL), 0);
	while (!entered) sleep_ms(1);
	pthread_cancel(thread);
	sleep_ms(20);
	GIVES(write(data[1], "d", 1), 1);
	joins(thread, "disabled", 0);
	GIVES(reached, 100);

	/* A handler that waits by muslin_passthrough is not disturbed: the call ends as it would, and
	 * the thread is cancelled at its next point. */
	muslin_restore(SYS_read);
	GIVES(muslin_register(SYS_read, past_all, NULL, 0, NULL), 0);
	entered = 0;
	GIVES(pthread_create(&thread, NULL, one_byte_then_block, NULL), 0);
	while (!entered) sleep_ms(1);
	pthread_cancel(thread);
	sleep_ms(20);
	GIVES(entered, 1);
	GIVES(write(data[1], "p", 1), 1);
	joins(thread, "past all", 0);
	GIVES(reached, 200);

	/* A handler that answers something else than EINTR puts it off to the next point. */
	muslin_restore(SYS_read);
	GIVES(muslin_register(SYS_read, again_later, NULL, 0, NULL), 0);
	entered = 0;
	GIVES(pthread_create(&thread, NULL, called_once, NULL), 0);
	while (!entered) sleep_ms(1);
	sleep_ms(5);
	pthread_cancel(thread);
	joins(thread, "again later", 0);
	GIVES(reached, 300);

	/* Not blocked any more: data come, and nobody is cancelled. */
	register_all(next, 0);
	char byte = 0;
	GIVES(write(data[1], "z", 1), 1);
	GIVES(read(data[0], &byte, 1), 1);
	GIVES(byte, 'z');
	return finish();
}
