/* What guests of Xen and dom0 measure alike. */
#include "measure.h"

enum { XEN_VERSION = 17 };

#define BATCHES 40

static void call_sleep(void)
{
	struct timespec time = { 0, 1000000 };

	if (nanosleep(&time, 0))
		fail("nanosleep");
}

static void measure(const char *name, void (*call)(void), int batch)
{
	double took[BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		double start = now();

		for (int j = 0; j < batch; j++)
			call();
		took[i] = (now() - start) / batch;
	}
	print(name, took, BATCHES);
}
