/* Makes reads short and lets them fail with EINTR, as a busy system does once a year: by a seed, so
 * that what went wrong goes wrong again.
 *
 *     muslin-cc examples/c/program.c examples/c/faults.c -o program
 *     MUSLIN_SEED=7 ./program /etc/hostname
 *
 * Without MUSLIN_SEED it takes one from the clock. At the end it says which one it was. Threads take
 * turns as the system lets them, so only a program with one thread repeats exactly. */
#include <errno.h>
#include <muslin.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* One read in so many. */
#define SHORT_ONE_IN 3
#define EINTR_ONE_IN 5

static unsigned long seed, state;
static long reads, cut, interrupted;

static unsigned long random_below(unsigned long limit)
{
	unsigned long now = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);
	now = (now ^ now >> 30) * 0xbf58476d1ce4e5b9;
	now = (now ^ now >> 27) * 0x94d049bb133111eb;
	return (now ^ now >> 31) % limit;
}

/* A shorter length that is not 0: that would say "end of file". */
static unsigned long shorter(unsigned long length)
{
	if (length < 2 || random_below(SHORT_ONE_IN)) return length;
	__atomic_add_fetch(&cut, 1, __ATOMIC_RELAXED);
	return 1 + random_below(length - 1);
}

static long fault(const struct muslin_call *call, void *context)
{
	struct muslin_call changed = *call;
	(void)context;
	__atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
	if (!random_below(EINTR_ONE_IN)) {
		__atomic_add_fetch(&interrupted, 1, __ATOMIC_RELAXED);
		return -EINTR;
	}
	if (call->nr == SYS_read || call->nr == SYS_pread64 || call->nr == SYS_recvfrom) {
		changed.args[2] = shorter(call->args[2]);
		return muslin_next(&changed);
	}
	/* readv: the first piece with room, cut; the pieces behind it wait for another call. */
	const struct iovec *piece = (void *)call->args[1];
	long left = call->args[2];
	while (left > 0 && !piece->iov_len) piece++, left--;
	if (left <= 0) return muslin_next(call);
	struct iovec one = { piece->iov_base, shorter(piece->iov_len) };
	if (one.iov_len == piece->iov_len) return muslin_next(call);
	changed.args[1] = (long)&one;
	changed.args[2] = 1;
	return muslin_next(&changed);
}

static void report(void)
{
	fprintf(stderr, "faults: of %ld reads %ld were cut and %ld interrupted; again with MUSLIN_SEED=%lu\n",
		reads, cut, interrupted, seed);
}

__attribute__((__constructor__)) static void start(void)
{
	static const long numbers[] = { SYS_read, SYS_pread64, SYS_readv, SYS_recvfrom, -1 };
	const char *given = getenv("MUSLIN_SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoul(given, NULL, 0) : (unsigned long)now.tv_nsec;
	state = seed;
	muslin_register_family(numbers, fault, NULL, 0);
	atexit(report);
}
