/* What a stream of TCP is ready for: full and empty, level and edge, and threads that wait for room. */
#include "expect.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { BULK = 1 << 20 };

static int ends[2];
static char chunk[65536];

static int readiness(int fd)
{
	struct pollfd asked = { fd, POLLIN | POLLOUT, 0 };
	return poll(&asked, 1, 0) == 1 ? asked.revents : 0;
}

/* A connection within the machine. */
static void connect_ends(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	GIVES("bind", bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	GIVES("listen", listen(listener, 1), 0);
	GIVES("its address", getsockname(listener, (struct sockaddr *)&address, &length), 0);
	GIVES("nobody has come", readiness(listener), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	GIVES("connect", connect(ends[0], (struct sockaddr *)&address, sizeof address), 0);
	struct pollfd asked = { listener, POLLIN, 0 };
	GIVES("somebody comes", poll(&asked, 1, 5000), 1);
	ends[1] = accept(listener, NULL, NULL);
	CHECK("accept", ends[1] >= 0);
	GIVES("nobody else has", readiness(listener), 0);
	close(listener);
}

static void nonblocking(int fd, int on)
{
	fcntl(fd, F_SETFL, O_RDWR | (on ? O_NONBLOCK : 0));
}

/* Writes until there is no room, and what is written has arrived as far as it can. */
static long fill(int fd)
{
	long all = 0;
	for (int quiet = 0; quiet < 20;) {
		long sent = write(fd, chunk, sizeof chunk);
		if (sent > 0) {
			all += sent;
			quiet = 0;
		} else {
			quiet++;
			usleep(5000);
		}
	}
	return all;
}

static long drain(int fd, long all)
{
	long got = 0;
	struct pollfd asked = { fd, POLLIN, 0 };
	while (got < all && poll(&asked, 1, 5000) == 1) {
		long more = read(fd, chunk, sizeof chunk);
		if (more <= 0)
			break;
		got += more;
	}
	return got;
}

static void *write_bulk(void *fd)
{
	static const char text[100000];
	long sent = 0;
	while (sent < BULK) {
		long more = BULK - sent < (long)sizeof text ? BULK - sent : (long)sizeof text;
		more = write((int)(long)fd, text, more);
		if (more <= 0)
			break;
		sent += more;
	}
	return (void *)sent;
}

static void *read_bulk(void *fd)
{
	char text[5000];
	long got = 0;
	while (got < BULK) {
		long more = read((int)(long)fd, text, sizeof text);
		if (more <= 0)
			break;
		got += more;
	}
	return (void *)got;
}

/* A connection that has just begun takes some writes before anybody reads. */
static void write_at_once(void)
{
	connect_ends();
	nonblocking(ends[0], 1);
	int taken = 0;
	while (taken < 16 && write(ends[0], chunk, 1024) == 1024)
		taken++;
	GIVES("sixteen writes", taken, 16);
	GIVES("all come", drain(ends[1], 16 * 1024), 16 * 1024);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	write_at_once();
	connect_ends();
	int one = ends[0], other = ends[1];

	GIVES("an empty one can be written", readiness(one), POLLOUT);
	GIVES("write", write(one, "abc", 3), 3);
	struct pollfd asked = { other, POLLIN, 0 };
	GIVES("it arrives", poll(&asked, 1, 5000), 1);
	GIVES("read a part", read(other, chunk, 2), 2);
	GIVES("there is more", readiness(other), POLLIN | POLLOUT);
	GIVES("read the rest", read(other, chunk, 2), 1);
	GIVES("there is no more", readiness(other), POLLOUT);

	/* Level: as long as there is something. */
	int set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN }, got;
	GIVES("watch", epoll_ctl(set, EPOLL_CTL_ADD, other, &event), 0);
	GIVES("nothing", epoll_wait(set, &got, 1, 0), 0);
	GIVES("write", write(one, "ab", 2), 2);
	GIVES("something", epoll_wait(set, &got, 1, 5000), 1);
	GIVES("still", epoll_wait(set, &got, 1, 0), 1);
	GIVES("read", read(other, chunk, 9), 2);
	GIVES("nothing", epoll_wait(set, &got, 1, 0), 0);

	/* Edge: when something comes. */
	event.events = EPOLLIN | EPOLLET;
	GIVES("watch for edges", epoll_ctl(set, EPOLL_CTL_MOD, other, &event), 0);
	GIVES("write", write(one, "a", 1), 1);
	GIVES("something", epoll_wait(set, &got, 1, 5000), 1);
	GIVES("not again", epoll_wait(set, &got, 1, 0), 0);
	GIVES("write", write(one, "b", 1), 1);
	GIVES("something more", epoll_wait(set, &got, 1, 5000), 1);
	GIVES("read a part", read(other, chunk, 1), 1);
	GIVES("that is no edge", epoll_wait(set, &got, 1, 0), 0);
	GIVES("read", read(other, chunk, 9), 1);

	/* Full. */
	nonblocking(one, 1);
	long all = fill(one);
	/* The other side's kernel may find room for more after all. */
	for (int more = 0; more < 20 && readiness(one) != 0; more++)
		all += fill(one);
	CHECK("it takes much", all > 10000);
	GIVES("a full one", readiness(one), 0);
	event.events = EPOLLOUT | EPOLLET;
	GIVES("watch for room", epoll_ctl(set, EPOLL_CTL_ADD, one, &event), 0);
	GIVES("all comes", drain(other, all) == all, 1);
	asked = (struct pollfd){ one, POLLOUT, 0 };
	GIVES("room again", poll(&asked, 1, 5000), 1);
	GIVES("and an edge", epoll_wait(set, &got, 1, 5000), 1);
	GIVES("the other is empty", readiness(other), POLLOUT);
	close(set);

	/* Threads that wait for room, in both directions at once. */
	nonblocking(one, 0);
	pthread_t threads[4];
	pthread_create(&threads[0], NULL, write_bulk, (void *)(long)one);
	pthread_create(&threads[1], NULL, write_bulk, (void *)(long)other);
	usleep(50000);
	pthread_create(&threads[2], NULL, read_bulk, (void *)(long)one);
	pthread_create(&threads[3], NULL, read_bulk, (void *)(long)other);
	for (int i = 0; i < 4; i++) {
		void *moved;
		pthread_join(threads[i], &moved);
		GIVES("all of it", (long)moved, BULK);
	}

	/* The end. */
	GIVES("shutdown", shutdown(one, SHUT_WR), 0);
	asked = (struct pollfd){ other, POLLIN | POLLRDHUP, 0 };
	GIVES("it is told", poll(&asked, 1, 5000), 1);
	CHECK("as the end", asked.revents == (POLLIN | POLLRDHUP));
	GIVES("read the end", read(other, chunk, 1), 0);
	GIVES("close", close(other), 0);
	asked = (struct pollfd){ one, POLLIN, 0 };
	GIVES("it is told", poll(&asked, 1, 5000), 1);
	CHECK("both have ended", asked.revents == (POLLIN | POLLHUP));
	close(one);
	return finish();
}
