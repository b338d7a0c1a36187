/* AF_UNIX datagrams in detail: names, peers, full queues, lost receivers; and names in the file system. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static volatile sig_atomic_t broken_pipes;
static void count_signal(int number) { broken_pipes++; }

static struct sockaddr_un address, from;
static socklen_t length;
static struct sockaddr *set_name(const char *name)
{
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	strcpy(address.sun_path + (*name == '@'), name + (*name == '@'));
	return (struct sockaddr *)&address;
}
static socklen_t length_of(const char *name)
{
	return offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name != '@');
}
#define NAMED(name) set_name(name), length_of(name)
#define FROM (struct sockaddr *)(memset(&from, 0, sizeof from), &from), (length = sizeof from, &length)

static int can_write(int fd)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	poll(&p, 1, 0);
	return p.revents;
}

static void say_from(void)
{
	say("from %d bytes: %s%s", (int)length, length > 2 && !from.sun_path[0] ? "@" : "",
		length > 2 ? from.sun_path + !from.sun_path[0] : "nobody");
}

int main(void)
{
	char text[32] = "", room[64] = "";
	int pair[2], count;
	signal(SIGPIPE, count_signal);

	int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	GIVES("bind", bind(receiver, NAMED("@receiver")), 0);
	FAILS("bind again", bind(receiver, NAMED("@other")), EINVAL);
	FAILS("a name in use", bind(sender, NAMED("@receiver")), EADDRINUSE);
	int stream = socket(AF_UNIX, SOCK_STREAM, 0);
	GIVES("each kind has names of its own", bind(stream, NAMED("@receiver")), 0);
	FAILS("listen", listen(sender, 1), EOPNOTSUPP);
	FAILS("accept", accept(sender, NULL, NULL), EOPNOTSUPP);
	FAILS("send to nobody", send(sender, "x", 1, 0), ENOTCONN);
	GIVES("sendto", sendto(sender, "hello", 5, 0, NAMED("@receiver")), 5);
	GIVES("recvfrom", recvfrom(receiver, text, 32, 0, FROM), 5);
	say_from();
	GIVES("a name of the machine's choice", bind(sender, set_name(""), sizeof(sa_family_t)), 0);
	GIVES("once", bind(sender, set_name(""), sizeof(sa_family_t)), 0);
	GIVES("getsockname", getsockname(sender, FROM), 0);
	GIVES("its length", length, sizeof(sa_family_t) + 6);
	CHECK("five digits", from.sun_path[0] == 0 && strspn(from.sun_path + 1, "0123456789abcdef") == 5);

	GIVES("connect", connect(sender, NAMED("@receiver")), 0);
	GIVES("getpeername", getpeername(sender, FROM), 0);
	say_from();
	GIVES("send", send(sender, "", 0, 0), 0);
	GIVES("FIONREAD", (ioctl(receiver, FIONREAD, &count), count), 0);
	GIVES("an empty datagram", recvfrom(receiver, text, 32, 0, FROM), 0);
	GIVES("it has a name", length, sizeof(sa_family_t) + 6);
	GIVES("send", send(sender, "truncated", 9, 0), 9);
	GIVES("send", send(sender, "two", 3, 0), 3);
	GIVES("FIONREAD is the next", (ioctl(receiver, FIONREAD, &count), count), 9);
	GIVES("MSG_PEEK", recv(receiver, text, 32, MSG_PEEK), 9);
	GIVES("MSG_PEEK and MSG_TRUNC", recv(receiver, text, 2, MSG_PEEK | MSG_TRUNC), 9);
	GIVES("the rest is lost", recv(receiver, text, 5, 0), 5);
	GIVES("the next", recv(receiver, text, 32, 0), 3);
	FAILS("no more", recv(receiver, text, 32, 0), EAGAIN);

	/* One more than the limit fits; who asked is told when there is room. */
	for (count = 0; send(sender, "fill", 4, 0) == 4; count++) ;
	CHECK("EAGAIN", errno == EAGAIN);
	say("%d datagrams fit", count);
	GIVES("no room", can_write(sender), 0);
	int third = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	GIVES("without a peer there is always room", can_write(third), POLLOUT);
	FAILS("sendto a full one", sendto(third, "x", 1, 0, NAMED("@receiver")), EAGAIN);
	GIVES("recv", recv(receiver, text, 32, 0), 4);
	GIVES("room", can_write(sender), POLLOUT);
	GIVES("send", send(sender, "fill", 4, 0), 4);

	/* A peer for good. */
	GIVES("receiver connects back", (getsockname(sender, FROM), connect(receiver, (struct sockaddr *)&from, length)), 0);
	FAILS("nobody else may send", sendto(third, "x", 1, 0, NAMED("@receiver")), EPERM);
	FAILS("or connect", connect(third, NAMED("@receiver")), EPERM);
	for (count = 0; send(sender, "fill", 4, 0) == 4; count++) ;
	CHECK("a peer's queue is as long as its buffer", count > 200);
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	GIVES("disconnect", connect(receiver, &nowhere, sizeof nowhere), 0);
	FAILS("what came is lost", recv(receiver, text, 32, 0), EAGAIN);
	FAILS("the peer is told", send(sender, "x", 1, 0), ECONNRESET);
	GIVES("once", send(sender, "x", 1, 0), 1);
	FAILS("disconnected", send(receiver, "x", 1, 0), ENOTCONN);
	close(receiver);
	FAILS("the receiver is gone", send(sender, "x", 1, 0), ECONNREFUSED);
	FAILS("and forgotten", send(sender, "x", 1, 0), ENOTCONN);
	FAILS("sendto nobody", sendto(sender, "x", 1, 0, NAMED("@receiver")), ECONNREFUSED);

	GIVES("socketpair", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	GIVES("shutdown", shutdown(pair[0], SHUT_WR), 0);
	FAILS("send", send(pair[0], "x", 1, 0), EPIPE);
	FAILS("the other is not told", recv(pair[1], text, 1, 0), EAGAIN);
	GIVES("shutdown", shutdown(pair[0], SHUT_RD), 0);
	FAILS("nobody receives", send(pair[1], "x", 1, 0), EPIPE);
	close(pair[0]);
	FAILS("the peer is gone", send(pair[1], "x", 1, 0), ECONNREFUSED);
	FAILS("too long", (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), send(pair[0], room, 64, 0), send(pair[0], room, 300000, 0)), EMSGSIZE);
	GIVES("to oneself", (bind(third, NAMED("@third")), connect(third, NAMED("@third"))), 0);
	GIVES("send", send(third, "echo", 4, 0), 4);
	GIVES("recv", recvfrom(third, text, 32, 0, FROM), 4);
	say_from();
	say("signals: %d", broken_pipes);

	/* Names in the file system. */
	int named = socket(AF_UNIX, SOCK_DGRAM, 0), other = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct stat facts;
	umask(027);
	GIVES("bind", bind(named, set_name("named"), sizeof address), 0);
	GIVES("stat", stat("named", &facts), 0);
	CHECK("it is a socket, less the umask", facts.st_mode == (S_IFSOCK | 0750));
	GIVES("getsockname", getsockname(named, FROM), 0);
	say_from();
	FAILS("open", open("named", O_RDWR), ENXIO);
	FAILS("the name is taken", bind(other, NAMED("named")), EADDRINUSE);
	FAILS("no such directory", bind(other, NAMED("none/named")), ENOENT);
	FAILS("not a directory", bind(other, NAMED("named/x")), ENOTDIR);
	FAILS("a slash at the end", bind(other, NAMED("new/")), ENOENT);
	FAILS("a dot", bind(other, NAMED(".")), EADDRINUSE);
	FAILS("another kind of socket", connect(stream, NAMED("named")), EPROTOTYPE);
	make_file("file", "no socket");
	FAILS("not a socket", connect(other, NAMED("file")), ECONNREFUSED);
	FAILS("nothing", connect(other, NAMED("nothing")), ENOENT);
	GIVES("symlink", symlink("named", "link"), 0);
	GIVES("connect through a link", connect(other, NAMED("link")), 0);
	GIVES("rename", rename("named", "renamed"), 0);
	GIVES("the name goes along", sendto(other, "x", 1, 0, NAMED("renamed")), 1);
	GIVES("recvfrom", recvfrom(named, text, 32, 0, FROM), 1);
	GIVES("it is not bound", length, 0);
	GIVES("unlink", unlink("renamed"), 0);
	GIVES("a connection stays", send(other, "x", 1, 0), 1);
	GIVES("the name is free", (third = socket(AF_UNIX, SOCK_DGRAM, 0), bind(third, NAMED("renamed"))), 0);
	close(third);
	FAILS("nobody is behind the name", connect(other, NAMED("renamed")), ECONNREFUSED);
	FAILS("it is not removed", bind(other, NAMED("renamed")), EADDRINUSE);
	char longest[sizeof address.sun_path + 1];
	memset(longest, 'l', sizeof longest);
	memset(&address, 'l', sizeof address);
	address.sun_family = AF_UNIX;
	GIVES("the longest name", bind(other, (struct sockaddr *)&address, sizeof address), 0);
	struct { struct sockaddr_un name; char more[8]; } longer;
	length = sizeof longer;
	GIVES("getsockname", getsockname(other, (struct sockaddr *)&longer, &length), 0);
	GIVES("has a zero behind it", length, sizeof address + 1);
	FAILS("bind EINVAL", bind(socket(AF_UNIX, SOCK_DGRAM, 0), (struct sockaddr *)&address, sizeof address + 1), EINVAL);
	FAILS("another family", bind(socket(AF_UNIX, SOCK_DGRAM, 0), &nowhere, sizeof nowhere), EINVAL);
	FAILS("bind EFAULT", bind(other, (struct sockaddr *)8, sizeof address), EFAULT);

	FAILS("socket: no such kind", socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	FAILS("socket: no kind at all", socket(AF_UNIX, 13, 0), EINVAL);
	FAILS("socket: flags", socket(AF_UNIX, SOCK_DGRAM | 0x100000, 0), EINVAL);
	FAILS("socket: protocol", socket(AF_UNIX, SOCK_DGRAM, 17), EPROTONOSUPPORT);
	FAILS("socket: no family", socket(AF_UNSPEC, SOCK_DGRAM, 0), EAFNOSUPPORT);
	FAILS("socket: no such family", socket(99, SOCK_DGRAM, 0), EAFNOSUPPORT);
	FAILS("socketpair EFAULT", socketpair(AF_UNIX, SOCK_DGRAM, 0, (int *)8), EFAULT);
	OPENED("SOCK_RAW is datagrams", other = socket(AF_UNIX, SOCK_RAW, AF_UNIX));
	int type;
	length = sizeof type;
	getsockopt(other, SOL_SOCKET, SO_TYPE, &type, &length);
	GIVES("SO_TYPE", type, SOCK_DGRAM);
	return finish();
}
