// also: library_os
/* Numbers that are known only at run time: through syscall(), the same handlers answer. */
#include "check.h"

static long answer(const struct muslin_call *call, void *context)
{
	return call->nr * 1000 + call->args[0] + call->args[5] + (long)context;
}

int main(void)
{
	volatile long number = SYS_getppid;
	long real = syscall(number);
	GIVES(real, getppid());
	GIVES(muslin_register(SYS_getppid, answer, (void *)7, 0, NULL), 0);
	GIVES(syscall(number, 1, 0, 0, 0, 0, 20), SYS_getppid * 1000 + 28);
	/* The kernel looks at 32 bits of a number, so the table does as well: no way round it. */
	volatile long wide = number | 1L << 32;
	GIVES(syscall(wide, 1, 0, 0, 0, 0, 20), SYS_getppid * 1000 + 28);
	FAILS(syscall(number | 0x40000000), ENOSYS);
	/* A number that no line of libc names: no slot, still a handler. */
	number = 400;
	FAILS(syscall(number), ENOSYS);
	GIVES(muslin_register(400, answer, (void *)3, 0, NULL), 0);
	GIVES(syscall(number, 5, 0, 0, 0, 0, 6), 400014);
	GIVES(muslin_restore(400), 0);
	FAILS(syscall(number), ENOSYS);
	GIVES(muslin_restore(SYS_getppid), 0);
	GIVES(syscall(SYS_getppid), real);
	FAILS(syscall(5000), ENOSYS);
	FAILS(syscall(-1), ENOSYS);
	return finish();
}
