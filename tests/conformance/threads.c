/* Threads: create, join, detach, exit, many at once, in any order; C11 threads. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

static sem_t detached_done;
static int sum;

static void *square(void *number) { return (void *)((long)number * (long)number); }
static void *leave(void *unused)
{
	(void)unused;
	pthread_exit((void *)77);
}
static void *detached(void *unused)
{
	(void)unused;
	sem_post(&detached_done);
	return 0;
}
static void *add(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++) __atomic_add_fetch(&sum, 1, __ATOMIC_RELAXED);
	return 0;
}
static void *tree(void *depth)
{
	pthread_t left, right;
	void *a = 0, *b = 0;
	if (!depth) return (void *)1;
	pthread_create(&left, NULL, tree, (char *)depth - 1);
	pthread_create(&right, NULL, tree, (char *)depth - 1);
	pthread_join(left, &a);
	pthread_join(right, &b);
	return (void *)((long)a + (long)b);
}
static int c11(void *value) { return *(int *)value + 1; }
static once_flag once = ONCE_FLAG_INIT;
static void c11_once(void) { sum += 5; }
static void *last(void *first)
{
	pthread_join(*(pthread_t *)first, NULL);
	exit(finish());
}

int main(void)
{
	pthread_t t[64], self = pthread_self();
	void *result;

	CODE("create", pthread_create(&t[0], NULL, square, (void *)12), 0);
	CODE("join", pthread_join(t[0], &result), 0);
	say("result %ld", (long)result);
	pthread_create(&t[0], NULL, leave, NULL);
	CODE("join", pthread_join(t[0], &result), 0);
	say("pthread_exit gave %ld", (long)result);
	CHECK("pthread_equal", pthread_equal(self, pthread_self()));

	for (long i = 0; i < 64; i++) if (pthread_create(&t[i], NULL, square, (void *)i)) say("no thread %ld", i);
	long total = 0;
	for (int i = 63; i >= 0; i--) pthread_join(t[i], &result), total += (long)result;
	say("64 threads, joined backwards: %ld", total);
	for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, add, NULL);
	for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
	say("8 threads added: %d", sum);
	say("a tree of threads: %ld", (long)tree((void *)5));

	sem_init(&detached_done, 0, 0);
	pthread_create(&t[0], NULL, detached, NULL);
	CODE("detach", pthread_detach(t[0]), 0);
	sem_wait(&detached_done);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	CODE("setdetachstate", pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
	for (int i = 0; i < 200; i++) if (pthread_create(&t[0], &attributes, detached, NULL)) say("no detached thread");
	for (int i = 0; i < 200; i++) sem_wait(&detached_done);
	say("200 detached threads ended");

	thrd_t thread;
	int value = 41, got;
	GIVES("thrd_create", thrd_create(&thread, c11, &value), thrd_success);
	GIVES("thrd_join", thrd_join(thread, &got), thrd_success);
	say("C11 result %d", got);
	sum = 0;
	call_once(&once, c11_once);
	call_once(&once, c11_once);
	say("call_once: %d", sum);
	mtx_t mutex;
	GIVES("mtx_init", mtx_init(&mutex, mtx_plain | mtx_recursive), thrd_success);
	GIVES("mtx_lock", mtx_lock(&mutex), thrd_success);
	GIVES("mtx_trylock", mtx_trylock(&mutex), thrd_success);
	GIVES("mtx_unlock", mtx_unlock(&mutex), thrd_success);
	GIVES("thrd_sleep", thrd_sleep(&(struct timespec){ 0, 1000 }, NULL), 0);

	pthread_create(&t[0], NULL, last, &self);
	say("the first thread ends, another goes on");
	pthread_exit(NULL);
}
