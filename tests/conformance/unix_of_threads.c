/* Threads that wait for AF_UNIX sockets of each other: accept, connect, recv and send, and what wakes
 * them. Each waits until its partner is sure to run. */
#include "call_of_thread.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_length;
#define NAME (struct sockaddr *)&address, address_length

static void set_name(const char *name)
{
	strcpy(address.sun_path + 1, name);
	address_length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

static void let_others_run(void)
{
	struct timespec moment = { 0, 20000000 };
	nanosleep(&moment, NULL);
}

static void start(struct call *call)
{
	begin_call(call);
	let_others_run();
}
static void ends(const char *what, struct call *call, int result, int error)
{
	pthread_join(call->thread, NULL);
	if (call->result == result && call->error == error) say("%s: %d %s", what, result, errno_name(error));
	else CHECK(what, 0), say("got %d %s", call->result, errno_name(call->error));
}

static int make_accept(struct call *c) { return accept(c->fd, NULL, NULL); }
static int make_connect(struct call *c) { return connect(c->fd, NAME); }
static int make_recv(struct call *c) { return recv(c->fd, c->buffer, c->length, c->flags); }
static int make_send(struct call *c) { return send(c->fd, c->buffer, c->length, c->flags | MSG_NOSIGNAL); }
static int make_sendto(struct call *c) { return sendto(c->fd, c->buffer, c->length, c->flags, NAME); }
static int make_read(struct call *c) { return read(c->fd, c->buffer, c->length); }
static int make_write(struct call *c) { return write(c->fd, c->buffer, c->length); }
static int make_poll(struct call *c)
{
	struct pollfd p = { c->fd, c->flags, 0 };
	return poll(&p, 1, -1) == 1 ? p.revents : -1;
}

static char big[1000000], back[1000000], small[64];

static void connections(void)
{
	set_name("threads");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), clients[4];
	bind(l, NAME), listen(l, 0);
	for (int i = 0; i < 4; i++) clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
	struct call accepting = { make_accept, l }, connecting = { make_connect, clients[1] };
	start(&accepting);
	GIVES("accept waits", accepting.result, WAITING);
	GIVES("connect", connect(clients[0], NAME), 0);
	pthread_join(accepting.thread, NULL);
	CHECK("accept is woken", accepting.result >= 0);

	GIVES("connect", connect(clients[2], NAME), 0);
	start(&connecting);
	GIVES("connect waits while the backlog is full", connecting.result, WAITING);
	int one = OPENED("accept", accept(l, NULL, NULL));
	ends("connect is woken", &connecting, 0, 0);
	connecting.fd = clients[3];
	start(&connecting);
	GIVES("connect waits", connecting.result, WAITING);
	close(l);
	ends("connect to a listener that goes", &connecting, -1, ECONNREFUSED);
	close(one);

	l = socket(AF_UNIX, SOCK_STREAM, 0);
	set_name("threads2");
	bind(l, NAME), listen(l, 5);
	accepting.fd = l;
	start(&accepting);
	shutdown(l, SHUT_RD);
	ends("accept on what is shut down", &accepting, -1, EINVAL);
	close(l);

	l = socket(AF_UNIX, SOCK_STREAM, 0);
	set_name("threads3");
	bind(l, NAME), listen(l, 5);
	struct call polling = { make_poll, l, POLLIN };
	start(&polling);
	connect(clients[3], NAME);
	ends("poll of a listener", &polling, POLLIN, 0);
	struct timeval soon = { 0, 30000 };
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
	close(accept(l, NULL, NULL));
	FAILS("accept with a limit of time", accept(l, NULL, NULL), EAGAIN);
	close(l);
}

static void streams(void)
{
	int s[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	struct call receiving = { make_recv, s[0], 0, .buffer = back, .length = 10 };
	start(&receiving);
	GIVES("recv waits", receiving.result, WAITING);
	send(s[1], "abc", 3, 0);
	ends("recv is woken", &receiving, 3, 0);
	receiving.flags = MSG_WAITALL;
	start(&receiving);
	send(s[1], "abcd", 4, 0);
	let_others_run();
	GIVES("MSG_WAITALL waits for all", receiving.result, WAITING);
	send(s[1], "efghijkl", 8, 0);
	ends("all", &receiving, 10, 0);
	say("%.10s", back);
	recv(s[0], back, 10, 0);
	start(&receiving);
	send(s[1], "xy", 2, 0), shutdown(s[1], SHUT_WR);
	ends("what came before the end", &receiving, 2, 0);
	receiving.make = make_read;
	start(&receiving);
	ends("the end", &receiving, 0, 0);
	receiving = (struct call){ make_read, s[1], .buffer = back, .length = 10 };
	start(&receiving);
	GIVES("read waits", receiving.result, WAITING);
	write(s[0], "12345", 5);
	ends("read is woken", &receiving, 5, 0);
	start(&receiving);
	close(s[0]);
	ends("the peer goes", &receiving, 0, 0);
	close(s[1]);

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	struct call sending = { make_write, s[1], .buffer = big, .length = sizeof big };
	for (size_t i = 0; i < sizeof big; i++) big[i] = i % 251;
	start(&sending);
	GIVES("write waits for room", sending.result, WAITING);
	size_t got = 0;
	long n;
	while (got < sizeof big && (n = recv(s[0], back + got, 7777, 0)) > 0) got += n;
	ends("all is written", &sending, sizeof big, 0);
	CHECK("and read", !memcmp(big, back, sizeof big));
	start(&sending);
	GIVES("write waits for room", sending.result, WAITING);
	struct call polling = { make_poll, s[1], POLLOUT };
	start(&polling);
	for (got = 0; got < sizeof big && (n = recv(s[0], back, sizeof back, 0)) > 0; got += n) ;
	ends("all is written", &sending, sizeof big, 0);
	ends("poll for room", &polling, POLLOUT, 0);
	sending.make = make_send;
	start(&sending);
	for (int there = 0; there < 100000; ioctl(s[0], FIONREAD, &there)) let_others_run();
	close(s[0]);
	pthread_join(sending.thread, NULL);
	CHECK("what was sent before the peer went", sending.result > 100000 && sending.result < 400000);
	close(s[1]);

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	struct timeval soon = { 0, 30000 };
	setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
	setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
	FAILS("recv with a limit of time", recv(s[0], back, 1, 0), EAGAIN);
	FAILS("read", read(s[0], back, 1), EAGAIN);
	struct iovec piece = { back, 5 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	FAILS("recvmsg", recvmsg(s[0], &message, 0), EAGAIN);
	send(s[1], "abc", 3, 0);
	GIVES("MSG_WAITALL until then", recv(s[0], back, 5, MSG_WAITALL), 3);
	CHECK("write until then", (n = write(s[0], big, sizeof big)) > 100000 && n < 400000);
	FAILS("no room", write(s[0], big, 1), EAGAIN);
	close(s[0]), close(s[1]);

	/* Two threads hand a byte to and fro. */
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	polling = (struct call){ make_poll, s[0], POLLIN | POLLRDHUP };
	start(&polling);
	shutdown(s[1], SHUT_WR);
	ends("poll for the end", &polling, POLLIN | POLLRDHUP, 0);
	close(s[0]), close(s[1]);
}

static int pair[2];
static void *echo(void *nothing)
{
	char c;
	for (int i = 0; i < 2000 && read(pair[1], &c, 1) == 1; i++) c++, write(pair[1], &c, 1);
	return NULL;
}

static void messages(void)
{
	int s[2], receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
	set_name("receiver");
	bind(receiver, NAME);
	struct call receiving = { make_recv, receiver, 0, .buffer = back, .length = 10 };
	start(&receiving);
	GIVES("recv of a datagram waits", receiving.result, WAITING);
	sendto(sender, "datagram", 8, 0, NAME);
	ends("and is woken", &receiving, 8, 0);
	struct call sending = { make_sendto, sender, 0, .buffer = small, .length = 1 };
	while (sendto(sender, "x", 1, MSG_DONTWAIT, NAME) == 1) ;
	start(&sending);
	GIVES("sendto waits while the queue is full", sending.result, WAITING);
	recv(receiver, back, 10, 0);
	ends("and is woken", &sending, 1, 0);
	connect(sender, NAME);
	struct call polling = { make_poll, sender, POLLOUT };
	start(&polling);
	GIVES("poll waits too", polling.result, WAITING);
	recv(receiver, back, 10, 0);
	ends("and is woken", &polling, POLLOUT, 0);
	while (send(sender, "x", 1, MSG_DONTWAIT) == 1) ;
	sending.make = make_send;
	start(&sending);
	close(receiver);
	ends("the receiver goes", &sending, -1, ECONNREFUSED);

	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	receiving.fd = s[0];
	start(&receiving);
	GIVES("recv waits", receiving.result, WAITING);
	shutdown(s[0], SHUT_RD);
	ends("shutdown ends it", &receiving, 0, 0);

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	receiving.fd = s[0];
	start(&receiving);
	send(s[1], "", 0, 0);
	ends("an empty packet", &receiving, 0, 0);
	start(&receiving);
	send(s[1], "packet", 6, 0);
	ends("a packet", &receiving, 6, 0);
	sending = (struct call){ make_write, s[1], .buffer = big, .length = 100000 };
	while (send(s[1], big, 100000, MSG_DONTWAIT) == 100000) ;
	start(&sending);
	GIVES("write waits for room", sending.result, WAITING);
	while (recv(s[0], back, 100, MSG_DONTWAIT) > 0) ;
	ends("and is woken", &sending, 100000, 0);
	while (recv(s[0], back, 100, MSG_DONTWAIT) > 0) ;
	start(&receiving);
	close(s[1]);
	ends("the peer goes", &receiving, 0, 0);

	struct mmsghdr many[3];
	struct iovec pieces[3] = { { back, 10 }, { back + 10, 10 }, { back + 20, 10 } };
	for (int i = 0; i < 3; i++) many[i] = (struct mmsghdr){ { .msg_iov = pieces + i, .msg_iovlen = 1 }, 0 };
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	send(s[0], "one", 3, 0), send(s[0], "second", 6, 0);
	GIVES("MSG_WAITFORONE", recvmmsg(s[1], many, 3, MSG_WAITFORONE, NULL), 2);
	say("lengths %u %u", many[0].msg_len, many[1].msg_len);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	connections();
	streams();
	messages();

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pthread_t thread;
	pthread_create(&thread, NULL, echo, NULL);
	char c = 'a';
	int count = 0;
	for (; count < 2000; count++) {
		char sent = c;
		if (write(pair[0], &c, 1) != 1 || read(pair[0], &c, 1) != 1 || c != (char)(sent + 1)) break;
	}
	pthread_join(thread, NULL);
	GIVES("to and fro", count, 2000);
	return finish();
}
