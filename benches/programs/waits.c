/* What threads, waiting and timers cost: one line each, its name, the quickest batch and the median in ns. */
#include "measure.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define BATCHES 31
#define WATCHED 10000
#define TIMERS 100000

static void check(int error, const char *what)
{
	if (error) {
		errno = error;
		fail(what);
	}
}

static void measure(const char *name, long count, void (*batch)(long count))
{
	double took[BATCHES];
	batch(count);
	for (int i = 0; i < BATCHES; i++) {
		double start = now();
		batch(count);
		took[i] = (now() - start) / count;
	}
	print(name, took, BATCHES);
}

static pthread_t start(void *(*run)(void *), void *argument)
{
	pthread_t thread;
	check(pthread_create(&thread, 0, run, argument), "pthread_create");
	return thread;
}

static void join(pthread_t thread)
{
	check(pthread_join(thread, 0), "pthread_join");
}

static void *nothing(void *unused)
{
	return unused;
}

static void create_and_join(long count)
{
	for (long i = 0; i < count; i++) join(start(nothing, 0));
}

/* Each of two threads holds one of three mutexes and takes the next before it leaves its own: each step
   but the first few hands one over to a thread that waits for it. */
static pthread_mutex_t chain[3] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t both_hold;

static void walk(int place, long steps)
{
	check(pthread_mutex_lock(&chain[place]), "pthread_mutex_lock");
	pthread_barrier_wait(&both_hold);
	while (steps--) {
		int next = (place + 1) % 3;
		pthread_mutex_lock(&chain[next]);
		pthread_mutex_unlock(&chain[place]);
		place = next;
	}
	pthread_mutex_unlock(&chain[place]);
}

static void *walk_behind(void *steps)
{
	walk(0, (long)steps);
	return 0;
}

static void hand_over(long count)
{
	check(pthread_barrier_init(&both_hold, 0, 2), "pthread_barrier_init");
	pthread_t other = start(walk_behind, (void *)(count / 2));
	walk(1, count / 2);
	join(other);
	pthread_barrier_destroy(&both_hold);
}

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;

static void take_turns(int own, long count)
{
	pthread_mutex_lock(&turn_lock);
	while (count--) {
		while (turn != own) pthread_cond_wait(&turned, &turn_lock);
		turn = !own;
		pthread_cond_signal(&turned);
	}
	pthread_mutex_unlock(&turn_lock);
}

static void *take_second_turns(void *count)
{
	take_turns(1, (long)count);
	return 0;
}

static void condition(long count)
{
	pthread_t other = start(take_second_turns, (void *)count);
	take_turns(0, count);
	join(other);
}

/* Two descriptors to read from, two to write to; first those of the thread that begins. */
static int ends[4];

static void *answer(void *count)
{
	uint64_t word;
	for (long i = 0; i < (long)count; i++)
		if (read(ends[1], &word, 8) != 8 || write(ends[3], &word, 8) != 8) fail("answer");
	return 0;
}

static void ping_pong(long count)
{
	uint64_t word = 1;
	pthread_t other = start(answer, (void *)count);
	for (long i = 0; i < count; i++)
		if (write(ends[2], &word, 8) != 8 || read(ends[0], &word, 8) != 8) fail("ping");
	join(other);
}

static void yield_often(long count)
{
	while (count--) sched_yield();
}

static void *yield_too(void *count)
{
	yield_often((long)count);
	return 0;
}

static void switches(long count)
{
	pthread_t other = start(yield_too, (void *)(count / 2));
	yield_often(count / 2);
	join(other);
}

static int watcher, watched[WATCHED];

static void watch_ten_thousand(long count)
{
	static unsigned place;
	uint64_t word = 1;
	struct epoll_event event;
	while (count--) {
		place = (place + 7919) % WATCHED;
		if (write(watched[place], &word, 8) != 8) fail("write to an eventfd");
		if (epoll_wait(watcher, &event, 1, -1) != 1 || event.data.u32 != place) fail("epoll_wait");
		if (read(watched[place], &word, 8) != 8) fail("read of an eventfd");
	}
}

static timer_t *timers;
static unsigned timers_count;

static void arm_one(timer_t timer, long seconds)
{
	struct itimerspec when = {.it_value = {.tv_sec = seconds, .tv_nsec = 1}};
	if (timer_settime(timer, 0, &when, 0)) fail("timer_settime");
}

static void arm_among_many(long count)
{
	static unsigned place;
	while (count--) {
		place = (place + 7919) % timers_count;
		arm_one(timers[place], 1000 + place % 977);
	}
}

static void raise_limit(int which, rlim_t wanted, const char *name)
{
	struct rlimit limit;
	if (getrlimit(which, &limit)) fail(name);
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted) {
		limit.rlim_cur = wanted;
		if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) limit.rlim_max = wanted;
		if (setrlimit(which, &limit)) fail(name);
	}
}

int main(void)
{
	measure("thread create and join", 1000, create_and_join);
	measure("switch by sched_yield", 20000, switches);
	measure("mutex hand-over", 10000, hand_over);
	measure("condition variable ping-pong", 5000, condition);

	int there = eventfd(0, 0), back = eventfd(0, 0);
	if (there < 0 || back < 0) fail("eventfd");
	ends[0] = ends[3] = back;
	ends[1] = ends[2] = there;
	measure("eventfd ping-pong", 5000, ping_pong);

	int to[2], from[2];
	if (pipe(to) || pipe(from)) fail("pipe");
	ends[0] = from[0];
	ends[1] = to[0];
	ends[2] = to[1];
	ends[3] = from[1];
	measure("pipe ping-pong", 5000, ping_pong);

	raise_limit(RLIMIT_NOFILE, WATCHED + 100, "the limit of open files");
	watcher = epoll_create1(0);
	if (watcher < 0) fail("epoll_create1");
	for (unsigned i = 0; i < WATCHED; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
		watched[i] = eventfd(0, 0);
		if (watched[i] < 0 || epoll_ctl(watcher, EPOLL_CTL_ADD, watched[i], &event)) fail("epoll_ctl");
	}
	measure("epoll with 10,000 descriptors", 5000, watch_ten_thousand);

	timers = malloc(TIMERS * sizeof *timers);
	if (!timers) fail("malloc");
	for (; timers_count < TIMERS; timers_count++) {
		struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
		/* Linux counts a timer as a pending signal, of which a user may have so many. */
		if (timer_create(CLOCK_MONOTONIC, &event, &timers[timers_count])) break;
		arm_one(timers[timers_count], 1000 + timers_count % 977);
	}
	if (timers_count < TIMERS / 2) fail("timer_create");
	measure("one of 100,000 timers set again", 5000, arm_among_many);
	return 0;
}
