/* Sleeping by processor time: it passes while other threads work. */
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define MS 1000000L

static atomic_int is_over;
static void nothing(int number) { (void)number; }
static long now(clockid_t clock)
{
	struct timespec time = { 0, 0 };
	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}
static struct timespec at(long ns) { return (struct timespec){ ns / 1000000000, ns % 1000000000 }; }
static void *works(void *unused)
{
	while (!is_over) now(CLOCK_MONOTONIC);
	return unused;
}

int main(void)
{
	struct timespec ms10 = { 0, 10 * MS }, until, rest = { 77, 77 };
	const struct timespec long_time = { 50, 0 };
	clockid_t clock;
	pthread_t worker;

	CODE("a worker", pthread_create(&worker, NULL, works, NULL), 0);
	long start = now(CLOCK_PROCESS_CPUTIME_ID);
	CODE("relative", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ms10, NULL), 0);
	CHECK("not before", now(CLOCK_PROCESS_CPUTIME_ID) - start >= 10 * MS);
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	until = at(start + 10 * MS);
	CODE("absolute", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &until, NULL), 0);
	CHECK("not before", now(CLOCK_PROCESS_CPUTIME_ID) >= start + 10 * MS);
	CODE("absolute, past", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &until, NULL), 0);

	CODE("the worker's clock", pthread_getcpuclockid(worker, &clock), 0);
	start = now(clock);
	CODE("relative", clock_nanosleep(clock, 0, &ms10, NULL), 0);
	CHECK("not before", now(clock) - start >= 10 * MS);
	CODE("its own clock", pthread_getcpuclockid(pthread_self(), &clock), 0);
	CODE("is not for sleeping", clock_nanosleep(clock, 0, &ms10, NULL), EINVAL);
	CODE("by its name neither", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ms10, NULL), EINVAL);
	CODE("a wrong time", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &(struct timespec){ 0, -1 }, NULL), EINVAL);

	is_over = 1;
	CODE("joined", pthread_join(worker, NULL), 0);
	signal(SIGALRM, nothing);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } }, NULL);
	CODE("interrupted", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &long_time, &rest), EINTR);
	CHECK("nearly all is left", rest.tv_sec == 49 && rest.tv_nsec > 900 * MS);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } }, NULL);
	rest = (struct timespec){ 77, 77 };
	until = at(now(CLOCK_PROCESS_CPUTIME_ID) + 50000 * MS);
	CODE("absolute, interrupted", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &until, &rest), EINTR);
	CHECK("no rest is given", rest.tv_sec == 77);
	return finish();
}
