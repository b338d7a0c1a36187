/* A loop that only looks at a clock ends when another thread, or a function of a signal, changes something; times go on
 * meanwhile. */
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile int is_changed;

static void *change(void *unused)
{
	is_changed = 1;
	return unused;
}

static void on_alarm(int number)
{
	is_changed = number;
}

static int is_later(struct timespec *before, int clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	int is = now.tv_sec > before->tv_sec || (now.tv_sec == before->tv_sec && now.tv_nsec >= before->tv_nsec);
	*before = now;
	return is && now.tv_nsec >= 0 && now.tv_nsec < 1000000000;
}

int main(void)
{
	struct timespec before = { 0, 0 };
	struct timeval now;
	int are_later = 1;
	pthread_t thread;
	CODE("pthread_create", pthread_create(&thread, NULL, change, NULL), 0);
	while (!is_changed) are_later &= is_later(&before, CLOCK_MONOTONIC);
	CODE("pthread_join", pthread_join(thread, NULL), 0);
	CHECK("the steady clock goes on while another thread is waited for", are_later);

	struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
	is_changed = 0;
	signal(SIGALRM, on_alarm);
	GIVES("setitimer", setitimer(ITIMER_REAL, &soon, NULL), 0);
	while (!is_changed) gettimeofday(&now, NULL);
	CHECK("a function of a signal ends a loop of gettimeofday", is_changed == SIGALRM);

	is_changed = 0;
	GIVES("setitimer", setitimer(ITIMER_REAL, &soon, NULL), 0);
	while (!is_changed) clock_gettime(CLOCK_REALTIME, &before);
	CHECK("and one of clock_gettime", is_changed == SIGALRM);

	/* A structure that is far from the stack, or not aligned, is filled all the same. */
	static struct { char odd; struct timespec time; } __attribute__((packed)) far, *near;
	char room[sizeof far + 1];
	near = (void *)(room + 1);
	for (int i = 0; i < 20; i++) {
		near->time.tv_sec = far.time.tv_sec = -1;
		CHECK("a structure of the program's data", !clock_gettime(CLOCK_MONOTONIC, (void *)&far.time) && far.time.tv_sec >= 0);
		CHECK("one that is not aligned", !clock_gettime(CLOCK_REALTIME, (void *)&near->time) && near->time.tv_sec > 1000000000);
	}
	return finish();
}
