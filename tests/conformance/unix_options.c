/* Options of AF_UNIX sockets. */
#include "expect.h"
#include <fcntl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static int fd;
static int get(int option)
{
	int value = -1;
	socklen_t length = sizeof value;
	return getsockopt(fd, SOL_SOCKET, option, &value, &length) ? -errno : value;
}
static int set(int option, int value)
{
	return setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

int main(void)
{
	fd = OPENED("socket", socket(AF_UNIX, SOCK_SEQPACKET, 0));
	GIVES("SO_TYPE", get(SO_TYPE), SOCK_SEQPACKET);
	GIVES("SO_DOMAIN", get(SO_DOMAIN), AF_UNIX);
	GIVES("SO_PROTOCOL", get(SO_PROTOCOL), 0);
	GIVES("SO_ERROR", get(SO_ERROR), 0);
	GIVES("SO_ACCEPTCONN", get(SO_ACCEPTCONN), 0);
	static const struct { const char *name; int option; } switches[] = {
		{ "SO_DEBUG", SO_DEBUG }, { "SO_REUSEADDR", SO_REUSEADDR }, { "SO_DONTROUTE", SO_DONTROUTE },
		{ "SO_BROADCAST", SO_BROADCAST }, { "SO_KEEPALIVE", SO_KEEPALIVE }, { "SO_OOBINLINE", SO_OOBINLINE },
		{ "SO_PASSCRED", SO_PASSCRED }, { "SO_RXQ_OVFL", SO_RXQ_OVFL },
	};
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
		int option = switches[i].option, before = get(option), is_set = set(option, 5), on = get(option);
		int is_unset = set(option, 0);
		say("%s: %d, %d %d, %d %d", switches[i].name, before, is_set, on, is_unset, get(option));
	}
	static const struct { const char *name; int option; } fixed[] = {
		{ "SO_TYPE", SO_TYPE }, { "SO_ERROR", SO_ERROR }, { "SO_ACCEPTCONN", SO_ACCEPTCONN }, { "SO_SNDLOWAT", SO_SNDLOWAT },
		{ "SO_PEERCRED", SO_PEERCRED }, { "SO_PROTOCOL", SO_PROTOCOL }, { "SO_DOMAIN", SO_DOMAIN },
	};
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		FAILS(fixed[i].name, set(fixed[i].option, 1), ENOPROTOOPT);
	static const int sizes[] = { 1, 5000, 30000, 212992 };
	for (int i = 0; i < 4; i++) {
		set(SO_SNDBUF, sizes[i]), set(SO_RCVBUF, sizes[i]), set(SO_RCVLOWAT, sizes[i]);
		say("%d: SO_SNDBUF %d SO_RCVBUF %d SO_RCVLOWAT %d", sizes[i], get(SO_SNDBUF), get(SO_RCVBUF), get(SO_RCVLOWAT));
	}
	set(SO_RCVLOWAT, 0);
	GIVES("SO_RCVLOWAT", get(SO_RCVLOWAT), 1);
	GIVES("SO_SNDLOWAT", get(SO_SNDLOWAT), 1);
	GIVES("SO_PRIORITY", (set(SO_PRIORITY, 3), get(SO_PRIORITY)), 3);

	struct linger linger = { 1, 7 };
	socklen_t length = sizeof linger;
	GIVES("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
	linger = (struct linger){ 0 };
	GIVES("SO_LINGER", getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length), 0);
	CHECK("is kept", linger.l_onoff == 1 && linger.l_linger == 7 && length == sizeof linger);
	FAILS("too short", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4), EINVAL);
	struct timeval time = { 3, 500000 };
	for (int option = SO_RCVTIMEO; option <= SO_SNDTIMEO; option++) {
		struct timeval got = { 9, 9 };
		length = sizeof got;
		GIVES("a limit of time", getsockopt(fd, SOL_SOCKET, option, &got, &length), 0);
		CHECK("none at first", !got.tv_sec && !got.tv_usec && length == sizeof got);
		GIVES("a limit of time", setsockopt(fd, SOL_SOCKET, option, &time, sizeof time), 0);
		GIVES("it", getsockopt(fd, SOL_SOCKET, option, &got, &length), 0);
		CHECK("is kept", got.tv_sec == 3 && got.tv_usec == 500000);
		struct timeval wrong = { 0, 1000000 };
		FAILS("a wrong time", setsockopt(fd, SOL_SOCKET, option, &wrong, sizeof wrong), EDOM);
		FAILS("too short", setsockopt(fd, SOL_SOCKET, option, &time, 8), EINVAL);
	}
	struct ucred peer;
	length = sizeof peer;
	GIVES("SO_PEERCRED of nobody", getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length), 0);
	say("%d %d %d", peer.pid, (int)peer.uid, (int)peer.gid);
	unsigned char bytes[4] = { 9, 9, 9, 9 };
	length = 2;
	GIVES("little room", getsockopt(fd, SOL_SOCKET, SO_TYPE, bytes, &length), 0);
	say("%d %d %d, %d", bytes[0], bytes[1], bytes[2], (int)length);
	length = -1;
	FAILS("negative room", getsockopt(fd, SOL_SOCKET, SO_TYPE, bytes, &length), EINVAL);
	FAILS("too short", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bytes, 3), EINVAL);
	FAILS("no such option", set(9999, 1), ENOPROTOOPT);
	FAILS("no such option", (length = 4, getsockopt(fd, SOL_SOCKET, 9999, bytes, &length)), ENOPROTOOPT);
	FAILS("another level", setsockopt(fd, 6, 1, bytes, 4), EOPNOTSUPP);
	FAILS("another level", getsockopt(fd, 6, 1, bytes, &length), EOPNOTSUPP);
	FAILS("EFAULT", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4), EFAULT);
	FAILS("EFAULT", getsockopt(fd, SOL_SOCKET, SO_TYPE, (void *)8, &length), EFAULT);
	FAILS("ENOTSOCK", setsockopt(open("/dev/null", O_RDONLY), SOL_SOCKET, SO_REUSEADDR, bytes, 4), ENOTSOCK);
	FAILS("EBADF", getsockopt(-1, SOL_SOCKET, SO_TYPE, bytes, &length), EBADF);

	/* What a listener has and its connections do not, and SO_PASSCRED's name. */
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0options" };
	length = offsetof(struct sockaddr_un, sun_path) + 8;
	int client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	GIVES("bind", bind(fd, (struct sockaddr *)&name, length), 0);
	set(SO_KEEPALIVE, 1);
	GIVES("listen", listen(fd, 3), 0);
	GIVES("SO_ACCEPTCONN", get(SO_ACCEPTCONN), 1);
	int on = 1, listener = fd;
	setsockopt(client, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	GIVES("connect", connect(client, (struct sockaddr *)&name, length), 0);
	length = sizeof name;
	GIVES("getsockname", getsockname(client, (struct sockaddr *)&name, &length), 0);
	GIVES("who passes credentials has a name", length, sizeof(sa_family_t) + 6);
	time = (struct timeval){ 0, 0 };
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	fd = OPENED("accept", accept(listener, NULL, NULL));
	GIVES("SO_KEEPALIVE", get(SO_KEEPALIVE), 0);
	GIVES("SO_SNDBUF", get(SO_SNDBUF), 212992);
	FAILS("FIONREAD of a listener", ioctl(listener, FIONREAD, &on), EINVAL);
	GIVES("TIOCOUTQ", ioctl(fd, TIOCOUTQ, &on), 0);
	GIVES("of nothing", on, 0);
	FAILS("no terminal", isatty(fd) ? 0 : -1, ENOTTY);
	on = 1;
	GIVES("FIONBIO", ioctl(fd, FIONBIO, &on), 0);
	FAILS("does not wait", recv(fd, bytes, 1, 0), EAGAIN);
	set(SO_SNDBUF, 1);
	GIVES("a buffer for", send(fd, "little", 6, 0), 6);
	static char big[5000];
	FAILS("is full", send(fd, big, 5000, 0), EMSGSIZE);
	return finish();
}
