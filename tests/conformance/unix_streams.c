/* AF_UNIX streams and sequenced packets in detail: connections, ends, errors, flags, buffers, poll. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

static volatile sig_atomic_t broken_pipes;
static void count_signal(int number) { broken_pipes++; }

static struct sockaddr_un address;
static socklen_t address_length;
static void set_name(const char *name)
{
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	strcpy(address.sun_path + (*name == '@'), name + (*name == '@'));
	address_length = offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name != '@');
}
#define NAME (struct sockaddr *)&address, address_length

static void say_poll(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
	poll(&p, 1, 0);
	say("poll %s:%s%s%s%s%s", what, p.revents & POLLIN ? " in" : "", p.revents & POLLOUT ? " out" : "",
		p.revents & POLLRDHUP ? " rdhup" : "", p.revents & POLLHUP ? " hup" : "", p.revents & POLLERR ? " err" : "");
}

static char big[400000];

static void ends(int type)
{
	int s[2];
	char c[8];
	GIVES("socketpair", socketpair(AF_UNIX, type, 0, s), 0);
	say_poll("of a new pair", s[0]);
	GIVES("shutdown", shutdown(s[0], SHUT_WR), 0);
	FAILS("send after SHUT_WR", send(s[0], "x", 1, 0), EPIPE);
	GIVES("the end", recv(s[1], c, 8, 0), 0);
	say_poll("of the shut end", s[0]);
	say_poll("of the other", s[1]);
	GIVES("the other way", send(s[1], "y", 1, 0), 1);
	GIVES("shutdown", shutdown(s[0], SHUT_RD), 0);
	FAILS("nobody reads", send(s[1], "y", 1, MSG_NOSIGNAL), EPIPE);
	GIVES("what came before is there", recv(s[0], c, 8, 0), 1);
	GIVES("and then the end", recv(s[0], c, 8, 0), 0);
	say_poll("of both ways shut", s[1]);
	close(s[0]), close(s[1]);

	socketpair(AF_UNIX, type, 0, s);
	send(s[1], "last", 4, 0);
	close(s[1]);
	say_poll("of a closed peer with a message", s[0]);
	GIVES("its last message", recv(s[0], c, 8, 0), 4);
	GIVES("then the end", recv(s[0], c, 8, 0), 0);
	FAILS("send to a closed one", send(s[0], "x", 1, 0), EPIPE);
	close(s[0]);

	socketpair(AF_UNIX, type, 0, s);
	send(s[0], "unread", 6, 0);
	close(s[1]);
	say_poll("of a peer that did not read", s[0]);
	FAILS("it was reset", recv(s[0], c, 8, 0), ECONNRESET);
	GIVES("which is told once", recv(s[0], c, 8, 0), 0);
	close(s[0]);

	socketpair(AF_UNIX, type, 0, s);
	send(s[0], "unread", 6, 0);
	close(s[1]);
	int error = 0;
	socklen_t length = sizeof error;
	getsockopt(s[0], SOL_SOCKET, SO_ERROR, &error, &length);
	CHECK("SO_ERROR", error == ECONNRESET);
	getsockopt(s[0], SOL_SOCKET, SO_ERROR, &error, &length);
	GIVES("which takes it", error, 0);
	close(s[0]);
	say("signals: %d", broken_pipes);
	broken_pipes = 0;
}

static void connections(int type)
{
	int l = socket(AF_UNIX, type, 0), fd, fds[8];
	char c[8];
	set_name("@connections");
	int none = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	say_poll("of a new socket", none);
	FAILS("recv without a peer", recv(none, c, 1, 0), type == SOCK_STREAM ? EINVAL : ENOTCONN);
	FAILS("send without a peer", send(none, c, 1, 0), ENOTCONN);
	FAILS("listen without a name", listen(l, 1), EINVAL);
	FAILS("accept without listen", accept(l, NULL, NULL), EINVAL);
	FAILS("connect to nobody", connect(none, NAME), ECONNREFUSED);
	FAILS("getpeername without one", getpeername(none, (struct sockaddr *)&address, &address_length), ENOTCONN);
	GIVES("shutdown without a peer", shutdown(none, SHUT_RDWR), 0);
	GIVES("bind", bind(l, NAME), 0);
	FAILS("connect before listen", connect(none, NAME), ECONNREFUSED);
	GIVES("listen", listen(l, 1), 0);
	int on = 0;
	socklen_t length = sizeof on;
	getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &on, &length);
	GIVES("SO_ACCEPTCONN", on, 1);
	say_poll("of a listener", l);
	for (int i = 0; i < 4; i++) fds[i] = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	GIVES("connect", connect(fds[0], NAME), 0);
	GIVES("connect", connect(fds[1], NAME), 0);
	FAILS("the backlog is full", connect(fds[2], NAME), EAGAIN);
	FAILS("connect again", connect(fds[0], NAME), type ? EAGAIN : 0);
	say_poll("of a listener with connections", l);
	GIVES("send before accept", send(fds[0], "early", 5, 0), 5);
	struct sockaddr_un name;
	length = sizeof name;
	fd = OPENED("accept", accept(l, (struct sockaddr *)&name, &length));
	GIVES("the peer has no name", length, sizeof(sa_family_t));
	GIVES("no flags come along", fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	length = sizeof name;
	GIVES("getsockname", getsockname(fd, (struct sockaddr *)&name, &length), 0);
	CHECK("is the listener's", length == address_length && !memcmp(&name, &address, length));
	length = 4;
	GIVES("getpeername with little room", getpeername(fds[0], (struct sockaddr *)&name, &length), 0);
	GIVES("says the whole length", length, address_length);
	GIVES("recv", recv(fd, c, 8, 0), 5);
	FAILS("connect again", connect(fds[0], NAME), EISCONN);
	FAILS("a listener does not receive", recv(l, c, 1, 0), type == SOCK_STREAM ? EINVAL : ENOTCONN);
	FAILS("nor send", send(l, c, 1, 0), ENOTCONN);
	GIVES("there is room again", connect(fds[2], NAME), 0);
	close(fds[1]);
	fd = OPENED("accept one that was closed", accept4(l, NULL, NULL, SOCK_CLOEXEC));
	GIVES("FD_CLOEXEC", fcntl(fd, F_GETFD), FD_CLOEXEC);
	GIVES("it ends", recv(fd, c, 8, 0), 0);
	FAILS("accept4 EINVAL", accept4(l, NULL, NULL, 1), EINVAL);
	close(l);
	FAILS("the listener is gone", recv(fds[2], c, 8, 0), ECONNRESET);
	GIVES("which is told once", recv(fds[2], c, 8, 0), 0);
	FAILS("connect to no listener", connect(fds[3], NAME), ECONNREFUSED);
	say("signals: %d", broken_pipes);
	broken_pipes = 0;
}

static void fill(int type)
{
	static const int sizes[] = { 1, 64, 500, 2000, 3776, 3777, 4096, 10000, 40000, 65536, 100000 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int s[2], sent = 0, there, charged;
		long bytes = 0, got;
		socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
		while ((got = send(s[0], big, sizes[i], 0)) > 0) sent++, bytes += got;
		int is_again = errno == EAGAIN;
		ioctl(s[1], FIONREAD, &there);
		ioctl(s[0], TIOCOUTQ, &charged);
		say("type %d, messages of %d: %d fit, %ld bytes, %d to receive, %d on their way, EAGAIN %d", type, sizes[i],
			sent, bytes, there, charged, is_again);
		long back = 0;
		int reads = 0;
		while ((got = recv(s[1], big, sizeof big, 0)) > 0) back += got, reads++;
		ioctl(s[0], TIOCOUTQ, &charged);
		CHECK("all came", back == bytes && charged == 0 && reads == (type == SOCK_STREAM ? 1 : sent));
		close(s[0]), close(s[1]);
	}
}

static void flags(void)
{
	int s[2];
	char a[16] = "", b[16] = "";
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[0], "abc", 3), write(s[0], "def", 3);
	GIVES("MSG_PEEK over messages", recv(s[1], a, 5, MSG_PEEK), 5);
	say("%s", a);
	GIVES("MSG_TRUNC of a stream", recv(s[1], a, 2, MSG_TRUNC), 2);
	struct iovec list[3] = { { a, 1 }, { NULL, 0 }, { b, 15 } };
	GIVES("readv", readv(s[1], list, 3), 4);
	say("%.1s %.3s", a, b);
	FAILS("MSG_DONTWAIT", recv(s[1], a, 1, MSG_DONTWAIT), EAGAIN);
	FAILS("MSG_DONTWAIT and MSG_WAITALL", recv(s[1], a, 4, MSG_DONTWAIT | MSG_WAITALL), EAGAIN);
	write(s[0], "xy", 2);
	GIVES("what there is", recv(s[1], a, 4, MSG_DONTWAIT | MSG_WAITALL), 2);
	struct iovec out[2] = { { "12", 2 }, { "345", 3 } };
	GIVES("writev", writev(s[0], out, 2), 5);
	GIVES("read", read(s[1], a, 16), 5);
	GIVES("write of nothing", write(s[0], a, 0), 0);
	GIVES("read into nothing", read(s[1], a, 0), 0);
	FAILS("send with an address", sendto(s[0], "x", 1, 0, NAME), EISCONN);
	FAILS("send from nowhere", send(s[0], (void *)8, 1, 0), EFAULT);
	write(s[0], "k", 1);
	FAILS("recv to nowhere", recv(s[1], (void *)8, 1, 0), EFAULT);
	GIVES("it is still there", recv(s[1], a, 1, 0), 1);
	struct msghdr message = { .msg_iov = list, .msg_iovlen = 3, .msg_flags = 0x7fff };
	write(s[0], "message", 7);
	GIVES("recvmsg", recvmsg(s[1], &message, 0), 7);
	GIVES("msg_flags", message.msg_flags, 0);
	struct stat facts;
	GIVES("fstat", fstat(s[0], &facts), 0);
	CHECK("it is a socket", S_ISSOCK(facts.st_mode) && facts.st_size == 0 && facts.st_ino);
	FAILS("lseek", lseek(s[0], 0, SEEK_SET), ESPIPE);
	FAILS("pread", pread(s[0], a, 1, 0), ESPIPE);
	FAILS("ftruncate", ftruncate(s[0], 0), EINVAL);
	GIVES("O_NONBLOCK by fcntl", fcntl(s[1], F_SETFL, O_NONBLOCK), 0);
	FAILS("read without waiting", read(s[1], a, 1), EAGAIN);
	GIVES("the access mode", fcntl(s[1], F_GETFL) & O_ACCMODE, O_RDWR);
	int none = open("/dev/null", O_RDONLY);
	FAILS("ENOTSOCK", send(none, "x", 1, 0), ENOTSOCK);
	FAILS("ENOTSOCK", bind(none, NAME), ENOTSOCK);
	FAILS("EBADF", recv(-1, a, 1, 0), EBADF);

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	send(s[0], "packet", 6, MSG_EOR);
	list[0].iov_len = 2;
	message = (struct msghdr){ .msg_iov = list, .msg_iovlen = 1 };
	GIVES("a packet that is cut", recvmsg(s[1], &message, 0), 2);
	GIVES("msg_flags", message.msg_flags, MSG_TRUNC);
	send(s[0], "1", 1, 0), send(s[0], "", 0, 0), send(s[0], "3", 1, 0);
	GIVES("packet", recv(s[1], a, 16, 0), 1);
	GIVES("an empty packet", recv(s[1], a, 16, 0), 0);
	GIVES("packet", recv(s[1], a, 16, 0), 1);
	GIVES("writev is one packet", writev(s[0], out, 2), 5);
	GIVES("readv takes one", readv(s[1], list, 3), 5);
	FAILS("a packet that is too long", send(s[0], big, 212992, 0), EMSGSIZE);
}

int main(void)
{
	signal(SIGPIPE, count_signal);
	ends(SOCK_STREAM);
	connections(SOCK_STREAM);
	fill(SOCK_STREAM);
	ends(SOCK_SEQPACKET);
	connections(SOCK_SEQPACKET);
	fill(SOCK_SEQPACKET);
	flags();
	return finish();
}
