/* Several sockets at one port (SO_REUSEPORT): who may be there, and that each gets its share of connections and of
 * datagrams, always the same one for the same sender. */
#include "expect.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)
#define SENDERS 64

static struct sockaddr_in place = { .sin_family = AF_INET };

/* A socket of this kind that shares, or not. */
static int sharing(int kind, int shares)
{
	int fd = OPENED("socket", socket(AF_INET, kind | SOCK_NONBLOCK, 0));
	GIVES("SO_REUSEPORT", setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, sizeof shares), 0);
	return fd;
}

/* Two at one port, which is chosen for the first. */
static void pair(int kind, int fds[2])
{
	socklen_t length = sizeof place;
	place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	place.sin_port = 0;
	fds[0] = sharing(kind, 1);
	GIVES("the first", bind(fds[0], ADDRESS(place)), 0);
	getsockname(fds[0], (struct sockaddr *)&place, &length);
	fds[1] = sharing(kind, 1);
	GIVES("the second", bind(fds[1], ADDRESS(place)), 0);
	int other = sharing(kind, 0);
	FAILS("one that does not share", bind(other, ADDRESS(place)), EADDRINUSE);
	close(other);
}

/* Takes what has come to each, until that is so much in all. */
static void take(int fds[2], int streams, int all, int counts[2])
{
	char text[8];
	for (counts[0] = counts[1] = 0; counts[0] + counts[1] < all;) {
		struct pollfd waits[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
		if (poll(waits, 2, 30000) <= 0) break;
		for (int i = 0; i < 2; i++) {
			int got;
			while (waits[i].revents && (got = streams ? accept(fds[i], NULL, NULL) : (int)recv(fds[i], text, sizeof text, 0)) >= 0) {
				if (streams) close(got);
				counts[i]++;
			}
		}
	}
	GIVES("in all", counts[0] + counts[1], all);
}

static int sender(int kind)
{
	int fd = socket(AF_INET, kind, 0);
	if (fd < 0 || connect(fd, ADDRESS(place)) || (kind == SOCK_DGRAM && send(fd, "x", 1, 0) != 1)) {
		say("a sender: %s", errno_name(errno));
		expectations_broken = 1;
	}
	return fd;
}

int main(void)
{
	int fds[2], counts[2], senders[SENDERS];

	pair(SOCK_STREAM, fds);
	GIVES("listen", listen(fds[0], SENDERS) || listen(fds[1], SENDERS), 0);
	for (int i = 0; i < SENDERS; i++) senders[i] = sender(SOCK_STREAM);
	take(fds, 1, SENDERS, counts);
	CHECK("both listeners have some", counts[0] > 0 && counts[1] > 0);
	for (int i = 0; i < SENDERS; i++) close(senders[i]);
	close(fds[0]);
	fds[0] = -1;
	for (int i = 0; i < 8; i++) senders[i] = sender(SOCK_STREAM);
	take(fds, 1, 8, counts);
	GIVES("the one that is left has all", counts[1], 8);
	for (int i = 0; i < 8; i++) close(senders[i]);
	close(fds[1]);

	pair(SOCK_DGRAM, fds);
	for (int i = 0; i < SENDERS; i++) senders[i] = sender(SOCK_DGRAM);
	take(fds, 0, SENDERS, counts);
	CHECK("both sockets have some", counts[0] > 0 && counts[1] > 0);
	for (int i = 0; i < 8; i++) GIVES("one more", send(senders[0], "y", 1, 0), 1);
	take(fds, 0, 8, counts);
	CHECK("of one sender, one has all", counts[0] == 8 || counts[1] == 8);
	for (int i = 0; i < SENDERS; i++) close(senders[i]);
	close(fds[0]);
	close(fds[1]);
	return finish();
}
