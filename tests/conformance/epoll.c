/* epoll: level, edge and one-shot, removal, nesting, timeouts, signals. */
#include "expect.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>

static volatile int signals;
static void count(int number) { (void)number; signals++; }

int main(void)
{
	struct epoll_event events[8], wanted = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 };
	int p[2], ep = OPENED("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
	char text[16];

	GIVES("flags", fcntl(ep, F_GETFD), FD_CLOEXEC);
	OPENED("epoll_create", epoll_create(1));
	FAILS("epoll_create 0", epoll_create(0), EINVAL);
	FAILS("epoll_create1 of nonsense", epoll_create1(0x1000000), EINVAL);
	GIVES("pipe", pipe2(p, O_NONBLOCK), 0);
	GIVES("add", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &wanted), 0);
	FAILS("add again", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &wanted), EEXIST);
	FAILS("change what is not there", epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &wanted), ENOENT);
	FAILS("remove what is not there", epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL), ENOENT);
	FAILS("add itself", epoll_ctl(ep, EPOLL_CTL_ADD, ep, &wanted), EINVAL);
	FAILS("add a closed one", epoll_ctl(ep, EPOLL_CTL_ADD, 999, &wanted), EBADF);
	make_file("file", "x");
	FAILS("add a file", epoll_ctl(ep, EPOLL_CTL_ADD, open("file", O_RDONLY), &wanted), EPERM);
	FAILS("wait for none", epoll_wait(ep, events, 0, 0), EINVAL);
	FAILS("wait on a pipe", epoll_wait(p[0], events, 8, 0), EINVAL);
	FAILS("wait EBADF", epoll_wait(-1, events, 8, 0), EBADF);

	GIVES("nothing yet", epoll_wait(ep, events, 8, 0), 0);
	GIVES("nothing within 5 ms", epoll_wait(ep, events, 8, 5), 0);
	GIVES("write", write(p[1], "abc", 3), 3);
	GIVES("one event", epoll_wait(ep, events, 8, -1), 1);
	GIVES("EPOLLIN", events[0].events, EPOLLIN);
	CHECK("the data comes back", events[0].data.u64 == 0x1122334455667788);
	GIVES("level: again", epoll_wait(ep, events, 8, 0), 1);

	wanted.events = EPOLLIN | EPOLLET;
	GIVES("edge", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &wanted), 0);
	GIVES("once", epoll_wait(ep, events, 8, 0), 1);
	GIVES("not again", epoll_wait(ep, events, 8, 0), 0);
	write(p[1], "d", 1);
	GIVES("on new data", epoll_wait(ep, events, 8, 0), 1);

	wanted.events = EPOLLIN | EPOLLONESHOT;
	GIVES("one shot", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &wanted), 0);
	GIVES("once", epoll_wait(ep, events, 8, 0), 1);
	write(p[1], "e", 1);
	GIVES("not on new data", epoll_wait(ep, events, 8, 0), 0);
	GIVES("armed again", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &wanted), 0);
	GIVES("once more", epoll_wait(ep, events, 8, 0), 1);
	GIVES("remove", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL), 0);
	GIVES("no event", epoll_wait(ep, events, 8, 0), 0);

	wanted = (struct epoll_event){ .events = EPOLLIN | EPOLLRDHUP, .data.u32 = 1 };
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &wanted);
	wanted = (struct epoll_event){ .events = EPOLLOUT, .data.u32 = 2 };
	epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &wanted);
	GIVES("two events", epoll_wait(ep, events, 8, 0), 2);
	GIVES("one at a time", epoll_wait(ep, events, 1, 0), 1);
	GIVES("read it empty", read(p[0], text, 16), 5);
	close(p[1]);
	GIVES("the other end is closed", epoll_wait(ep, events, 8, 0), 1);
	GIVES("EPOLLHUP", events[0].events, EPOLLHUP);

	int outer = epoll_create1(0), event = eventfd(1, 0);
	wanted = (struct epoll_event){ .events = EPOLLIN, .data.u32 = 7 };
	GIVES("epoll in epoll", epoll_ctl(outer, EPOLL_CTL_ADD, ep, &wanted), 0);
	GIVES("its events count", epoll_wait(outer, events, 8, 0), 1);
	FAILS("no rings", epoll_ctl(ep, EPOLL_CTL_ADD, outer, &wanted), ELOOP);
	GIVES("add an eventfd", epoll_ctl(outer, EPOLL_CTL_ADD, event, &wanted), 0);

	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &action, NULL);
	int empty = epoll_create1(0);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } }, NULL);
	FAILS("a signal interrupts it in spite of SA_RESTART", epoll_wait(empty, events, 8, -1), EINTR);
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	raise(SIGALRM);
	GIVES("epoll_pwait with SIGALRM blocked", epoll_pwait(empty, events, 8, 5, &blocked), 0);
	GIVES("signals", signals, 2);
	return finish();
}
