// flags: -pthread
/* Many threads register at once while others call: no registration is lost, each call finds a
 * whole handler (the function with its own context), and the table is read-only again afterwards. */
#include "check.h"
#include <pthread.h>

#define WRITERS 4
#define EACH 400

static volatile int stop;
static long torn, below_seen;

static long first(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context == 1001 ? 1 : -EPROTO;
}

static long second(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context == 2002 ? 2 : -EPROTO;
}

static void *calls(void *unused)
{
	long made = 0;
	(void)unused;
	while (!stop) {
		long got = getppid();
		/* The parent is neither process 1 nor 2, or this test cannot tell. */
		if (got != 1 && got != 2 && got != (long)*(volatile long *)unused)
			__atomic_add_fetch(&torn, 1, __ATOMIC_RELAXED);
		made++;
	}
	return (void *)made;
}

static void *flips(void *which)
{
	for (int i = 0; i < EACH; i++) {
		int error = (long)which % 2
			? muslin_register(SYS_getppid, first, (void *)1001, 0, NULL)
			: muslin_register(SYS_getppid, second, (void *)2002, 0, NULL);
		if (!error && i % 7 == 3) error = muslin_restore(SYS_getppid);
		if (error) return (void *)(long)error;
	}
	return NULL;
}

/* Each thread builds on one chain: none of the registrations may get lost. */
static long counts(const struct muslin_call *call, void *context)
{
	(void)context;
	below_seen++;
	return muslin_next(call);
}

static void *pushes(void *unused)
{
	(void)unused;
	for (int i = 0; i < 50; i++)
		if (muslin_register(SYS_getuid, counts, 0, 0, NULL)) return (void *)1;
	return NULL;
}

extern const char __start_muslin_slots[] __attribute__((__weak__));

/* The permissions of the page at this address: "r--p". */
static void permissions(const void *address, char *text)
{
	char line[300];
	FILE *file = fopen("/proc/self/maps", "r");
	strcpy(text, "none");
	while (fgets(line, sizeof line, file)) {
		unsigned long from, to;
		char found[8];
		if (sscanf(line, "%lx-%lx %7s", &from, &to, found) == 3
			&& from <= (unsigned long)address && (unsigned long)address < to) strcpy(text, found);
	}
	fclose(file);
}

int main(void)
{
	char text[8];
	long parent = getppid();
	CHECK(parent > 2);
	permissions(__start_muslin_slots, text);
	CHECK(!strcmp(text, "r--p"));

	pthread_t callers[2], writers[WRITERS];
	void *result;
	for (int i = 0; i < 2; i++) GIVES(pthread_create(&callers[i], NULL, calls, &parent), 0);
	for (long i = 0; i < WRITERS; i++)
		GIVES(pthread_create(&writers[i], NULL, flips, (void *)i), 0);
	for (int i = 0; i < WRITERS; i++) {
		GIVES(pthread_join(writers[i], &result), 0);
		GIVES((long)result, 0);
	}
	stop = 1;
	for (int i = 0; i < 2; i++) {
		GIVES(pthread_join(callers[i], &result), 0);
		CHECK((long)result > 100);
	}
	GIVES(torn, 0);

	for (long i = 0; i < WRITERS; i++) GIVES(pthread_create(&writers[i], NULL, pushes, NULL), 0);
	for (int i = 0; i < WRITERS; i++) {
		GIVES(pthread_join(writers[i], &result), 0);
		GIVES((long)result, 0);
	}
	below_seen = 0;
	getuid();
	GIVES(below_seen, 200);
	permissions(__start_muslin_slots, text);
	CHECK(!strcmp(text, "r--p"));
	return finish();
}
