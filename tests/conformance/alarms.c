/* alarm and setitimer end waits, and reach a program that only makes calls. */
#include "expect.h"
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

static volatile int count;
static void counting(int number) { (void)number; count++; }
static sigjmp_buf out;
static void jumping(int number) { (void)number; siglongjmp(out, 1); }

static void on(void (*function)(int), int flags)
{
	struct sigaction action = { .sa_handler = function, .sa_flags = flags };
	sigaction(SIGALRM, &action, NULL);
}
static void real(long first, long then)
{
	struct itimerval set = { { then / 1000000, then % 1000000 }, { first / 1000000, first % 1000000 } };
	setitimer(ITIMER_REAL, &set, NULL);
}

int main(void)
{
	int p[2];
	char byte;
	struct itimerval left;
	pipe(p);

	/* Again and again: the first one may come before the wait. */
	on(counting, 0);
	real(10000, 10000);
	FAILS("read", read(p[0], &byte, 1), EINTR);
	CHECK("its function ran", count > 0);
	FAILS("poll", poll(&(struct pollfd){ .fd = p[0], .events = POLLIN }, 1, -1), EINTR);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	FAILS("select", select(p[0] + 1, &set, NULL, NULL, NULL), EINTR);
	FAILS("pause", pause(), EINTR);
	sigset_t none;
	sigemptyset(&none);
	FAILS("sigsuspend", sigsuspend(&none), EINTR);
	CHECK("each time", count >= 5);
	CHECK("sleep gives the rest", sleep(50) >= 49);
	real(0, 0);

	/* pause ends with SA_RESTART too. */
	on(counting, SA_RESTART);
	count = 0;
	real(2000, 2000);
	while (count < 10) pause();
	real(0, 0);
	CHECK("ten times", count >= 10);

	/* In the middle of work that makes calls. */
	count = 0;
	real(5000, 0);
	while (!count) getppid();
	GIVES("came at a call's end", count, 1);
	count = 0;
	real(1000, 1000);
	while (count < 20) getppid();
	GIVES("getitimer", getitimer(ITIMER_REAL, &left), 0);
	CHECK("the period", left.it_interval.tv_usec == 1000 && left.it_interval.tv_sec == 0);
	CHECK("less than it is left", left.it_value.tv_sec == 0 && left.it_value.tv_usec <= 1000);
	real(0, 0);

	/* Out of a wait by a jump, twice, as timeouts were made of old. */
	on(jumping, 0);
	for (volatile int i = 0; i < 2; i++) {
		if (sigsetjmp(out, 1)) {
			say("out by a jump");
		} else {
			real(5000, 0);
			read(p[0], &byte, 1);
			say("read came back");
		}
	}

	/* Blocked: one waits, however many come. */
	on(counting, 0);
	count = 0;
	sigset_t block, pending;
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	real(1000, 1000);
	usleep(20000);
	real(0, 0);
	sigpending(&pending);
	CHECK("it is pending", sigismember(&pending, SIGALRM));
	GIVES("not yet", count, 0);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	GIVES("once", count, 1);

	/* alarm and ITIMER_REAL are one timer. */
	GIVES("alarm", alarm(1000), 0);
	getitimer(ITIMER_REAL, &left);
	CHECK("ITIMER_REAL", left.it_value.tv_sec >= 998 && left.it_interval.tv_sec == 0);
	real(500000000, 0);
	CHECK("alarm gives the rest", alarm(0) >= 499);
	getitimer(ITIMER_REAL, &left);
	CHECK("nothing is left", left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
	real(100, 0);
	usleep(1000);
	GIVES("alarm of a part of a second", alarm(0), 0);
	real(400000000, 0);
	CHECK("alarm rounds to seconds", alarm(0) >= 398);

	return finish();
}
