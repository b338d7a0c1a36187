/* Robust mutexes: owners that die as threads and as processes. */
#include "expect.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

static void *lock_and_die(void *mutex)
{
	pthread_mutex_lock(mutex);
	return 0;
}

static void *wait_for_it(void *mutex)
{
	int code = pthread_mutex_lock(mutex);
	if (code == EOWNERDEAD) {
		pthread_mutex_consistent(mutex);
		pthread_mutex_unlock(mutex);
	}
	return (void *)(long)code;
}

int main(void)
{
	pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;
	pthread_t t;
	int robust;

	pthread_mutexattr_init(&attributes);
	CODE("setrobust", pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
	CODE("getrobust", pthread_mutexattr_getrobust(&attributes, &robust), 0);
	GIVES("robust", robust, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	CODE("init", pthread_mutex_init(mutex, &attributes), 0);

	pthread_create(&t, NULL, lock_and_die, mutex);
	pthread_join(t, NULL);
	CODE("the owner, a thread, is dead", pthread_mutex_lock(mutex), EOWNERDEAD);
	CODE("consistent", pthread_mutex_consistent(mutex), 0);
	CODE("unlock", pthread_mutex_unlock(mutex), 0);
	CODE("lock", pthread_mutex_lock(mutex), 0);
	CODE("consistent of a sound one", pthread_mutex_consistent(mutex), EINVAL);
	CODE("unlock", pthread_mutex_unlock(mutex), 0);

	pid_t child = fork();
	if (!child) {
		pthread_mutex_lock(mutex);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	CODE("the owner, a process, is dead", pthread_mutex_trylock(mutex), EOWNERDEAD);
	CODE("unlock without repair", pthread_mutex_unlock(mutex), 0);
	CODE("lost for ever", pthread_mutex_lock(mutex), ENOTRECOVERABLE);
	CODE("trylock too", pthread_mutex_trylock(mutex), ENOTRECOVERABLE);

	pthread_mutex_init(mutex, &attributes);
	int p[2];
	pipe(p);
	child = fork();
	if (!child) {
		char byte;
		pthread_mutex_lock(mutex);
		write(p[1], "x", 1);
		close(p[1]);
		usleep(20000);
		raise(9);
		read(p[0], &byte, 1);
	}
	char byte;
	read(p[0], &byte, 1);
	void *code;
	pthread_create(&t, NULL, wait_for_it, mutex);
	pthread_join(t, &code);
	CODE("a waiter wakes when the owner is killed", (int)(long)code, EOWNERDEAD);
	waitpid(child, NULL, 0);
	CODE("lock", pthread_mutex_lock(mutex), 0);
	return finish();
}
