/* What programs hand over with calls of sockets, by a seed: addresses, messages, what is beside them, options,
 * requests of netlink, at the end of memory and beyond it, too short and too long. A model says what each
 * call answers; nothing is written where it may not be. */
#include "expect.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE 4096
#define ROUNDS 4000

/* A page, and nothing behind it. */
static unsigned char *page;
static unsigned long long state = 20261121;

static unsigned number(unsigned below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % below;
}

/* These many bytes up to the end of memory. */
static unsigned char *last(size_t bytes)
{
	return page + PAGE - bytes;
}

/* The calls themselves: musl looks into some messages. */
static long call(long nr, long a, const void *b, long c, long d, const void *e, long f)
{
	long result = syscall(nr, a, b, c, d, e, f);
	return result < 0 ? -errno : result;
}

static void wrong(const char *what, int round, long got, long want)
{
	say("%s, round %d: %ld, not %ld   <-- not as expected", what, round, got, want);
	expectations_broken = 1;
}

static void expect(const char *what, int round, long got, long want)
{
	if (got != want) wrong(what, round, got, want);
}

/* An address of this family, or nearly one. */
static void put_address(unsigned char *at, size_t length, int family, int port)
{
	struct sockaddr_storage all = { .ss_family = family };
	((struct sockaddr_in *)&all)->sin_port = htons(port);
	if (family == AF_INET) ((struct sockaddr_in *)&all)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (family == AF_INET6) ((struct sockaddr_in6 *)&all)->sin6_addr = in6addr_loopback;
	memcpy(at, &all, length < sizeof all ? length : sizeof all);
}

/* bind, connect and sendto of datagrams say the same of the bytes of an address. */
static void addresses(int round)
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX, AF_NETLINK, 77 };
	int own = number(2) ? AF_INET : AF_INET6;
	int least = own == AF_INET ? 16 : 24;
	int length = number(4) ? (int)number(40) : number(2) ? (int)number(300) : -(int)number(3);
	int there = length < 0 ? 0 : number(8) ? length : (int)number(length + 1);
	int family = number(2) ? own : families[number(6)];
	int fd = socket(own, SOCK_DGRAM, 0);
	unsigned char *at = last(there > PAGE ? PAGE : there);
	put_address(at, there, family, 0);
	long want = 0;
	if (length < 0 || length > 128) want = -EINVAL;
	else if (there < length) want = -EFAULT;
	else if (length < least) want = -EINVAL;
	else if (family == AF_UNSPEC && own == AF_INET) want = 0;
	else if (family != own) want = -EAFNOSUPPORT;
	expect(own == AF_INET ? "bind" : "bind of IPv6", round, call(SYS_bind, fd, at, length, 0, NULL, 0), want);
	close(fd);

	fd = socket(own, SOCK_DGRAM, 0);
	put_address(at, there, family, 9);
	want = 0;
	if (length < 0 || length > 128) want = -EINVAL;
	else if (there < length) want = -EFAULT;
	else if (length < 2) want = -EINVAL;
	else if (family == AF_UNSPEC) want = 0;
	else if (own == AF_INET6 && family == AF_INET) want = length < 16 ? -EINVAL : 0;
	else if (length < least) want = -EINVAL;
	else if (family != own) want = -EAFNOSUPPORT;
	expect(own == AF_INET ? "connect" : "connect of IPv6", round, call(SYS_connect, fd, at, length, 0, NULL, 0), want);
	close(fd);

	/* A stream says less: only that it is not connected, unless the address cannot be read. */
	fd = socket(own, SOCK_DGRAM, 0);
	want = 1;
	if (length < 0 || length > 128) want = -EINVAL;
	else if (there < length) want = -EFAULT;
	else if (own == AF_INET) {
		if (length == 0) want = -EINVAL;
		else if (length < 16) want = -EINVAL;
		else if (family != AF_INET && family != AF_UNSPEC) want = -EAFNOSUPPORT;
	} else {
		if (length < 2) want = -EINVAL;
		else if (family == AF_INET) want = length < 16 ? -EINVAL : 1;
		else if (family == AF_UNSPEC) want = -EDESTADDRREQ;
		else if (family != AF_INET6) want = -EINVAL;
		else if (length < 24) want = -EINVAL;
	}
	long got = call(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, at, length);
	/* IPv4 with no family and the address of this host means this host, too. */
	expect(own == AF_INET ? "sendto" : "sendto of IPv6", round, got, want);
	close(fd);
}

/* getsockname and accept's like put as much as there is room for, and say how much there is. */
static void names(int round, int bound, int bound6)
{
	int is_six = number(2), fd = is_six ? bound6 : bound, whole = is_six ? 28 : 16;
	int room = number(5) ? (int)number(40) : -(int)number(3) - 1;
	int there = number(4) ? (room < 0 ? 0 : room) : (int)number(40);
	int put = room < whole ? room : whole;
	unsigned char *at = last(there);
	memset(page, 0xa5, PAGE);
	socklen_t length = room;
	long want = room < 0 ? -EINVAL : there < put ? -EFAULT : 0;
	expect("getsockname", round, call(SYS_getsockname, fd, at, (long)&length, 0, NULL, 0), want);
	if (want == 0) {
		expect("its length", round, length, whole);
		for (int i = put; i < there; i++) if (at[i] != 0xa5) wrong("what is behind a name", round, at[i], 0xa5);
	}
	for (unsigned char *before = page; before < at; before++)
		if (*before != 0xa5) { wrong("what is before a name", round, *before, 0xa5); break; }
	expect("getsockname into nothing", round, call(SYS_getsockname, fd, at, (long)(page + PAGE), 0, NULL, 0), -EFAULT);
}

/* Options: too short ones are refused, what is read is as long as it is. */
static void options(int round, int fd)
{
	static const struct { int level, name, least; } known[] = {
		{ SOL_SOCKET, SO_REUSEADDR, 4 }, { SOL_SOCKET, SO_KEEPALIVE, 4 }, { SOL_SOCKET, SO_RCVBUF, 4 },
		{ SOL_SOCKET, SO_LINGER, 8 }, { SOL_SOCKET, SO_RCVTIMEO, 16 }, { SOL_SOCKET, SO_BROADCAST, 4 },
		{ IPPROTO_IP, IP_TTL, 1 }, { IPPROTO_IP, IP_PKTINFO, 0 }, { IPPROTO_IP, IP_MULTICAST_LOOP, 1 },
		{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 4 }, { IPPROTO_IPV6, IPV6_RECVPKTINFO, 4 },
		{ IPPROTO_IP, IP_ADD_MEMBERSHIP, 8 }, { IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, 20 },
	};
	int which = number(sizeof known / sizeof *known), least = known[which].least;
	int length = number(6) ? (int)number(24) : -1;
	int there = number(5) ? (length < 0 ? 0 : length) : (int)number(24);
	unsigned char *at = last(there);
	memset(at, 0, there);
	if (there) at[0] = 1;
	int group = known[which].name == IP_ADD_MEMBERSHIP && known[which].level == IPPROTO_IP;
	int group6 = known[which].name == IPV6_ADD_MEMBERSHIP && known[which].level == IPPROTO_IPV6;
	long want = 0;
	if (length < 0 || length < least) want = -EINVAL;
	else if (there < (least > 1 ? least : length >= 4 ? 4 : length > 0)) want = -EFAULT;
	/* 1.0.0.0 and 100:: are no groups. */
	else if (group || group6) want = -EINVAL;
	if (want == -EINVAL && length >= 0 && length < least && there < length) want = 1;
	if (group && there < length && length >= 8) want = 1;
	long got = call(SYS_setsockopt, fd, (void *)(long)known[which].level, known[which].name, (long)at, (void *)(long)length, 0);
	if (want == 1) {
		/* Who looks at what first is nobody's business. */
		if (got != -EFAULT && got != -EINVAL) wrong("setsockopt", round, got, -EFAULT);
	} else if (got != want) {
		say("level %d option %d length %d there %d", known[which].level, known[which].name, length, there);
		wrong("setsockopt", round, got, want);
	}

	if (group || group6) return;
	socklen_t room = number(24);
	int put = room < 16 ? room : 16;
	memset(page, 0x5a, PAGE);
	at = last(24);
	got = call(SYS_getsockopt, fd, (void *)(long)known[which].level, known[which].name, (long)at, &room, 0);
	expect("getsockopt", round, got, 0);
	if (room > put) wrong("its length", round, room, put);
	for (int i = room; i < 24; i++) if (at[i] != 0x5a) wrong("what is behind an option", round, at[i], 0x5a);
	int negative = -1;
	/* Linux takes it for a long one there. */
	if (known[which].level == IPPROTO_IPV6) return;
	expect("getsockopt with a negative length", round,
		call(SYS_getsockopt, fd, (void *)(long)known[which].level, known[which].name, (long)at, &negative, 0), -EINVAL);
}

/* What is beside a message: laid out wrongly in every way. */
static void beside(int round, int fd, int fd6, struct sockaddr_in *to, struct sockaddr_in6 *to6)
{
	int is_six = number(2);
	int length = number(80), there = number(10) ? length : (int)number(length + 1);
	unsigned char *at = last(there);
	for (int i = 0; i < there; i++) at[i] = number(3) ? 0 : number(256);
	int count = number(3);
	unsigned char all[80] = { 0 };
	memcpy(all, at, there);
	/* Often a header that is nearly right. */
	if (number(3) && length >= 16) {
		struct cmsghdr head = {
			.cmsg_len = number(4) ? 16 + number(length) : number(2) ? number(20) : ~0u - number(20),
			.cmsg_level = number(2) ? IPPROTO_IP : number(2) ? IPPROTO_IPV6 : SOL_SOCKET,
			.cmsg_type = (int[]){ IP_PKTINFO, IP_TTL, IP_TOS, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, 99 }[number(7)],
		};
		memcpy(all, &head, 16);
	}
	memcpy(at, all, there);
	struct iovec pieces[2] = { { "abc", 3 }, { "de", 2 } };
	struct msghdr message = {
		.msg_name = is_six ? (void *)to6 : (void *)to, .msg_namelen = is_six ? sizeof *to6 : sizeof *to,
		.msg_iov = pieces, .msg_iovlen = count, .msg_control = at, .msg_controllen = length,
	};
	long got = call(SYS_sendmsg, is_six ? fd6 : fd, &message, MSG_DONTWAIT, 0, NULL, 0);
	long sent = count == 0 ? 0 : count == 1 ? 3 : 5;
	if (length < 16) {
		/* No header fits: nothing is looked at; Linux copies it first, we do not. */
		if (got != sent && got != -EFAULT) wrong("little beside a message", round, got, sent);
	} else if (there < length) {
		expect("what is beside a message is not there", round, got, -EFAULT);
	} else {
		struct cmsghdr head;
		memcpy(&head, all, 16);
		if (head.cmsg_len < 16 || head.cmsg_len > (size_t)length) expect("a header that lies", round, got, -EINVAL);
		else if (got != sent && got != -EINVAL && got != -ENETUNREACH && got != -ENODEV && got != -EPERM)
			wrong("beside a message", round, got, sent);
	}
}

/* Messages whose pieces, names and headers are not there. */
static void messages(int round, int fd, struct sockaddr_in *own)
{
	struct iovec many[2] = { { "abc", 3 }, { "de", 2 } };
	int headers = number(57);
	struct msghdr message = { .msg_name = own, .msg_namelen = sizeof *own, .msg_iov = many, .msg_iovlen = 2 };
	unsigned char *at = last(headers);
	memcpy(at, &message, headers);
	expect("sendmsg", round, call(SYS_sendmsg, fd, at, MSG_DONTWAIT, 0, NULL, 0), headers < 56 ? -EFAULT : 5);
	int pieces = number(33);
	at = last(pieces);
	memcpy(at, many, pieces > 32 ? 32 : pieces);
	message.msg_iov = (struct iovec *)at;
	expect("pieces", round, call(SYS_sendmsg, fd, &message, MSG_DONTWAIT, 0, NULL, 0), pieces < 32 ? -EFAULT : 5);
	message.msg_iov = many;
	message.msg_iovlen = 1025 + number(1000);
	expect("too many pieces", round, call(SYS_sendmsg, fd, &message, MSG_DONTWAIT, 0, NULL, 0), -EMSGSIZE);
	message.msg_iovlen = 2;
	many[1].iov_len = -1l - number(100);
	expect("a piece that is too long", round, call(SYS_sendmsg, fd, &message, MSG_DONTWAIT, 0, NULL, 0), -EINVAL);
	many[1] = (struct iovec){ page + PAGE, 1 + number(100) };
	expect("a piece that is not there", round, call(SYS_sendmsg, fd, &message, MSG_DONTWAIT, 0, NULL, 0), -EFAULT);
	many[1] = (struct iovec){ "de", 2 };
	message.msg_namelen = -1 - (int)number(100);
	expect("a negative name", round, call(SYS_sendmsg, fd, &message, MSG_DONTWAIT, 0, NULL, 0), -EINVAL);
	message.msg_namelen = 16;

	/* And received, into as much room as there is. */
	expect("send", round, call(SYS_sendmsg, fd, &message, 0, 0, NULL, 0), 5);
	char first[3], second[8];
	int room = number(4), name = number(24);
	memset(page, 0x3c, PAGE);
	many[0] = (struct iovec){ first, sizeof first };
	many[1] = (struct iovec){ second, room };
	message = (struct msghdr){ .msg_name = last(32), .msg_namelen = name, .msg_iov = many, .msg_iovlen = 2 };
	long got;
	do {
		message.msg_namelen = name;
		message.msg_flags = 0;
		got = call(SYS_recvmsg, fd, &message, MSG_DONTWAIT, 0, NULL, 0);
	} while (got >= 0 && number(2) && call(SYS_sendto, fd, "abcde", 5, 0, own, 16) == 5);
	if (got != -EAGAIN) {
		expect("recvmsg", round, got, 3 + (room < 2 ? room : 2));
		expect("it was cut", round, message.msg_flags & MSG_TRUNC, room < 2 ? MSG_TRUNC : 0);
		expect("the name's length", round, message.msg_namelen, 16);
		for (int i = name < 16 ? name : 16; i < 32; i++)
			if (last(32)[i] != 0x3c) { wrong("what is behind the sender's name", round, last(32)[i], 0x3c); break; }
		if (memcmp(first, "abc", 3)) wrong("the bytes", round, first[0], 'a');
	}
	while (call(SYS_recvfrom, fd, second, sizeof second, MSG_DONTWAIT, NULL, 0) >= 0);
}

/* Requests of netlink: whatever they are, what comes is a chain of whole messages. */
static void requests(int round, int netlink)
{
	static char answer[32768];
	unsigned char bytes[64];
	int length = number(65);
	struct nlmsghdr head = {
		.nlmsg_len = number(3) ? length : number(100), .nlmsg_seq = round,
		.nlmsg_type = (int[]){ RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, 99, NLMSG_NOOP }[number(5)],
		.nlmsg_flags = number(2) ? NLM_F_REQUEST | NLM_F_DUMP : number(0x400),
	};
	for (int i = 0; i < 64; i++) bytes[i] = number(4) ? 0 : number(256);
	memcpy(bytes, &head, sizeof head);
	unsigned char *at = last(length);
	memcpy(at, bytes, length);
	long sent = call(SYS_sendto, netlink, at, length, 0, NULL, 0);
	if (sent != (length ? length : -ENODATA) && sent != -ENOBUFS) wrong("a request", round, sent, length);
	expect("a request that is not there", round, call(SYS_sendto, netlink, last(length), length + 1, 0, NULL, 0), -EFAULT);
	long got;
	while ((got = call(SYS_recvfrom, netlink, answer, sizeof answer, MSG_DONTWAIT, NULL, 0)) > 0) {
		struct nlmsghdr *part = (void *)answer;
		while (got > 0 && NLMSG_OK(part, got)) {
			if (part->nlmsg_len < sizeof *part) { wrong("an answer", round, part->nlmsg_len, 16); break; }
			part = NLMSG_NEXT(part, got);
		}
		if (got > 0) wrong("what is left of an answer", round, got, 0);
	}
	if (got != -EAGAIN && got != 0) wrong("no more answers", round, got, -EAGAIN);
}

int main(void)
{
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + PAGE, PAGE);
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 own6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	socklen_t length = sizeof own;
	int fd = OPENED("datagrams", socket(AF_INET, SOCK_DGRAM, 0));
	GIVES("bind", bind(fd, (void *)&own, length), 0);
	getsockname(fd, (void *)&own, &length);
	int fd6 = OPENED("datagrams of IPv6", socket(AF_INET6, SOCK_DGRAM, 0));
	GIVES("bind", bind(fd6, (void *)&own6, sizeof own6), 0);
	length = sizeof own6;
	getsockname(fd6, (void *)&own6, &length);
	int plain = OPENED("another", socket(AF_INET6, SOCK_DGRAM, 0));
	int netlink = OPENED("netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	for (int round = 0; round < ROUNDS && !expectations_broken; round++) {
		addresses(round);
		names(round, fd, fd6);
		options(round, plain);
		messages(round, fd, &own);
		beside(round, fd, fd6, &own, &own6);
		char rest[64];
		while (recv(fd, rest, sizeof rest, MSG_DONTWAIT) >= 0 || recv(fd6, rest, sizeof rest, MSG_DONTWAIT) >= 0);
		if (round % 8 == 0) requests(round, netlink);
	}
	say("%d rounds", ROUNDS);
	return finish();
}
