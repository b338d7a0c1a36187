/* AF_UNIX: streams, datagrams, sequenced packets, names, pairs, peers. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un name(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, path);
	return address;
}
#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)

int main(void)
{
	char text[64] = "";
	int pair[2];
	struct sockaddr_un server = name("server"), client = name("client"), from;
	socklen_t length = sizeof from;
	signal(SIGPIPE, SIG_IGN);

	int listener = OPENED("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	GIVES("SOCK_CLOEXEC", fcntl(listener, F_GETFD), FD_CLOEXEC);
	int one = OPENED("socket", socket(AF_UNIX, SOCK_STREAM, 0));
	FAILS("connect to nothing", connect(one, ADDRESS(server)), ENOENT);
	GIVES("bind", bind(listener, ADDRESS(server)), 0);
	FAILS("connect before listen", connect(one, ADDRESS(server)), ECONNREFUSED);
	int other = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS("bind to a name in use", bind(other, ADDRESS(server)), EADDRINUSE);
	FAILS("accept before listen", accept(listener, NULL, NULL), EINVAL);
	GIVES("listen", listen(listener, 5), 0);
	GIVES("connect", connect(one, ADDRESS(server)), 0);
	FAILS("connect again", connect(one, ADDRESS(server)), EISCONN);
	int two = OPENED("accept4", accept4(listener, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
	GIVES("accept4 sets O_NONBLOCK", fcntl(two, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	GIVES("the peer has no name", length, sizeof(sa_family_t));
	length = sizeof from;
	GIVES("getpeername", getpeername(one, (struct sockaddr *)&from, &length), 0);
	say("peer: %s", from.sun_path);
	FAILS("recv of nothing", recv(two, text, 64, 0), EAGAIN);
	GIVES("send", send(one, "hello", 5, 0), 5);
	GIVES("MSG_PEEK", recv(two, text, 3, MSG_PEEK), 3);
	GIVES("recv", recv(two, text, 64, 0), 5);
	say("text: %.5s", text);
	struct ucred peer;
	length = sizeof peer;
	GIVES("SO_PEERCRED", getsockopt(two, SOL_SOCKET, SO_PEERCRED, &peer, &length), 0);
	CHECK("it is this process", peer.pid == getpid() && peer.uid == geteuid());
	GIVES("shutdown SHUT_WR", shutdown(one, SHUT_WR), 0);
	GIVES("end of file", recv(two, text, 64, 0), 0);
	FAILS("send after SHUT_WR", send(one, "x", 1, MSG_NOSIGNAL), EPIPE);
	GIVES("the other way is open", send(two, "back", 4, 0), 4);
	GIVES("recv", recv(one, text, 64, 0), 4);
	close(two);
	GIVES("recv after close", recv(one, text, 64, 0), 0);
	FAILS("shutdown of nonsense", shutdown(one, 77), EINVAL);

	GIVES("socketpair stream", socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	GIVES("write", write(pair[0], "abc", 3), 3);
	GIVES("write", write(pair[0], "def", 3), 3);
	GIVES("a stream has no borders", read(pair[1], text, 64), 6);
	long sent = 0, got;
	while ((got = send(pair[0], text, 64, 0)) > 0) sent += got;
	CHECK("a full one: EAGAIN", errno == EAGAIN && sent > 4096);
	struct pollfd p = { pair[0], POLLOUT, 0 };
	GIVES("poll", poll(&p, 1, 0), 0);
	close(pair[1]);
	FAILS("write to a closed one", write(pair[0], "x", 1), EPIPE);

	GIVES("socketpair packets", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	send(pair[0], "one", 3, 0);
	send(pair[0], "second", 6, 0);
	GIVES("one packet", recv(pair[1], text, 64, 0), 3);
	GIVES("cut, true length", recv(pair[1], text, 2, MSG_TRUNC), 6);

	int d1 = OPENED("datagram socket", socket(AF_UNIX, SOCK_DGRAM, 0)), d2 = socket(AF_UNIX, SOCK_DGRAM, 0);
	unlink("server");
	GIVES("bind", bind(d1, ADDRESS(server)), 0);
	GIVES("bind", bind(d2, ADDRESS(client)), 0);
	GIVES("sendto", sendto(d2, "datagram", 8, 0, ADDRESS(server)), 8);
	length = sizeof from;
	GIVES("recvfrom", recvfrom(d1, text, 64, 0, (struct sockaddr *)&from, &length), 8);
	say("from: %s", from.sun_path);
	FAILS("send without a peer", send(d1, "x", 1, 0), ENOTCONN);
	FAILS("recv without waiting", recv(d1, text, 64, MSG_DONTWAIT), EAGAIN);
	struct sockaddr_un abstract = { .sun_family = AF_UNIX };
	int unnamed = socket(AF_UNIX, SOCK_DGRAM, 0);
	GIVES("an abstract name of the kernel's choice", bind(unnamed, (struct sockaddr *)&abstract, sizeof(sa_family_t)), 0);
	length = sizeof from;
	GIVES("getsockname", getsockname(unnamed, (struct sockaddr *)&from, &length), 0);
	CHECK("it begins with zero", length == sizeof(sa_family_t) + 6 && from.sun_path[0] == 0);
	return finish();
}
