/* AF_UNIX sockets in epoll sets: what each side's calls make ready, by level and by edge. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int set;
static void watch(int fd, uint32_t events, int number)
{
	struct epoll_event e = { .events = events, .data.u32 = number };
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e)) say("epoll_ctl: %s", errno_name(errno));
}
static void say_events(const char *after)
{
	struct epoll_event list[8];
	int count = epoll_wait(set, list, 8, 0);
	uint32_t of[8] = { 0 };
	for (int i = 0; i < count; i++) of[list[i].data.u32] = list[i].events;
	char line[200] = "";
	for (int i = 0; i < 8; i++)
		if (of[i])
			sprintf(line + strlen(line), " %d:%s%s%s%s%s", i, of[i] & EPOLLIN ? "in " : "", of[i] & EPOLLOUT ? "out " : "",
				of[i] & EPOLLRDHUP ? "rdhup " : "", of[i] & EPOLLHUP ? "hup " : "", of[i] & EPOLLERR ? "err " : "");
	say("%s:%s", after, line);
}

static char big[400000];

static void streams(uint32_t how)
{
	int s[2];
	set = epoll_create1(0);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
	watch(s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | how, 0), watch(s[1], EPOLLIN | EPOLLOUT | EPOLLRDHUP | how, 1);
	say_events("new");
	say_events("again");
	write(s[0], "ab", 2);
	say_events("a write");
	say_events("again");
	read(s[1], big, 1);
	say_events("a part is read");
	write(s[0], "c", 1);
	say_events("another write");
	read(s[1], big, 10);
	say_events("all is read");
	while (write(s[0], big, 4000) > 0) ;
	say_events("full");
	read(s[1], big, 4000);
	say_events("a little room");
	while (read(s[1], big, sizeof big) > 0) ;
	say_events("all room");
	shutdown(s[0], SHUT_WR);
	say_events("shut");
	close(s[1]);
	say_events("the other is closed");
	close(s[0]);
	say_events("both are");
	close(set);
}

static void others(uint32_t how)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0epoll" };
	socklen_t length = offsetof(struct sockaddr_un, sun_path) + 6;
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
	set = epoll_create1(0);
	bind(l, (struct sockaddr *)&name, length), listen(l, 5);
	watch(l, EPOLLIN | EPOLLOUT | how, 0);
	say_events("a listener");
	connect(one, (struct sockaddr *)&name, length);
	say_events("a connection");
	connect(two, (struct sockaddr *)&name, length);
	say_events("another");
	close(accept(l, NULL, NULL));
	say_events("one is accepted");
	close(accept(l, NULL, NULL));
	say_events("both are");
	close(l), close(one), close(two);

	int d = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), from = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	bind(d, (struct sockaddr *)&name, length);
	connect(from, (struct sockaddr *)&name, length);
	watch(d, EPOLLIN | EPOLLOUT | how, 1), watch(from, EPOLLIN | EPOLLOUT | how, 2);
	say_events("datagram sockets");
	send(from, "one", 3, 0);
	say_events("a datagram");
	while (send(from, "more", 4, 0) > 0) ;
	say_events("full");
	recv(d, big, 10, 0);
	say_events("room for one");
	while (recv(d, big, 10, 0) > 0) ;
	say_events("empty");
	close(d);
	say_events("the receiver is gone");
	close(from), close(set);
}

int main(void)
{
	say("by level");
	streams(0), others(0);
	say("by edge");
	streams(EPOLLET), others(EPOLLET);
	return finish();
}
