/* What the network tells about itself: /proc/net, getifaddrs, names and numbers of links, and of queues. */
#include "expect.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef SIOCOUTQ
#define SIOCOUTQ 0x5411
#endif

static char line[512];

/* The line of a text whose local port is this one; of several the first that has this state. */
static int find(const char *path, int port, const char *state)
{
	char wanted[16];
	FILE *file = fopen(path, "r");
	if (!file) return -1;
	snprintf(wanted, sizeof wanted, ":%04X", port);
	int found = 0;
	while (!found && fgets(line, sizeof line, file)) {
		char *local = strchr(line, ':');
		char *at = local ? strchr(local + 1, ':') : NULL;
		char *peer = at ? strchr(at + 1, ':') : NULL;
		found = peer && !strncmp(at, wanted, 5) && !strncmp(peer + 6, state, 2);
	}
	fclose(file);
	return found;
}

/* The address behind the first colon, and the queues. */
static void fields(const char *what)
{
	char local[64], peer[64], state[8], queues[32], timer[32];
	unsigned long again, uid, timeout, inode;
	int count = sscanf(line, " %*d: %63[0-9A-F]:%*x %63[0-9A-F]:%*x %7s %31s %31s %lx %lu %lu %lu",
		local, peer, state, queues, timer, &again, &uid, &timeout, &inode);
	say("%s: %d fields, %s %s %s %s", what, count, local, peer, state, queues);
}

/* The first line of a text, without the blanks at its end; and how long all of it is. */
static void head(const char *path)
{
	FILE *file = fopen(path, "r");
	CHECK("it is there", file && fgets(line, sizeof line, file));
	size_t whole = strlen(line), length = whole;
	while (length && (line[length - 1] == ' ' || line[length - 1] == '\n')) line[--length] = 0;
	say("%s: %s (%zu)", path, line, whole);
	if (file) fclose(file);
}

static int queue(int fd, unsigned long which)
{
	int count = -1;
	return ioctl(fd, which, &count) ? -errno : count;
}

int main(void)
{
	static const char *const heads[] = { "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6",
		"/proc/net/dev", "/proc/net/route", "/proc/net/arp" };
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) head(heads[i]);

	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof name;
	int listener = OPENED("socket", socket(AF_INET, SOCK_STREAM, 0));
	bind(listener, (struct sockaddr *)&name, sizeof name);
	getsockname(listener, (struct sockaddr *)&name, &length);
	int port = ntohs(name.sin_port);
	GIVES("bound alone it is not there", find("/proc/net/tcp", port, "07"), 0);
	GIVES("listen", listen(listener, 7), 0);
	int first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0);
	GIVES("connect", connect(first, (struct sockaddr *)&name, sizeof name), 0);
	GIVES("connect", connect(second, (struct sockaddr *)&name, sizeof name), 0);
	GIVES("the listener", find("/proc/net/tcp", port, "0A"), 1);
	CHECK("its line is as long as all", strlen(line) == 150);
	fields("it listens, and two wait");
	int taken = accept(listener, NULL, NULL);
	GIVES("send", send(first, "seven..", 7, 0), 7);
	struct pollfd p = { taken, POLLIN, 0 };
	poll(&p, 1, -1);
	struct sockaddr_in own;
	length = sizeof own;
	getsockname(first, (struct sockaddr *)&own, &length);
	GIVES("the client", find("/proc/net/tcp", ntohs(own.sin_port), "01"), 1);
	fields("it is connected");
	GIVES("FIONREAD", queue(taken, FIONREAD), 7);
	char byte;
	GIVES("after a byte", recv(taken, &byte, 1, 0) == 1 ? queue(taken, FIONREAD) : -1, 6);
	GIVES("FIONREAD of the other side", queue(first, FIONREAD), 0);
	GIVES("SIOCOUTQ", queue(first, SIOCOUTQ), 0);
	GIVES("FIONREAD of the listener", queue(listener, FIONREAD), -EINVAL);
	GIVES("SIOCOUTQ of the listener", queue(listener, SIOCOUTQ), -EINVAL);

	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	GIVES("bind", bind(udp, (struct sockaddr *)&name, sizeof name), 0);
	GIVES("datagrams", find("/proc/net/udp", port, "07"), 1);
	CHECK("its line is as long as all", strlen(line) == 128);
	fields("nobody in particular");
	GIVES("connect", connect(udp, (struct sockaddr *)&name, sizeof name), 0);
	GIVES("now connected", find("/proc/net/udp", port, "01"), 1);
	fields("with itself");
	GIVES("FIONREAD of nothing", queue(udp, FIONREAD), 0);
	send(udp, "four", 4, 0);
	send(udp, "and three", 9, 0);
	GIVES("FIONREAD of two", queue(udp, FIONREAD), 4);
	struct sockaddr_in6 name6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	int six = socket(AF_INET6, SOCK_STREAM, 0);
	GIVES("bind of IPv6", bind(six, (struct sockaddr *)&name6, sizeof name6), 0);
	listen(six, 1);
	length = sizeof name6;
	getsockname(six, (struct sockaddr *)&name6, &length);
	GIVES("a listener of IPv6", find("/proc/net/tcp6", ntohs(name6.sin6_port), "0A"), 1);
	fields("it listens");

	char text[IF_NAMESIZE] = "", with_names[128] = "";
	GIVES("if_nametoindex", if_nametoindex("lo"), 1);
	CHECK("if_indextoname", if_indextoname(1, text) && !strcmp(text, "lo"));
	FAILS("no such link", if_nametoindex("nolink7") ? 0 : -1, ENODEV);
	CHECK("no such number", !if_indextoname(4711, text) && errno == ENXIO);
	struct if_nameindex *links = if_nameindex();
	CHECK("if_nameindex", links && links[0].if_index == 1 && !strcmp(links[0].if_name, "lo"));
	if_freenameindex(links);
	struct ifaddrs *all;
	GIVES("getifaddrs", getifaddrs(&all), 0);
	int flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING, found = 0;
	for (struct ifaddrs *one = all; one; one = one->ifa_next) {
		if (strcmp(one->ifa_name, "lo") || !one->ifa_addr) continue;
		CHECK("flags", (one->ifa_flags & (flags | IFF_BROADCAST)) == flags);
		struct sockaddr_in *four = (void *)one->ifa_addr, *mask = (void *)one->ifa_netmask;
		struct sockaddr_in6 *six = (void *)one->ifa_addr;
		if (one->ifa_addr->sa_family == AF_INET)
			found |= four->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && mask->sin_addr.s_addr == htonl(0xff000000);
		if (one->ifa_addr->sa_family == AF_INET6) found |= 2 * IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
		if (one->ifa_addr->sa_family == AF_PACKET) found |= 4;
	}
	freeifaddrs(all);
	GIVES("lo, with both addresses and its hardware", found, 7);
	FILE *limit = fopen("/proc/sys/net/core/somaxconn", "r");
	CHECK("somaxconn", limit && fscanf(limit, "%d", &found) == 1 && found == 4096);
	return finish();
}
