/* POSIX timers with signals: relative, absolute, periodic; what is left, overruns, deletion, thousands. */
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static volatile int count, value, code, overrun, number;
static void detailed(int signal, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	number = signal;
	value = info->si_value.sival_int;
	code = info->si_code;
	overrun = info->si_overrun;
}
static long now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}
static struct timespec at(long ns) { return (struct timespec){ ns / 1000000000, ns % 1000000000 }; }
static long ns(struct timespec t) { return t.tv_sec * 1000000000L + t.tv_nsec; }
static struct itimerspec every(long first, long then) { return (struct itimerspec){ at(then), at(first) }; }

enum { MS = 1000000, MANY = 2000 };

int main(void)
{
	timer_t timer, other;
	struct itimerspec set, left, old;
	sigset_t rt, none;
	siginfo_t info;
	struct sigaction action = { .sa_sigaction = detailed, .sa_flags = SA_SIGINFO };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 17 };
	sigaction(SIGRTMIN + 1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&none);
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN + 1);

	/* Not armed. */
	GIVES("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	GIVES("gettime of one not armed", timer_gettime(timer, &left), 0);
	CHECK("nothing is left", ns(left.it_value) == 0 && ns(left.it_interval) == 0);
	GIVES("overrun of one not armed", timer_getoverrun(timer), 0);

	/* Once. */
	long start = now(CLOCK_MONOTONIC);
	set = every(20 * MS, 0);
	old = every(7, 7);
	GIVES("once", timer_settime(timer, 0, &set, &old), 0);
	CHECK("the old setting is nothing", ns(old.it_value) == 0 && ns(old.it_interval) == 0);
	while (!count) usleep(1000);
	CHECK("not too early", now(CLOCK_MONOTONIC) - start >= 20 * MS);
	say("signal %d, value %d, SI_TIMER %d, overrun %d", number - SIGRTMIN, value, code == SI_TIMER, overrun);
	timer_gettime(timer, &left);
	CHECK("over: nothing is left", ns(left.it_value) == 0 && ns(left.it_interval) == 0);

	/* Absolute, in the future and in the past, on two clocks. */
	count = 0;
	start = now(CLOCK_MONOTONIC);
	set = every(start + 100000L * MS, 0);
	timer_settime(timer, TIMER_ABSTIME, &set, NULL);
	timer_gettime(timer, &left);
	CHECK("what is left is relative", ns(left.it_value) > 50000L * MS && ns(left.it_value) <= 100000L * MS);
	start = now(CLOCK_MONOTONIC);
	set = every(start + 20 * MS, 0);
	GIVES("absolute", timer_settime(timer, TIMER_ABSTIME, &set, NULL), 0);
	while (!count) usleep(1000);
	CHECK("not too early", now(CLOCK_MONOTONIC) - start >= 20 * MS);
	count = 0;
	set = every(start, 0);
	GIVES("absolute, past", timer_settime(timer, TIMER_ABSTIME, &set, NULL), 0);
	while (!count) usleep(1000);
	GIVES("it came once", count, 1);
	event.sigev_value.sival_int = 18;
	GIVES("on the wall clock", timer_create(CLOCK_REALTIME, &event, &other), 0);
	count = 0;
	start = now(CLOCK_REALTIME);
	set = every(start + 10 * MS, 0);
	GIVES("absolute", timer_settime(other, TIMER_ABSTIME, &set, NULL), 0);
	while (!count) usleep(1000);
	CHECK("not too early", now(CLOCK_REALTIME) - start >= 10 * MS);
	GIVES("the other's value", value, 18);

	/* Again and again. */
	count = 0;
	set = every(2 * MS, 2 * MS);
	GIVES("periodic", timer_settime(timer, 0, &set, NULL), 0);
	while (count < 5) usleep(500);
	timer_gettime(timer, &left);
	CHECK("what is left is less than a period", ns(left.it_value) > 0 && ns(left.it_value) <= 2 * MS);
	GIVES("the period", ns(left.it_interval), 2 * MS);
	set = every(0, 5 * MS);
	GIVES("disarmed", timer_settime(timer, 0, &set, &old), 0);
	GIVES("the old period", ns(old.it_interval), 2 * MS);
	timer_gettime(timer, &left);
	CHECK("nothing is left", ns(left.it_value) == 0);
	count = 0;
	usleep(10000);
	GIVES("none comes any more", count, 0);

	/* Overruns: the signal waits, the timer goes on. */
	sigprocmask(SIG_BLOCK, &rt, NULL);
	set = every(MS, MS);
	timer_settime(timer, 0, &set, NULL);
	usleep(30000);
	GIVES("sigtimedwait", sigtimedwait(&rt, &info, &(struct timespec){ 5, 0 }) - SIGRTMIN, 1);
	CHECK("SI_TIMER", info.si_code == SI_TIMER);
	CHECK("its overruns", info.si_overrun >= 20);
	CHECK("timer_getoverrun", timer_getoverrun(timer) >= 20);
	timer_gettime(timer, &left);
	CHECK("it goes on", ns(left.it_value) > 0 && ns(left.it_value) <= MS);
	usleep(5000);

	/* What waits goes when the timer goes. */
	GIVES("timer_delete", timer_delete(timer), 0);
	FAILS("delete again", syscall(SYS_timer_delete, (long)timer), EINVAL);
	FAILS("settime of one that is gone", timer_settime(timer, 0, &set, NULL), EINVAL);
	FAILS("gettime of one that is gone", timer_gettime(timer, &left), EINVAL);
	FAILS("overrun of one that is gone", timer_getoverrun(timer), EINVAL);
	sigprocmask(SIG_UNBLOCK, &rt, NULL);

	/* One signal for each of two timers, though both are the same signal. */
	sigprocmask(SIG_BLOCK, &rt, NULL);
	event.sigev_value.sival_int = 1;
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	set = every(MS, 0);
	timer_settime(timer, 0, &set, NULL);
	set = every(3 * MS, 0);
	timer_settime(other, 0, &set, NULL);
	usleep(20000);
	GIVES("the first", sigtimedwait(&rt, &info, &(struct timespec){ 5, 0 }) - SIGRTMIN, 1);
	GIVES("its value", info.si_value.sival_int, 1);
	GIVES("the second", sigtimedwait(&rt, &info, &(struct timespec){ 5, 0 }) - SIGRTMIN, 1);
	GIVES("its value", info.si_value.sival_int, 18);
	FAILS("no third", sigtimedwait(&rt, &info, &(struct timespec){ 0, 1000 }), EAGAIN);
	sigprocmask(SIG_UNBLOCK, &rt, NULL);
	timer_delete(other);
	timer_delete(timer);

	/* Without an event it is SIGALRM with the timer's number. */
	count = 0;
	GIVES("no event", timer_create(CLOCK_BOOTTIME, NULL, &timer), 0);
	set = every(MS, 0);
	timer_settime(timer, 0, &set, NULL);
	while (!count) usleep(1000);
	GIVES("SIGALRM", number, SIGALRM);
	CHECK("the value is the timer", value == (int)(long)timer);
	timer_delete(timer);

	/* Nobody is told; but it runs. */
	event = (struct sigevent){ .sigev_notify = SIGEV_NONE };
	GIVES("SIGEV_NONE", timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	set = every(2 * MS, 3 * MS);
	timer_settime(timer, 0, &set, NULL);
	usleep(10000);
	timer_gettime(timer, &left);
	CHECK("it goes on", ns(left.it_value) > 0 && ns(left.it_value) <= 3 * MS);
	set = every(2 * MS, 0);
	timer_settime(timer, 0, &set, NULL);
	usleep(5000);
	timer_gettime(timer, &left);
	CHECK("it ends", ns(left.it_value) == 0);
	timer_delete(timer);

	/* A timer of processor time. */
	event = (struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 5 };
	GIVES("processor time", timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer), 0);
	count = 0;
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	set = every(5 * MS, 0);
	GIVES("set", timer_settime(timer, 0, &set, NULL), 0);
	while (!count) getppid();
	CHECK("not too early", now(CLOCK_PROCESS_CPUTIME_ID) - start >= 5 * MS);
	timer_delete(timer);

	/* Mistakes. */
	FAILS("a clock of nonsense", timer_create(77, &event, &timer), EINVAL);
	event.sigev_notify = 77;
	FAILS("an event of nonsense", timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 65;
	FAILS("a signal of nonsense", timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = SIGRTMIN + 1;
	event.sigev_notify_thread_id = 0x3fffffff;
	FAILS("a thread of nonsense", timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
	FAILS("a bad event", syscall(SYS_timer_create, CLOCK_MONOTONIC, 8, &timer), EFAULT);
	FAILS("a bad place", syscall(SYS_timer_create, CLOCK_MONOTONIC, 0, 8), EFAULT);
	FAILS("a coarse clock", timer_create(CLOCK_MONOTONIC_COARSE, NULL, &timer), EOPNOTSUPP);
	FAILS("gettime of none", syscall(SYS_timer_gettime, 0x3fffffff, &left), EINVAL);
	timer_create(CLOCK_MONOTONIC, NULL, &timer);
	set = (struct itimerspec){ { 0, 0 }, { 0, 1000000000 } };
	FAILS("a wrong time", timer_settime(timer, 0, &set, NULL), EINVAL);
	set = (struct itimerspec){ { -1, 0 }, { 0, 1 } };
	FAILS("a wrong period", timer_settime(timer, 0, &set, NULL), EINVAL);
	FAILS("no time", syscall(SYS_timer_settime, (long)timer, 0, 0, 0), EINVAL);
	FAILS("a bad time", syscall(SYS_timer_settime, (long)timer, 0, 8, 0), EFAULT);
	FAILS("gettime to a bad place", timer_gettime(timer, (void *)8), EFAULT);
	timer_delete(timer);

	/* Thousands, which come in the order of their times. */
	static timer_t timers[MANY];
	static int seen[MANY];
	int made = 0, came = 0, in_order = 1, last = -1;
	sigprocmask(SIG_BLOCK, &rt, NULL);
	event = (struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	for (int i = 0; i < MANY; i++) {
		event.sigev_value.sival_int = i;
		made += timer_create(CLOCK_MONOTONIC, &event, &timers[i]) == 0;
	}
	start = now(CLOCK_MONOTONIC) + 30 * MS;
	for (int i = 0; i < MANY; i++) {
		int mixed = (int)(i * 7919L % MANY);
		set = every(start + mixed * 20000L, 0);
		timer_settime(timers[mixed], TIMER_ABSTIME, &set, NULL);
	}
	/* A slow machine sets the last after the first is due. */
	int is_late = now(CLOCK_MONOTONIC) >= start;
	while (came < made && sigtimedwait(&rt, &info, &(struct timespec){ 20, 0 }) > 0) {
		came++;
		seen[info.si_value.sival_int]++;
		in_order &= info.si_value.sival_int > last;
		last = info.si_value.sival_int;
	}
	int once = 0;
	for (int i = 0; i < MANY; i++) once += seen[i] == 1;
	say("%d timers made, %d came, %d once", made, came, once);
	CHECK("in order", in_order || is_late);
	for (int i = 0; i < MANY; i++) made -= timer_delete(timers[i]) == 0;
	GIVES("all deleted", made, 0);
	return finish();
}
