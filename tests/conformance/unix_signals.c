/* Signals that come to calls that wait for AF_UNIX sockets: which are made again, and which say EINTR. */
#include "call_of_thread.h"
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0signals" };
#define NAME (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 8

static volatile sig_atomic_t seen;
static void handler(int number) { seen++; }
static void set_handler(int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	sigaction(SIGUSR1, &action, NULL);
	seen = 0;
}

static void start(struct call *call)
{
	begin_call(call);
	until_it_waits(call->tid);
	pthread_kill(call->thread, SIGUSR1);
	/* What the call makes of it is decided then. */
	while (!seen) usleep(1000);
}
static void ends(const char *what, struct call *call)
{
	pthread_join(call->thread, NULL);
	say("%s: %d %s, %d signals", what, call->result, errno_name(call->error), seen);
	seen = 0;
}

static int make_recv(struct call *c) { return recv(c->fd, c->buffer, c->length, 0); }
static int make_recv_all(struct call *c) { return recv(c->fd, c->buffer, c->length, MSG_WAITALL); }
static int make_read(struct call *c) { return read(c->fd, c->buffer, c->length); }
static int make_send(struct call *c) { return send(c->fd, c->buffer, c->length, 0); }
static int make_sendto(struct call *c) { return sendto(c->fd, c->buffer, c->length, 0, NAME); }
static int make_accept(struct call *c)
{
	int fd = accept(c->fd, NULL, NULL);
	if (fd >= 0) close(fd);
	return fd < 0 ? fd : 0;
}
static int make_connect(struct call *c) { return connect(c->fd, NAME); }

static char big[500000], back[500000];

static void calls(int flags)
{
	int s[2], l = socket(AF_UNIX, SOCK_STREAM, 0), clients[2], d[2];
	struct timeval long_time = { 20, 0 }, none = { 0, 0 };
	set_handler(flags);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	struct call call = { make_recv, s[0], .buffer = back, .length = 10 };
	start(&call), write(s[1], "abc", 3);
	ends("recv", &call);
	recv(s[0], back, 10, MSG_DONTWAIT);
	call.make = make_read;
	start(&call), write(s[1], "abc", 3);
	ends("read", &call);
	recv(s[0], back, 10, MSG_DONTWAIT);
	call.make = make_recv_all;
	write(s[1], "part", 4);
	start(&call), write(s[1], "more than the rest", 18);
	ends("recv of all, of which a part is there", &call);
	while (recv(s[0], back, sizeof back, MSG_DONTWAIT) > 0) ;
	setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time);
	call.make = make_recv;
	start(&call), write(s[1], "abc", 3);
	ends("recv with a limit of time", &call);
	setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
	while (recv(s[0], back, sizeof back, MSG_DONTWAIT) > 0) ;
	call = (struct call){ make_send, s[1], .buffer = big, .length = sizeof big };
	start(&call);
	pthread_join(call.thread, NULL);
	CHECK("send of more than there is room for says how much", call.result > 100000 && call.result < 400000 && seen == 1);
	seen = 0;
	call.length = 1;
	while (send(s[1], big, 10000, MSG_DONTWAIT) > 0) ;
	start(&call);
	while (recv(s[0], back, sizeof back, MSG_DONTWAIT) > 0) ;
	ends("send without room", &call);

	bind(l, NAME), listen(l, 0);
	for (int i = 0; i < 2; i++) clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
	call = (struct call){ make_accept, l };
	start(&call);
	connect(clients[0], NAME);
	ends("accept", &call);
	int pending = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect(pending, NAME);
	call = (struct call){ make_connect, clients[1] };
	start(&call);
	close(l);
	ends("connect while the backlog is full", &call);
	close(pending), close(clients[0]), close(clients[1]);

	d[0] = socket(AF_UNIX, SOCK_DGRAM, 0), d[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
	bind(d[0], NAME);
	call = (struct call){ make_recv, d[0], .buffer = back, .length = 10 };
	start(&call), sendto(d[1], "x", 1, 0, NAME);
	ends("recv of a datagram", &call);
	while (sendto(d[1], "x", 1, MSG_DONTWAIT, NAME) == 1) ;
	call = (struct call){ make_sendto, d[1], .buffer = big, .length = 1 };
	start(&call), recv(d[0], back, 1, 0);
	ends("sendto a full queue", &call);
	close(d[0]), close(d[1]), close(s[0]), close(s[1]);
}

int main(void)
{
	say("without SA_RESTART");
	calls(0);
	say("with SA_RESTART");
	calls(SA_RESTART);
	int s[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	close(s[1]);
	signal(SIGPIPE, handler);
	seen = 0;
	FAILS("write to a closed one", write(s[0], "x", 1), EPIPE);
	GIVES("SIGPIPE", seen, 1);
	FAILS("with MSG_NOSIGNAL", send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	GIVES("none", seen, 1);
	sigset_t set, pending;
	sigemptyset(&set), sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	FAILS("blocked", write(s[0], "x", 1), EPIPE);
	sigpending(&pending);
	GIVES("it waits", sigismember(&pending, SIGPIPE), 1);
	return finish();
}
