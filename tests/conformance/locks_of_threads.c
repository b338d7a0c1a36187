/* Read-write locks, barriers, once, semaphores (unnamed and named). */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;
static int serial, times, a, b, torn;

static void *read_try(void *unused) { (void)unused; return (void *)(long)pthread_rwlock_tryrdlock(&rwlock); }
static void *write_try(void *unused) { (void)unused; return (void *)(long)pthread_rwlock_trywrlock(&rwlock); }
static struct timespec soon(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += 10000000;
	now.tv_sec += now.tv_nsec / 1000000000;
	now.tv_nsec %= 1000000000;
	return now;
}
static void *write_timed(void *unused)
{
	struct timespec at = soon();
	(void)unused;
	return (void *)(long)pthread_rwlock_timedwrlock(&rwlock, &at);
}
static int elsewhere(void *(*call)(void *))
{
	pthread_t t;
	void *result;
	pthread_create(&t, NULL, call, NULL);
	pthread_join(t, &result);
	return (long)result;
}
static void *writer(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5000; i++) {
		pthread_rwlock_wrlock(&rwlock);
		a++;
		b++;
		pthread_rwlock_unlock(&rwlock);
	}
	return 0;
}
static void *reader(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5000; i++) {
		pthread_rwlock_rdlock(&rwlock);
		if (a != b) torn = 1;
		pthread_rwlock_unlock(&rwlock);
	}
	return 0;
}
static void *meet(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++)
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
	return 0;
}
static void only_once(void) { usleep(1000); times++; }
static void *call_it(void *unused) { (void)unused; pthread_once(&once, only_once); return (void *)(long)times; }
static void *post(void *unused) { (void)unused; for (int i = 0; i < 1000; i++) sem_post(&sem); return 0; }

int main(void)
{
	pthread_t t[4];
	void *result;
	CODE("rdlock", pthread_rwlock_rdlock(&rwlock), 0);
	CODE("a second reader", elsewhere(read_try), 0);
	CODE("a writer", elsewhere(write_try), EBUSY);
	CODE("a writer who waits", elsewhere(write_timed), ETIMEDOUT);
	CODE("unlock", pthread_rwlock_unlock(&rwlock), 0);
	CODE("unlock", pthread_rwlock_unlock(&rwlock), 0);
	CODE("wrlock", pthread_rwlock_wrlock(&rwlock), 0);
	CODE("a reader", elsewhere(read_try), EBUSY);
	CODE("unlock", pthread_rwlock_unlock(&rwlock), 0);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, i < 2 ? writer : reader, NULL);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	say("written %d, torn %d", a, torn);

	CODE("a barrier for none", pthread_barrier_init(&barrier, NULL, 0), EINVAL);
	CODE("a barrier for four", pthread_barrier_init(&barrier, NULL, 4), 0);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, meet, NULL);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	say("serial threads of 100 meetings: %d", serial);
	CODE("destroy", pthread_barrier_destroy(&barrier), 0);

	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, call_it, NULL);
	for (int i = 0; i < 4; i++) pthread_join(t[i], &result), say("after once: %ld", (long)result);

	int value;
	GIVES("sem_init", sem_init(&sem, 0, 2), 0);
	GIVES("sem_getvalue", (sem_getvalue(&sem, &value), value), 2);
	GIVES("sem_wait", sem_wait(&sem), 0);
	GIVES("sem_trywait", sem_trywait(&sem), 0);
	FAILS("sem_trywait of 0", sem_trywait(&sem), EAGAIN);
	struct timespec at = soon();
	FAILS("sem_timedwait", sem_timedwait(&sem, &at), ETIMEDOUT);
	FAILS("sem_init too large", sem_init(&sem, 0, 0x80000000u), EINVAL);
	pthread_create(&t[0], NULL, post, NULL);
	for (int i = 0; i < 1000; i++) sem_wait(&sem);
	pthread_join(t[0], NULL);
	GIVES("sem_getvalue", (sem_getvalue(&sem, &value), value), 0);
	sem_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	GIVES("sem_init shared", sem_init(shared, 1, 0), 0);
	pid_t child = fork();
	if (!child) _exit(sem_post(shared));
	GIVES("sem_wait for a child", sem_wait(shared), 0);
	waitpid(child, NULL, 0);

	char name[64];
	snprintf(name, sizeof name, "/muslin-conformance-sem-%d", getpid());
	sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 3);
	CHECK("sem_open", named != SEM_FAILED);
	CHECK("sem_open again is the same", sem_open(name, 0) == named);
	CHECK("sem_open O_EXCL again", sem_open(name, O_CREAT | O_EXCL, 0600, 3) == SEM_FAILED && errno == EEXIST);
	GIVES("sem_wait", sem_wait(named), 0);
	GIVES("sem_close", sem_close(named), 0);
	GIVES("sem_unlink", sem_unlink(name), 0);
	FAILS("sem_unlink again", sem_unlink(name), ENOENT);
	CHECK("sem_open of nothing", sem_open(name, 0) == SEM_FAILED && errno == ENOENT);
	return finish();
}
