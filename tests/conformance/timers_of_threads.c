/* Timers and threads: SIGEV_THREAD, SIGEV_THREAD_ID, signals into the waits of the right thread. */
#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static sem_t fired, ready;
static volatile pid_t ran_in;
static volatile int count, sum;
static volatile int strangers;

static void in_thread(union sigval which)
{
	sum += which.sival_int;
	strangers += ran_in && ran_in != syscall(SYS_gettid);
	ran_in = syscall(SYS_gettid);
	sem_post(&fired);
}
static void leaves(union sigval which)
{
	sem_post(&fired);
	pthread_exit(NULL);
}
static void handler(int number)
{
	(void)number;
	ran_in = syscall(SYS_gettid);
	count++;
}
static volatile pid_t tid;
static void *waits(void *result)
{
	struct timespec rest = { 0 };
	tid = syscall(SYS_gettid);
	sem_post(&ready);
	int code = clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 50, 0 }, &rest);
	*(int *)result = code == EINTR && rest.tv_sec >= 48 && ran_in == tid;
	return NULL;
}
static void *in_semaphore(void *result)
{
	tid = syscall(SYS_gettid);
	sem_post(&ready);
	errno = 0;
	*(int *)result = sem_wait(&fired) == -1 && errno == EINTR && ran_in == tid;
	return NULL;
}
static struct itimerspec every(long first, long then)
{
	return (struct itimerspec){ { then / 1000000000, then % 1000000000 }, { first / 1000000000, first % 1000000000 } };
}
static void wait_for(int times) { while (times) times -= sem_wait(&fired) == 0; }

enum { MS = 1000000 };

int main(void)
{
	timer_t timer, two;
	struct itimerspec set;
	sem_init(&fired, 0, 0);
	sem_init(&ready, 0, 0);

	/* A thread for each timer, and the same for all of its times. */
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_int = 3 };
	GIVES("SIGEV_THREAD", timer_create(CLOCK_REALTIME, &event, &timer), 0);
	set = every(MS, 2 * MS);
	GIVES("settime", timer_settime(timer, 0, &set, NULL), 0);
	wait_for(4);
	CHECK("one thread, and not the first", strangers == 0 && ran_in != getpid());
	CHECK("with the value", sum >= 12 && sum % 3 == 0);
	set = every(100000L * MS, 0);
	GIVES("settime", timer_settime(timer, 0, &set, NULL), 0);
	GIVES("gettime", timer_gettime(timer, &set), 0);
	CHECK("much is left", set.it_value.tv_sec >= 98);
	GIVES("overrun", timer_getoverrun(timer), 0);
	GIVES("delete", timer_delete(timer), 0);

	/* Its function may leave by pthread_exit: the thread goes on. */
	event.sigev_notify_function = leaves;
	sem_init(&fired, 0, 0);
	GIVES("SIGEV_THREAD", timer_create(CLOCK_MONOTONIC, &event, &two), 0);
	set = every(MS, MS);
	timer_settime(two, 0, &set, NULL);
	wait_for(3);
	GIVES("delete", timer_delete(two), 0);

	/* To one thread, while the first sleeps. */
	pthread_t t;
	int result = 0;
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigaction(SIGRTMIN + 2, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	pthread_create(&t, NULL, waits, &result);
	while (sem_wait(&ready)) ;
	event = (struct sigevent){ .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 2, .sigev_notify_thread_id = tid };
	GIVES("SIGEV_THREAD_ID", timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	set = every(10 * MS, 0);
	timer_settime(timer, 0, &set, NULL);
	pthread_join(t, NULL);
	GIVES("its sleep ended, with the rest, in its own handler", result, 1);
	GIVES("delete", timer_delete(timer), 0);

	/* The process's signal goes to a thread that does not block it. */
	action.sa_flags = 0;
	sigaction(SIGALRM, &action, NULL);
	sem_init(&fired, 0, 0);
	result = 0;
	sigset_t alarm_set;
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGALRM);
	pthread_create(&t, NULL, in_semaphore, &result);
	while (sem_wait(&ready)) ;
	pthread_sigmask(SIG_BLOCK, &alarm_set, NULL);
	timer_create(CLOCK_MONOTONIC, NULL, &timer);
	set = every(10 * MS, 0);
	timer_settime(timer, 0, &set, NULL);
	pthread_join(t, NULL);
	GIVES("sem_wait of the other thread is interrupted", result, 1);
	timer_delete(timer);

	/* A timer whose thread is gone goes on without harm. */
	result = 0;
	pthread_create(&t, NULL, waits, &result);
	while (sem_wait(&ready)) ;
	event = (struct sigevent){ .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 2, .sigev_notify_thread_id = tid };
	GIVES("for a thread that ends", timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	pthread_cancel(t);
	pthread_join(t, NULL);
	count = 0;
	set = every(MS, MS);
	GIVES("settime", timer_settime(timer, 0, &set, NULL), 0);
	usleep(10000);
	GIVES("nobody is told", count, 0);
	GIVES("delete", timer_delete(timer), 0);
	return finish();
}
