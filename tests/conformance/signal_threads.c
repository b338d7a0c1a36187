/* Signals among threads: masks of each, directed signals, who takes one for the process. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

static __thread int mine;
static sem_t ready, leave;
static volatile int taken;
static void count(int number) { (void)number; mine++; taken++; }

static void *waiting(void *block)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (block) pthread_sigmask(SIG_BLOCK, &set, NULL);
	sem_post(&ready);
	while (sem_wait(&leave)) ;
	return (void *)(long)mine;
}
static void *storm(void *other)
{
	for (int i = 0; i < 500; i++) pthread_kill(*(pthread_t *)other, SIGUSR2);
	return 0;
}
static void *inherits(void *unused)
{
	sigset_t now;
	(void)unused;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	return (void *)(long)sigismember(&now, SIGUSR1);
}

int main(void)
{
	pthread_t t[3];
	void *result;
	sigset_t set;
	signal(SIGUSR1, count);
	signal(SIGUSR2, count);
	sem_init(&ready, 0, 0);
	sem_init(&leave, 0, 0);

	pthread_create(&t[0], NULL, waiting, NULL);
	sem_wait(&ready);
	CODE("pthread_kill", pthread_kill(t[0], SIGUSR1), 0);
	while (!taken) sched_yield();
	GIVES("not here", mine, 0);
	sem_post(&leave);
	pthread_join(t[0], &result);
	say("there: %ld", (long)result);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CODE("block here", pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	pthread_create(&t[0], NULL, inherits, NULL);
	pthread_join(t[0], &result);
	say("a new thread inherits the mask: %ld", (long)result);
	taken = 0;
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_create(&t[0], NULL, waiting, (void *)1);
	pthread_create(&t[1], NULL, waiting, NULL);
	sem_wait(&ready);
	sem_wait(&ready);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	GIVES("kill of the process", kill(getpid(), SIGUSR1), 0);
	while (!taken) sched_yield();
	sem_post(&leave);
	sem_post(&leave);
	pthread_join(t[0], &result);
	say("the one that blocks it: %ld", (long)result);
	pthread_join(t[1], &result);
	say("the one that does not: %ld", (long)result);

	pthread_t self = pthread_self();
	mine = 0;
	for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, storm, &self);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	CHECK("a storm of signals does no harm", mine > 0 && mine <= 1500);
	CODE("pthread_sigmask of nonsense", pthread_sigmask(77, &set, NULL), EINVAL);
	return finish();
}
