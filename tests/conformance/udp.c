/* UDP on loopback, over IPv4 and, where there is one, IPv6; and inet_* texts. */
#include "expect.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)

int main(void)
{
	struct sockaddr_in one = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, two = one, from;
	socklen_t length = sizeof one;
	char text[64] = "";

	int a = OPENED("socket", socket(AF_INET, SOCK_DGRAM, 0)), b = OPENED("socket", socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
	GIVES("bind", bind(a, ADDRESS(one)) || bind(b, ADDRESS(two)), 0);
	GIVES("getsockname", getsockname(a, (struct sockaddr *)&one, &length) || getsockname(b, (struct sockaddr *)&two, &length), 0);
	GIVES("sendto", sendto(a, "datagram", 8, 0, ADDRESS(two)), 8);
	GIVES("recvfrom", recvfrom(b, text, 64, 0, (struct sockaddr *)&from, &length), 8);
	CHECK("from the first", from.sin_port == one.sin_port);
	say("text: %.8s", text);
	GIVES("an empty datagram", sendto(a, "", 0, 0, ADDRESS(two)), 0);
	GIVES("recv", recv(b, text, 64, 0), 0);
	GIVES("sendto", sendto(a, "too long", 8, 0, ADDRESS(two)), 8);
	GIVES("recv cuts, MSG_TRUNC tells", recv(b, text, 3, MSG_TRUNC), 8);
	FAILS("recv of nothing", recv(b, text, 3, MSG_DONTWAIT), EAGAIN);
	FAILS("send without a peer", send(a, "x", 1, 0), EDESTADDRREQ);
	GIVES("connect", connect(a, ADDRESS(two)), 0);
	GIVES("send", send(a, "connected", 9, 0), 9);
	GIVES("recv", recv(b, text, 64, 0), 9);
	static char large[70000];
	FAILS("too large", send(a, large, sizeof large, 0), EMSGSIZE);
	close(b);
	GIVES("send to nobody", send(a, "x", 1, 0), 1);
	FAILS("the answer comes with the next call", recv(a, text, 64, 0), ECONNREFUSED);

	int value = 0, on = 1;
	length = sizeof value;
	GIVES("SO_TYPE", getsockopt(a, SOL_SOCKET, SO_TYPE, &value, &length), 0);
	GIVES("type", value, SOCK_DGRAM);
	GIVES("SO_DOMAIN", getsockopt(a, SOL_SOCKET, SO_DOMAIN, &value, &length), 0);
	GIVES("domain", value, AF_INET);
	GIVES("SO_BROADCAST", setsockopt(a, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), 0);
	FAILS("an option of nonsense", setsockopt(a, SOL_SOCKET, 7777, &on, sizeof on), ENOPROTOOPT);
	FAILS("a level of nonsense", getsockopt(a, 7777, 1, &value, &length), EOPNOTSUPP);
	FAILS("too short", setsockopt(a, SOL_SOCKET, SO_BROADCAST, &on, 1), EINVAL);
	FAILS("setsockopt of a file", setsockopt(0, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), ENOTSOCK);
	FAILS("bind to an address that is not ours", (two.sin_addr.s_addr = inet_addr("192.0.2.1"), two.sin_port = 0,
		bind(socket(AF_INET, SOCK_DGRAM, 0), ADDRESS(two))), EADDRNOTAVAIL);
	FAILS("a family of nonsense", socket(77, SOCK_DGRAM, 0), EAFNOSUPPORT);
	FAILS("a type of nonsense", socket(AF_INET, 99, 0), EINVAL);
	FAILS("a protocol that does not fit", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	FAILS("bind EBADF", bind(-1, ADDRESS(two)), EBADF);
	FAILS("accept of a datagram socket", accept(a, NULL, NULL), EOPNOTSUPP);
	FAILS("listen on a datagram socket", listen(a, 1), EOPNOTSUPP);

	struct ifreq request = { .ifr_name = "lo" };
	GIVES("SIOCGIFINDEX", ioctl(a, SIOCGIFINDEX, &request), 0);
	CHECK("if_nametoindex agrees", (int)if_nametoindex("lo") == request.ifr_ifindex);
	CHECK("if_indextoname", if_indextoname(request.ifr_ifindex, text) && strcmp(text, "lo") == 0);
	struct in6_addr six;
	GIVES("inet_pton", inet_pton(AF_INET6, "::ffff:127.0.0.1", &six), 1);
	say("inet_ntop: %s", inet_ntop(AF_INET6, &six, text, sizeof text));
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found;
	GIVES("getaddrinfo, numbers", getaddrinfo("127.0.0.1", "80", &hints, &found), 0);
	say("family %d port %d", found->ai_family, ntohs(((struct sockaddr_in *)found->ai_addr)->sin_port));
	freeaddrinfo(found);
	GIVES("getaddrinfo, a name among numbers", getaddrinfo("nobody", "80", &hints, &found), EAI_NONAME);
	GIVES("getnameinfo", getnameinfo(ADDRESS(one), text, sizeof text, NULL, 0, NI_NUMERICHOST), 0);
	say("host %s", text);
	return finish();
}
