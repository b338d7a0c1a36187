/* epoll between threads: waits that others end, one wake-up for one event, many descriptors, a watch
 * that goes while somebody waits. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#define MANY 10000
static int ep, stop;
static int counts[MANY];

static int ctl(int set, int op, int fd, unsigned events, unsigned data)
{
	struct epoll_event event = { .events = events, .data.u32 = data };
	return epoll_ctl(set, op, fd, &event);
}

static void *wait_one(void *timeout)
{
	struct epoll_event event = { 0 };
	int n = epoll_wait(ep, &event, 1, (long)timeout);
	return (void *)(long)(n == 1 ? (int)event.data.u32 : -n - 1);
}

static void *write_later(void *fd)
{
	usleep(20000);
	eventfd_write((long)fd, 1);
	return 0;
}

/* Takes tokens until there are none left; every one is taken once. */
static void *worker(void *sum)
{
	struct epoll_event event;
	while (epoll_wait(ep, &event, 1, -1) == 1) {
		eventfd_t value;
		if ((int)event.data.u32 == stop) break;
		if (eventfd_read(event.data.u32, &value) == 0) *(long *)sum += value;
		ctl(ep, EPOLL_CTL_MOD, event.data.u32, EPOLLIN | EPOLLET | EPOLLONESHOT, event.data.u32);
	}
	return 0;
}

static void many(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	static int fds[MANY];
	int n = limit.rlim_cur > MANY + 100 ? MANY : 900, wrong = 0;
	static struct epoll_event events[MANY];
	int set = epoll_create1(0);
	for (int i = 0; i < n; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		wrong += ctl(set, EPOLL_CTL_ADD, fds[i], EPOLLIN, i) != 0;
	}
	GIVES("descriptors that could not be added", wrong, 0);
	for (int i = 0; i < n; i += 7) eventfd_write(fds[i], i + 1);
	int ready = epoll_wait(set, events, MANY, -1);
	GIVES("every seventh is ready", ready, (n + 6) / 7);
	for (int i = 0; i < ready; i++) counts[events[i].data.u32]++;
	for (int i = 0; i < n; i++) wrong += counts[i] != (i % 7 == 0);
	GIVES("wrong ones among them", wrong, 0);
	for (int i = 0; i < n; i += 7) {
		eventfd_t value;
		wrong += eventfd_read(fds[i], &value) || value != (eventfd_t)i + 1;
	}
	for (int round = 0; round < 20000; round++) {
		int fd = fds[round * 37 % n];
		eventfd_t value;
		eventfd_write(fd, 1);
		wrong += epoll_wait(set, events, 16, -1) != 1 || eventfd_read(fd, &value);
	}
	GIVES("wrong answers for one of them", wrong, 0);
	for (int i = 0; i < n; i++) close(fds[i]);
	GIVES("all are closed", epoll_wait(set, events, 16, 0), 0);
	close(set);
}

int main(void)
{
	pthread_t t[8];
	void *result;
	ep = epoll_create1(0);
	int event = eventfd(0, EFD_NONBLOCK);
	eventfd_t value;

	ctl(ep, EPOLL_CTL_ADD, event, EPOLLIN, 7);
	pthread_create(&t[0], NULL, write_later, (void *)(long)event);
	GIVES("a wait that another thread ends", (long)wait_one((void *)-1), 7);
	pthread_join(t[0], NULL);
	eventfd_read(event, &value);

	pthread_create(&t[0], NULL, wait_one, (void *)-1);
	usleep(20000);
	int second = eventfd(1, 0);
	GIVES("added while somebody waits", ctl(ep, EPOLL_CTL_ADD, second, EPOLLIN, 9), 0);
	pthread_join(t[0], &result);
	GIVES("it is seen", (long)result, 9);
	ctl(ep, EPOLL_CTL_MOD, second, 0, 9);
	pthread_create(&t[0], NULL, wait_one, (void *)-1);
	usleep(20000);
	GIVES("changed while somebody waits", ctl(ep, EPOLL_CTL_MOD, second, EPOLLIN, 10), 0);
	pthread_join(t[0], &result);
	GIVES("it is seen", (long)result, 10);
	ctl(ep, EPOLL_CTL_DEL, second, 0, 0);

	pthread_create(&t[0], NULL, wait_one, (void *)100);
	usleep(20000);
	GIVES("removed while somebody waits", ctl(ep, EPOLL_CTL_DEL, event, 0, 0), 0);
	eventfd_write(event, 1);
	pthread_join(t[0], &result);
	GIVES("nothing is seen", (long)result, -1);
	eventfd_read(event, &value);

	ctl(ep, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLET, 11);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, wait_one, (void *)300);
	usleep(50000);
	eventfd_write(event, 1);
	int woken = 0;
	for (int i = 0; i < 4; i++) pthread_join(t[i], &result), woken += (long)result == 11;
	GIVES("one edge wakes one of four", woken, 1);
	ctl(ep, EPOLL_CTL_DEL, event, 0, 0);
	eventfd_read(event, &value);

	/* Two sets on one file, both exclusive: at least one is woken, and each keeps what it saw. */
	int sets[2] = { epoll_create1(0), epoll_create1(0) }, seen = 0;
	struct epoll_event one;
	for (int i = 0; i < 2; i++) GIVES("exclusive", ctl(sets[i], EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE, i), 0);
	eventfd_write(event, 1);
	for (int i = 0; i < 2; i++) seen += epoll_wait(sets[i], &one, 1, 0);
	CHECK("an exclusive watch is woken", seen >= 1);
	close(sets[0]);
	close(sets[1]);
	eventfd_read(event, &value);

	int tokens[20];
	long sums[4] = { 0 }, total = 0;
	stop = eventfd(0, 0);
	ctl(ep, EPOLL_CTL_ADD, stop, EPOLLIN, stop);
	for (int i = 0; i < 20; i++) {
		tokens[i] = eventfd(0, EFD_NONBLOCK);
		ctl(ep, EPOLL_CTL_ADD, tokens[i], EPOLLIN | EPOLLET | EPOLLONESHOT, tokens[i]);
	}
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, worker, &sums[i]);
	for (int round = 0; round < 2000; round++) {
		eventfd_write(tokens[round % 20], 1);
		if (round % 50 == 0) usleep(100);
	}
	usleep(50000);
	eventfd_write(stop, 1);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL), total += sums[i];
	GIVES("no token is lost", total, 2000);
	many();
	return finish();
}
