/* AF_UNIX sockets under calls that a seed chooses: every answer must be the same everywhere. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { SOCKETS = 12, NAMES = 4, STEPS = 4000, SEEDS = 6 };

static unsigned long state;
static unsigned dice(unsigned sides)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return (state >> 33) % sides;
}

static int fds[SOCKETS];
/* What travels: sockets in each other would be closed when Linux has time for it. */
static int file;
static char bytes[60000];
static unsigned long answers;

static void answer(long value, int error)
{
	unsigned long word = value < 0 ? 1000 + error : value * 4096;
	answers = (answers ^ word) * 1099511628211;
}
#define ANSWER(call) do { errno = 0; long got_ = (call); answer(got_, errno); last = got_; last_error = errno; } while (0)
static long last;
static int last_error;

static struct sockaddr_un name;
static socklen_t name_length;
static struct sockaddr *any_name(void)
{
	memset(&name, 0, sizeof name);
	name.sun_family = AF_UNIX;
	unsigned which = dice(2 * NAMES);
	sprintf(name.sun_path + (which < NAMES), "seed%u", which);
	name_length = offsetof(struct sockaddr_un, sun_path) + 6;
	return (struct sockaddr *)&name;
}

static int any_kind(void)
{
	static const int kinds[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	return kinds[dice(3)] | SOCK_NONBLOCK;
}

static void keep(int *place, int fd)
{
	if (*place >= 0) close(*place);
	*place = fd;
}

static void tell_name(int which, int fd)
{
	struct sockaddr_un there;
	socklen_t length = sizeof there;
	memset(&there, 0, sizeof there);
	ANSWER((which ? getpeername : getsockname)(fd, (struct sockaddr *)&there, &length));
	/* The length too, and the name unless the machine has chosen it. */
	answer(last ? 0 : length, 0);
	if (!last && length == 8 && there.sun_path[0] != 0) answer(there.sun_path[4], 0);
}

static void send_any(int fd)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(2 * sizeof(int))]; } control = { 0 };
	struct iovec list[2] = { { bytes, dice(dice(4) ? 200 : sizeof bytes) }, { bytes, dice(50) } };
	struct msghdr message = { .msg_iov = list, .msg_iovlen = 1 + dice(2) };
	if (!dice(3)) message.msg_name = any_name(), message.msg_namelen = name_length;
	if (!dice(6)) {
		int files[2] = { file, dice(10) ? file : -1 }, count = 1 + dice(2);
		message.msg_control = &control, message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), files, count * sizeof(int));
	}
	ANSWER(sendmsg(fd, &message, dice(2) ? MSG_NOSIGNAL : MSG_DONTWAIT));
}

static void receive_any(int fd)
{
	static const int flags[] = { 0, 0, 0, MSG_PEEK, MSG_TRUNC, MSG_PEEK | MSG_TRUNC, MSG_WAITALL, MSG_CMSG_CLOEXEC };
	union { struct cmsghdr header; char room[128]; } control;
	struct sockaddr_un from;
	struct iovec list[2] = { { bytes, dice(dice(4) ? 100 : sizeof bytes) }, { bytes, dice(50) } };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = list, .msg_iovlen = 1 + dice(2),
		.msg_control = dice(4) ? &control : NULL, .msg_controllen = 0 };
	if (message.msg_control) message.msg_controllen = dice(2) ? sizeof control : dice(64);
	ANSWER(recvmsg(fd, &message, flags[dice(8)]));
	if (last < 0) return;
	answer(message.msg_flags, 0), answer(message.msg_namelen, 0), answer(message.msg_controllen, 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		answer(c->cmsg_type, 0), answer(c->cmsg_len, 0);
		if (c->cmsg_type == SCM_RIGHTS) {
			int files[8], count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(files, CMSG_DATA(c), count * sizeof(int));
			for (int i = 0; i < count; i++) keep(&fds[dice(SOCKETS)], files[i]);
		}
	}
}

static void step(void)
{
	int *place = &fds[dice(SOCKETS)], fd = *place, pair[2], value = dice(2);
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	struct sockaddr *to;
	socklen_t length = sizeof value;
	switch (dice(24)) {
	case 0: keep(place, socket(AF_UNIX, any_kind(), 0)); break;
	case 1:
		if (socketpair(AF_UNIX, any_kind(), 0, pair)) break;
		keep(place, pair[0]), keep(&fds[dice(SOCKETS)], pair[1]);
		break;
	case 2: to = any_name(); ANSWER(bind(fd, to, name_length)); break;
	case 3: ANSWER(listen(fd, dice(3))); break;
	case 4: case 5: to = any_name(); ANSWER(connect(fd, to, name_length)); break;
	case 6: ANSWER(connect(fd, &nowhere, sizeof nowhere)); break;
	case 7: case 8:
		value = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		answer(value < 0 ? -1 : 0, errno);
		if (value >= 0) keep(&fds[dice(SOCKETS)], value);
		break;
	case 9: ANSWER(shutdown(fd, dice(4))); break;
	case 10: tell_name(0, fd); break;
	case 11: tell_name(1, fd); break;
	case 12: ANSWER(getsockopt(fd, SOL_SOCKET, dice(2) ? SO_ERROR : SO_ACCEPTCONN, &value, &length)); answer(value, 0); break;
	case 13: ANSWER(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &value, sizeof value)); break;
	case 14: value = 1000 + dice(100000); ANSWER(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value)); break;
	case 15: value = -1; ANSWER(ioctl(fd, dice(2) ? FIONREAD : TIOCOUTQ, &value)); answer(value, 0); break;
	case 16: any_name(); if (name.sun_path[0]) ANSWER(unlink(name.sun_path)); break;
	case 17: case 18: case 19: case 20: send_any(fd); break;
	default: receive_any(fd); break;
	}
	p.fd = *place;
	poll(&p, 1, 0);
	answer(p.revents, 0);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	file = open("/dev/null", O_RDWR);
	for (int seed = 1; seed <= SEEDS; seed++) {
		state = seed, answers = 14695981039346656037ul;
		for (int i = 0; i < SOCKETS; i++) fds[i] = -1;
		for (int i = 0; i < STEPS; i++) {
			step();
			if (i % 500 == 499) say("seed %d, step %d: %016lx", seed, i + 1, answers);
		}
		for (int i = 0; i < SOCKETS; i++) keep(&fds[i], -1);
		for (int i = NAMES; i < 2 * NAMES; i++) sprintf(bytes, "seed%d", i), unlink(bytes);
	}
	return finish();
}
