/* Thread attributes: stacks of given size, place and guard; what a thread says of its own. */
#include "expect.h"
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

struct facts { size_t stack, guard; int detached, inside; };

static void *thread(void *out)
{
	struct facts *facts = out;
	pthread_attr_t attributes;
	void *base;
	if (pthread_getattr_np(pthread_self(), &attributes)) return (void *)1;
	pthread_attr_getstack(&attributes, &base, &facts->stack);
	pthread_attr_getguardsize(&attributes, &facts->guard);
	pthread_attr_getdetachstate(&attributes, &facts->detached);
	facts->inside = (char *)&attributes > (char *)base && (char *)&attributes < (char *)base + facts->stack;
	return 0;
}
static void *deep(void *levels)
{
	volatile char room[4096];
	room[0] = room[4095] = 1;
	return levels ? deep((char *)levels - 1) + room[0] : (void *)0;
}

int main(void)
{
	pthread_attr_t attributes;
	pthread_t t;
	struct facts facts;
	size_t size;

	pthread_attr_init(&attributes);
	pthread_attr_getstacksize(&attributes, &size);
	say("default stack %lu", (unsigned long)size);
	pthread_attr_getguardsize(&attributes, &size);
	say("default guard %lu", (unsigned long)size);
	CODE("a stack of 1 KiB", pthread_attr_setstacksize(&attributes, 1024), EINVAL);
	CODE("a stack of 2 KiB", pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN), 0);
	CODE("a stack of 8 MiB", pthread_attr_setstacksize(&attributes, 8 << 20), 0);
	CODE("a guard of 64 KiB", pthread_attr_setguardsize(&attributes, 65536), 0);
	CODE("create", pthread_create(&t, &attributes, thread, &facts), 0);
	pthread_join(t, NULL);
	CHECK("at least 8 MiB", facts.stack >= 8 << 20);
	CHECK("at least 64 KiB", facts.guard >= 65536);
	CHECK("inside its stack, joinable", facts.inside && facts.detached == PTHREAD_CREATE_JOINABLE);
	pthread_create(&t, &attributes, deep, (void *)1500);
	void *result;
	pthread_join(t, &result);
	say("1500 levels deep: %ld", (long)result);

	void *place = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CODE("a stack of our own", pthread_attr_setstack(&attributes, place, 65536), 0);
	CODE("create", pthread_create(&t, &attributes, thread, &facts), 0);
	pthread_join(t, NULL);
	CHECK("it is there", facts.inside && facts.stack <= 65536);
	GIVES("a thread on it can be unmapped", munmap(place, 65536), 0);

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 1 << 20);
	CODE("a larger default", pthread_setattr_default_np(&attributes), 0);
	pthread_create(&t, NULL, thread, &facts);
	pthread_join(t, NULL);
	CHECK("holds", facts.stack >= 1 << 20);

	CODE("the first thread", (int)(long)thread(&facts), 0);
	CHECK("it is inside its stack too", facts.inside && facts.stack > 100000);
	CODE("setscope", pthread_attr_setscope(&attributes, PTHREAD_SCOPE_PROCESS), ENOTSUP);
	CODE("setinheritsched", pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED), 0);
	int level;
	CODE("getconcurrency", pthread_getconcurrency(), 0);
	CODE("setconcurrency", pthread_setconcurrency(3), EAGAIN);
	CODE("getdetachstate", pthread_attr_getdetachstate(&attributes, &level), 0);
	clockid_t clock;
	CODE("getcpuclockid", pthread_getcpuclockid(pthread_self(), &clock), 0);
	struct timespec time;
	GIVES("its time", clock_gettime(clock, &time), 0);
	return finish();
}
