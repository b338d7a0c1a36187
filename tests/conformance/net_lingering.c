/* What close waits for with SO_LINGER, and what TCP_CORK and MSG_MORE hold back. */
#include "expect.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

static struct sockaddr_in name = { .sin_family = AF_INET };
static int listener, taker;
static sem_t may_read;
static volatile long is_read;
static char bytes[65536];

static int connected(void)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);
	GIVES("connect", connect(client, (struct sockaddr *)&name, sizeof name), 0);
	taker = OPENED("accept", accept(listener, NULL, NULL));
	return client;
}

/* As much as there is room for. */
static long fill(int fd)
{
	long all = 0, sent;
	while ((sent = send(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) all += sent;
	return all;
}

static void *reader(void *nothing)
{
	static char room[65536];
	long all = 0, got;
	sem_wait(&may_read);
	usleep(50000);
	is_read = 1;
	while ((got = read(taker, room, sizeof room)) > 0) all += got;
	return (void *)all;
}

static int waiting(int fd)
{
	int count = -1;
	ioctl(fd, FIONREAD, &count);
	return count;
}

int main(void)
{
	socklen_t length = sizeof name;
	int on = 1, off = 0, small = 4096;
	void *all;
	pthread_t thread;
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = OPENED("socket", socket(AF_INET, SOCK_STREAM, 0));
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	bind(listener, (struct sockaddr *)&name, sizeof name);
	GIVES("listen", listen(listener, 4), 0);
	getsockname(listener, (struct sockaddr *)&name, &length);
	sem_init(&may_read, 0, 0);

	struct linger linger = { 1, 60 };
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		int client = connected();
		is_read = 0;
		GIVES("SO_LINGER", setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
		long sent = fill(client);
		fcntl(client, F_SETFL, flags);
		pthread_create(&thread, NULL, reader, NULL);
		int copy = OPENED("dup", dup(client));
		GIVES("close, not of the last", close(client), 0);
		CHECK("it did not wait", !is_read);
		sem_post(&may_read);
		GIVES("close", close(copy), 0);
		CHECK("it waited", is_read);
		pthread_join(thread, &all);
		CHECK("nothing was lost", (long)all == sent);
		close(taker);
	}

	/* Nobody reads: the time is over, and the bytes stay on their way. */
	int client = connected();
	linger.l_linger = 1;
	setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	long sent = fill(client);
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	GIVES("close", close(client), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK("after a second", (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 990);
	pthread_create(&thread, NULL, reader, NULL);
	sem_post(&may_read);
	pthread_join(thread, &all);
	CHECK("nothing was lost", (long)all == sent);
	close(taker);

	client = connected();
	GIVES("TCP_CORK", setsockopt(client, IPPROTO_TCP, TCP_CORK, &on, sizeof on), 0);
	GIVES("a head", write(client, "head", 4), 4);
	GIVES("is held back", waiting(taker), 0);
	GIVES("and a body", send(client, "body", 4, 0), 4);
	GIVES("too", waiting(taker), 0);
	GIVES("no TCP_CORK", setsockopt(client, IPPROTO_TCP, TCP_CORK, &off, sizeof off), 0);
	GIVES("both at once", recv(taker, bytes, sizeof bytes, 0), 8);
	GIVES("MSG_MORE", send(client, "one", 3, MSG_MORE), 3);
	GIVES("is held back", waiting(taker), 0);
	GIVES("the rest", send(client, "two", 3, 0), 3);
	GIVES("both at once", recv(taker, bytes, sizeof bytes, 0), 6);
	GIVES("MSG_MORE", send(client, "late", 4, MSG_MORE), 4);
	GIVES("comes at last", recv(taker, bytes, sizeof bytes, 0), 4);
	GIVES("MSG_MORE before the end", send(client, "end", 3, MSG_MORE), 3);
	GIVES("shutdown", shutdown(client, SHUT_WR), 0);
	GIVES("comes", recv(taker, bytes, sizeof bytes, 0), 3);
	GIVES("and the end", recv(taker, bytes, sizeof bytes, 0), 0);
	return finish();
}
