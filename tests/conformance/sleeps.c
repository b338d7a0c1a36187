/* nanosleep, clock_nanosleep, usleep, sleep: how long at least, and what is refused. */
#include "expect.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static long now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}
static struct timespec at(long ns) { return (struct timespec){ ns / 1000000000, ns % 1000000000 }; }
static void nothing(int number) { (void)number; }

int main(void)
{
	struct timespec ms10 = at(10000000), rest = { 77, 77 }, wrong = { 0, 1000000000 }, negative = { -1, 0 };
	long start = now(CLOCK_MONOTONIC);
	GIVES("nanosleep", nanosleep(&ms10, &rest), 0);
	CHECK("at least 10 ms", now(CLOCK_MONOTONIC) - start >= 10000000);
	CHECK("the rest is left alone", rest.tv_sec == 77);
	GIVES("nanosleep of nothing", nanosleep(&(struct timespec){ 0, 0 }, NULL), 0);
	FAILS("a wrong time", nanosleep(&wrong, NULL), EINVAL);
	FAILS("a negative time", nanosleep(&negative, NULL), EINVAL);
	start = now(CLOCK_MONOTONIC);
	GIVES("usleep", usleep(10000), 0);
	CHECK("at least 10 ms", now(CLOCK_MONOTONIC) - start >= 10000000);
	GIVES("sleep of nothing", sleep(0), 0);

	start = now(CLOCK_MONOTONIC);
	struct timespec until = at(start + 10000000);
	CODE("absolute", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
	CHECK("not before", now(CLOCK_MONOTONIC) >= start + 10000000);
	CODE("absolute, past", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
	until = at(now(CLOCK_REALTIME) + 5000000);
	CODE("absolute, real time", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL), 0);
	CODE("relative", clock_nanosleep(CLOCK_BOOTTIME, 0, &ms10, NULL), 0);
	CODE("a wrong time", clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL), EINVAL);
	CODE("a clock of nonsense", clock_nanosleep(77, 0, &ms10, NULL), EINVAL);
	CODE("the thread's processor time", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ms10, NULL), EINVAL);

	signal(SIGALRM, nothing);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } }, NULL);
	CODE("interrupted", clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 50, 0 }, &rest), EINTR);
	CHECK("the rest is given", rest.tv_sec == 49 || rest.tv_sec == 48);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } }, NULL);
	rest = (struct timespec){ 77, 77 };
	until = at(now(CLOCK_MONOTONIC) + 50000000000);
	CODE("absolute, interrupted", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, &rest), EINTR);
	CHECK("no rest is given", rest.tv_sec == 77);
	return finish();
}
