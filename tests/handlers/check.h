/* How a test of handlers speaks: nothing but broken expectations, on standard error, past the
 * table; and at the end, on standard output, how many expectations were checked. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <muslin.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"

static int checks_made, checks_broken;

static void check(int holds, const char *what, int line, long got)
{
	__atomic_add_fetch(&checks_made, 1, __ATOMIC_RELAXED);
	if (holds) return;
	__atomic_add_fetch(&checks_broken, 1, __ATOMIC_RELAXED);
	char text[300];
	snprintf(text, sizeof text, "line %d: %s (%ld)\n", line, what, got);
	muslin_print(text);
}

/* The condition holds. */
#define CHECK(condition) check(!!(condition), #condition, __LINE__, 0)
/* The call gives this value. */
#define GIVES(call, value) do { \
		long got_ = (long)(call); \
		check(got_ == (long)(value), #call " is not " #value, __LINE__, got_); \
	} while (0)
/* The call returns -1 with this errno. */
#define FAILS(call, error) do { \
		errno = 0; \
		long got_ = (long)(call); \
		check(got_ == -1 && errno == (error), #call " does not fail with " #error, __LINE__, \
			got_ == -1 ? -errno : got_); \
	} while (0)

/* What main returns: 0 if all held. */
static int finish(void)
{
	char text[40];
	long length = snprintf(text, sizeof text, "checked %d\n", checks_made);
	muslin_passthrough(SYS_write, (long[6]){1, (long)text, length});
	return checks_broken != 0;
}

static void sleep_ms(long ms)
{
	struct { long s, ns; } time = { ms / 1000, ms % 1000 * 1000000 };
	muslin_passthrough(SYS_nanosleep, (long[6]){(long)&time});
}

#endif
