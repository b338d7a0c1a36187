/* What connect, poll and SO_ERROR say of a connection to the own host that is begun without waiting. */
#include "expect.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)

static int error_of(int fd)
{
	int error = -1;
	socklen_t length = sizeof error;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

/* The events that say something here: others differ between kernels. */
static int events_of(int fd, int timeout)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	poll(&p, 1, timeout);
	return p.revents;
}

int main(void)
{
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in nobody = server, peer;
	socklen_t length = sizeof server;
	int listener = OPENED("socket", socket(AF_INET, SOCK_STREAM, 0));
	bind(listener, ADDRESS(server));
	GIVES("listen", listen(listener, 8), 0);
	getsockname(listener, (struct sockaddr *)&server, &length);
	/* A port that nobody has. */
	int held = socket(AF_INET, SOCK_STREAM, 0);
	bind(held, ADDRESS(nobody));
	length = sizeof nobody;
	getsockname(held, (struct sockaddr *)&nobody, &length);

	int client = OPENED("a client", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	say("before: events %#x", events_of(client, 0));
	FAILS("connect", connect(client, ADDRESS(server)), EINPROGRESS);
	say("then: events %#x", events_of(client, -1));
	CODE("no error", error_of(client), 0);
	GIVES("connect says once how it ended", connect(client, ADDRESS(server)), 0);
	FAILS("connect", connect(client, ADDRESS(server)), EISCONN);
	length = sizeof peer;
	GIVES("getpeername", getpeername(client, (struct sockaddr *)&peer, &length), 0);
	CHECK("it is the server", peer.sin_port == server.sin_port);
	int accepted = OPENED("accept", accept(listener, NULL, NULL));
	FAILS("connect of who was accepted", connect(accepted, ADDRESS(server)), EISCONN);
	GIVES("send", send(client, "x", 1, 0), 1);
	char byte;
	GIVES("recv", recv(accepted, &byte, 1, 0), 1);

	int refused = OPENED("another client", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS("connect to nobody", connect(refused, ADDRESS(nobody)), EINPROGRESS);
	say("then: events %#x", events_of(refused, -1));
	CODE("it was refused", error_of(refused), ECONNREFUSED);
	say("then: events %#x", events_of(refused, 0));
	CODE("it is told once", error_of(refused), 0);
	FAILS("connect tells that it failed", connect(refused, ADDRESS(nobody)), ECONNABORTED);
	FAILS("connect again", connect(refused, ADDRESS(nobody)), EINPROGRESS);
	events_of(refused, -1);
	FAILS("connect tells how it failed", connect(refused, ADDRESS(nobody)), ECONNREFUSED);
	FAILS("connect to the server", connect(refused, ADDRESS(server)), EINPROGRESS);
	say("then: events %#x", events_of(refused, -1));
	CODE("no error", error_of(refused), 0);
	GIVES("send", send(refused, "y", 1, 0), 1);

	int waiting = OPENED("one that waits", socket(AF_INET, SOCK_STREAM, 0));
	FAILS("connect to nobody", connect(waiting, ADDRESS(nobody)), ECONNREFUSED);
	FAILS("recv", recv(waiting, &byte, 1, 0), ENOTCONN);
	FAILS("send", send(waiting, &byte, 1, MSG_NOSIGNAL), EPIPE);
	GIVES("connect to the server", connect(waiting, ADDRESS(server)), 0);
	FAILS("connect", connect(waiting, ADDRESS(server)), EISCONN);

	/* The edge of an epoll set that knew the socket before. */
	int late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int set = OPENED("epoll_create1", epoll_create1(0));
	struct epoll_event event = { EPOLLIN | EPOLLOUT | EPOLLET, { .fd = late } };
	GIVES("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, late, &event), 0);
	GIVES("epoll_wait before", epoll_wait(set, &event, 1, 0), 1);
	say("events %#x", event.events);
	FAILS("connect", connect(late, ADDRESS(server)), EINPROGRESS);
	GIVES("epoll_wait", epoll_wait(set, &event, 1, -1), 1);
	say("events %#x", event.events);
	CODE("no error", error_of(late), 0);
	return finish();
}
