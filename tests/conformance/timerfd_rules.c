/* timerfd: both clocks, intervals, what is left, changes while it is armed, waits of threads. No line
 * depends on how late the machine is. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#define MS 1000000L
static int fd;

static int set(long first_ns, long interval_ns)
{
	struct itimerspec time = { { interval_ns / 1000000000, interval_ns % 1000000000 },
		{ first_ns / 1000000000, first_ns % 1000000000 } };
	return timerfd_settime(fd, 0, &time, NULL);
}
static long ns(struct timespec time) { return time.tv_sec * 1000000000 + time.tv_nsec; }
static long now(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return ns(time);
}
static void *take(void *unused)
{
	uint64_t count = 0;
	(void)unused;
	return read(fd, &count, 8) == 8 ? (void *)(long)count : (void *)-1;
}

static void clocks(clockid_t clock, const char *name)
{
	uint64_t count;
	struct itimerspec time = { { 0, 0 }, { 0, 0 } };
	say("%s", name);
	fd = OPENED("create", timerfd_create(clock, 0));
	long before = now(clock);
	GIVES("in 10 ms", set(10 * MS, 0), 0);
	GIVES("read waits", read(fd, &count, 8), 8);
	CHECK("long enough", now(clock) - before >= 10 * MS);
	GIVES("count", count, 1);
	long at = now(clock) + 20 * MS;
	time.it_value = (struct timespec){ at / 1000000000, at % 1000000000 };
	GIVES("at a time", timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, NULL), 0);
	GIVES("read waits", read(fd, &count, 8), 8);
	CHECK("until then", now(clock) >= at);
	/* Machines count from their start. */
	while (now(clock) < 100 * MS) usleep(10000);
	at = now(clock) - 95 * MS;
	time.it_value = (struct timespec){ at / 1000000000, at % 1000000000 };
	time.it_interval.tv_nsec = 10 * MS;
	GIVES("a time that is past, with an interval", timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, NULL), 0);
	GIVES("read", read(fd, &count, 8), 8);
	CHECK("all the periods since", count >= 10);
	struct itimerspec left;
	GIVES("gettime", timerfd_gettime(fd, &left), 0);
	CHECK("within a period", ns(left.it_value) > 0 && ns(left.it_value) <= 10 * MS);
	GIVES("the interval", ns(left.it_interval), 10 * MS);
	close(fd);
}

int main(void)
{
	uint64_t count = 0;
	pthread_t t;
	void *result;
	struct itimerspec old, time;
	clocks(CLOCK_MONOTONIC, "monotonic");
	clocks(CLOCK_REALTIME, "real time");
	clocks(CLOCK_BOOTTIME, "since boot");

	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	GIVES("flags", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	FAILS("write", write(fd, &count, 8), EINVAL);
	FAILS("a short read", read(fd, &count, 7), EINVAL);
	time = (struct itimerspec){ { 5, 6 }, { 1000, 0 } };
	GIVES("far away", timerfd_settime(fd, 0, &time, NULL), 0);
	GIVES("gettime", timerfd_gettime(fd, &old), 0);
	CHECK("nearly all is left", old.it_value.tv_sec >= 900 && ns(old.it_value) <= 1000000000000);
	GIVES("the interval", ns(old.it_interval), 5000000006);
	GIVES("poll", poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0), 0);
	time.it_value.tv_sec = 0;
	GIVES("disarmed", timerfd_settime(fd, 0, &time, &old), 0);
	CHECK("what it was", old.it_value.tv_sec >= 900);
	GIVES("gettime", timerfd_gettime(fd, &old), 0);
	GIVES("nothing is left", ns(old.it_value), 0);
	GIVES("the interval stays", ns(old.it_interval), 5000000006);

	set(1 * MS, 0);
	GIVES("it comes", poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1), 1);
	GIVES("set again before it is read", set(1000000 * MS, 0), 0);
	FAILS("the old one is forgotten", read(fd, &count, 8), EAGAIN);
	set(1 * MS, 20 * MS);
	usleep(70000);
	GIVES("gettime without a read", timerfd_gettime(fd, &old), 0);
	CHECK("the next period", ns(old.it_value) > 0 && ns(old.it_value) <= 20 * MS);
	GIVES("read", read(fd, &count, 8), 8);
	CHECK("the periods are counted once", count >= 4 && count < 1000);

	int ep = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	set(5 * MS, 5 * MS);
	GIVES("in an epoll", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), 0);
	GIVES("an edge", epoll_wait(ep, &event, 1, -1), 1);
	read(fd, &count, 8);
	GIVES("the next one", epoll_wait(ep, &event, 1, -1), 1);
	read(fd, &count, 8);
	int turns = 0;
	while (epoll_wait(ep, &event, 1, 0) == 0) turns++;
	CHECK("and one for who never sleeps", event.events == EPOLLIN);
	set(0, 0);
	read(fd, &count, 8);
	GIVES("none when it is disarmed", epoll_wait(ep, &event, 1, 20), 0);

	fcntl(fd, F_SETFL, 0);
	set(1000000 * MS, 0);
	pthread_create(&t, NULL, take, NULL);
	usleep(20000);
	GIVES("earlier, while a thread waits", set(5 * MS, 0), 0);
	pthread_join(t, &result);
	GIVES("it was woken", (long)result, 1);

	GIVES("cancelled when the clock is set", timerfd_settime(timerfd_create(CLOCK_REALTIME, 0),
		TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &time, NULL), 0);
	FAILS("flags of nonsense", timerfd_settime(fd, 8, &time, NULL), EINVAL);
	FAILS("bad memory", timerfd_settime(fd, 0, (void *)8, NULL), EFAULT);
	FAILS("gettime into bad memory", timerfd_gettime(fd, (void *)8), EFAULT);
	FAILS("gettime of a file", timerfd_gettime(0, &old), EINVAL);
	FAILS("the clock of the processor", timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	int many[200], wrong = 0;
	for (int i = 0; i < 200; i++) {
		fd = many[i] = timerfd_create(CLOCK_MONOTONIC, 0);
		wrong += fd < 0 || set((200 - i) * MS / 4, 0);
	}
	for (int i = 0; i < 200; i++) wrong += read(many[i], &count, 8) != 8 || count != 1;
	GIVES("wrong ones of 200", wrong, 0);
	return finish();
}
