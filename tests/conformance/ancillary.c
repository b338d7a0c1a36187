/* sendmsg, recvmsg, sendmmsg, recvmmsg; descriptors and credentials that travel. */
#include "expect.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

union control { struct cmsghdr header; char room[CMSG_SPACE(8 * sizeof(int))]; };

static long send_fds(int socket, const int *fds, int count)
{
	union control control = { 0 };
	struct iovec list = { "fd", 2 };
	struct msghdr message = { .msg_iov = &list, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	return sendmsg(socket, &message, 0);
}
static long receive_fds(int socket, int *fds, int room, int *flags)
{
	union control control = { 0 };
	char text[8];
	struct iovec list = { text, 8 };
	struct msghdr message = { .msg_iov = &list, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = CMSG_LEN(room * sizeof(int)) };
	long got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	*flags = message.msg_flags & (MSG_CTRUNC | MSG_TRUNC);
	if (got >= 0 && c && c->cmsg_type == SCM_RIGHTS) memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return got;
}

int main(void)
{
	int pair[2], fds[4] = { -1, -1, -1, -1 }, flags, status, on = 1;
	char a[4] = "", b[16] = "";
	GIVES("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);

	struct iovec out[2] = { { "one", 3 }, { "two", 3 } }, in[2] = { { a, 3 }, { b, 16 } };
	struct msghdr message = { .msg_iov = out, .msg_iovlen = 2 };
	GIVES("sendmsg", sendmsg(pair[0], &message, 0), 6);
	message.msg_iov = in;
	GIVES("recvmsg", recvmsg(pair[1], &message, 0), 6);
	say("%s %s", a, b);

	make_file("file", "travelling");
	int file = open("file", O_RDONLY), two[2] = { file, 0 };
	GIVES("send a descriptor", send_fds(pair[0], &file, 1), 2);
	GIVES("receive it", receive_fds(pair[1], fds, 1, &flags), 2);
	CHECK("another number, with FD_CLOEXEC", fds[0] > 0 && fds[0] != file && fcntl(fds[0], F_GETFD) == FD_CLOEXEC);
	GIVES("read it", read(fds[0], b, 16), 10);
	say("%.10s", b);
	GIVES("the place is shared", lseek(file, 0, SEEK_CUR), 10);
	GIVES("send two", send_fds(pair[0], two, 2), 2);
	GIVES("receive with room for one", receive_fds(pair[1], fds, 1, &flags), 2);
	GIVES("MSG_CTRUNC", flags, MSG_CTRUNC);
	file = 999;
	FAILS("send a closed one", send_fds(pair[0], &file, 1), EBADF);

	pid_t child = fork();
	if (!child) {
		int made = open("made", O_CREAT | O_RDWR, 0600);
		write(made, "in the child", 12);
		_exit(send_fds(pair[0], &made, 1) == 2 ? 0 : 1);
	}
	waitpid(child, &status, 0);
	GIVES("receive from a child", receive_fds(pair[1], fds, 1, &flags), 2);
	GIVES("pread", pread(fds[0], b, 16, 0), 12);
	say("%.12s", b);

	GIVES("SO_PASSCRED", setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	GIVES("send", send(pair[0], "x", 1, 0), 1);
	union control control;
	message = (struct msghdr){ .msg_iov = in, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	GIVES("recvmsg", recvmsg(pair[1], &message, 0), 1);
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	CHECK("credentials came", c && c->cmsg_type == SCM_CREDENTIALS);
	struct ucred *who = (void *)CMSG_DATA(c);
	CHECK("they are ours", who->pid == getpid() && who->uid == getuid());
	CHECK("no second header", !CMSG_NXTHDR(&message, c));

	GIVES("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	struct mmsghdr many[3] = { { { .msg_iov = out, .msg_iovlen = 1 }, 0 }, { { .msg_iov = out, .msg_iovlen = 2 }, 0 },
		{ { .msg_iov = out + 1, .msg_iovlen = 1 }, 0 } };
	GIVES("sendmmsg", sendmmsg(pair[0], many, 3, 0), 3);
	for (int i = 0; i < 3; i++) many[i].msg_hdr.msg_iov = in, many[i].msg_hdr.msg_iovlen = 2;
	GIVES("recvmmsg", recvmmsg(pair[1], many, 3, MSG_DONTWAIT, NULL), 3);
	say("lengths %u %u %u", many[0].msg_len, many[1].msg_len, many[2].msg_len);
	FAILS("recvmmsg of nothing", recvmmsg(pair[1], many, 3, MSG_DONTWAIT, NULL), EAGAIN);
	FAILS("sendmsg EBADF", sendmsg(-1, &message, 0), EBADF);
	FAILS("sendmsg to a file", sendmsg(0, &message, 0), ENOTSOCK);
	return finish();
}
