// needs-root: priorities
/* Futexes with priority inheritance, by the call itself, and by condition variables. */
#include "expect.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

static uint32_t word, second;
static sem_t go, done;
static volatile int order[8], ordered, tid;

static long futex(uint32_t *uaddr, int op, unsigned value, const struct timespec *timeout, uint32_t *uaddr2, unsigned value3)
{
	return syscall(SYS_futex, uaddr, op, value, timeout, uaddr2, value3);
}
static pid_t gettid_(void) { return syscall(SYS_gettid); }
static struct timespec in_ms(clockid_t clock, int ms)
{
	struct timespec now;
	clock_gettime(clock, &now);
	now.tv_nsec += ms * 1000000L;
	now.tv_sec += now.tv_nsec / 1000000000;
	now.tv_nsec %= 1000000000;
	return now;
}

struct job { int op; struct timespec *timeout; long result; int error; uint32_t seen; };
static void *does(void *of)
{
	struct job *job = of;
	errno = 0;
	job->result = futex(&word, job->op, 0, job->timeout, NULL, 0);
	job->error = errno;
	job->seen = word;
	if (!job->result) futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}
static struct job elsewhere(int op, struct timespec *timeout)
{
	struct job job = { .op = op, .timeout = timeout };
	pthread_t t;
	pthread_create(&t, NULL, does, &job);
	pthread_join(t, NULL);
	return job;
}
static void here(void)
{
	tid = gettid_();
	sem_post(&go);
}
static void *queues(void *which)
{
	here();
	long result = futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	if (!result && (word & FUTEX_TID_MASK) == gettid_()) order[ordered++] = (int)(long)which;
	futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}
static void *takes_and_dies(void *unused)
{
	futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	here();
	while (sem_wait(&done)) ;
	return unused;
}
static uint32_t dead_word;
static void *takes_of_the_dead(void *unused)
{
	here();
	long result = futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	dead_word = word;
	futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return (void *)result;
}
static void *waits_to_be_moved(void *out)
{
	long *result = out;
	here();
	*result = futex(&word, FUTEX_WAIT_REQUEUE_PI, 7, NULL, &second, 0);
	if (!*result) {
		if ((second & FUTEX_TID_MASK) != gettid_()) *result = -77;
		futex(&second, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	}
	return NULL;
}

static pthread_mutex_t mutex;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int waiting, turn;
static void *waits_by_condition(void *unused)
{
	pthread_mutex_lock(&mutex);
	waiting++;
	while (!turn) pthread_cond_wait(&cond, &mutex);
	turn--;
	pthread_mutex_unlock(&mutex);
	return unused;
}

int main(void)
{
	pthread_t t[4];
	struct timespec soon;
	struct job job;
	void *code;
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);

	GIVES("lock", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK("the word is the thread", word == gettid_());
	FAILS("lock again", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	FAILS("try again", futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	GIVES("unlock", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	GIVES("the word is 0", word, 0);
	FAILS("unlock again", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
	GIVES("try", futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK("the word is the thread", word == gettid_());
	FAILS("a bad address", futex((void *)8, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
	FAILS("an odd address", futex((void *)((char *)&word + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0), EINVAL);

	/* Held: others fail, or wait so long. */
	job = elsewhere(FUTEX_TRYLOCK_PI, NULL);
	CHECK("try elsewhere", job.result == -1 && job.error == EAGAIN);
	job = elsewhere(FUTEX_UNLOCK_PI, NULL);
	CHECK("unlock elsewhere", job.result == -1 && job.error == EPERM);
	FAILS("a bad time", futex(&word, FUTEX_LOCK_PI, 0, (void *)8, NULL, 0), EFAULT);
	FAILS("a wrong time", futex(&word, FUTEX_LOCK_PI, 0, &(struct timespec){ 0, 1000000000 }, NULL, 0), EINVAL);
	soon = in_ms(CLOCK_REALTIME, 10);
	job = elsewhere(FUTEX_LOCK_PI, &soon);
	CHECK("lock elsewhere, by the wall clock", job.result == -1 && job.error == ETIMEDOUT);
	CHECK("somebody has waited", (job.seen & FUTEX_WAITERS) && (job.seen & FUTEX_TID_MASK) == gettid_());
	soon = in_ms(CLOCK_MONOTONIC, 10);
	job = elsewhere(13, &soon);
	CHECK("LOCK_PI2 elsewhere, by the steady clock", job.result == -1 && job.error == ETIMEDOUT);
	soon = in_ms(CLOCK_REALTIME, 10);
	job = elsewhere(13 | FUTEX_CLOCK_REALTIME, &soon);
	CHECK("LOCK_PI2 elsewhere, by the wall clock", job.result == -1 && job.error == ETIMEDOUT);
	soon = in_ms(CLOCK_REALTIME, 0);
	soon.tv_sec -= 5;
	job = elsewhere(FUTEX_LOCK_PI, &soon);
	CHECK("a time that is over", job.result == -1 && job.error == ETIMEDOUT);
	GIVES("unlock", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	GIVES("the word is 0", word, 0);

	/* In the order of their coming. */
	futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	for (long i = 0; i < 4; i++) {
		pthread_create(&t[i], NULL, queues, (void *)i);
		while (sem_wait(&go)) ;
		until_it_waits(tid);
	}
	CHECK("they wait", word == (gettid_() | FUTEX_WAITERS));
	FAILS("an ordinary wake is a mistake", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	GIVES("unlock", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	say("in order: %d %d %d %d", order[0], order[1], order[2], order[3]);
	CHECK("nobody holds it", (word & FUTEX_TID_MASK) == 0);

	/* The higher priority goes first. */
	word = ordered = 0;
	futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	for (long i = 0; i < 4; i++) {
		pthread_create(&t[i], NULL, queues, (void *)i);
		struct sched_param param = { .sched_priority = 10 + (int)i };
		if (pthread_setschedparam(t[i], SCHED_FIFO, &param)) say("no rights for priorities");
		while (sem_wait(&go)) ;
		until_it_waits(tid);
	}
	futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	say("by priority: %d %d %d %d", order[0], order[1], order[2], order[3]);

	/* An owner that ends: who waits gets it, and sees why. */
	word = 0;
	pthread_create(&t[0], NULL, takes_and_dies, NULL);
	while (sem_wait(&go)) ;
	pthread_create(&t[1], NULL, takes_of_the_dead, NULL);
	while (sem_wait(&go)) ;
	until_it_waits(tid);
	sem_post(&done);
	pthread_join(t[0], NULL);
	pthread_join(t[1], &code);
	GIVES("lock of the dead", (long)code, 0);
	CHECK("the owner died", dead_word & FUTEX_OWNER_DIED);
	word = 0x3ffffff0;
	FAILS("an owner who is nobody", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
	word = FUTEX_OWNER_DIED;
	GIVES("nobody holds it since the owner died", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK("that is kept", word == (gettid_() | FUTEX_OWNER_DIED));
	GIVES("unlock", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	GIVES("the word is 0", word, 0);

	/* From a plain futex to one that inherits. */
	long results[3] = { -1, -1, -1 };
	word = 7;
	second = 0;
	FAILS("another value", futex(&word, FUTEX_WAIT_REQUEUE_PI, 8, NULL, &second, 0), EAGAIN);
	FAILS("the same word", futex(&word, FUTEX_WAIT_REQUEUE_PI, 7, NULL, &word, 0), EINVAL);
	soon = in_ms(CLOCK_MONOTONIC, 10);
	FAILS("a time", futex(&word, FUTEX_WAIT_REQUEUE_PI, 7, &soon, &second, 0), ETIMEDOUT);
	FAILS("more than one to wake", syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PI, 2, (void *)1L, &second, 7), EINVAL);
	FAILS("another value", syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PI, 1, (void *)1L, &second, 8), EAGAIN);
	GIVES("nobody there", syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PI, 1, (void *)(long)INT_MAX, &second, 7), 0);
	for (int i = 0; i < 3; i++) {
		pthread_create(&t[i], NULL, waits_to_be_moved, &results[i]);
		while (sem_wait(&go)) ;
		until_it_waits(tid);
	}
	FAILS("an ordinary wake is a mistake", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	futex(&second, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	GIVES("one and two moved", syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PI, 1, (void *)(long)INT_MAX, &second, 7), 3);
	CHECK("they wait there", second == (gettid_() | FUTEX_WAITERS));
	futex(&second, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	say("they came back with %ld %ld %ld", results[0], results[1], results[2]);
	second = 0;
	pthread_create(&t[0], NULL, waits_to_be_moved, &results[0]);
	while (sem_wait(&go)) ;
	until_it_waits(tid);
	GIVES("the lock is free: it is given at once", syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PI, 1, (void *)0L, &second, 7), 1);
	pthread_join(t[0], NULL);
	GIVES("and it came back", results[0], 0);

	/* A condition variable over such a mutex. */
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&mutex, &attributes);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, waits_by_condition, NULL);
	for (int all = 0; !all; usleep(1000)) {
		pthread_mutex_lock(&mutex);
		all = waiting == 4;
		pthread_mutex_unlock(&mutex);
	}
	pthread_mutex_lock(&mutex);
	turn = 4;
	CODE("signal", pthread_cond_signal(&cond), 0);
	CODE("broadcast", pthread_cond_broadcast(&cond), 0);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	GIVES("all had their turn", turn, 0);
	soon = in_ms(CLOCK_REALTIME, 5);
	pthread_mutex_lock(&mutex);
	CODE("timedwait", pthread_cond_timedwait(&cond, &mutex, &soon), ETIMEDOUT);
	CODE("unlock", pthread_mutex_unlock(&mutex), 0);
	return finish();
}
