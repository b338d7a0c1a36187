/* Threads that send each other signals, queue them, block them, wait, are cancelled and leave handlers
 * by longjmp, in an order that a seed gives: nothing is lost, and all come to an end. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>

enum { THREADS = 6, ROUNDS = 20000 };

static pthread_t threads[THREADS];
static pthread_barrier_t barrier;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile long counter, queued, came, order_broken;
static volatile int last_value[THREADS];
static __thread volatile int in_jump;
static __thread sigjmp_buf jump;
static __thread volatile long handled;
static __thread int self;
static volatile long all_handled;

static void count(int number) { (void)number; handled++; }
static void leave(int number) { (void)number; if (in_jump) siglongjmp(jump, 1); }
/* The values of each sender come in their order. */
static void in_order(int number, siginfo_t *info, void *context)
{
	int sender = info->si_value.sival_int >> 24, value = info->si_value.sival_int & 0xffffff;
	(void)number; (void)context;
	if (value <= last_value[sender]) order_broken++;
	last_value[sender] = value;
	__atomic_add_fetch(&came, 1, __ATOMIC_SEQ_CST);
}

static unsigned next(unsigned *state) { *state ^= *state << 13; *state ^= *state >> 17; *state ^= *state << 5; return *state; }

static void *storm(void *number)
{
	unsigned state = 12345 + (self = (int)(long)number) * 777;
	sigset_t some, old;
	long own = 0;
	int value = 0;
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigaddset(&some, SIGUSR2);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t other = threads[next(&state) % THREADS];
		switch (next(&state) % 10) {
		case 0: pthread_kill(other, SIGUSR1); break;
		case 1: pthread_kill(other, SIGUSR2); break;
		case 2: kill(getpid(), SIGUSR1); break;
		case 3:
			/* One sender at a time, or its values could not come in order. */
			pthread_mutex_lock(&mutex);
			value++;
			while (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = self << 24 | value })) sched_yield();
			queued++;
			pthread_mutex_unlock(&mutex);
			break;
		case 4:
			pthread_sigmask(SIG_BLOCK, &some, &old);
			sched_yield();
			pthread_sigmask(SIG_SETMASK, &old, NULL);
			break;
		case 5:
			if (!sigsetjmp(jump, 1)) {
				in_jump = 1;
				raise(SIGUSR2);
			}
			in_jump = 0;
			break;
		case 6:
			pthread_mutex_lock(&mutex);
			counter++;
			own++;
			if (next(&state) % 8 == 0) sched_yield();
			pthread_mutex_unlock(&mutex);
			break;
		case 7: nanosleep(&(struct timespec){ 0, next(&state) % 2000 }, NULL); break;
		case 8: {
			siginfo_t info;
			sigset_t set;
			sigemptyset(&set);
			sigaddset(&set, SIGHUP);
			pthread_kill(pthread_self(), SIGHUP);
			if (sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) != SIGHUP) order_broken++;
			break;
		}
		case 9: sched_yield(); break;
		}
	}
	__atomic_add_fetch(&all_handled, handled, __ATOMIC_SEQ_CST);
	pthread_barrier_wait(&barrier);
	return (void *)own;
}

/* Cancelled while signals come. */
static volatile long cleaned;
static void clean(void *unused) { (void)unused; cleaned++; }
static void *prey(void *unused)
{
	pthread_cleanup_push(clean, NULL);
	for (;;) {
		if (unused) pause();
		else nanosleep(&(struct timespec){ 0, 1000 }, NULL);
	}
	pthread_cleanup_pop(0);
	return 0;
}

int main(void)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
	sigset_t hup;
	long sum = 0;
	void *result;
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = leave;
	sigaction(SIGUSR2, &action, NULL);
	action = (struct sigaction){ .sa_sigaction = in_order, .sa_flags = SA_SIGINFO | SA_RESTART };
	/* A jump out of it would leave a value uncounted. */
	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGRTMIN + 1, &action, NULL);
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	/* The queue is for one thread, the first: the others inherit a mask. */
	sigaddset(&hup, SIGRTMIN + 1);
	pthread_sigmask(SIG_BLOCK, &hup, NULL);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 1; i < THREADS; i++) pthread_create(&threads[i], NULL, storm, (void *)i);
	threads[0] = pthread_self();
	sigdelset(&hup, SIGHUP);
	pthread_sigmask(SIG_UNBLOCK, &hup, NULL);
	sum = (long)storm((void *)0);
	for (int i = 1; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		sum += (long)result;
	}
	CHECK("the lock held", counter == sum);
	CHECK("all that was queued came", came == queued && queued > 0);
	CHECK("in its order", !order_broken);
	CHECK("handlers ran", all_handled > 0);

	int cancelled = 0;
	for (long i = 0; i < 200; i++) {
		pthread_t t;
		pthread_create(&t, NULL, prey, (void *)(i & 1));
		for (int k = 0; k < 5; k++) pthread_kill(t, SIGUSR1), sched_yield();
		pthread_cancel(t);
		pthread_kill(t, SIGUSR1);
		pthread_join(t, &result);
		cancelled += result == PTHREAD_CANCELED;
	}
	say("cancelled: %d, cleaned: %ld", cancelled, cleaned);
	return finish();
}
