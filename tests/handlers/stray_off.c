// only: plain
/* Without MUSLIN_CATCH_STRAY a raw instruction goes past the table, and costs what it costs. */
#include "check.h"

static long answer(const struct muslin_call *call, void *context)
{
	(void)call, (void)context;
	return 4242;
}

int main(void)
{
	long raw, parent = getppid();
	GIVES(muslin_register(SYS_getppid, answer, 0, 0, NULL), 0);
	__asm__ volatile ("syscall" : "=a"(raw) : "a"(SYS_getppid) : "rcx", "r11", "memory");
	GIVES(raw, parent);
	GIVES(getppid(), 4242);
	return finish();
}
