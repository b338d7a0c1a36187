// needs-root: Linux's own raw sockets
/* Raw sockets on the loopback, as ping and traceroute use them; and of a protocol that nobody else has. */
#include "expect.h"
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)
#define FILTER 1 /* ICMP_FILTER */
/* A protocol for experiments (RFC 3692). */
#define OURS 253

static unsigned char packet[2048];
static struct sockaddr_in6 from;
static in_port_t nobodys_port;

static unsigned short sum(const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;
	unsigned long all = 0;
	for (size_t i = 0; i < length; i++) all += (unsigned long)byte[i] << (i % 2 ? 8 : 0);
	while (all >> 16) all = (all & 0xffff) + (all >> 16);
	return ~all;
}

/* Receives until something is what the test waits for; others of this machine may talk, too. Its length. */
static long hear(int fd, int (*is_it)(long))
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	while (poll(&one, 1, 10000) == 1) {
		socklen_t length = sizeof from;
		long got = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &length);
		if (is_it(got)) return got;
	}
	return -1;
}

static int is_echo(long got)
{
	struct icmp *message = (void *)(packet + 20);
	return got == 20 + 8 + 6 && message->icmp_id == htons(0x4d55) && message->icmp_seq == htons(7);
}

static int is_refusal(long got)
{
	struct icmp *message = (void *)(packet + 20);
	return got >= 20 + 8 + 20 + 8 && message->icmp_type == ICMP_UNREACH && message->icmp_code == ICMP_UNREACH_PORT
		&& packet[20 + 8 + 9] == IPPROTO_UDP && !memcmp(packet + 20 + 8 + 20 + 2, &nobodys_port, 2);
}

static int is_echo6(long got)
{
	struct icmp6_hdr *message = (void *)packet;
	return got == 8 + 6 && message->icmp6_id == htons(0x4d55) && message->icmp6_seq == htons(7);
}

static int is_anything(long got)
{
	return got >= 0;
}

static int value_of(int fd, int option)
{
	int value = -1;
	socklen_t length = sizeof value;
	getsockopt(fd, SOL_SOCKET, option, &value, &length);
	return value;
}

int main(void)
{
	struct sockaddr_in lo = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, own;
	struct sockaddr_in6 lo6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t length = sizeof own;
	FAILS("of no protocol", socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
	int fd = OPENED("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	GIVES("SO_TYPE", value_of(fd, SO_TYPE), SOCK_RAW);
	GIVES("SO_PROTOCOL", value_of(fd, SO_PROTOCOL), IPPROTO_ICMP);
	GIVES("getsockname", getsockname(fd, (struct sockaddr *)&own, &length), 0);
	GIVES("its port is the protocol", ntohs(own.sin_port), IPPROTO_ICMP);
	FAILS("listen", listen(fd, 1), EOPNOTSUPP);

	/* An echo, without the requests. */
	unsigned blocked = 1 << ICMP_ECHO;
	GIVES("ICMP_FILTER", setsockopt(fd, SOL_RAW, FILTER, &blocked, sizeof blocked), 0);
	struct { struct icmphdr head; char text[6]; } echo = { .head.type = ICMP_ECHO, .text = "hello" };
	echo.head.un.echo.id = htons(0x4d55);
	echo.head.un.echo.sequence = htons(7);
	echo.head.checksum = sum(&echo, 14);
	GIVES("ask", sendto(fd, &echo, 14, 0, ADDRESS(lo)), 14);
	GIVES("the answer, with its header", hear(fd, is_echo), 34);
	CHECK("version and length", packet[0] == 0x45 && packet[2] == 0 && packet[3] == 34 && packet[9] == IPPROTO_ICMP);
	CHECK("from whom", !memcmp(packet + 12, &lo.sin_addr, 4) && ((struct sockaddr_in *)&from)->sin_port == 0);
	CHECK("an answer", packet[20] == ICMP_ECHOREPLY && !memcmp(packet + 28, "hello", 6));

	/* What traceroute waits for. */
	int probe = OPENED("datagrams", socket(AF_INET, SOCK_DGRAM, 0)), other = OPENED("others", socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in nobody = lo;
	length = sizeof nobody;
	GIVES("a port", bind(other, ADDRESS(nobody)) || getsockname(other, (struct sockaddr *)&nobody, &length), 0);
	close(other);
	nobodys_port = nobody.sin_port;
	GIVES("to nobody", sendto(probe, "probe", 5, 0, ADDRESS(nobody)), 5);
	CHECK("the refusal is heard", hear(fd, is_refusal) >= 56);
	close(probe);
	close(fd);

	/* A protocol that nobody else has. */
	fd = OPENED("raw", socket(AF_INET, SOCK_RAW, OURS));
	other = OPENED("another", socket(AF_INET, SOCK_RAW, OURS));
	FAILS("a filter of what is not ICMP", setsockopt(fd, SOL_RAW, FILTER, &blocked, sizeof blocked), EOPNOTSUPP);
	struct sockaddr_in foreign = { .sin_family = AF_INET };
	inet_pton(AF_INET, "192.0.2.1", &foreign.sin_addr);
	FAILS("bind to an address that is not ours", bind(fd, ADDRESS(foreign)), EADDRNOTAVAIL);
	GIVES("bind", bind(fd, ADDRESS(lo)), 0);
	FAILS("without a peer", send(fd, "x", 1, 0), EDESTADDRREQ);
	int ttl = 9;
	GIVES("IP_TTL", setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), 0);
	GIVES("connect", connect(fd, ADDRESS(lo)), 0);
	GIVES("send", send(fd, "content", 7, 0), 7);
	GIVES("all hear it", hear(other, is_anything), 27);
	CHECK("as it was sent", packet[8] == 9 && packet[9] == OURS && !memcmp(packet + 20, "content", 7));
	GIVES("also who sent it", hear(fd, is_anything), 27);
	close(other);
	close(fd);

	/* IPv6: no header, and a checksum that nobody has to make. */
	fd = OPENED("raw", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
	struct icmp6_filter answers;
	ICMP6_FILTER_SETBLOCKALL(&answers);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &answers);
	GIVES("ICMP6_FILTER", setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &answers, sizeof answers), 0);
	struct { struct icmp6_hdr head; char text[6]; } echo6 = { .head.icmp6_type = ICMP6_ECHO_REQUEST, .text = "hello" };
	echo6.head.icmp6_id = htons(0x4d55);
	echo6.head.icmp6_seq = htons(7);
	GIVES("ask", sendto(fd, &echo6, 14, 0, ADDRESS(lo6)), 14);
	GIVES("the answer, without a header", hear(fd, is_echo6), 14);
	CHECK("an answer", packet[0] == ICMP6_ECHO_REPLY && !memcmp(packet + 8, "hello", 6));
	CHECK("from whom", !memcmp(&from.sin6_addr, &in6addr_loopback, 16) && from.sin6_port == 0);
	close(fd);
	return finish();
}
