/* Mutexes: the three kinds, timed, shared between processes, contended; spin locks. */
#include "expect.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spin;
static long counter, spun;

static pthread_mutex_t kind(int type)
{
	pthread_mutex_t made;
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutex_init(&made, &attributes);
	return made;
}
static void *try_lock(void *which) { return (void *)(long)pthread_mutex_trylock(which); }
static void *unlock(void *which) { return (void *)(long)pthread_mutex_unlock(which); }
static int elsewhere(void *(*call)(void *), pthread_mutex_t *which)
{
	pthread_t t;
	void *result;
	pthread_create(&t, NULL, call, which);
	pthread_join(t, &result);
	return (long)result;
}
static void *contend(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		pthread_spin_lock(&spin);
		spun++;
		pthread_spin_unlock(&spin);
	}
	return 0;
}
static struct timespec in_ms(int ms)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += ms * 1000000;
	now.tv_sec += now.tv_nsec / 1000000000;
	now.tv_nsec %= 1000000000;
	return now;
}

int main(void)
{
	struct timespec soon = in_ms(10), wrong = { 0, -1 };
	CODE("lock", pthread_mutex_lock(&mutex), 0);
	CODE("trylock of a held one", pthread_mutex_trylock(&mutex), EBUSY);
	CODE("timedlock of a held one", pthread_mutex_timedlock(&mutex, &soon), ETIMEDOUT);
	CODE("timedlock with a wrong time", pthread_mutex_timedlock(&mutex, &wrong), EINVAL);
	CODE("unlock", pthread_mutex_unlock(&mutex), 0);
	CODE("timedlock of a free one", pthread_mutex_timedlock(&mutex, &wrong), 0);
	CODE("unlock", pthread_mutex_unlock(&mutex), 0);

	pthread_mutex_t recursive = kind(PTHREAD_MUTEX_RECURSIVE), checking = kind(PTHREAD_MUTEX_ERRORCHECK);
	CODE("recursive", pthread_mutex_lock(&recursive), 0);
	CODE("recursive again", pthread_mutex_lock(&recursive), 0);
	CODE("another thread", elsewhere(try_lock, &recursive), EBUSY);
	CODE("another thread unlocks", elsewhere(unlock, &recursive), EPERM);
	CODE("unlock once", pthread_mutex_unlock(&recursive), 0);
	CODE("still held", elsewhere(try_lock, &recursive), EBUSY);
	CODE("unlock twice", pthread_mutex_unlock(&recursive), 0);
	CODE("unlock once too often", pthread_mutex_unlock(&recursive), EPERM);
	CODE("checking", pthread_mutex_lock(&checking), 0);
	CODE("checking again", pthread_mutex_lock(&checking), EDEADLK);
	CODE("unlock", pthread_mutex_unlock(&checking), 0);
	CODE("unlock again", pthread_mutex_unlock(&checking), EPERM);
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	CODE("a kind of nonsense", pthread_mutexattr_settype(&attributes, 77), EINVAL);

	pthread_t t[4];
	pthread_spin_init(&spin, 0);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, contend, NULL);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	say("four threads counted %ld and %ld", counter, spun);
	CODE("spin_trylock", pthread_spin_trylock(&spin), 0);
	CODE("spin_trylock again", pthread_spin_trylock(&spin), EBUSY);

	struct { pthread_mutex_t mutex; long counter; } *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CODE("setpshared", pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
	CODE("init", pthread_mutex_init(&shared->mutex, &attributes), 0);
	pid_t children[3];
	for (int i = 0; i < 3; i++) {
		if ((children[i] = fork())) continue;
		for (int j = 0; j < 20000; j++) {
			pthread_mutex_lock(&shared->mutex);
			shared->counter++;
			pthread_mutex_unlock(&shared->mutex);
		}
		_exit(0);
	}
	for (int i = 0; i < 3; i++) waitpid(children[i], NULL, 0);
	say("three processes counted %ld", shared->counter);
	return finish();
}
