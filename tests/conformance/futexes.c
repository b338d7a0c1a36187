/* futex by its number: wait, wake, timeouts, bit sets, requeue, operations. */
#include "expect.h"
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

#define WAIT 0
#define WAKE 1
#define REQUEUE 3
#define CMP_REQUEUE 4
#define WAKE_OP 5
#define LOCK_PI 6
#define UNLOCK_PI 7
#define WAIT_BITSET 9
#define WAKE_BITSET 10
#define PRIVATE 128
#define CLOCK_REALTIME_TOO 256

static volatile int word, other, asleep;
static long futex(volatile int *address, int operation, long value, const void *timeout, volatile int *second, long third)
{
	return syscall(SYS_futex, address, (long)operation, value, timeout, second, third);
}
static void *sleeper(void *bits)
{
	__atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
	if (bits) return (void *)futex(&word, WAIT_BITSET | PRIVATE, 0, NULL, NULL, (long)bits);
	return (void *)futex(&word, WAIT | PRIVATE, 0, NULL, NULL, 0);
}
/* Wakes until so many have been woken: they may not have gone to sleep yet. */
static int wake(volatile int *address, int operation, int count, long bits)
{
	int woken = 0;
	while (woken < count) woken += futex(address, operation, count - woken, NULL, NULL, bits);
	return woken;
}

int main(void)
{
	pthread_t t[3];
	struct timespec soon = { 0, 5000000 }, past = { 1, 0 }, wrong = { 0, -1 };
	void *result;

	FAILS("WAIT with another value", futex(&word, WAIT, 1, NULL, NULL, 0), EAGAIN);
	FAILS("WAIT within 5 ms", futex(&word, WAIT, 0, &soon, NULL, 0), ETIMEDOUT);
	FAILS("WAIT with a wrong time", futex(&word, WAIT, 0, &wrong, NULL, 0), EINVAL);
	FAILS("WAIT_BITSET until the past", futex(&word, WAIT_BITSET | PRIVATE | CLOCK_REALTIME_TOO, 0, &past, NULL, -1), ETIMEDOUT);
	FAILS("WAIT_BITSET without bits", futex(&word, WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	FAILS("at an odd address", futex((volatile int *)((char *)&word + 1), WAIT, 0, NULL, NULL, 0), EINVAL);
	FAILS("an operation of nonsense", futex(&word, 77, 0, NULL, NULL, 0), ENOSYS);
	GIVES("WAKE of nobody", futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0), 0);

	pthread_create(&t[0], NULL, sleeper, NULL);
	GIVES("WAKE of one", wake(&word, WAKE | PRIVATE, 1, 0), 1);
	pthread_join(t[0], &result);
	GIVES("it slept", result, 0);
	for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, sleeper, NULL);
	GIVES("WAKE of three", wake(&word, WAKE | PRIVATE, 3, 0), 3);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);

	pthread_create(&t[0], NULL, sleeper, (void *)1);
	pthread_create(&t[1], NULL, sleeper, (void *)2);
	GIVES("WAKE_BITSET 2", wake(&word, WAKE_BITSET | PRIVATE, 1, 2), 1);
	pthread_join(t[1], NULL);
	GIVES("WAKE_BITSET 4: nobody", futex(&word, WAKE_BITSET | PRIVATE, 5, NULL, NULL, 4), 0);
	GIVES("WAKE_BITSET 1", wake(&word, WAKE_BITSET | PRIVATE, 1, 1), 1);
	pthread_join(t[0], NULL);

	for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, sleeper, NULL);
	/* Nobody is woken where they went to sleep, all are woken where they were moved to. */
	int woken = 0;
	while (woken < 3) {
		futex(&word, REQUEUE | PRIVATE, 0, (void *)3L, &other, 0);
		woken += futex(&other, WAKE | PRIVATE, 10, NULL, NULL, 0);
	}
	GIVES("REQUEUE of three, woken at the other", woken, 3);
	FAILS("CMP_REQUEUE with another value", futex(&word, CMP_REQUEUE | PRIVATE, 0, (void *)3L, &other, 1), EAGAIN);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	/* WAKE_OP: set the other word to 5, wake there if it was 0. */
	GIVES("WAKE_OP", futex(&word, WAKE_OP | PRIVATE, 1, (void *)1L, &other, (0L << 28) | (0L << 24) | (5L << 12) | 0), 0);
	GIVES("the other word", other, 5);
	word = 0;
	GIVES("LOCK_PI", futex(&word, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0);
	CHECK("the word is our number", word == gettid());
	FAILS("LOCK_PI again", futex(&word, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	GIVES("UNLOCK_PI", futex(&word, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0);
	GIVES("the word", word, 0);
	FAILS("UNLOCK_PI again", futex(&word, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EPERM);
	return finish();
}
