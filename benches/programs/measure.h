/* The clock of programs that measure, and the line that they print. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;
	return (one > other) - (one < other);
}

/* A line: the name, the quickest batch and the one in the middle, in ns. Sorts the batches. */
static void print(const char *name, double *took, size_t count)
{
	qsort(took, count, sizeof *took, by_value);
	printf("%s=%.2f %.2f\n", name, took[0], took[count / 2]);
	fflush(stdout);
}
