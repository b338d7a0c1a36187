/* A signal from a thread comes to one that waits: EINTR, or the wait goes on, call by call. Here waits
 * for time, for other threads and for signals. */
#include "disturbed_waits.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>

static sem_t sem;
static int word;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile int condition;

enum { NOTHING, POST, WAKE, SIGNAL, BROADCAST };
static void end_in_earnest(long how)
{
	switch (how) {
	case POST: sem_post(&sem); break;
	case WAKE: word = 1; syscall(SYS_futex, &word, FUTEX_WAKE, 1, 0, 0, 0); break;
	case SIGNAL: pthread_kill(target, SIGUSR2); break;
	case BROADCAST: pthread_mutex_lock(&mutex); condition = 1; pthread_cond_broadcast(&cond); pthread_mutex_unlock(&mutex); break;
	}
}
static long futex_wait(struct timespec *timeout) { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, timeout, 0, 0); }
static void *joined(void *unused) { (void)unused; usleep(60000); return (void *)3; }

int main(void)
{
	struct timespec long_time = { 100, 0 }, rest, until;
	sigset_t none, set;
	siginfo_t info;
	target = pthread_self();
	sem_init(&sem, 0, 0);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);

	for (int restart = 0; restart < 2; restart++) {
		int flags = restart ? SA_RESTART : 0;
		say("with SA_RESTART: %d", restart);
		/* Never made again. */
		begin(flags, NOTHING); FAILS("nanosleep", nanosleep(&long_time, &rest), EINTR); end();
		CHECK("  the rest", rest.tv_sec >= 98 && rest.tv_sec < 100);
		begin(flags, NOTHING); CODE("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &rest), EINTR); end();
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 100;
		begin(flags, NOTHING); CODE("clock_nanosleep to a time", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL), EINTR); end();
		begin(flags, NOTHING); CHECK("sleep", sleep(100) >= 98); end();
		begin(flags, NOTHING); FAILS("pause", pause(), EINTR); end();
		begin(flags, NOTHING); FAILS("sigsuspend", sigsuspend(&none), EINTR); end();
		begin(flags, NOTHING); FAILS("rt_sigtimedwait", syscall(SYS_rt_sigtimedwait, &set, &info, &long_time, 8), EINTR); end();
		begin(flags, NOTHING); FAILS("rt_sigtimedwait for ever", syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8), EINTR); end();
		/* musl's own goes on. */
		begin(flags, SIGNAL); GIVES("sigtimedwait", sigtimedwait(&set, &info, &long_time), SIGUSR2); end();
		begin(flags, NOTHING); FAILS("futex with a time", futex_wait(&long_time), EINTR); end();
		/* Made again with SA_RESTART. */
		if (restart) {
			begin(flags, WAKE); GIVES("futex", futex_wait(NULL), 0); end();
			word = 0;
			begin(flags, POST); GIVES("sem_wait", sem_wait(&sem), 0); end();
		} else {
			begin(flags, WAKE); FAILS("futex", futex_wait(NULL), EINTR); end();
			word = 0;
			begin(flags, POST); FAILS("sem_wait", sem_wait(&sem), EINTR); end();
			sem_wait(&sem);
		}
		/* Always go on. */
		condition = 0;
		pthread_mutex_lock(&mutex);
		begin(flags, BROADCAST);
		while (!condition) CODE("pthread_cond_wait", pthread_cond_wait(&cond, &mutex), 0);
		pthread_mutex_unlock(&mutex);
		end();
		pthread_t t;
		void *result;
		pthread_create(&t, NULL, joined, NULL);
		begin(flags, NOTHING); CODE("pthread_join", pthread_join(t, &result), 0); end();
		CHECK("  its result", result == (void *)3);
	}

	/* Signals that are ignored, or blocked, end no wait. */
	signal(SIGUSR1, SIG_IGN);
	pthread_create(&disturber, NULL, disturb, (void *)POST);
	GIVES("sem_wait, an ignored signal", sem_wait(&sem), 0);
	pthread_join(disturber, NULL);
	signal(SIGCHLD, SIG_DFL);
	sigaddset(&set, SIGUSR1);
	signal(SIGUSR1, counting);
	sigprocmask(SIG_BLOCK, &set, NULL);
	count = 0;
	pthread_create(&disturber, NULL, disturb, (void *)POST);
	GIVES("sem_wait, a blocked signal", sem_wait(&sem), 0);
	pthread_join(disturber, NULL);
	GIVES("none yet", count, 0);
	FAILS("sigsuspend lets it in at once", sigsuspend(&none), EINTR);
	GIVES("one", count, 1);
	sigprocmask(SIG_BLOCK, NULL, &none);
	CHECK("blocked as before", sigismember(&none, SIGUSR1));
	return finish();
}
