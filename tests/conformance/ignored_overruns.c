/* A timer whose signal is blocked, and does nothing by default: how often it was due is known once it is unblocked. */
#include "expect.h"
#include <signal.h>
#include <time.h>

#define MS 1000000L

static long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

int main(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT };
	struct itimerspec every = { { 0, 5 * MS }, { 0, 5 * MS } };
	timer_t timer;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	GIVES("blocked", sigprocmask(SIG_BLOCK, &set, NULL), 0);
	GIVES("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	long start = now();
	GIVES("timer_settime", timer_settime(timer, 0, &every, NULL), 0);
	GIVES("none so far", timer_getoverrun(timer), 0);
	nanosleep(&(struct timespec){ 0, 52 * MS }, NULL);
	GIVES("unblocked", sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	long overrun = timer_getoverrun(timer);
	CHECK("as often as there was time for", overrun >= 9 && overrun <= (now() - start) / (5 * MS));
	GIVES("timer_delete", timer_delete(timer), 0);
	return finish();
}
