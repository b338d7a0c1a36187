/* Cancellation: deferred, pending, disabled, asynchronous; cleanup handlers; results. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

static sem_t ready, proceed;
static int never[2];
static void cleanup(void *what) { say("cleanup of %s", (char *)what); }

static void *deferred(void *unused)
{
	char byte;
	(void)unused;
	pthread_cleanup_push(cleanup, "the outer");
	pthread_cleanup_push(cleanup, "the inner");
	sem_post(&ready);
	read(never[0], &byte, 1);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return 0;
}
static void *pending(void *unused)
{
	(void)unused;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	sem_post(&ready);
	sem_wait(&proceed);
	say("disabled: the thread goes on");
	pthread_testcancel();
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	say("enabled: still goes on until a cancellation point");
	pthread_testcancel();
	say("never reached");
	return 0;
}
static void *pending_before_the_call(void *unused)
{
	char byte;
	(void)unused;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	sem_post(&ready);
	sem_wait(&proceed);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	/* There is a byte: the call could succeed, but must not be made. */
	read(never[0], &byte, 1);
	say("never reached");
	return 0;
}
static void *no_point(void *unused)
{
	(void)unused;
	sem_post(&ready);
	/* musl treats sem_wait as a cancellation point, so spin here. */
	while (sem_trywait(&proceed)) sched_yield();
	return (void *)42;
}
static void *asynchronous(void *unused)
{
	(void)unused;
	pthread_cleanup_push(cleanup, "an endless loop");
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&ready);
	for (;;) sched_yield();
	pthread_cleanup_pop(0);
	return 0;
}
static void *itself(void *unused)
{
	(void)unused;
	pthread_cancel(pthread_self());
	say("cancelled itself, goes on");
	pthread_testcancel();
	say("never reached");
	return 0;
}
static void *masked(void *unused)
{
	int old, fd;
	(void)unused;
	CODE("setcancelstate MASKED", pthread_setcancelstate(PTHREAD_CANCEL_MASKED, &old), 0);
	GIVES("it was enabled", old, PTHREAD_CANCEL_ENABLE);
	pthread_cancel(pthread_self());
	FAILS("a call that would be cancelled fails", open("/dev/null", O_RDONLY), ECANCELED);
	fd = OPENED("once: the second goes through", open("/dev/null", O_RDONLY));
	close(fd);
	return (void *)7;
}
static void *destructor_value;
static pthread_key_t key;
static void destructor(void *value) { destructor_value = value; }
static void *with_key(void *unused)
{
	(void)unused;
	pthread_setspecific(key, &key);
	sem_post(&ready);
	for (;;) pause();
}
static void *popping(void *unused)
{
	(void)unused;
	pthread_cleanup_push(cleanup, "a pop with 1");
	pthread_cleanup_pop(1);
	pthread_cleanup_push(cleanup, "pthread_exit");
	pthread_exit((void *)9);
	pthread_cleanup_pop(0);
	return 0;
}

static void cancel_and_join(const char *what, void *(*start)(void *), int let_go)
{
	pthread_t t;
	void *result;
	pthread_create(&t, NULL, start, NULL);
	sem_wait(&ready);
	int code = pthread_cancel(t);
	if (let_go) sem_post(&proceed);
	pthread_join(t, &result);
	CODE("cancel", code, 0);
	if (result == PTHREAD_CANCELED) say("%s: cancelled", what);
	else say("%s: %ld", what, (long)result);
}

int main(void)
{
	pthread_t t;
	void *result;
	char byte;
	int old;
	pipe(never);
	sem_init(&ready, 0, 0);
	sem_init(&proceed, 0, 0);
	pthread_key_create(&key, destructor);

	cancel_and_join("deferred", deferred, 0);
	cancel_and_join("disabled, then testcancel", pending, 1);
	write(never[1], "x", 1);
	cancel_and_join("pending before the call", pending_before_the_call, 1);
	GIVES("the byte is still there", read(never[0], &byte, 1), 1);
	cancel_and_join("no cancellation point", no_point, 1);
	cancel_and_join("asynchronous", asynchronous, 0);
	cancel_and_join("with a key", with_key, 0);
	CHECK("the destructor ran", destructor_value == &key);
	pthread_create(&t, NULL, itself, NULL);
	pthread_join(t, &result);
	CHECK("itself: cancelled", result == PTHREAD_CANCELED);
	pthread_create(&t, NULL, masked, NULL);
	pthread_join(t, &result);
	say("masked: %ld", (long)result);
	pthread_create(&t, NULL, popping, NULL);
	pthread_join(t, &result);
	say("pthread_exit: %ld", (long)result);
	CODE("a state of nonsense", pthread_setcancelstate(77, &old), EINVAL);
	CODE("a type of nonsense", pthread_setcanceltype(77, &old), EINVAL);
	CODE("setcanceltype", pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old), 0);
	GIVES("it was deferred", old, PTHREAD_CANCEL_DEFERRED);
	return finish();
}
