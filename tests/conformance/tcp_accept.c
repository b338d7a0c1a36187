/* accept when no descriptor is free: the connection waits for whoever asks next. */
#include "expect.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in peer, own;
	socklen_t length = sizeof server;
	char got[8] = "";

	int listener = OPENED("socket", socket(AF_INET, SOCK_STREAM, 0));
	GIVES("bind", bind(listener, (struct sockaddr *)&server, length), 0);
	GIVES("listen", listen(listener, 4), 0);
	getsockname(listener, (struct sockaddr *)&server, &length);
	int first = OPENED("a client", socket(AF_INET, SOCK_STREAM, 0));
	int second = OPENED("another", socket(AF_INET, SOCK_STREAM, 0));
	GIVES("connect", connect(first, (struct sockaddr *)&server, sizeof server), 0);
	GIVES("connect", connect(second, (struct sockaddr *)&server, sizeof server), 0);
	GIVES("send", send(first, "one", 3, 0), 3);
	GIVES("send", send(second, "two", 3, 0), 3);

	struct rlimit limit = { 24, 24 };
	GIVES("setrlimit", setrlimit(RLIMIT_NOFILE, &limit), 0);
	int last = -1, next;
	while ((next = dup(listener)) >= 0) last = next;
	CHECK("no descriptor is free", errno == EMFILE && last == 23);
	FAILS("accept", accept(listener, NULL, NULL), EMFILE);
	FAILS("accept4", accept4(listener, NULL, NULL, SOCK_NONBLOCK), EMFILE);
	FAILS("socket", socket(AF_INET, SOCK_STREAM, 0), EMFILE);
	FAILS("socket of datagrams", socket(AF_INET, SOCK_DGRAM, 0), EMFILE);
	struct pollfd p = { listener, POLLIN, 0 };
	GIVES("they are there still", poll(&p, 1, 0), 1);

	GIVES("close", close(last), 0);
	length = sizeof peer;
	GIVES("accept", accept(listener, (struct sockaddr *)&peer, &length), last);
	length = sizeof own;
	getsockname(first, (struct sockaddr *)&own, &length);
	CHECK("it is the first", own.sin_port == peer.sin_port);
	GIVES("recv", recv(last, got, sizeof got, 0), 3);
	say("it says %s", got);
	FAILS("accept of the second", accept(listener, NULL, NULL), EMFILE);
	GIVES("close", close(last), 0);
	GIVES("accept of the second", accept(listener, NULL, NULL), last);
	GIVES("recv", recv(last, got, sizeof got, 0), 3);
	say("it says %s", got);
	GIVES("nobody else waits", (p.revents = 0, poll(&p, 1, 0)), 0);
	return finish();
}
