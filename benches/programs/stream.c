/* Moves bytes over one TCP connection, for `make bench`.
 *
 *   stream serve PORT                 answers one connection after the other, for ever; also requests of HTTP
 *   stream send|take|echo HOST PORT SECONDS
 *   stream get HOST PORT COUNT        asks a server of HTTP for / so often, over one connection
 *
 * "send" sends, "take" has the server send, "echo" sends a byte and waits for it to come back. Prints bytes a
 * second as whoever received them counted, or of "echo" the median of a round trip in ns. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1000000

static char buffer[128 * 1024];
static unsigned rounds[ROUNDS_MAX];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static unsigned long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void without_delay(int fd)
{
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Takes all there is, and says how much a second. */
static void take(int fd, int answer)
{
	unsigned long long bytes = 0, begin = 0;
	ssize_t got;
	while ((got = read(fd, buffer, sizeof buffer)) > 0) {
		if (!begin)
			begin = now_ns();
		bytes += got;
	}
	double seconds = (now_ns() - begin) / 1e9;
	double rate = begin && seconds > 0 ? bytes / seconds : 0;
	if (answer >= 0)
		dprintf(answer, "%.0f\n", rate);
	else
		printf("%.0f\n", rate);
}

/* Sends for so many seconds; the time is looked at once in a while. */
static void give(int fd, double seconds)
{
	unsigned long long end = now_ns() + (unsigned long long)(seconds * 1e9);
	do {
		for (int i = 0; i < 16; i++)
			if (write(fd, buffer, sizeof buffer) <= 0)
				return;
	} while (now_ns() < end);
}

/* The rest of a request for a page of 612 bytes, and those after it, each taken with one read. */
static void reply(int fd)
{
	static char answer[1024];
	int len = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: 612\r\nContent-Type: text/plain\r\n\r\n");
	memset(answer + len, 'x', 612);
	len += 612;
	while (read(fd, buffer, sizeof buffer) > 0)
		if (write(fd, answer, len) != len)
			return;
}

static void serve_one(int fd)
{
	/* The first bytes of "GET / HTTP/1.1" are a wish, too. */
	struct { char what; char unused[7]; double seconds; } wish;
	size_t got = 0;
	while (got < sizeof wish) {
		ssize_t more = read(fd, (char *)&wish + got, sizeof wish - got);
		if (more <= 0)
			return;
		got += more;
	}
	if (wish.what == 'G') {
		reply(fd);
	} else if (wish.what == 's') {
		take(fd, fd);
	} else if (wish.what == 't') {
		give(fd, wish.seconds);
	} else {
		ssize_t len;
		without_delay(fd);
		while ((len = read(fd, buffer, sizeof buffer)) > 0)
			if (write(fd, buffer, len) != len)
				return;
	}
}

static void serve(int port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (listener < 0 || bind(listener, (void *)&here, sizeof here) || listen(listener, 16))
		fail("listening");
	for (;;) {
		int fd = accept(listener, 0, 0);
		if (fd < 0)
			fail("accept");
		serve_one(fd);
		close(fd);
	}
}

static int by_length(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return x < y ? -1 : x > y;
}

static void echo(int fd, double seconds)
{
	unsigned long long end = now_ns() + (unsigned long long)(seconds * 1e9), begin = now_ns();
	size_t count = 0;
	without_delay(fd);
	while (count < ROUNDS_MAX && begin < end) {
		if (write(fd, "x", 1) != 1 || read(fd, buffer, 1) != 1)
			fail("a round trip");
		unsigned long long now = now_ns();
		rounds[count++] = now - begin;
		begin = now;
	}
	qsort(rounds, count, sizeof *rounds, by_length);
	printf("%u\n", rounds[count / 2]);
}

/* An answer is its header and what that says is behind. */
static void get(int fd, long count)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
	while (count-- > 0) {
		size_t got = 0, wanted = 0;
		if (write(fd, ask, sizeof ask - 1) != sizeof ask - 1)
			fail("write");
		do {
			ssize_t more = read(fd, buffer + got, sizeof buffer - 1 - got);
			char *end, *length;
			if (more <= 0)
				fail("the server's answer");
			got += more;
			buffer[got] = 0;
			end = strstr(buffer, "\r\n\r\n");
			length = strstr(buffer, "Content-Length: ");
			if (end && length)
				wanted = end + 4 - buffer + atol(length + 16);
		} while (!wanted || got < wanted);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]));
	if (argc != 5)
		return 2;
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[3])) };
	struct { char what; char unused[7]; double seconds; } wish = { argv[1][0], "", atof(argv[4]) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_aton(argv[2], &there.sin_addr);
	if (connect(fd, (void *)&there, sizeof there))
		fail("connect");
	if (wish.what == 'g') {
		get(fd, atol(argv[4]));
		return 0;
	}
	if (write(fd, &wish, sizeof wish) != sizeof wish)
		fail("write");
	if (wish.what == 's') {
		give(fd, wish.seconds);
		shutdown(fd, SHUT_WR);
		ssize_t len = read(fd, buffer, sizeof buffer);
		if (len <= 0)
			fail("the server's answer");
		fwrite(buffer, 1, len, stdout);
	} else if (wish.what == 't') {
		take(fd, -1);
	} else {
		echo(fd, wish.seconds);
	}
	return 0;
}
