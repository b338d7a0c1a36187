/* Condition variables: signal, broadcast, timed on both clocks, between processes. */
#include "expect.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER, reply = PTHREAD_COND_INITIALIZER;
static int turn, waiting, go, woken;

static void *ping_pong(void *which)
{
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != (int)(long)which) pthread_cond_wait(&cond, &mutex);
		turn = !turn;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return 0;
}
static void *wait_for_go(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&mutex);
	waiting++;
	pthread_cond_signal(&reply);
	while (!go) pthread_cond_wait(&cond, &mutex);
	woken++;
	pthread_mutex_unlock(&mutex);
	return 0;
}
static struct timespec in_ms(clockid_t clock, int ms)
{
	struct timespec now;
	clock_gettime(clock, &now);
	now.tv_nsec += ms * 1000000;
	now.tv_sec += now.tv_nsec / 1000000000;
	now.tv_nsec %= 1000000000;
	return now;
}

int main(void)
{
	pthread_t t[8];
	pthread_create(&t[0], NULL, ping_pong, (void *)0);
	pthread_create(&t[1], NULL, ping_pong, (void *)1);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	say("a thousand turns, then %d's", turn);

	for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, wait_for_go, NULL);
	pthread_mutex_lock(&mutex);
	while (waiting < 8) pthread_cond_wait(&reply, &mutex);
	go = 1;
	CODE("broadcast", pthread_cond_broadcast(&cond), 0);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
	say("%d woke", woken);

	struct timespec soon = in_ms(CLOCK_REALTIME, 10);
	pthread_mutex_lock(&mutex);
	CODE("timedwait", pthread_cond_timedwait(&cond, &mutex, &soon), ETIMEDOUT);
	CODE("the mutex is held again", pthread_mutex_trylock(&mutex), EBUSY);
	soon.tv_nsec = 1000000000;
	CODE("timedwait with a wrong time", pthread_cond_timedwait(&cond, &mutex, &soon), EINVAL);
	pthread_mutex_unlock(&mutex);

	pthread_condattr_t attributes;
	pthread_cond_t monotonic;
	clockid_t clock;
	pthread_condattr_init(&attributes);
	CODE("setclock", pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), 0);
	CODE("getclock", pthread_condattr_getclock(&attributes, &clock), 0);
	GIVES("clock", clock, CLOCK_MONOTONIC);
	CODE("setclock of a processor clock", pthread_condattr_setclock(&attributes, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
	pthread_cond_init(&monotonic, &attributes);
	soon = in_ms(CLOCK_MONOTONIC, 10);
	pthread_mutex_lock(&mutex);
	CODE("timedwait, monotonic", pthread_cond_timedwait(&monotonic, &mutex, &soon), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
	CODE("signal without a waiter", pthread_cond_signal(&monotonic), 0);
	CODE("destroy", pthread_cond_destroy(&monotonic), 0);

	struct { pthread_mutex_t mutex; pthread_cond_t cond; int value; } *shared = mmap(NULL, 4096,
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t mutex_attributes;
	pthread_mutexattr_init(&mutex_attributes);
	pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &mutex_attributes);
	pthread_condattr_init(&attributes);
	CODE("setpshared", pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
	pthread_cond_init(&shared->cond, &attributes);
	pid_t child = fork();
	if (!child) {
		pthread_mutex_lock(&shared->mutex);
		shared->value = 1;
		pthread_cond_signal(&shared->cond);
		while (shared->value != 2) pthread_cond_wait(&shared->cond, &shared->mutex);
		shared->value = 3;
		pthread_mutex_unlock(&shared->mutex);
		_exit(0);
	}
	pthread_mutex_lock(&shared->mutex);
	while (shared->value != 1) pthread_cond_wait(&shared->cond, &shared->mutex);
	shared->value = 2;
	pthread_cond_signal(&shared->cond);
	pthread_mutex_unlock(&shared->mutex);
	waitpid(child, NULL, 0);
	say("two processes: %d", shared->value);

	cnd_t c11;
	mtx_t c11_mutex;
	GIVES("cnd_init", cnd_init(&c11), thrd_success);
	mtx_init(&c11_mutex, mtx_timed);
	mtx_lock(&c11_mutex);
	soon = in_ms(CLOCK_REALTIME, 5);
	GIVES("cnd_timedwait", cnd_timedwait(&c11, &c11_mutex, &soon), thrd_timedout);
	return finish();
}
