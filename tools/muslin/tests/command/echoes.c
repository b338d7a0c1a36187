/* Sends back what comes, over a connection of the network stack; or, with a word, is the client of the host's
 * kernel that asks: a megabyte there and back, the end of one direction, then of the other. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 1 << 20, PORT = 7777 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void serve(int listener)
{
	/* What the kernel has and what the stack has wait together. */
	int pipes[2], fd = -1;
	static char bytes[30000];
	if (pipe(pipes)) fail("pipe");
	struct pollfd both[2] = { { pipes[0], POLLIN, 0 }, { listener, POLLIN, 0 } };
	if (poll(both, 2, -1) != 1 || both[1].revents != POLLIN) fail("poll for a connection");
	if ((fd = accept(listener, 0, 0)) < 0) fail("accept");
	if (write(pipes[1], "x", 1) != 1 || poll(both, 1, -1) != 1) fail("poll of a pipe");
	for (;;) {
		long got = read(fd, bytes, sizeof bytes);
		if (got < 0) fail("read");
		if (got == 0) break;
		if (write(fd, bytes, got) != got) fail("write");
	}
	puts("served");
}

static void ask(int fd)
{
	static char sent[BYTES], got[BYTES + 1];
	long out = 0, in = 0;
	for (long i = 0; i < BYTES; i++) sent[i] = i * i >> 7;
	while (in < BYTES) {
		struct pollfd one = { fd, POLLIN | (out < BYTES ? POLLOUT : 0), 0 };
		if (poll(&one, 1, 20000) != 1) fail("poll");
		if (one.revents & POLLOUT && out < BYTES) {
			long more = send(fd, sent + out, BYTES - out, MSG_DONTWAIT);
			if (more < 0) fail("send");
			if ((out += more) == BYTES) shutdown(fd, SHUT_WR);
		}
		if (one.revents & POLLIN) {
			long more = read(fd, got + in, BYTES - in);
			if (more <= 0) fail("read");
			in += more;
		}
	}
	if (read(fd, got + BYTES, 1) != 0) fail("the end");
	puts(memcmp(sent, got, BYTES) ? "other bytes came back" : "the same came back");
}

int main(int argc, char **argv)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	(void)argv;
	if (argc > 1) {
		at.sin_addr.s_addr = inet_addr("10.77.0.2");
		for (int tries = 0; connect(fd, (void *)&at, sizeof at); tries++) {
			if (tries == 100) fail("connect");
			usleep(50000);
			close(fd);
			fd = socket(AF_INET, SOCK_STREAM, 0);
		}
		ask(fd);
		return 0;
	}
	if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4)) fail("listen");
	serve(fd);
	return 0;
}
