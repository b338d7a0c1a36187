/* What is left of a connection that the peer reset: before its end came, behind it, and with bytes unread. */
#include "expect.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

static int here, there;

static int events(void)
{
	struct pollfd asked = { here, POLLIN | POLLOUT | POLLRDHUP, 0 };
	poll(&asked, 1, 0);
	return asked.revents;
}

static void until(int wanted)
{
	for (int turn = 0; turn < 2000 && (events() & wanted) != wanted; turn++)
		usleep(1000);
}

static void connect_ends(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&address, sizeof address);
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&address, &length);
	here = socket(AF_INET, SOCK_STREAM, 0);
	GIVES("connect", connect(here, (struct sockaddr *)&address, sizeof address), 0);
	there = accept(listener, NULL, NULL);
	close(listener);
}

/* The steps: r read, w write, e the error. */
static void go(const char *steps)
{
	char text[8];
	struct linger at_once = { 1, 0 };
	setsockopt(there, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(there);
	until(POLLERR);
	say("%s: events %#x", steps, events());
	for (; *steps; steps++) {
		errno = 0;
		int error = -1;
		socklen_t length = sizeof error;
		if (*steps == 'r') {
			long got = read(here, text, sizeof text);
			say("read: ret=%ld errno=%s", got, errno_name(errno));
		} else if (*steps == 'w') {
			long sent = write(here, "x", 1);
			say("write: ret=%ld errno=%s", sent, errno_name(errno));
		} else {
			getsockopt(here, SOL_SOCKET, SO_ERROR, &error, &length);
			say("the error: %s", errno_name(error));
		}
	}
	say("at last: events %#x", events());
	close(here);
}

int main(void)
{
	static const char *const steps[] = { "rrw", "wr", "erw", "rew", "ww", "wre", "rwr" };
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 7; i++) {
		say("reset");
		connect_ends();
		go(steps[i]);

		say("ended, then reset");
		connect_ends();
		shutdown(there, SHUT_WR);
		until(POLLRDHUP);
		go(steps[i]);

		say("bytes, the end, then reset");
		connect_ends();
		GIVES("write", write(there, "abc", 3), 3);
		shutdown(there, SHUT_WR);
		until(POLLRDHUP);
		go(steps[i]);
	}

	/* As servers meet it: the peer closed, and what is written to it is answered with a reset. */
	connect_ends();
	close(there);
	until(POLLRDHUP);
	GIVES("write to who has closed", write(here, "x", 1), 1);
	until(POLLERR);
	char byte;
	GIVES("read", read(here, &byte, 1), 0);
	FAILS("write", write(here, "x", 1), EPIPE);
	GIVES("read", read(here, &byte, 1), 0);
	close(here);
	return finish();
}
