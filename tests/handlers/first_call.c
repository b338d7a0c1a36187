// flags: -fstack-protector-all
// also: library_os
/* A static handler sees the process's very first call, in C code that musl's own start has not
 * prepared anything for: thread-locals read as zero, the stack protector's canary is there, and
 * errno can be written. */
#include "check.h"

static long first[4];
static int seen;
static __thread int local = 41;
static int locals_at_arch_prctl = -1;

static long note(const struct muslin_call *call, void *context)
{
	char text[64];          /* something for the stack protector to protect */
	(void)context;
	memset(text, seen, sizeof text);
	if (seen < 4) first[seen++] = call->nr;
	if (call->nr == SYS_arch_prctl) locals_at_arch_prctl = local;
	errno = 99;
	return muslin_next(call);
}

MUSLIN_STATIC(first_a, SYS_arch_prctl, note, 0, 0);
MUSLIN_STATIC(first_b, SYS_set_tid_address, note, 0, 0);
MUSLIN_STATIC(first_c, SYS_getpid, note, 0, 0);

int main(void)
{
	GIVES(errno, 0);
	errno = 7;
	CHECK(getpid() > 0);
	GIVES(errno, 7);
	GIVES(seen, 3);
	GIVES(first[0], SYS_arch_prctl);
	GIVES(first[1], SYS_set_tid_address);
	GIVES(first[2], SYS_getpid);
	/* musl has filled in the thread-locals before it makes this call. */
	GIVES(locals_at_arch_prctl, 41);
	return finish();
}
