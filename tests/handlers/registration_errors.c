// also: library_os
/* What registration refuses, and that nothing is changed then. */
#include "check.h"

static long answer(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context;
}

int main(void)
{
	long pid = getppid();
	const struct muslin_handler *previous = (void *)1;
	GIVES(muslin_register(-1, answer, 0, 0, &previous), -EINVAL);
	GIVES(muslin_register(512, answer, 0, 0, NULL), -EINVAL);
	GIVES(muslin_register(511, answer, (void *)6, 0, NULL), 0);
	GIVES(syscall(511), 6);
	GIVES(muslin_register(1L << 40, answer, 0, 0, NULL), -EINVAL);
	GIVES(muslin_register((1L << 32) + SYS_getppid, answer, 0, 0, NULL), -EINVAL);
	GIVES(muslin_register(SYS_rt_sigreturn, answer, 0, 0, NULL), -EINVAL);
	GIVES(muslin_register(SYS_getppid, NULL, 0, 0, NULL), -EINVAL);
	GIVES(muslin_register(SYS_getppid, answer, 0, 4, NULL), -EINVAL);
	GIVES(muslin_register(SYS_getppid, answer, 0, MUSLIN_REENTRANT | 1u << 31, NULL), -EINVAL);
	CHECK(previous == (void *)1);
	GIVES(muslin_restore(-1), -EINVAL);
	GIVES(muslin_restore(512), -EINVAL);
	GIVES(muslin_restore(SYS_rt_sigreturn), -EINVAL);
	GIVES(muslin_reinstate(NULL), -EINVAL);

	/* A family: all of it or nothing. */
	long one_is_wrong[] = { SYS_getppid, SYS_getuid, 512, -1 };
	GIVES(muslin_register_family(one_is_wrong, answer, (void *)5, 0), -EINVAL);
	long one_cannot[] = { SYS_getppid, SYS_rt_sigreturn, -1 };
	GIVES(muslin_register_family(one_cannot, answer, (void *)5, 0), -EINVAL);
	long good[] = { SYS_getppid, SYS_getuid, -1 };
	GIVES(muslin_register_family(good, answer, (void *)5, 8), -EINVAL);
	GIVES(muslin_register_family(good, NULL, (void *)5, 0), -EINVAL);
	GIVES(getppid(), pid);
	GIVES(muslin_register_family(good, answer, (void *)5, 0), 0);
	GIVES(getppid(), 5);
	GIVES(getuid(), 5);
	long none[] = { -1 };
	GIVES(muslin_register_family(none, answer, (void *)6, 0), 0);
	GIVES(getppid(), 5);
	return finish();
}
