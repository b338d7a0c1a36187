/* Spin locks whose owners give their turns away, by a call or by many calls: who spins lets the owner
 * go on. */
#include "expect.h"
#include <pthread.h>
#include <sched.h>

enum { THREADS = 8, ROUNDS = 200 };

static pthread_spinlock_t lock;
static long count;

static void *add(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		if (pthread_spin_lock(&lock)) return (void *)1;
		long seen = count;
		if (i % 4 == 0) sched_yield();
		if (i % 50 == 1) usleep(100);
		if (i % 50 == 2) for (int calls = 0; calls < 200; calls++) getppid();
		count = seen + 1;
		pthread_spin_unlock(&lock);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	void *result;
	CODE("init", pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE), 0);
	for (int i = 0; i < THREADS; i++) CODE("create", pthread_create(&threads[i], NULL, add, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		CHECK("locked each time", !result);
	}
	GIVES("count", (int)count, THREADS * ROUNDS);
	CODE("trylock", pthread_spin_trylock(&lock), 0);
	CODE("trylock of a held one", pthread_spin_trylock(&lock), EBUSY);
	CODE("unlock", pthread_spin_unlock(&lock), 0);
	CODE("destroy", pthread_spin_destroy(&lock), 0);
	return finish();
}
