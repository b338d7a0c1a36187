/* A thread that waits in one of these calls can be cancelled there, without other processes.
 * Its cleanup handlers run, and cancellation that is disabled waits. */
#include "waits.h"
#include <sched.h>

static volatile int cleaned, handled, go_on, is_asynchronous;

static void clean(void *call) { (void)call; cleaned++; }
static void *run(void *call)
{
	pthread_cleanup_push(clean, NULL);
	if (is_asynchronous) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&started);
	((void (*)(void))call)();
	pthread_cleanup_pop(0);
	return 0;
}
/* Cancelled while a signal's handler runs in the middle of the call. */
static void handler(int number)
{
	(void)number;
	handled++;
	while (!go_on) sched_yield();
	handled++;
}
static void *disabled(void *call)
{
	int state;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	sem_post(&started);
	sem_wait(&sem);
	handled = 100;
	pthread_setcancelstate(state, &state);
	((void (*)(void))call)();
	return 0;
}
static void joined(const char *what, const char *how, pthread_t t)
{
	void *result = NULL;
	pthread_join(t, &result);
	if (result != PTHREAD_CANCELED) expectations_broken = 1;
	say("%s%s: %s", what, how, result == PTHREAD_CANCELED ? "cancelled" : "NOT CANCELLED");
}
static void try(const char *what, void (*call)(void))
{
	for (int kind = 0; kind < 4; kind++) {
		static const char *const how[] = { "", ", at once", ", asynchronously", ", in a handler" };
		is_asynchronous = kind == 2;
		pthread_t t;
		cleaned = handled = go_on = 0;
		pthread_create(&t, NULL, run, (void *)call);
		while (sem_wait(&started)) ;
		/* Let it go to sleep in the call: both orders must give the same result. */
		if (kind != 1) nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
		if (kind == 3) {
			pthread_kill(t, SIGUSR2);
			while (!handled) sched_yield();
		}
		pthread_cancel(t);
		go_on = 1;
		joined(what, how[kind], t);
		if (cleaned != 1 || (kind == 3 && handled != 2)) say("  cleaned %d, handled %d", cleaned, handled);
	}
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigaction(SIGUSR2, &action, NULL);
	begin_waits();
	pthread_create(&sleeper, NULL, forever, NULL);

	static const struct { const char *name; void (*call)(void); } calls[] = {
#define POINT(name) { #name, in_##name }
		POINT(nanosleep), POINT(clock_nanosleep), POINT(sleep), POINT(usleep), POINT(pause), POINT(sigsuspend),
		POINT(sigwait), POINT(sigtimedwait), POINT(sem_wait), POINT(sem_timedwait), POINT(cond_wait),
		POINT(cond_timedwait), POINT(join),
		POINT(read), POINT(readv), POINT(write), POINT(writev), POINT(open), POINT(openat), POINT(creat), POINT(poll),
		POINT(ppoll), POINT(select), POINT(pselect), POINT(epoll_wait), POINT(accept), POINT(accept4), POINT(recv),
		POINT(recvmsg), POINT(send), POINT(sendmsg),
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) try(calls[i].name, calls[i].call);

	pthread_t t;
	pthread_create(&t, NULL, disabled, (void *)in_pause);
	while (sem_wait(&started)) ;
	nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	pthread_cancel(t);
	nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	sem_post(&sem);
	joined("pause", ", once it is enabled", t);
	GIVES("what was disabled went on", handled, 100);
	CODE("the mutex is free", pthread_mutex_trylock(&mutex), 0);
	pthread_cancel(sleeper);
	pthread_join(sleeper, NULL);
	return finish();
}
