// flags: -pthread
/* What the kernel shows of a minted descriptor is brought up to date when somebody looks: nobody sees a difference. */
#include "check.h"
#include "echo_object.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct echo echo;
static int fd, set;

/* A copy of this process looks at the kernel and at nothing else: POLLIN or not. */
static int copy;

static void begin_copy(void)
{
	int ends[2];
	char byte;
	GIVES(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	copy = ends[0];
	if (fork()) {
		close(ends[1]);
		return;
	}
	close(ends[0]);
	while (read(ends[1], &byte, 1) == 1) {
		struct pollfd one = { fd, POLLIN, 0 };
		byte = poll(&one, 1, 0) == 1 ? one.revents : 0;
		if (write(ends[1], &byte, 1) != 1) break;
	}
	_exit(0);
}

static int shown(void)
{
	char byte = 0;
	GIVES(write(copy, &byte, 1), 1);
	GIVES(read(copy, &byte, 1), 1);
	return byte;
}

static unsigned happened(int timeout_ms)
{
	struct epoll_event event = { 0 };
	int count = epoll_wait(set, &event, 1, timeout_ms);
	CHECK(count >= 0);
	return count > 0 ? event.events : 0;
}

static void watch(unsigned events)
{
	struct epoll_event event = { .events = events };
	if (set) close(set);
	set = epoll_create1(0);
	GIVES(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
}

/* What comes and goes while nobody looks costs no call of the kernel's. */
static void comes_late(void)
{
	char text[8];
	watch(EPOLLIN);
	GIVES(happened(0), 0);
	GIVES(write(fd, "ab", 2), 2);
	GIVES(shown(), 0);
	GIVES(happened(0), EPOLLIN);
	GIVES(shown(), POLLIN);
	GIVES(read(fd, text, 8), 2);
	GIVES(shown(), POLLIN);
	GIVES(write(fd, "c", 1), 1);
	GIVES(happened(-1), EPOLLIN);
	GIVES(read(fd, text, 8), 1);
	GIVES(happened(0), 0);
	GIVES(shown(), 0);
}

/* Edges come with what happened, though nobody looked between. */
static void has_edges(void)
{
	char text[8];
	watch(EPOLLIN | EPOLLOUT | EPOLLET);
	GIVES(happened(0), EPOLLOUT);
	GIVES(happened(0), 0);
	GIVES(write(fd, "12345678", 8), 8);
	GIVES(read(fd, text, 8), 8);
	GIVES(happened(-1) & EPOLLOUT, EPOLLOUT);
	GIVES(happened(0), 0);
	for (int i = 0; i < 30; i++) {
		GIVES(write(fd, "a", 1), 1);
		GIVES(read(fd, text, 8), 1);
		GIVES(write(fd, "b", 1), 1);
		GIVES(happened(-1) & EPOLLIN, EPOLLIN);
		GIVES(write(fd, "c", 1), 1);
		GIVES(happened(-1) & EPOLLIN, EPOLLIN);
		GIVES(happened(0), 0);
		GIVES(read(fd, text, 8), 2);
		GIVES(happened(0) & EPOLLIN, 0);
	}
}

static void *write_later(void *unused)
{
	usleep(10000);
	GIVES(write(fd, "x", 1), 1);
	return unused;
}

/* Who waits in the kernel hears at once of what another thread does. */
static void wakes(void)
{
	pthread_t thread;
	char text[8];
	watch(EPOLLIN);
	for (int i = 0; i < 3; i++) {
		GIVES(pthread_create(&thread, NULL, write_later, NULL), 0);
		if (i == 2) {
			struct pollfd one = { set, POLLIN, 0 };
			GIVES(poll(&one, 1, -1), 1);
		} else {
			GIVES(happened(-1), EPOLLIN);
		}
		GIVES(pthread_join(thread, NULL), 0);
		GIVES(read(fd, text, 8), 1);
	}
}

/* Another process that has the descriptor looks whenever it wants. */
static void is_passed_on(void)
{
	int ends[2];
	char text[8], room[CMSG_SPACE(sizeof(int))] = { 0 };
	GIVES(happened(0), 0);
	GIVES(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	struct iovec piece = { "f", 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
	struct cmsghdr *about = CMSG_FIRSTHDR(&message);
	about->cmsg_level = SOL_SOCKET;
	about->cmsg_type = SCM_RIGHTS;
	about->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(about), &fd, sizeof fd);
	GIVES(sendmsg(ends[0], &message, 0), 1);
	GIVES(shown(), 0);
	GIVES(write(fd, "d", 1), 1);
	GIVES(shown(), POLLIN);
	GIVES(read(fd, text, 8), 1);
	GIVES(shown(), 0);
}

int main(void)
{
	fd = echo_mint(&echo, O_NONBLOCK);
	begin_copy();
	comes_late();
	has_edges();
	wakes();
	is_passed_on();
	close(copy);
	GIVES(wait(NULL) > 0, 1);
	return finish();
}
