/* Mutexes with priority inheritance: the futex is locked by the kernel. */
#include "expect.h"
#include <pthread.h>
#include <time.h>

static pthread_mutex_t mutex;
static long counter;

static void *contend(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		long old = counter;
		if (i % 50 == 0) usleep(1);
		counter = old + 1;
		pthread_mutex_unlock(&mutex);
	}
	return 0;
}
static void *timed(void *unused)
{
	struct timespec soon;
	(void)unused;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += (soon.tv_nsec += 10000000) / 1000000000;
	soon.tv_nsec %= 1000000000;
	return (void *)(long)pthread_mutex_timedlock(&mutex, &soon);
}
static void *try_lock(void *unused) { (void)unused; return (void *)(long)pthread_mutex_trylock(&mutex); }

int main(void)
{
	pthread_mutexattr_t attributes;
	pthread_t t[4];
	void *code;
	int protocol;

	pthread_mutexattr_init(&attributes);
	CODE("setprotocol", pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
	CODE("getprotocol", pthread_mutexattr_getprotocol(&attributes, &protocol), 0);
	GIVES("protocol", protocol, PTHREAD_PRIO_INHERIT);
	CODE("PTHREAD_PRIO_PROTECT", pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT), ENOTSUP);
	CODE("init", pthread_mutex_init(&mutex, &attributes), 0);
	CODE("lock", pthread_mutex_lock(&mutex), 0);
	pthread_create(&t[0], NULL, try_lock, NULL);
	pthread_join(t[0], &code);
	CODE("trylock elsewhere", (int)(long)code, EBUSY);
	pthread_create(&t[0], NULL, timed, NULL);
	pthread_join(t[0], &code);
	CODE("timedlock elsewhere", (int)(long)code, ETIMEDOUT);
	CODE("unlock", pthread_mutex_unlock(&mutex), 0);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, contend, NULL);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	say("four threads counted %ld", counter);

	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &attributes);
	CODE("checking", pthread_mutex_lock(&mutex), 0);
	CODE("checking again", pthread_mutex_lock(&mutex), EDEADLK);
	CODE("unlock", pthread_mutex_unlock(&mutex), 0);
	pthread_create(&t[0], NULL, try_lock, NULL);
	pthread_join(t[0], &code);
	CODE("the owner is dead", pthread_mutex_lock(&mutex), EOWNERDEAD);
	return finish();
}
