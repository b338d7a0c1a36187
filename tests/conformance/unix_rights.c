/* Open files that travel through AF_UNIX sockets: what arrives, what is lost, what is closed; and
 * credentials. One process. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

union control { struct cmsghdr header; char room[1200]; };

static long send_control(int socket, int type, const void *data, size_t length, const char *text)
{
	union control control;
	memset(&control, 0, sizeof control);
	struct iovec list = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &list, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(length) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(c), data, length);
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}
static long send_fds(int socket, const int *fds, int count, const char *text)
{
	return send_control(socket, SCM_RIGHTS, fds, count * sizeof(int), text);
}

static int received[256], received_count, received_flags;
static long receive(int socket, size_t length, size_t room, int flags)
{
	union control control;
	char text[64];
	memset(&control, 0xee, sizeof control);
	struct iovec list = { text, length };
	struct msghdr message = { .msg_iov = &list, .msg_iovlen = 1, .msg_control = room ? &control : NULL, .msg_controllen = room };
	long got = recvmsg(socket, &message, flags);
	received_count = 0;
	received_flags = message.msg_flags;
	if (got < 0) return got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		int bytes = c->cmsg_len - CMSG_LEN(0);
		if (c->cmsg_type == SCM_RIGHTS) {
			memcpy(received, CMSG_DATA(c), bytes);
			received_count = bytes / sizeof(int);
		} else if (c->cmsg_type == SCM_CREDENTIALS && bytes == sizeof(struct ucred)) {
			struct ucred who;
			memcpy(&who, CMSG_DATA(c), sizeof who);
			say("credentials: own %d, nobody %d, uid %u, gid %u", who.pid == getpid(), who.pid == 0, who.uid, who.gid);
		} else say("header of type %d with %d bytes", c->cmsg_type, bytes);
	}
	say("got %ld, %d files, flags %#x, room used %d", got, received_count, received_flags, (int)message.msg_controllen);
	return got;
}

static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }
static int has_hung_up(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

int main(void)
{
	int s[2], p[2], q[2], fds[300], on = 1;
	char c;
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);

	/* A pipe whose ends are only on their way. */
	pipe(p);
	GIVES("send both ends", send_fds(s[0], p, 2, "ab"), 2);
	close(p[0]), close(p[1]);
	send(s[0], "cd", 2, 0);
	GIVES("a read stops behind the files", receive(s[1], 60, sizeof(union control), 0), 2);
	CHECK("two that are open", received_count == 2 && is_open(received[0]) && is_open(received[1]));
	GIVES("write", write(received[1], "x", 1), 1);
	GIVES("read", read(received[0], &c, 1), 1);
	close(received[0]), close(received[1]);
	GIVES("the next", receive(s[1], 60, sizeof(union control), 0), 2);

	/* Bytes before the files and bytes with them come together. */
	pipe(p);
	send(s[0], "12", 2, 0);
	send_fds(s[0], p, 1, "34");
	send(s[0], "56", 2, 0);
	GIVES("bytes before them come along", receive(s[1], 60, sizeof(union control), MSG_CMSG_CLOEXEC), 4);
	GIVES("FD_CLOEXEC", fcntl(received[0], F_GETFD), FD_CLOEXEC);
	close(received[0]);
	receive(s[1], 60, 100, 0);
	send_fds(s[0], p, 1, "part");
	GIVES("the first byte has them", receive(s[1], 1, 100, 0), 1);
	close(received[0]);
	GIVES("the rest has none", receive(s[1], 60, 100, 0), 3);

	/* Who does not look closes them. */
	close(p[0]);
	send_fds(s[0], p + 1, 1, "lost");
	close(p[1]);
	pipe(p);
	send_fds(s[0], p + 1, 1, "lost");
	close(p[1]);
	CHECK("it is open as long as it is on its way", !has_hung_up(p[0]));
	GIVES("recv", recv(s[1], fds, 60, 0), 4);
	CHECK("not yet received", !has_hung_up(p[0]));
	GIVES("read", read(s[1], fds, 60), 4);
	CHECK("closed", has_hung_up(p[0]));
	close(p[0]);
	pipe(p), pipe(q);
	int four[4] = { p[0], p[1], q[0], q[1] };
	send_fds(s[0], four, 4, "cut");
	close(q[1]);
	GIVES("room for three", receive(s[1], 60, CMSG_LEN(3 * sizeof(int)), 0), 3);
	CHECK("the fourth is closed", received_count == 3 && has_hung_up(q[0]));
	for (int i = 0; i < 3; i++) close(received[i]);
	send_fds(s[0], four, 2, "none");
	GIVES("room for a header alone", receive(s[1], 60, CMSG_LEN(0), 0), 4);
	send_fds(s[0], four, 2, "none");
	GIVES("no room", receive(s[1], 60, 0, 0), 4);
	send_fds(s[0], four, 2, "peek");
	GIVES("MSG_PEEK has them", receive(s[1], 60, 100, MSG_PEEK), 4);
	for (int i = 0; i < received_count; i++) close(received[i]);
	GIVES("and the next again", receive(s[1], 60, 100, 0), 4);
	for (int i = 0; i < received_count; i++) close(received[i]);

	/* A message dies with its socket. */
	socketpair(AF_UNIX, SOCK_DGRAM, 0, q);
	send_fds(q[0], p + 1, 1, "dies");
	close(p[1]);
	CHECK("open", !has_hung_up(p[0]));
	close(q[1]);
	CHECK("closed with the receiver", has_hung_up(p[0]));
	close(q[0]), close(p[0]);

	/* A socket in itself, and two in each other. */
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, q);
	int both[2] = { q[1], p[1] };
	GIVES("a socket to itself", send_fds(q[0], both, 2, "self"), 4);
	close(p[1]), close(q[0]), close(q[1]);
	/* Linux collects when it has time. */
	for (int i = 0; i < 500 && !has_hung_up(p[0]); i++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, q), close(q[0]), close(q[1]);
		usleep(1000);
	}
	CHECK("it is collected", has_hung_up(p[0]));
	close(p[0]), pipe(p);
	int a[2], b[2];
	socketpair(AF_UNIX, SOCK_DGRAM, 0, a), socketpair(AF_UNIX, SOCK_DGRAM, 0, b);
	int to_b[2] = { a[1], p[1] };
	send_fds(b[0], to_b, 2, "a in b");
	send_fds(a[0], b + 1, 1, "b in a");
	close(a[0]), close(a[1]), close(b[0]);
	GIVES("one of them is still open", receive(b[1], 60, 100, 0), 6);
	CHECK("and gives the other", received_count == 2 && !has_hung_up(p[0]));
	int other = received[0];
	close(received[1]), close(b[1]);
	GIVES("which gives the first", receive(other, 60, 100, 0), 6);
	CHECK("that is it", received_count == 1);
	send_fds(other, &other, 0, "");
	close(received[0]), close(other), close(p[1]);
	CHECK("all are closed", has_hung_up(p[0]));
	close(p[0]), pipe(p);

	/* A socket in a socket in a socket, a long way down. */
	socketpair(AF_UNIX, SOCK_STREAM, 0, a);
	send_fds(a[0], p + 1, 1, "deep");
	close(p[1]), close(a[0]);
	int last = a[1];
	for (int i = 0; i < 1000; i++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, b);
		if (send_fds(b[0], &last, 1, "x") != 1) break;
		close(last), close(b[0]);
		last = b[1];
	}
	CHECK("open at the bottom", !has_hung_up(p[0]));
	close(last);
	for (int i = 0; i < 500 && !has_hung_up(p[0]); i++) usleep(1000);
	CHECK("closed at the bottom", has_hung_up(p[0]));

	/* What cannot be sent. */
	for (int i = 0; i < 300; i++) fds[i] = 0;
	FAILS("too many", send_fds(s[0], fds, 254, "x"), EINVAL);
	GIVES("the most", send_fds(s[0], fds, 253, "x"), 1);
	GIVES("receive", receive(s[1], 60, sizeof(union control), 0), 1);
	for (int i = 0; i < received_count; i++) close(received[i]);
	fds[0] = 999;
	FAILS("not open", send_fds(s[0], fds, 1, "x"), EBADF);
	FAILS("no such kind", send_control(s[0], 77, fds, 4, "x"), EINVAL);
	struct ucred who = { getpid(), getuid(), getgid() };
	FAILS("credentials of the wrong size", send_control(s[0], SCM_CREDENTIALS, &who, 8, "x"), EINVAL);
	GIVES("nothing of it was sent", recv(s[1], &c, 1, MSG_DONTWAIT), -1);
	GIVES("credentials", send_control(s[0], SCM_CREDENTIALS, &who, sizeof who, "x"), 1);
	GIVES("which nobody asked for", receive(s[1], 60, 100, 0), 1);
	who.pid = 0x3fffff;
	FAILS("of no process", send_control(s[0], SCM_CREDENTIALS, &who, sizeof who, "x"), ESRCH);

	/* SO_PASSCRED. */
	send(s[0], "before", 6, 0);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	send(s[0], "after", 5, 0);
	GIVES("sent before anybody asked", receive(s[1], 60, 100, 0), 6);
	GIVES("afterwards", receive(s[1], 60, 100, 0), 5);
	who.pid = getpid(), who.uid = 7;
	send_control(s[0], SCM_CREDENTIALS, &who, sizeof who, "root says");
	send(s[0], " so", 3, 0);
	GIVES("a read stops where they change", receive(s[1], 60, 100, 0), 9);
	GIVES("the next", receive(s[1], 60, 100, 0), 3);
	send(s[0], "x", 1, 0);
	GIVES("no room for them", receive(s[1], 60, 0, 0), 1);
	send(s[0], "x", 1, 0);
	GIVES("too little room", receive(s[1], 60, CMSG_LEN(4), 0), 1);
	send_fds(s[0], s, 1, "both");
	GIVES("credentials and files", receive(s[1], 60, 100, 0), 4);
	struct ucred peer;
	socklen_t length = sizeof peer;
	int end[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, end);
	setsockopt(end[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	close(end[0]);
	GIVES("the end", receive(end[1], 60, 100, 0), 0);
	GIVES("SO_PEERCRED", getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &peer, &length), 0);
	CHECK("this process", peer.pid == getpid() && peer.uid == getuid() && peer.gid == getgid());
	return finish();
}
