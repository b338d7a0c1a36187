// skip-on: solo5-spt: nothing comes between two instructions of a thread that makes no call: threads take turns at calls
// skip-on: xen-pv: nothing comes between two instructions of a thread that makes no call: threads take turns at calls
// skip-on: xen-pvh: nothing comes between two instructions of a thread that makes no call: threads take turns at calls
// skip-on: xl-pv: nothing comes between two instructions of a thread that makes no call: threads take turns at calls
// skip-on: xl-pvh: nothing comes between two instructions of a thread that makes no call: threads take turns at calls
// skip-on: solo5-hvt: nothing comes between two instructions of a thread that makes no call: threads take turns at calls
// skip-on: any-linux: nothing comes between two instructions of a thread that makes no call: threads take turns at calls
/* Asynchronous cancellation and a signal reach a thread in the middle of a loop without calls. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

static sem_t ready;
static volatile int stop;
static void cleanup(void *what) { say("cleanup of %s", (char *)what); }
static void on_signal(int number) { (void)number; stop = 1; }

static void *asynchronous(void *unused)
{
	(void)unused;
	pthread_cleanup_push(cleanup, "an endless loop");
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&ready);
	for (volatile long i = 0;; i++) ;
	pthread_cleanup_pop(0);
	return 0;
}
static void *looping(void *unused)
{
	(void)unused;
	sem_post(&ready);
	while (!stop) ;
	return (void *)5;
}

int main(void)
{
	pthread_t t;
	void *result;
	sem_init(&ready, 0, 0);
	pthread_create(&t, NULL, asynchronous, NULL);
	while (sem_wait(&ready)) ;
	pthread_cancel(t);
	pthread_join(t, &result);
	CHECK("the loop is cancelled", result == PTHREAD_CANCELED);
	signal(SIGUSR1, on_signal);
	pthread_create(&t, NULL, looping, NULL);
	while (sem_wait(&ready)) ;
	pthread_kill(t, SIGUSR1);
	pthread_join(t, &result);
	CHECK("the loop is interrupted", result == (void *)5);
	return finish();
}
