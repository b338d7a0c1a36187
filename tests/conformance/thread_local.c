/* Thread-local storage: static, large, aligned, with initial values; and keys with destructors. */
#include "expect.h"
#include <pthread.h>
#include <stdint.h>
#include <threads.h>

static __thread int initial = 42, zero;
static __thread char large[20000] = "large";
static __thread _Alignas(256) char aligned[10] = "aligned";
static pthread_key_t first, second, again;
static int destroyed, rounds;

static void destroy(void *value) { destroyed += (long)value; }
static void destroy_again(void *value)
{
	rounds++;
	pthread_setspecific(again, value);
}

static void *thread(void *number)
{
	int good = initial == 42 && zero == 0 && !strcmp(large, "large") && !strcmp(aligned, "aligned")
		&& ((uintptr_t)aligned & 255) == 0 && large[19999] == 0 && errno == 0;
	initial += (long)number;
	zero = (long)number;
	large[19999] = 1;
	errno = 5;
	pthread_setspecific(first, number);
	pthread_setspecific(second, (void *)(100 * (long)number));
	good = good && initial == 42 + (long)number && (long)pthread_getspecific(first) == (long)number;
	return (void *)(long)good;
}
static void *never_ends(void *value)
{
	pthread_setspecific(again, value);
	return 0;
}

int main(void)
{
	pthread_t t[10];
	void *result;
	int good = 0;

	CODE("key_create", pthread_key_create(&first, destroy), 0);
	CODE("key_create", pthread_key_create(&second, destroy), 0);
	CODE("key_create", pthread_key_create(&again, destroy_again), 0);
	CHECK("a new key holds nothing", pthread_getspecific(first) == NULL);
	initial = 7;
	errno = 0;
	for (long i = 0; i < 10; i++) pthread_create(&t[i], NULL, thread, (void *)(i + 1));
	for (int i = 0; i < 10; i++) pthread_join(t[i], &result), good += (long)result;
	say("%d threads found their own values", good);
	say("the first thread's: %d %d", initial, zero);
	GIVES("errno is untouched", errno, 0);
	say("destructors saw %d", destroyed);
	pthread_create(&t[0], NULL, never_ends, (void *)1);
	pthread_join(t[0], NULL);
	say("a destructor that sets again ran %d times", rounds);

	CODE("setspecific", pthread_setspecific(first, (void *)5), 0);
	CODE("key_delete", pthread_key_delete(first), 0);
	int made = 0;
	pthread_key_t keys[200];
	while (made < 200 && pthread_key_create(&keys[made], NULL) == 0) made++;
	GIVES("keys until EAGAIN", made, 126);
	CODE("one more", pthread_key_create(&first, NULL), EAGAIN);
	CODE("key_delete", pthread_key_delete(keys[50]), 0);
	CODE("room again", pthread_key_create(&first, NULL), 0);
	tss_t tss;
	pthread_key_delete(first);
	GIVES("tss_create", tss_create(&tss, NULL), thrd_success);
	GIVES("tss_set", tss_set(tss, &tss), thrd_success);
	CHECK("tss_get", tss_get(tss) == &tss);
	return finish();
}
