/* A thousand threads at once: each waits until all are there, then passes a number on to the next one. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 1000
#define ROUNDS 5

static pthread_barrier_t all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t conditions[THREADS];
static unsigned turn;
static unsigned long passed;
static _Thread_local unsigned own;

static void check(int error, const char *what)
{
	if (!error) return;
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

static void *pass_on(void *number)
{
	own = (unsigned long)number;
	int error = pthread_barrier_wait(&all);
	if (error != PTHREAD_BARRIER_SERIAL_THREAD) check(error, "barrier");
	for (int round = 0; round < ROUNDS; round++) {
		check(pthread_mutex_lock(&lock), "lock");
		while (turn != own) check(pthread_cond_wait(&conditions[own], &lock), "wait");
		passed += own;
		turn = (turn + 1) % THREADS;
		check(pthread_cond_signal(&conditions[turn]), "signal");
		check(pthread_mutex_unlock(&lock), "unlock");
	}
	return (void *)(unsigned long)own;
}

int main(void)
{
	pthread_t threads[THREADS];
	pthread_attr_t small;
	unsigned long sum = 0;
	check(pthread_attr_init(&small), "attr");
	check(pthread_attr_setstacksize(&small, 16384), "attr");
	check(pthread_barrier_init(&all, 0, THREADS), "barrier");
	for (unsigned i = 0; i < THREADS; i++) check(pthread_cond_init(&conditions[i], 0), "cond");
	for (unsigned long i = 0; i < THREADS; i++)
		check(pthread_create(&threads[i], i % 2 ? &small : 0, pass_on, (void *)i), "pthread_create");
	for (unsigned i = 0; i < THREADS; i++) {
		void *result;
		check(pthread_join(threads[i], &result), "pthread_join");
		sum += (unsigned long)result;
	}
	printf("%d threads passed a number on %d times: %lu, %lu\n", THREADS, ROUNDS, passed, sum);
	return 0;
}
