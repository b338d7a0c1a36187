/* What streams of AF_VSOCK do, told line by line: the same over Linux's own loopback and between two guests.
 * streams answer PORT and streams ask CID PORT go through all of it; streams answer PORT GUESTS and streams join
 * CID PORT, in as many guests, only come at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>
#include "xen_vsock.h"

#define WAIT_MS 20000

static const char *who;
static unsigned peer_cid, peer_port;

static void tell(const char *what, long value)
{
	if (value < 0)
		printf("%s: %s: %s\n", who, what, strerror(errno));
	else
		printf("%s: %s: %ld\n", who, what, value);
	fflush(stdout);
}

static void die(const char *what)
{
	tell(what, -1);
	exit(1);
}

static struct sockaddr_vm name(unsigned cid, unsigned port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static int attempt(int flags, unsigned port)
{
	struct sockaddr_vm peer = name(peer_cid, port);
	int fd = socket(AF_VSOCK, SOCK_STREAM | flags, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (void *)&peer, sizeof peer) != 0 && errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* The other side may not listen yet. */
static int come(void)
{
	for (int tries = 0; tries < 200; tries++) {
		int fd = attempt(0, peer_port);

		if (fd >= 0)
			return fd;
		usleep(100000);
	}
	die("connect");
	return -1;
}

static void get(int fd, const char *what, size_t len, int flags)
{
	char bytes[64] = { 0 };
	ssize_t got = recv(fd, bytes, len, flags);

	tell(what, got);
	if (got > 0)
		printf("%s: '%.*s'\n", who, (int)got, bytes);
	fflush(stdout);
}

static void put(int fd, const char *bytes)
{
	if (send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) != (ssize_t)strlen(bytes))
		die("send");
}

/* A byte that the other side sends when it is as far. */
static void await(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) != 1)
		die("await");
}

static void readiness(int fd, const char *what, int wanted, int timeout)
{
	struct pollfd ready = { .fd = fd, .events = wanted };

	if (poll(&ready, 1, timeout) < 0)
		die("poll");
	printf("%s: %s:%s%s%s%s%s%s\n", who, what, ready.revents & POLLIN ? " in" : "",
		ready.revents & POLLOUT ? " out" : "", ready.revents & POLLRDHUP ? " end" : "",
		ready.revents & POLLHUP ? " hup" : "", ready.revents & POLLERR ? " error" : "",
		ready.revents == 0 ? " nothing" : "");
	fflush(stdout);
}

/* Looking at bytes, and waiting for all of them. */
static void peek_asks(int fd)
{
	char one[3] = { 0 }, two[8] = { 0 };
	struct iovec parts[2] = { { one, 2 }, { two, 7 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	readiness(fd, "six bytes", POLLIN, WAIT_MS);
	get(fd, "peek three", 3, MSG_PEEK);
	get(fd, "peek all", 60, MSG_PEEK);
	get(fd, "read four", 4, 0);
	get(fd, "peek the rest", 60, MSG_PEEK);
	put(fd, "g");
	get(fd, "wait for all", 6, MSG_WAITALL);
	get(fd, "read without waiting", 1, MSG_DONTWAIT);
	put(fd, "p");
	readiness(fd, "parts", POLLIN, WAIT_MS);
	tell("peek at parts", recvmsg(fd, &message, MSG_PEEK));
	tell("read parts", recvmsg(fd, &message, 0));
	printf("%s: '%s' '%s' flags %x\n", who, one, two, message.msg_flags);
	put(fd, "q");
	/* Fewer than all, as no more come. */
	get(fd, "wait for all and the end", 9, MSG_WAITALL);
	get(fd, "the end", 9, 0);
}

static void peek_answers(int fd)
{
	put(fd, "abcdef");
	await(fd);
	usleep(100000);
	put(fd, "gh");
	usleep(100000);
	put(fd, "ij");
	await(fd);
	put(fd, "klmnop");
	await(fd);
	put(fd, "qr");
}

/* One direction ends, then the other. */
static void shut_asks(int fd)
{
	readiness(fd, "connected", POLLIN | POLLOUT | POLLRDHUP, 0);
	tell("shut for writing", shutdown(fd, SHUT_WR));
	tell("write", send(fd, "x", 1, MSG_NOSIGNAL));
	get(fd, "read what comes late", 5, MSG_WAITALL);
	readiness(fd, "both have ended", POLLIN | POLLRDHUP, WAIT_MS);
	get(fd, "the end", 5, 0);
	tell("shut again", shutdown(fd, SHUT_WR));
}

static void shut_answers(int fd)
{
	readiness(fd, "the other is silent", POLLIN | POLLRDHUP, WAIT_MS);
	get(fd, "the end", 5, 0);
	get(fd, "the end again", 5, MSG_PEEK);
	readiness(fd, "can write", POLLOUT, 0);
	put(fd, "later");
}

/* This end reads no more. */
static void deaf_asks(int fd)
{
	tell("shut for reading", shutdown(fd, SHUT_RD));
	get(fd, "read", 5, 0);
	readiness(fd, "shut for reading", POLLIN | POLLRDHUP, 0);
	put(fd, "still");
	tell("shut for both", shutdown(fd, SHUT_RDWR));
	readiness(fd, "shut for both", POLLIN | POLLOUT | POLLRDHUP, 0);
	tell("write", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void deaf_answers(int fd)
{
	get(fd, "read", 5, MSG_WAITALL);
	get(fd, "the end", 5, 0);
}

static void events(int epoll, const char *what, int timeout)
{
	struct epoll_event found = { 0 };

	if (epoll_wait(epoll, &found, 1, timeout) < 0)
		die("epoll_wait");
	printf("%s: %s:%s%s%s%s\n", who, what, found.events & EPOLLIN ? " in" : "",
		found.events & EPOLLRDHUP ? " end" : "", found.events & EPOLLHUP ? " hup" : "",
		found.events == 0 ? " nothing" : "");
	fflush(stdout);
}

/* What is told once each time that something comes. */
static void edges_asks(int fd)
{
	int epoll = epoll_create1(0);
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) != 0)
		die("epoll_ctl");
	put(fd, "1");
	events(epoll, "a byte", WAIT_MS);
	events(epoll, "nothing new", 50);
	put(fd, "2");
	events(epoll, "another byte", WAIT_MS);
	get(fd, "both", 2, MSG_WAITALL);
	events(epoll, "nothing new", 50);
	put(fd, "3");
	events(epoll, "the end", WAIT_MS);
	get(fd, "the end", 2, 0);
	close(epoll);
}

static void edges_answers(int fd)
{
	for (int i = 0; i < 2; i++) {
		await(fd);
		put(fd, i == 0 ? "x" : "y");
	}
	await(fd);
}

/* The other end stays until the next round. */
static int kept = -1;

static void half_asks(int fd)
{
	tell("shut for writing", shutdown(fd, SHUT_WR));
	readiness(fd, "shut for writing", POLLIN | POLLOUT | POLLRDHUP, 0);
}

static void half_answers(int fd)
{
	kept = dup(fd);
}

/* The other end closes at once. */
static void gone_asks(int fd)
{
	readiness(fd, "gone", POLLIN | POLLRDHUP, WAIT_MS);
	get(fd, "the end", 5, 0);
	tell("write", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void gone_answers(int fd)
{
	(void)fd;
	close(kept);
}

/* Who comes while there is no descriptor left waits on. */
static void full_answers(int listener)
{
	struct rlimit before, none;
	int fd = dup(0);

	readiness(listener, "somebody comes", POLLIN, WAIT_MS);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = fd;
	close(fd);
	if (setrlimit(RLIMIT_NOFILE, &none) != 0)
		die("setrlimit");
	fd = accept(listener, NULL, NULL);
	printf("answer: no descriptor: %s\n", fd < 0 && errno == EMFILE ? "EMFILE" : "wrong");
	readiness(listener, "still there", POLLIN, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	fd = accept(listener, NULL, NULL);
	put(fd, "x");
	close(fd);
}

static void full_asks(void)
{
	int fd = come();

	get(fd, "asked in late", 1, 0);
	close(fd);
}

static const struct {
	const char *name;
	void (*asks)(int), (*answers)(int);
} rounds[] = {
	{ "peek", peek_asks, peek_answers },
	{ "shut", shut_asks, shut_answers },
	{ "deaf", deaf_asks, deaf_answers },
	{ "edges", edges_asks, edges_answers },
	{ "half", half_asks, half_answers },
	{ "gone", gone_asks, gone_answers },
};
#define ROUNDS (int)(sizeof rounds / sizeof *rounds)
/* Several that come at once, and how many of them. */
#define AT_ONCE 4

static void echo_once(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) != 1 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		die("echo");
	close(fd);
}

static int answer(unsigned port, int guests, int has_rounds)
{
	struct sockaddr_vm own = name(ANY, port), peer;
	int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
	socklen_t len = sizeof peer;

	who = "answer";
	if (bind(listener, (void *)&own, sizeof own) != 0 || listen(listener, 16) != 0)
		die("listen");
	for (int i = 0; has_rounds && i < ROUNDS; i++) {
		int fd = accept(listener, (void *)&peer, &len);

		if (fd < 0)
			die("accept");
		printf("answer: %s\n", rounds[i].name);
		rounds[i].answers(fd);
		close(fd);
	}
	if (has_rounds)
		full_answers(listener);
	/* None of them is served before all are there. */
	int fds[AT_ONCE * 8];
	for (int i = 0; i < AT_ONCE * guests; i++)
		if ((fds[i] = accept(listener, NULL, NULL)) < 0)
			die("accept");
	for (int i = 0; i < AT_ONCE * guests; i++)
		echo_once(fds[i]);
	tell("came at once", AT_ONCE * guests);
	return 0;
}

static int ask(int has_rounds)
{
	struct pollfd ready[AT_ONCE];
	int count = 0;

	who = "ask";
	for (int i = 0; has_rounds && i < ROUNDS; i++) {
		int fd = come();

		printf("ask: %s\n", rounds[i].name);
		rounds[i].asks(fd);
		close(fd);
	}
	if (has_rounds) {
		full_asks();
		tell("where nobody listens", attempt(0, peer_port + 1));
	}
	for (int i = 0; i < AT_ONCE; i++) {
		/* The other side may not listen yet. */
		for (int tries = 0; (ready[i].fd = attempt(SOCK_NONBLOCK, peer_port)) < 0; tries++) {
			if (tries == 200)
				die("connect");
			usleep(100000);
		}
	}
	for (int i = 0; i < AT_ONCE; i++) {
		int error = -1;
		socklen_t len = sizeof error;

		ready[i].events = POLLOUT;
		if (poll(&ready[i], 1, WAIT_MS) != 1)
			die("poll");
		getsockopt(ready[i].fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			errno = error;
			die("at once");
		}
		fcntl(ready[i].fd, F_SETFL, 0);
		put(ready[i].fd, i % 2 ? "a" : "b");
	}
	for (int i = 0; i < AT_ONCE; i++) {
		char byte = 0;

		count += recv(ready[i].fd, &byte, 1, 0) == 1 && byte == (i % 2 ? 'a' : 'b');
	}
	tell("came at once", count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "answer") == 0)
		return answer(atoi(argv[2]), atoi(argv[3]), 0);
	if (argc == 3 && strcmp(argv[1], "answer") == 0)
		return answer(atoi(argv[2]), 1, 1);
	if (argc != 4)
		return 2;
	peer_cid = atoi(argv[2]);
	peer_port = atoi(argv[3]);
	return ask(strcmp(argv[1], "ask") == 0);
}
