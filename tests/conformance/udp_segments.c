/* One call sends many datagrams (UDP_SEGMENT): set on the socket, or beside the bytes; and what is refused. */
#include "expect.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define UDP IPPROTO_UDP

static char bytes[65536];

/* The size of the next datagram, and whether it goes on where the last one ended. */
static long next(int fd, unsigned char *place)
{
	static unsigned char got[65536];
	long length = recv(fd, got, sizeof got, 0);
	for (long at = 0; at < length; at++)
		if (got[at] != (*place)++)
			return -2;
	return length;
}

static long set(int fd, int size)
{
	return setsockopt(fd, UDP, UDP_SEGMENT, &size, sizeof size);
}

static int size_of(int fd)
{
	int size = -1;
	socklen_t length = sizeof size;
	return getsockopt(fd, UDP, UDP_SEGMENT, &size, &length) ? -1 : size;
}

static long send_beside(int fd, long count, int type, const void *data, size_t length)
{
	char beside[CMSG_SPACE(8)] = { 0 };
	struct iovec pieces[2] = { { bytes, count / 2 }, { bytes + count / 2, count - count / 2 } };
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2, .msg_control = beside, .msg_controllen = CMSG_SPACE(length) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(length), .cmsg_level = UDP, .cmsg_type = type };
	memcpy(CMSG_DATA(head), data, length);
	return sendmsg(fd, &message, 0);
}

static void in_family(int family, struct sockaddr *address, socklen_t length)
{
	int taker = OPENED("a taker", socket(family, SOCK_DGRAM, 0));
	int giver = OPENED("a giver", socket(family, SOCK_DGRAM, 0));
	struct timeval patience = { 10, 0 };
	setsockopt(taker, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	GIVES("bind", bind(taker, address, length), 0);
	getsockname(taker, address, &length);
	GIVES("connect", connect(giver, address, length), 0);

	int mtu = 0;
	socklen_t room = sizeof mtu;
	GIVES("what fits into a packet", family == AF_INET ? getsockopt(giver, IPPROTO_IP, IP_MTU, &mtu, &room)
		: getsockopt(giver, IPPROTO_IPV6, IPV6_MTU, &mtu, &room), 0);
	GIVES("it is", mtu, family == AF_INET ? 65535 : 65536);
	GIVES("at first", size_of(giver), 0);
	GIVES("set", set(giver, 1000), 0);
	GIVES("it is", size_of(giver), 1000);
	unsigned char place = 0;
	GIVES("send", send(giver, bytes, 2500, 0), 2500);
	GIVES("first", next(taker, &place), 1000);
	GIVES("second", next(taker, &place), 1000);
	GIVES("the rest", next(taker, &place), 500);
	place = 0;
	GIVES("one that needs no cut", send(giver, bytes, 1000, 0), 1000);
	GIVES("it comes whole", next(taker, &place), 1000);
	GIVES("an empty one", send(giver, bytes, 0, 0), 0);
	GIVES("it comes", next(taker, &place), 0);

	/* Beside the bytes it counts for one message, and 0 is none. */
	uint16_t size = 700, none = 0;
	place = 0;
	GIVES("beside", send_beside(giver, 1500, UDP_SEGMENT, &size, sizeof size), 1500);
	GIVES("first", next(taker, &place), 700);
	GIVES("second", next(taker, &place), 700);
	GIVES("the rest", next(taker, &place), 100);
	place = 0;
	GIVES("none", send_beside(giver, 1500, UDP_SEGMENT, &none, sizeof none), 1500);
	GIVES("it comes whole", next(taker, &place), 1500);
	int wide = 700;
	FAILS("four bytes", send_beside(giver, 1500, UDP_SEGMENT, &wide, sizeof wide), EINVAL);
	FAILS("another kind", send_beside(giver, 1500, 99, &size, sizeof size), EINVAL);

	GIVES("small ones", set(giver, 2), 0);
	FAILS("more than 128", send(giver, bytes, 257, 0), EINVAL);
	place = 0;
	GIVES("sixty", send(giver, bytes, 120, 0), 120);
	long count = 0;
	while (count < 60 && next(taker, &place) == 2)
		count++;
	GIVES("they come", count, 60);
	FAILS("negative", set(giver, -1), EINVAL);
	FAILS("too large", set(giver, 65536), EINVAL);
	FAILS("too short", setsockopt(giver, UDP, UDP_SEGMENT, &size, sizeof size), EINVAL);
	GIVES("it is", size_of(giver), 2);
	GIVES("off", set(giver, 0), 0);
	place = 0;
	GIVES("send", send(giver, bytes, 3000, 0), 3000);
	GIVES("whole", next(taker, &place), 3000);
	FAILS("nothing came too much", recv(taker, bytes, 1, MSG_DONTWAIT), EAGAIN);
	close(taker);
	close(giver);
}

int main(void)
{
	for (size_t at = 0; at < sizeof bytes; at++)
		bytes[at] = (char)at;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	in_family(AF_INET, (struct sockaddr *)&v4, sizeof v4);
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	in_family(AF_INET6, (struct sockaddr *)&v6, sizeof v6);
	int stream = OPENED("a stream", socket(AF_INET, SOCK_STREAM, 0));
	FAILS("of a stream", set(stream, 1000), ENOPROTOOPT);
	return finish();
}
