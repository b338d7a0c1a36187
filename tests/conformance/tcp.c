/* TCP on loopback: a server and a client in two threads, options, errors. */
#include "expect.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

static struct sockaddr_in server;
#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)

/* Sends everything back until the other side ends. */
static void *echo(void *listener)
{
	char text[4096];
	long got, total = 0;
	int fd = accept(*(int *)listener, NULL, NULL);
	while ((got = read(fd, text, sizeof text)) > 0) {
		total += got;
		for (long sent = 0; sent < got;) sent += write(fd, text + sent, got - sent);
	}
	close(fd);
	return (void *)total;
}

int main(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof server;
	int on = 1, value;
	static char sent[300000], back[300000];
	signal(SIGPIPE, SIG_IGN);

	int listener = OPENED("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	GIVES("SO_REUSEADDR", setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	GIVES("bind", bind(listener, ADDRESS(any)), 0);
	GIVES("getsockname", getsockname(listener, (struct sockaddr *)&server, &length), 0);
	CHECK("a port was chosen", server.sin_port != 0 && server.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	int client = socket(AF_INET, SOCK_STREAM, 0);
	FAILS("connect before listen", connect(client, ADDRESS(server)), ECONNREFUSED);
	close(client);
	GIVES("listen", listen(listener, 16), 0);
	length = sizeof value;
	GIVES("SO_ACCEPTCONN", getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &value, &length), 0);
	GIVES("it listens", value, 1);

	pthread_t t;
	void *total;
	pthread_create(&t, NULL, echo, &listener);
	client = socket(AF_INET, SOCK_STREAM, 0);
	GIVES("connect", connect(client, ADDRESS(server)), 0);
	GIVES("TCP_NODELAY", setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
	length = sizeof value;
	GIVES("getsockopt TCP_NODELAY", getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
	GIVES("value", value, 1);
	struct sockaddr_in peer;
	length = sizeof peer;
	GIVES("getpeername", getpeername(client, (struct sockaddr *)&peer, &length), 0);
	CHECK("it is the server", peer.sin_port == server.sin_port && length == sizeof peer);
	for (size_t i = 0; i < sizeof sent; i++) sent[i] = i * 7;
	for (size_t done = 0; done < sizeof sent; done += 10000) {
		if (send(client, sent + done, 10000, 0) != 10000) say("short send");
		if (recv(client, back + done, 10000, MSG_WAITALL) != 10000) say("short recv");
	}
	CHECK("the echo is the same", memcmp(sent, back, sizeof sent) == 0);
	GIVES("shutdown", shutdown(client, SHUT_WR), 0);
	GIVES("end of file", recv(client, back, 1, 0), 0);
	pthread_join(t, &total);
	say("the server saw %ld bytes", (long)total);
	FAILS("send after shutdown", send(client, "x", 1, 0), EPIPE);
	FAILS("getpeername of the listener", getpeername(listener, (struct sockaddr *)&peer, &length), ENOTCONN);
	FAILS("bind to a port in use", bind(socket(AF_INET, SOCK_STREAM, 0), ADDRESS(server)), EADDRINUSE);
	FAILS("send without connect", send(socket(AF_INET, SOCK_STREAM, 0), "x", 1, 0), EPIPE);
	FAILS("recv without connect", recv(socket(AF_INET, SOCK_STREAM, 0), back, 1, 0), ENOTCONN);
	FAILS("shutdown without connect", shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_RD), ENOTCONN);

	int waiting = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	value = connect(waiting, ADDRESS(server));
	CHECK("connect without waiting", value == 0 || errno == EINPROGRESS);
	struct pollfd p = { waiting, POLLOUT, 0 };
	GIVES("poll", poll(&p, 1, -1), 1);
	length = sizeof value;
	GIVES("SO_ERROR", getsockopt(waiting, SOL_SOCKET, SO_ERROR, &value, &length), 0);
	GIVES("no error", value, 0);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	int accepted = OPENED("accept", accept(listener, NULL, NULL));
	FAILS("accept of nobody", accept(listener, NULL, NULL), EAGAIN);
	struct linger linger = { 1, 0 };
	GIVES("SO_LINGER 0", setsockopt(accepted, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
	close(accepted);
	GIVES("poll", (p.events = POLLIN, poll(&p, 1, -1)), 1);
	FAILS("a reset", recv(waiting, back, 1, 0), ECONNRESET);
	struct timeval soon = { 0, 10000 };
	int slow = socket(AF_INET, SOCK_STREAM, 0);
	connect(slow, ADDRESS(server));
	GIVES("SO_RCVTIMEO", setsockopt(slow, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
	FAILS("recv within 10 ms", recv(slow, back, 1, 0), EAGAIN);
	struct timeval got;
	length = sizeof got;
	GIVES("getsockopt SO_RCVTIMEO", getsockopt(slow, SOL_SOCKET, SO_RCVTIMEO, &got, &length), 0);
	CHECK("it is set", got.tv_sec == 0 && got.tv_usec > 0);
	return finish();
}
