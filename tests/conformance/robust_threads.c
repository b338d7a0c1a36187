/* Robust mutexes whose owners end as threads: all kinds, with and without waiters. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>

static pthread_mutex_t mutex, many[20];
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t held, leave;

static void *lock_and_end(void *which)
{
	int code = pthread_mutex_lock(which);
	return (void *)(long)code;
}
static void *lock_and_end_later(void *which)
{
	pthread_mutex_lock(which);
	sem_post(&held);
	while (sem_wait(&leave)) ;
	pthread_exit(NULL);
}
static void *lock_many(void *unused)
{
	for (int i = 0; i < 20; i++) pthread_mutex_lock(&many[i]);
	for (int i = 0; i < 20; i += 4) pthread_mutex_unlock(&many[i]);
	return unused;
}
static void *mend(void *which)
{
	sem_post(&held);
	int code = pthread_mutex_lock(which);
	if (code == EOWNERDEAD) pthread_mutex_consistent(which);
	if (code == 0 || code == EOWNERDEAD) pthread_mutex_unlock(which);
	return (void *)(long)code;
}
static void *timed(void *which)
{
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += 20;
	int code = pthread_mutex_timedlock(which, &soon);
	if (code == EOWNERDEAD) pthread_mutex_consistent(which), pthread_mutex_unlock(which);
	return (void *)(long)code;
}
static void *wait_and_end(void *unused)
{
	pthread_mutex_lock(&mutex);
	sem_post(&held);
	pthread_cond_wait(&cond, &mutex);
	return unused;
}
static void *cancelled(void *which)
{
	pthread_mutex_lock(which);
	sem_post(&held);
	for (;;) pause();
}

static void round_of(const char *name, int type, int protocol)
{
	pthread_mutexattr_t attributes;
	pthread_t t, waiters[3];
	void *code;
	say("-- %s", name);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	CODE("setrobust", pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
	pthread_mutex_init(&mutex, &attributes);

	pthread_create(&t, NULL, lock_and_end, &mutex);
	pthread_join(t, NULL);
	CODE("trylock", pthread_mutex_trylock(&mutex), EOWNERDEAD);
	CODE("consistent", pthread_mutex_consistent(&mutex), 0);
	CODE("unlock", pthread_mutex_unlock(&mutex), 0);
	CODE("lock", pthread_mutex_lock(&mutex), 0);
	CODE("consistent of a sound one", pthread_mutex_consistent(&mutex), EINVAL);
	CODE("unlock", pthread_mutex_unlock(&mutex), 0);

	/* Three wait: the first learns it, the others find it mended. */
	pthread_create(&t, NULL, lock_and_end_later, &mutex);
	while (sem_wait(&held)) ;
	for (int i = 0; i < 3; i++) {
		pthread_create(&waiters[i], NULL, mend, &mutex);
		while (sem_wait(&held)) ;
	}
	usleep(10000);
	sem_post(&leave);
	pthread_join(t, NULL);
	int dead = 0, sound = 0;
	for (int i = 0; i < 3; i++) {
		pthread_join(waiters[i], &code);
		dead += (long)code == EOWNERDEAD;
		sound += (long)code == 0;
	}
	say("%d learned it, %d found it sound", dead, sound);

	/* Who waits for a time only learns it as well. */
	pthread_create(&t, NULL, lock_and_end_later, &mutex);
	while (sem_wait(&held)) ;
	pthread_create(&waiters[0], NULL, timed, &mutex);
	usleep(10000);
	sem_post(&leave);
	pthread_join(t, NULL);
	pthread_join(waiters[0], &code);
	CODE("timedlock", (int)(long)code, EOWNERDEAD);

	/* A thread that is cancelled leaves it so too. */
	pthread_create(&t, NULL, cancelled, &mutex);
	while (sem_wait(&held)) ;
	pthread_cancel(t);
	pthread_join(t, &code);
	CHECK("cancelled", code == PTHREAD_CANCELED);
	CODE("lock", pthread_mutex_lock(&mutex), EOWNERDEAD);
	CODE("unlock without repair", pthread_mutex_unlock(&mutex), 0);
	CODE("lost for ever", pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
	CODE("trylock too", pthread_mutex_trylock(&mutex), ENOTRECOVERABLE);

	/* Out of a wait for a condition. */
	pthread_mutex_init(&mutex, &attributes);
	pthread_create(&t, NULL, wait_and_end, NULL);
	while (sem_wait(&held)) ;
	pthread_mutex_lock(&mutex);
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
	pthread_join(t, NULL);
	CODE("it ended with the mutex", pthread_mutex_lock(&mutex), EOWNERDEAD);

	/* Several in one list. */
	for (int i = 0; i < 20; i++) pthread_mutex_init(&many[i], &attributes);
	pthread_create(&t, NULL, lock_many, NULL);
	pthread_join(t, NULL);
	dead = sound = 0;
	for (int i = 0; i < 20; i++) {
		int result = pthread_mutex_trylock(&many[i]);
		dead += result == EOWNERDEAD;
		sound += result == 0;
	}
	say("of 20 %d were held at the end, %d were free", dead, sound);
}

int main(void)
{
	sem_init(&held, 0, 0);
	sem_init(&leave, 0, 0);
	round_of("normal", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE);
	round_of("recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE);
	round_of("checking", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE);
	round_of("with priority inheritance", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT);
	round_of("checking, with priority inheritance", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT);

	/* The list itself. */
	void *list;
	size_t size;
	GIVES("get_robust_list", syscall(SYS_get_robust_list, 0, &list, &size), 0);
	GIVES("its size", size, 24);
	FAILS("of nobody", syscall(SYS_get_robust_list, 0x3fffffff, &list, &size), ESRCH);
	FAILS("a wrong size", syscall(SYS_set_robust_list, list, 8), EINVAL);
	return finish();
}
