/* alarm, setitimer, timer_create with signals and with threads. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile int count, value, code;
static sem_t fired;
static void counting(int number) { (void)number; count++; }
static void detailed(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	count++;
	value = info->si_value.sival_int;
	code = info->si_code;
}
static void in_thread(union sigval which)
{
	value = which.sival_int;
	sem_post(&fired);
}

int main(void)
{
	struct itimerval set = { { 0, 0 }, { 0, 10000 } }, old;
	signal(SIGALRM, counting);
	signal(SIGVTALRM, counting);
	signal(SIGPROF, counting);

	GIVES("alarm 100", alarm(100), 0);
	CHECK("alarm gives the rest", alarm(0) >= 99);
	GIVES("alarm 0", alarm(0), 0);
	GIVES("setitimer", setitimer(ITIMER_REAL, &set, NULL), 0);
	pause();
	GIVES("count", count, 1);
	set.it_value.tv_sec = 500;
	set.it_interval.tv_sec = 7;
	setitimer(ITIMER_REAL, &set, NULL);
	GIVES("getitimer", getitimer(ITIMER_REAL, &old), 0);
	CHECK("the rest and the interval", old.it_value.tv_sec >= 499 && old.it_interval.tv_sec == 7);
	set = (struct itimerval){ 0 };
	GIVES("setitimer gives the old", setitimer(ITIMER_REAL, &set, &old), 0);
	CHECK("the interval", old.it_interval.tv_sec == 7);
	set = (struct itimerval){ { 0, 0 }, { 0, 1000 } };
	GIVES("ITIMER_VIRTUAL", setitimer(ITIMER_VIRTUAL, &set, NULL), 0);
	/* With calls in the loops: where threads take turns, a signal comes at the end of a call. */
	while (count < 2) getppid();
	GIVES("ITIMER_PROF", setitimer(ITIMER_PROF, &set, NULL), 0);
	while (count < 3) getppid();
	GIVES("ualarm", ualarm(10000, 0), 0);
	pause();
	GIVES("count", count, 4);
	FAILS("a timer of nonsense", setitimer(9, &set, NULL), EINVAL);
	set.it_value.tv_usec = 1000000;
	FAILS("a wrong time", setitimer(ITIMER_REAL, &set, NULL), EINVAL);

	timer_t timer;
	struct sigaction action = { .sa_sigaction = detailed, .sa_flags = SA_SIGINFO };
	sigaction(SIGRTMIN, &action, NULL);
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 321 };
	struct itimerspec at = { { 0, 0 }, { 0, 10000000 } }, now;
	count = 0;
	GIVES("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	GIVES("timer_settime", timer_settime(timer, 0, &at, NULL), 0);
	while (!count) usleep(1000);
	say("value %d, SI_TIMER %d", value, code == SI_TIMER);
	GIVES("overrun", timer_getoverrun(timer), 0);
	at.it_value.tv_sec = 1000;
	GIVES("timer_settime", timer_settime(timer, 0, &at, &now), 0);
	GIVES("timer_gettime", timer_gettime(timer, &now), 0);
	CHECK("much is left", now.it_value.tv_sec >= 990);
	GIVES("timer_delete", timer_delete(timer), 0);
	event.sigev_notify = SIGEV_NONE;
	GIVES("SIGEV_NONE", timer_create(CLOCK_REALTIME, &event, &timer), 0);
	GIVES("timer_delete", timer_delete(timer), 0);
	FAILS("a clock of nonsense", timer_create(77, &event, &timer), EINVAL);

	sem_init(&fired, 0, 0);
	event = (struct sigevent){ .sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_int = 654 };
	GIVES("SIGEV_THREAD", timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	at = (struct itimerspec){ { 0, 2000000 }, { 0, 2000000 } };
	GIVES("timer_settime", timer_settime(timer, 0, &at, NULL), 0);
	for (int i = 0; i < 3; i++) while (sem_wait(&fired)) ;
	say("three times in a thread, value %d", value);
	GIVES("timer_delete", timer_delete(timer), 0);
	return finish();
}
