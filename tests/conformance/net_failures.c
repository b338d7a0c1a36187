/* The queue of errors: who asks is told which datagram did not arrive, and who said so; in both families. */
#include "expect.h"
#include <arpa/inet.h>
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static char beside[256], text[64];
static struct msghdr got;
static union address name;

/* Receives from the queue of errors. */
static long take(int fd, size_t room)
{
	struct iovec piece = { text, room };
	memset(text, 0, sizeof text);
	got = (struct msghdr){ .msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &piece, .msg_iovlen = 1,
		.msg_control = beside, .msg_controllen = sizeof beside };
	return recvmsg(fd, &got, MSG_ERRQUEUE);
}

/* What it said beside the bytes. */
static struct sock_extended_err *error_beside(int level, int type)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&got); head; head = CMSG_NXTHDR(&got, head))
		if (head->cmsg_level == level && head->cmsg_type == type) return (void *)CMSG_DATA(head);
	return NULL;
}

static void set(int fd, int level, int option, int value)
{
	int now = -1;
	socklen_t length = sizeof now;
	GIVES("set", setsockopt(fd, level, option, &value, sizeof value), 0);
	GIVES("it is", (getsockopt(fd, level, option, &now, &length), now), value);
}

/* Whether an error shows. */
static int fails(int fd, int patience)
{
	struct pollfd one = { .fd = fd };
	return poll(&one, 1, patience) == 1 && one.revents == POLLERR;
}

/* A port of the loopback that nobody has. */
static union address nobody(int family)
{
	union address address = { .any.sa_family = family };
	socklen_t length = sizeof address;
	if (family == AF_INET) address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else address.six.sin6_addr = in6addr_loopback;
	int fd = socket(family, SOCK_DGRAM, 0);
	bind(fd, &address.any, family == AF_INET ? sizeof address.four : sizeof address.six);
	getsockname(fd, &address.any, &length);
	close(fd);
	return address;
}

int main(void)
{
	union address to = nobody(AF_INET);
	int fd = OPENED("datagrams", socket(AF_INET, SOCK_DGRAM, 0));
	FAILS("nothing is in the queue", take(fd, 64), EAGAIN);
	GIVES("to nobody", sendto(fd, "unheard", 7, 0, ADDRESS(to.four)), 7);
	CHECK("who has no peer and did not ask hears nothing", !fails(fd, 0));
	set(fd, IPPROTO_IP, IP_RECVERR, 1);
	GIVES("to nobody", sendto(fd, "asked", 5, 0, ADDRESS(to.four)), 5);
	CHECK("an error shows", fails(fd, 10000));
	FAILS("the next call has it", recv(fd, text, 64, MSG_DONTWAIT), ECONNREFUSED);
	FAILS("once", recv(fd, text, 64, MSG_DONTWAIT), EAGAIN);
	CHECK("the queue shows still", fails(fd, 0));
	GIVES("the queue has what was sent", take(fd, 64), 5);
	say("text: %s", text);
	CHECK("flags", got.msg_flags == MSG_ERRQUEUE);
	CHECK("whom it was for", got.msg_namelen == sizeof to.four && name.four.sin_port == to.four.sin_port
		&& name.four.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	struct sock_extended_err *error = error_beside(IPPROTO_IP, IP_RECVERR);
	CHECK("beside it the error", error != NULL);
	if (!error) return 1;
	CHECK("errno", error->ee_errno == ECONNREFUSED);
	say("origin %d type %d code %d info %u data %u", error->ee_origin, error->ee_type, error->ee_code,
		error->ee_info, error->ee_data);
	struct sockaddr_in *offender = (void *)SO_EE_OFFENDER(error);
	CHECK("and who said so", offender->sin_family == AF_INET && offender->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK("nothing shows", !fails(fd, 0));
	FAILS("that was all", take(fd, 64), EAGAIN);

	/* Several, in order; one that is cut; the error is that of the next one. */
	GIVES("to nobody", sendto(fd, "the first", 9, 0, ADDRESS(to.four)), 9);
	CHECK("an error shows", fails(fd, 10000));
	FAILS("a call has the error before it sends", sendto(fd, "the second", 10, 0, ADDRESS(to.four)), ECONNREFUSED);
	GIVES("to nobody", sendto(fd, "the second", 10, 0, ADDRESS(to.four)), 10);
	GIVES("cut", take(fd, 4), 4);
	CHECK("which is told", got.msg_flags == (MSG_ERRQUEUE | MSG_TRUNC));
	say("text: %s", text);
	int value = 0;
	socklen_t length = sizeof value;
	GIVES("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length), 0);
	GIVES("is of the next one", value, ECONNREFUSED);
	length = sizeof name;
	GIVES("recvfrom", recvfrom(fd, text, 64, MSG_ERRQUEUE, &name.any, &length), 10);
	say("text: %.10s", text);
	CHECK("of whom", name.four.sin_port == to.four.sin_port && length == sizeof to.four);
	GIVES("to nobody", sendto(fd, "forgotten", 9, 0, ADDRESS(to.four)), 9);
	CHECK("an error shows", fails(fd, 10000));
	set(fd, IPPROTO_IP, IP_RECVERR, 0);
	FAILS("who asks no more has no queue", take(fd, 64), EAGAIN);
	close(fd);

	/* IPv6, and IPv4 by way of it. */
	to = nobody(AF_INET6);
	fd = OPENED("datagrams", socket(AF_INET6, SOCK_DGRAM, 0));
	set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	GIVES("connect", connect(fd, ADDRESS(to.six)), 0);
	GIVES("to nobody", send(fd, "six", 3, 0), 3);
	CHECK("an error shows", fails(fd, 10000));
	GIVES("the queue has it", take(fd, 64), 3);
	error = error_beside(IPPROTO_IPV6, IPV6_RECVERR);
	CHECK("beside it the error", error && error->ee_errno == ECONNREFUSED);
	if (!error) return 1;
	say("origin %d type %d code %d info %u", error->ee_origin, error->ee_type, error->ee_code, error->ee_info);
	struct sockaddr_in6 *offender6 = (void *)SO_EE_OFFENDER(error);
	CHECK("and who said so", offender6->sin6_family == AF_INET6
		&& !memcmp(&offender6->sin6_addr, &in6addr_loopback, sizeof in6addr_loopback));
	CHECK("whom it was for", name.six.sin6_port == to.six.sin6_port);
	FAILS("its error went with it", recv(fd, text, 64, MSG_DONTWAIT), EAGAIN);
	close(fd);
	to = nobody(AF_INET);
	union address mapped = { .six = { .sin6_family = AF_INET6, .sin6_port = to.four.sin_port } };
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.six.sin6_addr);
	fd = OPENED("datagrams", socket(AF_INET6, SOCK_DGRAM, 0));
	set(fd, IPPROTO_IP, IP_RECVERR, 1);
	GIVES("to nobody", sendto(fd, "four", 4, 0, ADDRESS(mapped.six)), 4);
	CHECK("an error shows", fails(fd, 10000));
	GIVES("the queue has it", take(fd, 64), 4);
	error = error_beside(IPPROTO_IPV6, IPV6_RECVERR);
	CHECK("as one of IPv6", error && error->ee_origin == SO_EE_ORIGIN_ICMP && error->ee_type == 3);
	if (!error) return 1;
	offender6 = (void *)SO_EE_OFFENDER(error);
	CHECK("mapped", !memcmp(&offender6->sin6_addr, &mapped.six.sin6_addr, 16)
		&& !memcmp(&name.six.sin6_addr, &mapped.six.sin6_addr, 16));
	close(fd);

	fd = OPENED("a stream", socket(AF_INET, SOCK_STREAM, 0));
	set(fd, IPPROTO_IP, IP_RECVERR, 1);
	FAILS("has none", take(fd, 64), EAGAIN);
	close(fd);
	return finish();
}
