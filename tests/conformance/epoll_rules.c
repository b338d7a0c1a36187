/* epoll's rules: what is remembered of a descriptor and of an open file, exclusive and one-shot
 * watches, edges, nesting and its limit, masks, times. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

static int ep;
static struct epoll_event got[16];
static volatile int signals;
static void count(int number) { (void)number; signals++; }

static int ctl(int set, int op, int fd, unsigned events, unsigned data)
{
	struct epoll_event event = { .events = events, .data.u32 = data };
	return epoll_ctl(set, op, fd, &event);
}

static int by_data(const void *a, const void *b)
{
	return (int)((const struct epoll_event *)a)->data.u32 - (int)((const struct epoll_event *)b)->data.u32;
}

/* What is ready now. The order is nobody's promise. */
static void ready(const char *what, int set)
{
	char line[300] = "";
	int n = epoll_wait(set, got, 16, 0);
	qsort(got, n > 0 ? n : 0, sizeof *got, by_data);
	for (int i = 0; i < n; i++)
		snprintf(line + strlen(line), sizeof line - strlen(line), " %u:%x", got[i].data.u32, got[i].events);
	say("%s: %d%s", what, n, line);
}

static void errors(void)
{
	int p[2];
	pipe(p);
	FAILS("add with bad memory", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, p[0], 8L), EFAULT);
	FAILS("no such operation", ctl(ep, 77, p[0], EPOLLIN, 0), EINVAL);
	FAILS("to what is no epoll", ctl(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 0), EINVAL);
	FAILS("a directory", ctl(ep, EPOLL_CTL_ADD, open(".", O_RDONLY), EPOLLIN, 0), EPERM);
	FAILS("a null device", ctl(ep, EPOLL_CTL_ADD, open("/dev/null", O_RDONLY), EPOLLIN, 0), EPERM);
	FAILS("too many", epoll_wait(ep, got, 0x7fffffff, 0), EINVAL);
	FAILS("a negative number", epoll_wait(ep, got, -1, 0), EINVAL);
	FAILS("into bad memory", (ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT, 0),
		syscall(SYS_epoll_wait, ep, 8L, 1L, 0L)), EFAULT);
	GIVES("the event was not lost", epoll_wait(ep, got, 16, 0), 1);
	FAILS("read", read(ep, got, 8), EINVAL);
	FAILS("write", write(ep, got, 8), EINVAL);
	FAILS("exclusive and one-shot", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0), EINVAL);
	GIVES("exclusive", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 0), 0);
	FAILS("it cannot be changed", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 0), EINVAL);
	FAILS("nor can another become so", ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLIN | EPOLLEXCLUSIVE, 0), EINVAL);
	int inner = epoll_create1(0);
	FAILS("an epoll, exclusively", ctl(ep, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE, 0), EINVAL);
	close(inner);
	close(p[0]);
	ready("the reader is gone", ep);
	close(p[1]);
	ready("closed", ep);
}

static void descriptors(void)
{
	int p[2], copy;
	pipe(p);
	copy = dup(p[0]);
	GIVES("one descriptor", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1), 0);
	GIVES("another of the same file", ctl(ep, EPOLL_CTL_ADD, copy, EPOLLIN, 2), 0);
	write(p[1], "x", 1);
	ready("both", ep);
	int old = p[0];
	close(p[0]);
	ready("a closed one counts while its file is open", ep);
	FAILS("but has no name", ctl(ep, EPOLL_CTL_DEL, old, 0, 0), EBADF);
	int event = eventfd(1, 0);
	GIVES("the number is used again", dup2(event, old), old);
	FAILS("for another file", ctl(ep, EPOLL_CTL_MOD, old, EPOLLIN, 0), ENOENT);
	GIVES("which can be added as well", ctl(ep, EPOLL_CTL_ADD, old, EPOLLIN, 3), 0);
	ready("three", ep);
	GIVES("removed", ctl(ep, EPOLL_CTL_DEL, old, 0, 0), 0);
	close(copy);
	ready("the last descriptor took all", ep);
	close(event);
	close(old);
	close(p[1]);
}

static void edges(void)
{
	int p[2];
	char text[8];
	pipe2(p, O_NONBLOCK);
	ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET | EPOLLRDHUP, 1);
	ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET, 2);
	ready("the first look", ep);
	write(p[1], "a", 1);
	ready("a write", ep);
	write(p[1], "b", 1);
	ready("another write", ep);
	read(p[0], text, 1);
	ready("a read is no edge", ep);
	ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 1);
	ready("a change looks again", ep);
	ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLOUT | EPOLLET, 1);
	ready("for what it cannot be", ep);
	ctl(ep, EPOLL_CTL_MOD, p[0], 0, 1);
	ready("for nothing", ep);
	close(p[1]);
	ready("the end is always said", ep);
	close(p[0]);

	int event = eventfd(0, EFD_NONBLOCK);
	ctl(ep, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLET, 3);
	ready("an eventfd", ep);
	eventfd_write(event, 1);
	ready("written", ep);
	ready("once", ep);
	eventfd_write(event, 1);
	ready("written again", ep);
	close(event);
}

static void one_shot(void)
{
	int event = eventfd(1, 0);
	ctl(ep, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 4);
	ready("one shot", ep);
	eventfd_write(event, 1);
	ready("is over", ep);
	ctl(ep, EPOLL_CTL_MOD, event, EPOLLOUT | EPOLLONESHOT, 5);
	ready("and armed again", ep);
	ready("once", ep);
	GIVES("poll of the epoll", poll(&(struct pollfd){ ep, POLLIN, 0 }, 1, 0), 0);
	close(event);
}

static void fairness(void)
{
	int events[5];
	for (int i = 0; i < 5; i++) ctl(ep, EPOLL_CTL_ADD, events[i] = eventfd(1, 0), EPOLLIN, i);
	for (int round = 0; round < 3; round++) {
		GIVES("two at a time", epoll_wait(ep, got, 2, 0), 2);
		say("%u %u", got[0].data.u32, got[1].data.u32);
	}
	for (int i = 0; i < 5; i++) close(events[i]);
}

static void nesting(void)
{
	int chain[6], event = eventfd(0, 0);
	struct pollfd p = { .events = POLLIN };
	for (int i = 0; i < 6; i++) chain[i] = epoll_create1(0);
	GIVES("at the bottom", ctl(chain[0], EPOLL_CTL_ADD, event, EPOLLIN, 0), 0);
	for (int i = 1; i < 5; i++) GIVES("in another", ctl(chain[i], EPOLL_CTL_ADD, chain[i - 1], EPOLLIN | (i == 2 ? EPOLLET : 0), i), 0);
	FAILS("too deep", ctl(chain[5], EPOLL_CTL_ADD, chain[4], EPOLLIN, 5), ELOOP);
	FAILS("a ring", ctl(chain[0], EPOLL_CTL_ADD, chain[2], EPOLLIN, 9), ELOOP);
	p.fd = chain[4];
	GIVES("nothing", poll(&p, 1, 0), 0);
	eventfd_write(event, 1);
	GIVES("it comes up", poll(&p, 1, 0), 1);
	ready("at the top", chain[4]);
	ready("at the edge", chain[2]);
	ready("at the edge again", chain[2]);
	ready("so no more at the top", chain[4]);
	ready("still below", chain[1]);
	ready("and at the bottom", chain[0]);
	eventfd_t value;
	eventfd_read(event, &value);
	ready("gone", chain[1]);
	close(chain[0]);
	ready("without the lowest", chain[1]);
	GIVES("the ring is none any more", ctl(chain[1], EPOLL_CTL_ADD, event, EPOLLIN, 7), 0);
	eventfd_write(event, 1);
	ready("it comes up again", chain[3]);
	for (int i = 1; i < 6; i++) close(chain[i]);
	close(event);
}

static void masks_and_times(void)
{
	sigset_t usr, none;
	sigemptyset(&none);
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	signal(SIGUSR1, count);
	sigprocmask(SIG_BLOCK, &usr, NULL);
	raise(SIGUSR1);
	GIVES("a blocked signal", epoll_wait(ep, got, 16, 10), 0);
	FAILS("let in", epoll_pwait(ep, got, 16, -1, &none), EINTR);
	GIVES("it came", signals, 1);
	raise(SIGUSR1);
	int event = eventfd(1, 0);
	ctl(ep, EPOLL_CTL_ADD, event, EPOLLIN, 8);
	GIVES("what is ready comes first", epoll_pwait(ep, got, 16, -1, &none), 1);
	say("then %d signals", signals >= 1);
	sigprocmask(SIG_UNBLOCK, &usr, NULL);
	GIVES("both", signals, 2);
	FAILS("a mask of another size", syscall(SYS_epoll_pwait, ep, got, 1L, 0L, &none, 16L), EINVAL);
	ctl(ep, EPOLL_CTL_DEL, event, 0, 0);

	struct timespec before, after, wait = { 0, 20000000 };
	clock_gettime(CLOCK_MONOTONIC, &before);
	GIVES("20 ms", epoll_wait(ep, got, 16, 20), 0);
	GIVES("20 ms more", syscall(SYS_epoll_pwait2, ep, got, 16L, &wait, NULL, 8L), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK("it took that long", (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >= 40000000);
	wait.tv_nsec = 1000000000;
	FAILS("a wrong time", syscall(SYS_epoll_pwait2, ep, got, 16L, &wait, NULL, 8L), EINVAL);
	FAILS("a time nowhere", syscall(SYS_epoll_pwait2, ep, got, 16L, 8L, NULL, 8L), EFAULT);
	ctl(ep, EPOLL_CTL_ADD, event, EPOLLIN, 8);
	GIVES("without end", syscall(SYS_epoll_pwait2, ep, got, 16L, NULL, NULL, 8L), 1);
	close(event);
}

int main(void)
{
	ep = epoll_create1(0);
	errors();
	descriptors();
	edges();
	one_shot();
	fairness();
	nesting();
	masks_and_times();
	return finish();
}
