// only: spt
// also: spt
// only: hvt
// also: hvt
/* Thousands of sockets, and no memory left: what the network tells about itself fails with an errno of
 * its own or is whole, the guest lives on, and with the memory everything comes back. */
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define SOCKETS 3000
#define ROUNDS 3

static int sockets[SOCKETS];

/* Everything that is left, in pieces that are put into a list in themselves. */
static void *take_memory(void)
{
	void **list = NULL;
	for (size_t size = 1 << 20; size >= 4096; size /= 16) {
		void **piece;
		while ((piece = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED) {
			piece[0] = list;
			piece[1] = (void *)size;
			list = piece;
		}
		CHECK(errno == ENOMEM);
	}
	return list;
}

static void give_memory(void **list)
{
	while (list) {
		void **next = list[0];
		CHECK(munmap(list, (size_t)list[1]) == 0);
		list = next;
	}
}

static int is_want_of_memory(void)
{
	return errno == ENOMEM || errno == ENOBUFS;
}

/* Lines of a text of the network; -1: there was no memory for it. */
static int lines_of(const char *path)
{
	static char text[4096];
	int lines = 0;
	long got;
	int fd = open(path, O_RDONLY);
	if (fd < 0) {
		CHECK(is_want_of_memory());
		return -1;
	}
	while ((got = read(fd, text, sizeof text)) > 0)
		for (long at = 0; at < got; at++) lines += text[at] == '\n';
	CHECK(got == 0);
	CHECK(close(fd) == 0);
	return lines;
}

static void ask_for_all(int has_memory, int udp_lines)
{
	static const char *const texts[] = {
		"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp6", "/proc/net/dev", "/proc/net/route",
		"/proc/net/if_inet6", "/proc/net/arp",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		int lines = lines_of(texts[i]);
		CHECK(!has_memory || lines >= 1);
	}
	int lines = lines_of("/proc/net/udp");
	CHECK(lines == udp_lines || (!has_memory && lines < 0));

	/* Dumps, more of them than there is room for. */
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (netlink < 0) {
		CHECK(!has_memory && is_want_of_memory());
		return;
	}
	struct { unsigned length; unsigned short type, flags; unsigned sequence, port; char family, pad[3]; } request = {
		sizeof request, 18, 0x301, 1, 0, 0, {0},
	};
	int asked = 0;
	while (asked < 500 && send(netlink, &request, sizeof request, 0) == sizeof request) asked++;
	CHECK(asked == 500 || is_want_of_memory());
	CHECK(asked < 500);
	static char answer[8192];
	long got = 0;
	for (int i = 0; i < asked; i++) {
		got = recv(netlink, answer, sizeof answer, MSG_DONTWAIT);
		CHECK(got > 0);
	}
	CHECK(!has_memory || asked > 10);
	close(netlink);
	struct ifaddrs *all = NULL;
	if (has_memory) {
		CHECK(getifaddrs(&all) == 0 && all);
		freeifaddrs(all);
	}

	/* Much beside a message. */
	size_t many = 100000;
	static char beside[100000];
	struct iovec piece = { answer, 1 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &piece, .msg_iovlen = 1,
		.msg_control = beside, .msg_controllen = many,
	};
	/* Past musl, which takes a kilobyte at most. */
	CHECK(syscall(SYS_sendmsg, sockets[0], &message, 0) == -1);
	CHECK(errno == EINVAL || (!has_memory && is_want_of_memory()));
}

/* To all who joined a group, and back from those who heard it. */
static int heard_by(int count)
{
	struct sockaddr_in group = { .sin_family = AF_INET, .sin_port = htons(7000) };
	inet_pton(AF_INET, "239.1.2.3", &group.sin_addr);
	struct in_addr lo = { htonl(INADDR_LOOPBACK) };
	int heard = 0;
	char byte;
	int from = sockets[count - 1];
	setsockopt(from, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo);
	if (sendto(from, "x", 1, 0, (struct sockaddr *)&group, sizeof group) < 0) {
		CHECK(is_want_of_memory() || errno == EAGAIN || errno == ECONNREFUSED);
		return -1;
	}
	for (int i = 0; i < count; i++) heard += recv(sockets[i], &byte, 1, MSG_DONTWAIT) == 1;
	return heard;
}

int main(void)
{
	struct rlimit limit = { SOCKETS + 100, SOCKETS + 100 };
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(7000) };
	struct ip_mreq join = { .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	inet_pton(AF_INET, "239.1.2.3", &join.imr_multiaddr);
	int on = 1, first = 0;
	for (int round = 0; round < ROUNDS; round++) {
		int count = 0;
		for (; count < SOCKETS; count++) {
			int fd = sockets[count] = socket(AF_INET, SOCK_DGRAM, 0);
			if (fd < 0) break;
			CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
			CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
			CHECK(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) == 0);
		}
		CHECK(count == SOCKETS);
		ask_for_all(1, count + 1);
		int heard = heard_by(count);
		CHECK(heard == count);
		void *list = take_memory();
		ask_for_all(0, count + 1);
		heard_by(count);
		give_memory(list);
		ask_for_all(1, count + 1);
		CHECK(heard_by(count) == count);
		for (int i = 0; i < count; i++) CHECK(close(sockets[i]) == 0);
		/* As much is left as after the first round. */
		int pieces = 0;
		void **all = list = take_memory();
		for (; all; all = all[0]) pieces += (size_t)all[1] >> 12;
		give_memory(list);
		if (round == 0) first = pieces;
		CHECK(pieces >= first - first / 50);
	}
	return finish();
}
