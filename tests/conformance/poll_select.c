/* poll, ppoll, select, pselect. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/time.h>

static volatile int signals;
static void count(int number) { (void)number; signals++; }
static void alarm_soon(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } }, NULL);
}

int main(void)
{
	int p[2];
	struct timespec soon = { 0, 5000000 }, zero = { 0, 0 };
	GIVES("pipe", pipe(p), 0);
	struct pollfd fds[3] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { -1, POLLIN, 99 } };

	GIVES("poll", poll(fds, 3, -1), 1);
	say("%d %d %d", fds[0].revents, fds[1].revents, fds[2].revents);
	GIVES("poll of the empty one", poll(fds, 1, 0), 0);
	GIVES("poll within 5 ms", poll(fds, 1, 5), 0);
	write(p[1], "x", 1);
	GIVES("poll", poll(fds, 2, 0), 2);
	say("%d %d", fds[0].revents, fds[1].revents);
	fds[2].fd = 999;
	GIVES("poll of a closed number", poll(fds + 2, 1, 0), 1);
	GIVES("POLLNVAL", fds[2].revents, POLLNVAL);
	GIVES("poll of none", poll(NULL, 0, 1), 0);
	GIVES("ppoll", ppoll(fds, 1, &soon, NULL), 1);
	CHECK("ppoll leaves the time alone", soon.tv_nsec == 5000000);
	soon.tv_nsec = 2000000000;
	FAILS("ppoll with a wrong time", ppoll(fds, 1, &soon, NULL), EINVAL);
	soon.tv_nsec = 5000000;

	fd_set in, out;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	GIVES("select", select(p[1] + 1, &in, &out, NULL, NULL), 2);
	CHECK("both are set", FD_ISSET(p[0], &in) && FD_ISSET(p[1], &out));
	char byte;
	read(p[0], &byte, 1);
	struct timeval time = { 0, 1000 };
	GIVES("select of the empty one", select(p[0] + 1, &in, NULL, NULL, &time), 0);
	CHECK("no bit is set", !FD_ISSET(p[0], &in));
	FAILS("select -1", select(-1, NULL, NULL, NULL, NULL), EINVAL);
	time = (struct timeval){ -1, 0 };
	FAILS("select with a wrong time", select(0, NULL, NULL, NULL, &time), EINVAL);
	FD_ZERO(&in);
	FD_SET(60, &in);
	time = (struct timeval){ 0, 0 };
	FAILS("select of a closed number", select(61, &in, NULL, NULL, &time), EBADF);
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	GIVES("pselect", pselect(p[0] + 1, &in, NULL, NULL, &zero, NULL), 0);

	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &action, NULL);
	alarm_soon();
	FAILS("poll is interrupted", poll(fds, 1, -1), EINTR);
	alarm_soon();
	FD_SET(p[0], &in);
	FAILS("select is interrupted", select(p[0] + 1, &in, NULL, NULL, NULL), EINTR);
	sigset_t blocked, none;
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGALRM);
	GIVES("the signal waits", signals, 2);
	FAILS("ppoll lets it in", ppoll(fds, 1, NULL, &none), EINTR);
	GIVES("it came", signals, 3);
	raise(SIGALRM);
	FD_SET(p[0], &in);
	FAILS("pselect lets it in", pselect(p[0] + 1, &in, NULL, NULL, NULL, &none), EINTR);
	GIVES("it came", signals, 4);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK("the mask is as before", sigismember(&now, SIGALRM));
	close(p[1]);
	GIVES("poll of a closed pipe", poll(fds, 1, 0), 1);
	GIVES("POLLHUP", fds[0].revents, POLLHUP);
	return finish();
}
