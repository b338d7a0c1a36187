// also: library_os
/* The first calls of a process with thread-locals so large that musl maps them: the handler of
 * mmap runs before there are any, so they read as zero there. */
#include "check.h"

static __thread int local = 41;
static __thread volatile char large[3000];
static int mmap_local = -1, prctl_local = -1, order;

static long note(const struct muslin_call *call, void *context)
{
	volatile char buffer[32 * 1024];
	(void)context;
	for (unsigned i = 0; i < sizeof buffer; i += 512) buffer[i] = 1;
	int now = order++;
	if (now == 0 && call->nr == SYS_mmap) {
		mmap_local = local;
		local = 5;      /* goes nowhere */
		errno = 6;
	}
	if (now == 1 && call->nr == SYS_arch_prctl) prctl_local = local;
	return muslin_next(call);
}

MUSLIN_STATIC(large_a, SYS_mmap, note, 0, MUSLIN_OWN_STACK);
MUSLIN_STATIC(large_b, SYS_arch_prctl, note, 0, MUSLIN_OWN_STACK);
MUSLIN_STATIC(large_c, SYS_set_tid_address, note, 0, MUSLIN_OWN_STACK);

int main(void)
{
	CHECK(order >= 3);
	GIVES(mmap_local, 0);
	GIVES(prctl_local, 41);
	GIVES(local, 41);
	GIVES(errno, 0);
	GIVES(large[2999], 0);
	return finish();
}
