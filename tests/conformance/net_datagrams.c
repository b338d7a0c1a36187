/* What travels beside datagrams: packet information, hop limits, classes, times; groups by calls, in both
 * families; many messages in one call. */
#include "expect.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)

static char beside[256];
static struct msghdr got;
static struct sockaddr_in6 from;
static char text[64];

/* Receives, and what is beside it. */
static long take(int fd, int flags)
{
	static struct iovec piece = { text, sizeof text };
	got = (struct msghdr){ .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &piece, .msg_iovlen = 1,
		.msg_control = beside, .msg_controllen = sizeof beside };
	return recvmsg(fd, &got, flags);
}

static void *find(int level, int type, size_t length)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&got); head; head = CMSG_NXTHDR(&got, head))
		if (head->cmsg_level == level && head->cmsg_type == type)
			return head->cmsg_len == CMSG_LEN(length) ? CMSG_DATA(head) : NULL;
	return NULL;
}

static int number_beside(int level, int type)
{
	int *number = find(level, type, sizeof *number);
	return number ? *number : -1;
}

static void on(int fd, int level, int option)
{
	int one = 1, value = -1;
	socklen_t length = sizeof value;
	GIVES("an option", setsockopt(fd, level, option, &one, sizeof one), 0);
	GIVES("it is", (getsockopt(fd, level, option, &value, &length), value), 1);
}

int main(void)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) }, to;
	socklen_t length = sizeof own;
	unsigned lo = if_nametoindex("lo");
	GIVES("lo", lo, 1);
	int taker = OPENED("datagrams", socket(AF_INET, SOCK_DGRAM, 0));
	int giver = OPENED("others", socket(AF_INET, SOCK_DGRAM, 0));
	GIVES("bind", bind(taker, ADDRESS(own)), 0);
	/* What does not come is told, and not waited for. */
	struct timeval patience = { 10, 0 };
	setsockopt(taker, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	getsockname(taker, (struct sockaddr *)&own, &length);
	to = own;
	to.sin_addr.s_addr = htonl(0x7f000005);

	on(taker, IPPROTO_IP, IP_PKTINFO);
	on(taker, IPPROTO_IP, IP_RECVTTL);
	on(taker, IPPROTO_IP, IP_RECVTOS);
	int ttl = 7, tos = 0x28;
	GIVES("IP_TTL", setsockopt(giver, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), 0);
	GIVES("IP_TOS", setsockopt(giver, IPPROTO_IP, IP_TOS, &tos, sizeof tos), 0);
	GIVES("sendto", sendto(giver, "one", 3, 0, ADDRESS(to)), 3);
	GIVES("recvmsg", take(taker, 0), 3);
	struct in_pktinfo *info = find(IPPROTO_IP, IP_PKTINFO, sizeof *info);
	CHECK("packet information", info && info->ipi_ifindex == lo && info->ipi_addr.s_addr == to.sin_addr.s_addr);
	GIVES("the TTL", number_beside(IPPROTO_IP, IP_TTL), 7);
	unsigned char *class = find(IPPROTO_IP, IP_TOS, 1);
	CHECK("the TOS", class && *class == 0x28);

	/* Beside what is sent: from which address, with which TTL. */
	char sent[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec piece = { "two", 3 };
	struct msghdr message = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &piece, .msg_iovlen = 1,
		.msg_control = sent, .msg_controllen = sizeof sent };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO };
	*(struct in_pktinfo *)CMSG_DATA(head) = (struct in_pktinfo){ .ipi_spec_dst.s_addr = htonl(0x7f000009) };
	head = CMSG_NXTHDR(&message, head);
	*head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL };
	*(int *)CMSG_DATA(head) = 9;
	GIVES("sendmsg", sendmsg(giver, &message, 0), 3);
	GIVES("recvmsg", take(taker, 0), 3);
	CHECK("it comes from there", ((struct sockaddr_in *)&from)->sin_addr.s_addr == htonl(0x7f000009));
	GIVES("the TTL", number_beside(IPPROTO_IP, IP_TTL), 9);

	/* Times, of both kinds; the later one takes the place of the other. */
	struct timespec before, *ns;
	struct timeval *us;
	on(taker, SOL_SOCKET, SO_TIMESTAMP);
	clock_gettime(CLOCK_REALTIME, &before);
	GIVES("sendto", sendto(giver, "now", 3, 0, ADDRESS(to)), 3);
	GIVES("recvmsg", take(taker, 0), 3);
	us = find(SOL_SOCKET, SCM_TIMESTAMP, sizeof *us);
	/* Linux begins to note times a little later: then it is when it was received. */
	CHECK("when it came", us && us->tv_sec * 1000000 + us->tv_usec >= before.tv_sec * 1000000 + before.tv_nsec / 1000
		&& us->tv_sec <= before.tv_sec + 60 && us->tv_usec < 1000000);
	on(taker, SOL_SOCKET, SO_TIMESTAMPNS);
	int value = -1;
	length = sizeof value;
	GIVES("SO_TIMESTAMP is", (getsockopt(taker, SOL_SOCKET, SO_TIMESTAMP, &value, &length), value), 0);
	clock_gettime(CLOCK_REALTIME, &before);
	GIVES("sendto", sendto(giver, "now", 3, 0, ADDRESS(to)), 3);
	GIVES("recvmsg", take(taker, 0), 3);
	ns = find(SOL_SOCKET, SCM_TIMESTAMPNS, sizeof *ns);
	CHECK("when it came", ns && ns->tv_sec >= before.tv_sec && ns->tv_sec <= before.tv_sec + 60);
	CHECK("not in the other form", !find(SOL_SOCKET, SCM_TIMESTAMP, sizeof *us));
	value = 0;
	GIVES("no more times", setsockopt(taker, SOL_SOCKET, SO_TIMESTAMPNS, &value, sizeof value), 0);

	/* Many messages in a call. */
	struct iovec pieces[4] = { { "a", 1 }, { "bb", 2 }, { "ccc", 3 }, { "", 0 } };
	struct mmsghdr many[4] = { 0 };
	for (int i = 0; i < 4; i++)
		many[i].msg_hdr = (struct msghdr){ .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &pieces[i], .msg_iovlen = 1 };
	GIVES("sendmmsg", sendmmsg(giver, many, 4, 0), 4);
	GIVES("lengths", many[0].msg_len * 100 + many[1].msg_len * 10 + many[2].msg_len, 123);
	char room[6][8];
	struct iovec rooms[6];
	struct mmsghdr taken[6] = { 0 };
	for (int i = 0; i < 6; i++) {
		rooms[i] = (struct iovec){ room[i], 2 };
		taken[i].msg_hdr = (struct msghdr){ .msg_iov = &rooms[i], .msg_iovlen = 1 };
	}
	GIVES("FIONREAD", (ioctl(taker, FIONREAD, &value), value), 1);
	GIVES("recvmmsg", recvmmsg(taker, taken, 6, MSG_WAITFORONE, NULL), 4);
	GIVES("lengths", taken[0].msg_len * 100 + taken[1].msg_len * 10 + taken[2].msg_len, 122);
	CHECK("one was cut", (taken[2].msg_hdr.msg_flags & MSG_TRUNC) && !(taken[1].msg_hdr.msg_flags & MSG_TRUNC));
	FAILS("nothing is left", recvmmsg(taker, taken, 6, MSG_DONTWAIT, NULL), EAGAIN);
	GIVES("three more", sendmmsg(giver, many, 3, 0), 3);
	/* The time is looked at between messages. */
	struct timespec soon = { 0, 1 };
	GIVES("recvmmsg with a time", recvmmsg(taker, taken, 6, 0, &soon), 1);
	CHECK("nothing is left of it", soon.tv_sec == 0 && soon.tv_nsec == 0);
	GIVES("the rest", recvmmsg(taker, taken, 6, MSG_DONTWAIT, NULL), 2);
	soon = (struct timespec){ 0, 1000000000 };
	FAILS("a wrong time", recvmmsg(taker, taken, 6, 0, &soon), EINVAL);
	many[1].msg_hdr.msg_namelen = 3;
	GIVES("until the first that fails", sendmmsg(giver, many, 4, 0), 1);
	FAILS("and that one", sendmmsg(giver, many + 1, 3, 0), EINVAL);
	take(taker, 0);

	/* A group on lo: joined, heard, not heard without a loop, left. */
	struct sockaddr_in group = { .sin_family = AF_INET, .sin_port = own.sin_port };
	inet_pton(AF_INET, "239.9.9.9", &group.sin_addr);
	struct ip_mreqn join = { .imr_multiaddr = group.sin_addr, .imr_ifindex = lo };
	GIVES("IP_MULTICAST_IF", setsockopt(giver, IPPROTO_IP, IP_MULTICAST_IF, &join, sizeof join), 0);
	GIVES("IP_ADD_MEMBERSHIP", setsockopt(taker, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join), 0);
	FAILS("again", setsockopt(taker, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join), EADDRINUSE);
	ttl = 3;
	GIVES("IP_MULTICAST_TTL", setsockopt(giver, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl), 0);
	GIVES("to the group", sendto(giver, "all", 3, 0, ADDRESS(group)), 3);
	GIVES("heard", take(taker, 0), 3);
	info = find(IPPROTO_IP, IP_PKTINFO, sizeof *info);
	CHECK("for the group", info && info->ipi_addr.s_addr == group.sin_addr.s_addr && info->ipi_ifindex == lo);
	GIVES("with its TTL", number_beside(IPPROTO_IP, IP_TTL), 3);
	GIVES("IP_DROP_MEMBERSHIP", setsockopt(taker, IPPROTO_IP, IP_DROP_MEMBERSHIP, &join, sizeof join), 0);
	FAILS("again", setsockopt(taker, IPPROTO_IP, IP_DROP_MEMBERSHIP, &join, sizeof join), EADDRNOTAVAIL);
	GIVES("to the group", sendto(giver, "all", 3, 0, ADDRESS(group)), 3);
	FAILS("not heard", take(taker, MSG_DONTWAIT), EAGAIN);
	join.imr_multiaddr.s_addr = htonl(0x7f000001);
	FAILS("no group", setsockopt(taker, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join), EINVAL);
	join.imr_multiaddr = group.sin_addr;
	join.imr_ifindex = 4711;
	FAILS("no such link", setsockopt(taker, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join), ENODEV);
	close(taker);
	close(giver);

	/* The same by IPv6. */
	struct sockaddr_in6 own6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any }, to6;
	taker = OPENED("datagrams of IPv6", socket(AF_INET6, SOCK_DGRAM, 0));
	giver = OPENED("others", socket(AF_INET6, SOCK_DGRAM, 0));
	GIVES("bind", bind(taker, ADDRESS(own6)), 0);
	length = sizeof own6;
	getsockname(taker, (struct sockaddr *)&own6, &length);
	to6 = own6;
	to6.sin6_addr = in6addr_loopback;
	on(taker, IPPROTO_IPV6, IPV6_RECVPKTINFO);
	on(taker, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	on(taker, IPPROTO_IPV6, IPV6_RECVTCLASS);
	int hops = 11, traffic = 0x20;
	GIVES("IPV6_UNICAST_HOPS", setsockopt(giver, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops), 0);
	GIVES("IPV6_TCLASS", setsockopt(giver, IPPROTO_IPV6, IPV6_TCLASS, &traffic, sizeof traffic), 0);
	GIVES("sendto", sendto(giver, "six", 3, 0, ADDRESS(to6)), 3);
	GIVES("recvmsg", take(taker, 0), 3);
	struct in6_pktinfo *info6 = find(IPPROTO_IPV6, IPV6_PKTINFO, sizeof *info6);
	CHECK("packet information", info6 && info6->ipi6_ifindex == lo && IN6_IS_ADDR_LOOPBACK(&info6->ipi6_addr));
	GIVES("the hop limit", number_beside(IPPROTO_IPV6, IPV6_HOPLIMIT), 11);
	GIVES("the class", number_beside(IPPROTO_IPV6, IPV6_TCLASS), 0x20);
	struct ipv6_mreq join6 = { .ipv6mr_interface = lo };
	inet_pton(AF_INET6, "ff01::77", &join6.ipv6mr_multiaddr);
	GIVES("IPV6_JOIN_GROUP", setsockopt(taker, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join6, sizeof join6), 0);
	FAILS("again", setsockopt(taker, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join6, sizeof join6), EADDRINUSE);
	GIVES("IPV6_LEAVE_GROUP", setsockopt(taker, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &join6, sizeof join6), 0);
	FAILS("again", setsockopt(taker, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &join6, sizeof join6), EADDRNOTAVAIL);
	return finish();
}
